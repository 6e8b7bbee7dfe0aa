# The client library as a product: `cmake --install BUILD --component client --prefix PREFIX`, then
# find_package(graven) and graven::client. Rooms that the client stands on come along as libraries.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(GRAVEN_CLIENT_ROOMS base io merkle note record store journal verify client)
set(GRAVEN_CLIENT_TARGETS graven_flags graven_proto graven_proto_service)
foreach(room IN LISTS GRAVEN_CLIENT_ROOMS)
  list(APPEND GRAVEN_CLIENT_TARGETS graven_${room})
  set_target_properties(graven_${room} PROPERTIES EXPORT_NAME ${room})
  install(DIRECTORY "${CMAKE_SOURCE_DIR}/src/${room}" DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/graven
          COMPONENT client FILES_MATCHING PATTERN "*.h" PATTERN "*_test.h" EXCLUDE
          PATTERN "*_conformance.h" EXCLUDE)
endforeach()
install(DIRECTORY "${CMAKE_BINARY_DIR}/proto/gen/graven" "${CMAKE_BINARY_DIR}/proto/gen/google"
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/graven COMPONENT client
        FILES_MATCHING PATTERN "*.pb.h")
install(DIRECTORY "${CMAKE_SOURCE_DIR}/proto/graven" "${CMAKE_SOURCE_DIR}/proto/google"
        DESTINATION ${CMAKE_INSTALL_DATADIR}/graven/proto COMPONENT client
        FILES_MATCHING PATTERN "*.proto")

set_target_properties(graven_flags PROPERTIES EXPORT_NAME flags)
set_target_properties(graven_proto PROPERTIES EXPORT_NAME proto)
set_target_properties(graven_proto_service PROPERTIES EXPORT_NAME proto_service)
install(TARGETS ${GRAVEN_CLIENT_TARGETS} EXPORT graven COMPONENT client
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/graven)
set(GRAVEN_PACKAGE_FOLDER ${CMAKE_INSTALL_LIBDIR}/cmake/graven)
install(EXPORT graven NAMESPACE graven:: FILE gravenTargets.cmake
        DESTINATION ${GRAVEN_PACKAGE_FOLDER} COMPONENT client)
configure_package_config_file("${CMAKE_SOURCE_DIR}/cmake/gravenConfig.cmake.in"
                              "${CMAKE_BINARY_DIR}/gravenConfig.cmake"
                              INSTALL_DESTINATION ${GRAVEN_PACKAGE_FOLDER})
write_basic_package_version_file("${CMAKE_BINARY_DIR}/gravenConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_BINARY_DIR}/gravenConfig.cmake" "${CMAKE_BINARY_DIR}/gravenConfigVersion.cmake"
        DESTINATION ${GRAVEN_PACKAGE_FOLDER} COMPONENT client)

if(NOT GRAVEN_SANITIZE AND NOT GRAVEN_FUZZ)
  graven_script_test(client_install LABELS e2e
    COMMAND ${GRAVEN_PYTHON} examples/cpp/example_test.py "${CMAKE_BINARY_DIR}")
endif()

# One static library a room, one test program a room.

add_library(graven_flags INTERFACE)
target_compile_features(graven_flags INTERFACE cxx_std_20)
# Our warnings are not those of whoever links the installed library.
set(GRAVEN_WARNINGS -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor
                    -Wno-missing-field-initializers)
target_compile_options(graven_flags INTERFACE
  "$<BUILD_INTERFACE:${GRAVEN_WARNINGS}>"
  $<BUILD_INTERFACE:$<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>>)
target_include_directories(graven_flags INTERFACE $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src>)
if(GRAVEN_SANITIZE)
  target_compile_options(graven_flags INTERFACE -fsanitize=${GRAVEN_SANITIZE} -fno-omit-frame-pointer
                                                -fno-sanitize-recover=all)
  target_link_options(graven_flags INTERFACE -fsanitize=${GRAVEN_SANITIZE})
  # clang 14 cannot place what this check puts before a function in front of a coroutine ("Cannot represent a
  # difference across sections"). Behind the option that turns it on, so that it counts.
  target_compile_options(graven_flags INTERFACE $<$<CXX_COMPILER_ID:Clang>:-fno-sanitize=function>)
  # The thread sanitizer does not see fences; g++ says so at each, once is enough.
  if(GRAVEN_SANITIZE STREQUAL "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(graven_flags INTERFACE -Wno-tsan)
  endif()
endif()
if(GRAVEN_FUZZ)
  # Coverage for every room, so that the fuzzers see inside them; the fuzzers themselves add the driver.
  target_compile_options(graven_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(graven_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Headers cost more than what is behind them, so a few sources of a target are compiled as one (unity
# build): half the time of a whole build. Hence names in anonymous namespaces differ within a room.
option(GRAVEN_UNITY "Compile a few sources of a room at once" ON)
function(graven_compile_together target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${GRAVEN_UNITY} UNITY_BUILD_BATCH_SIZE 6)
  if(GRAVEN_UNITY)
    # g++ takes what a source of its own keeps to itself for a header's, since it comes by #include.
    target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  endif()
endfunction()

# graven_room(<name> SOURCES <file>... [ROOMS <room>...] [LIBS <target>...] [EXCEPTIONS])
# A room is compiled without exceptions unless it says EXCEPTIONS (its libraries throw).
function(graven_room name)
  cmake_parse_arguments(ROOM "EXCEPTIONS" "" "SOURCES;ROOMS;LIBS" ${ARGN})
  add_library(graven_${name} STATIC ${ROOM_SOURCES})
  graven_compile_together(graven_${name})
  target_link_libraries(graven_${name} PUBLIC graven_flags ${ROOM_LIBS})
  foreach(room IN LISTS ROOM_ROOMS)
    target_link_libraries(graven_${name} PUBLIC graven_${room})
  endforeach()
  if(NOT ROOM_EXCEPTIONS)
    target_compile_options(graven_${name} PRIVATE -fno-exceptions)
  endif()
endfunction()

# graven_room_test(<room> SOURCES <file>_test.cc... [ROOMS <room>...] [LIBS <target>...] [LABELS <label>...])
# One gtest program, <room>_test, run as one ctest entry from the root of the project.
function(graven_room_test name)
  cmake_parse_arguments(TEST "" "" "SOURCES;ROOMS;LIBS;LABELS" ${ARGN})
  add_executable(${name}_test ${TEST_SOURCES})
  graven_compile_together(${name}_test)
  target_link_libraries(${name}_test PRIVATE graven_flags ${TEST_LIBS} GTest::gmock GTest::gtest_main)
  foreach(room IN LISTS TEST_ROOMS)
    target_link_libraries(${name}_test PRIVATE graven_${room})
  endforeach()
  if(NOT TEST_LABELS)
    set(TEST_LABELS fast)
  endif()
  add_test(NAME ${name} COMMAND ${name}_test WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  set_tests_properties(${name} PROPERTIES LABELS "${TEST_LABELS}" TIMEOUT 600)
endfunction()

# graven_script_test(<name> COMMAND <word>... [LABELS <label>...]): a test that is a program of its own,
# run from the root of the project. GRAVEN_PYTHON is Debian's: its gRPC belongs to no other.
find_program(GRAVEN_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
function(graven_script_test name)
  cmake_parse_arguments(TEST "" "" "COMMAND;LABELS" ${ARGN})
  if(NOT TEST_LABELS)
    set(TEST_LABELS fast)
  endif()
  add_test(NAME ${name} COMMAND ${TEST_COMMAND} WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  # Exit 77: the script says why it skips.
  set_tests_properties(${name} PROPERTIES LABELS "${TEST_LABELS}" TIMEOUT 600 SKIP_RETURN_CODE 77)
endfunction()

if(GRAVEN_FUZZ)
  add_custom_target(fuzzers)
endif()

# graven_fuzzer(<name> SOURCES <file>_fuzz.cc... [ROOMS <room>...] [LIBS ...]): only with GRAVEN_FUZZ.
function(graven_fuzzer name)
  if(NOT GRAVEN_FUZZ)
    return()
  endif()
  cmake_parse_arguments(FUZZ "" "" "SOURCES;ROOMS;LIBS" ${ARGN})
  add_executable(${name}_fuzz ${FUZZ_SOURCES})
  target_compile_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
  target_link_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
  target_link_libraries(${name}_fuzz PRIVATE graven_flags ${FUZZ_LIBS})
  foreach(room IN LISTS FUZZ_ROOMS)
    target_link_libraries(${name}_fuzz PRIVATE graven_${room})
  endforeach()
  add_dependencies(fuzzers ${name}_fuzz)
endfunction()

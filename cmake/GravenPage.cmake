# graven_page(<target>): the built page (ui/dist) in the program, as the table of web/page_files.h.
#
#   GRAVEN_PAGE=BUILD     ui/dist is made by tools/ui_toolchain.sh when a source of it has changed
#   GRAVEN_PAGE=PREBUILT  ui/dist is taken as it is
#   GRAVEN_PAGE=OFF       a program without the page, which needs no npm
set(GRAVEN_PAGE BUILD CACHE STRING "BUILD, PREBUILT or OFF: the page inside the program")
set_property(CACHE GRAVEN_PAGE PROPERTY STRINGS BUILD PREBUILT OFF)

function(graven_page target)
  set(ui "${CMAKE_SOURCE_DIR}/ui")
  set(index "${ui}/dist/index.html")
  set(script "${CMAKE_SOURCE_DIR}/tools/embed_page.py")
  set(made "${CMAKE_CURRENT_BINARY_DIR}/gen/page_files")
  set(dist "-")
  set(depends "${script}")
  if(GRAVEN_PAGE STREQUAL "BUILD")
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${ui}/src/*" "${ui}/public/*")
    add_custom_command(
      OUTPUT "${index}"
      COMMAND "${CMAKE_SOURCE_DIR}/tools/ui_toolchain.sh" build
      DEPENDS ${sources} "${ui}/index.html" "${ui}/package-lock.json" "${ui}/vite.config.ts"
              "${ui}/tsconfig.json" "${CMAKE_SOURCE_DIR}/tools/ui_toolchain.sh"
      COMMENT "Building the page" VERBATIM)
  endif()
  if(NOT GRAVEN_PAGE STREQUAL "OFF")
    set(dist "${ui}/dist")
    list(APPEND depends "${index}")
  endif()
  add_custom_command(
    OUTPUT "${made}.S" "${made}.cc"
    COMMAND "${GRAVEN_PYTHON}" "${script}" "${dist}" "${made}"
    DEPENDS ${depends} COMMENT "Embedding the page" VERBATIM)
  target_sources(${target} PRIVATE "${made}.S" "${made}.cc")
endfunction()

# graven_embed(<target> <file> <namespace> <function>): the bytes of a file in the program, as
# std::string_view <namespace>::<function>(). Made anew when the file changes.
set(GRAVEN_EMBED_SCRIPT "${CMAKE_CURRENT_LIST_DIR}/EmbedFile.cmake")

function(graven_embed target file namespace function)
  set(made "${CMAKE_CURRENT_BINARY_DIR}/gen/${function}.cc")
  add_custom_command(
    OUTPUT "${made}"
    COMMAND ${CMAKE_COMMAND} "-DFILE=${CMAKE_CURRENT_SOURCE_DIR}/${file}" "-DMADE=${made}"
            "-DNAMESPACE=${namespace}" "-DFUNCTION=${function}" -P "${GRAVEN_EMBED_SCRIPT}"
    DEPENDS "${file}" "${GRAVEN_EMBED_SCRIPT}" VERBATIM)
  target_sources(${target} PRIVATE "${made}")
endfunction()

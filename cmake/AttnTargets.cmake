# attn_add_library(Name sources... [DEPENDS targets...] [LINK libs...] [NO_PCH])
# A static library of one folder of lib/. All of them share one precompiled
# header, which holds the MLIR headers a typical pass includes.
function(attn_add_library name)
  cmake_parse_arguments(ARG "NO_PCH" "" "DEPENDS;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_include_directories(${name} PUBLIC
    ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR}/include)
  target_compile_options(${name} PRIVATE -fno-exceptions)
  target_link_libraries(${name} PUBLIC ${ARG_LINK} attn_upstream)
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  if(NOT ARG_NO_PCH)
    target_precompile_headers(${name} REUSE_FROM AttnPCH)
  endif()
endfunction()

# attn_tablegen(source.td (output generator options...)...) : one list item per
# output, "Output.inc|-gen-x|-opt". Outputs mirror the include path.
function(attn_tablegen target source)
  set(LLVM_TARGET_DEFINITIONS ${PROJECT_SOURCE_DIR}/include/attn/${source})
  get_filename_component(directory ${source} DIRECTORY)
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/include/attn/${directory})
  # mlir_tablegen writes relative to the current binary directory; headers are
  # included from one tree that mirrors include/.
  file(RELATIVE_PATH tree ${CMAKE_CURRENT_BINARY_DIR}
    ${PROJECT_BINARY_DIR}/include/attn/${directory})
  foreach(item IN LISTS ARGN)
    string(REPLACE "|" ";" item "${item}")
    list(POP_FRONT item name)
    mlir_tablegen(${tree}/${name} ${item}
      -I ${PROJECT_SOURCE_DIR}/include -I ${MLIR_INCLUDE_DIRS})
  endforeach()
  add_public_tablegen_target(${target})
  set_property(GLOBAL APPEND PROPERTY ATTN_TABLEGEN_TARGETS ${target})
endfunction()

# attn_add_unit_test(Name [sources...] LINK libs...): a program of the sources,
# by default Name.cpp of this folder, which lit runs through the RUN line in
# that file: `// RUN: %unit/Name`.
function(attn_add_unit_test name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  if(NOT ARG_UNPARSED_ARGUMENTS)
    set(ARG_UNPARSED_ARGUMENTS ${name}.cpp)
  endif()
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_include_directories(${name} PRIVATE
    ${PROJECT_SOURCE_DIR}/include ${PROJECT_BINARY_DIR}/include)
  target_compile_options(${name} PRIVATE -fno-exceptions)
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/test/Unit)
  set_property(GLOBAL APPEND PROPERTY ATTN_UNIT_TESTS ${name})
endfunction()

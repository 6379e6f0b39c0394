# The one place that decides how LLVM and MLIR are found and linked.
#
# Debian's version file answers only to an exact version, so ask for none and
# check the major number afterwards.
find_program(ATTN_LLVM_CONFIG NAMES llvm-config-22 llvm-config REQUIRED)
execute_process(
  COMMAND ${ATTN_LLVM_CONFIG} --prefix
  OUTPUT_VARIABLE attn_llvm_prefix OUTPUT_STRIP_TRAILING_WHITESPACE
  COMMAND_ERROR_IS_FATAL ANY)
find_package(MLIR REQUIRED CONFIG PATHS ${attn_llvm_prefix} NO_DEFAULT_PATH)
if(NOT LLVM_VERSION_MAJOR EQUAL 22)
  message(FATAL_ERROR
    "attn-mlir needs MLIR 22, but found ${LLVM_VERSION} in ${MLIR_DIR}")
endif()
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})

add_library(attn_upstream INTERFACE)
target_include_directories(attn_upstream SYSTEM INTERFACE
  ${MLIR_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
separate_arguments(attn_llvm_definitions UNIX_COMMAND "${LLVM_DEFINITIONS}")
target_compile_definitions(attn_upstream INTERFACE ${attn_llvm_definitions})
target_compile_options(attn_upstream INTERFACE
  -ffunction-sections -fdata-sections -Wall -Wextra -Werror
  -Wno-unused-parameter)
target_link_options(attn_upstream INTERFACE -fuse-ld=lld -Wl,--gc-sections)

if(ATTN_LINK STREQUAL "dylib")
  target_link_libraries(attn_upstream INTERFACE MLIR LLVM)
  # An installed native module must still find libMLIR.so.
  set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)
else()
  file(GLOB attn_mlir_archives ${LLVM_LIBRARY_DIR}/libMLIR*.a)
  list(FILTER attn_mlir_archives EXCLUDE REGEX
    "/libMLIR(CAPI|Test|[A-Za-z]*TestPasses)")
  execute_process(
    COMMAND ${ATTN_LLVM_CONFIG} --link-static --libfiles
            orcjit orcdebugging perfjitevents native passes x86 nvptx aarch64
    OUTPUT_VARIABLE attn_llvm_archives OUTPUT_STRIP_TRAILING_WHITESPACE
    COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(attn_llvm_archives)
  # lld resolves archives in any order: no --start-group.
  find_library(ATTN_ZSTD NAMES libzstd.a REQUIRED)
  find_library(ATTN_ZLIB NAMES libz.a REQUIRED)
  # Upstream's InitializeAllTargets() names every back end of the packaged LLVM.
  # Those that are not linked are initialised by doing nothing.
  set(attn_absent_targets ${LLVM_TARGETS_TO_BUILD})
  list(REMOVE_ITEM attn_absent_targets X86 NVPTX AArch64)
  set(attn_stubs "")
  foreach(target IN LISTS attn_absent_targets)
    foreach(part Target TargetInfo TargetMC AsmPrinter AsmParser Disassembler)
      string(APPEND attn_stubs
        "void LLVMInitialize${target}${part}(void) {}\n")
    endforeach()
  endforeach()
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/AbsentTargets.c
    CONTENT "${attn_stubs}" @ONLY)
  add_library(AttnAbsentTargets STATIC ${PROJECT_BINARY_DIR}/AbsentTargets.c)
  target_link_libraries(attn_upstream INTERFACE ${attn_mlir_archives}
    AttnAbsentTargets
    ${attn_llvm_archives} ${ATTN_ZSTD} ${ATTN_ZLIB} dl m pthread)
  target_link_options(attn_upstream INTERFACE
    -static-libstdc++ -Wl,--exclude-libs,ALL)
endif()

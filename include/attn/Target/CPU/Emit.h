// From an LLVM module to machine code for a described CPU.
#ifndef ATTN_TARGET_CPU_EMIT_H
#define ATTN_TARGET_CPU_EMIT_H

#include "attn/Target/CPU/TargetDescription.h"
#include <memory>

namespace llvm {
class MemoryBuffer;
class Module;
class TargetMachine;
} // namespace llvm

namespace mlir::attn {

/// LLVM effort. Measured on an attention kernel, see docs: machine code
/// quality needs only the scalar clean-up of `Light`.
enum class OptLevel { None = 0, Light = 1, Standard = 2, Full = 3 };

/// A machine that emits position-independent code. Null, with `error` set,
/// when LLVM refuses the target.
std::unique_ptr<llvm::TargetMachine>
createTargetMachine(const CPUTarget &target, OptLevel level,
                    std::string &error);

/// Gives `module` the triple, the data layout and, on every function, the CPU,
/// the features and the preferred vector width of `target`.
void configureModule(llvm::Module &module, const CPUTarget &target,
                     llvm::TargetMachine &machine);

/// Runs LLVM's passes on IR.
void optimizeModule(llvm::Module &module, llvm::TargetMachine &machine,
                    OptLevel level);

/// An object file; null when the target cannot write one. Codegen changes
/// `module`: emit once per module, or from a clone.
std::unique_ptr<llvm::MemoryBuffer> emitObject(llvm::Module &module,
                                               llvm::TargetMachine &machine);

/// Assembly text; empty when the target cannot write it.
std::string emitAssembly(llvm::Module &module, llvm::TargetMachine &machine);

} // namespace mlir::attn

#endif // ATTN_TARGET_CPU_EMIT_H

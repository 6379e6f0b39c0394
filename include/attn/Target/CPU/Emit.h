//===- Emit.h ---------------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// From an LLVM module to machine code for a described CPU.
//
//===----------------------------------------------------------------------===//
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

/// LLVM effort. `Light` is the default of the JIT: a handful of passes that
/// give the speed of `Full` to within 2 % on attention kernels.
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

/// Runs LLVM's passes on IR, and tells the backend how hard to try. A module's
/// context serves one level only.
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

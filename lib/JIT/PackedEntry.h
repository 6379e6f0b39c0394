//===- PackedEntry.h --------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Finishes the LLVM module of a kernel.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_JIT_PACKEDENTRY_H
#define ATTN_LIB_JIT_PACKEDENTRY_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace llvm {
class Module;
} // namespace llvm

namespace attn {

/// Adds `void <entry>_packed(ptr arguments)`, which calls
/// `_mlir_ciface_<entry>` with one argument behind each pointer, and hides
/// everything but these two. Fails when the function is missing, takes another
/// number of arguments, or when the module calls a function that kernels may
/// not call.
llvm::Error addPackedEntry(llvm::Module &module, llvm::StringRef entry,
                           unsigned numArguments);

} // namespace attn

#endif // ATTN_LIB_JIT_PACKEDENTRY_H

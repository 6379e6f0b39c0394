//===- Session.h ------------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Brings objects into memory: one JIT for the process, a library per kernel.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_JIT_SESSION_H
#define ATTN_LIB_JIT_SESSION_H

#include "KernelParts.h"

#include "llvm/Support/Error.h"

namespace llvm {
class MemoryBufferRef;
} // namespace llvm

namespace attn {

struct LoadOptions {
  bool gdb = false;
  bool perf = false;
};

/// Links `object` and finds the function `symbol`. Fails when the object needs
/// a symbol that kernels may not use.
llvm::Expected<std::unique_ptr<LoadedObject>>
loadObject(llvm::MemoryBufferRef object, llvm::StringRef symbol,
           const LoadOptions &options);

} // namespace attn

#endif // ATTN_LIB_JIT_SESSION_H

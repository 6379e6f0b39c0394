//===- Compilation.h --------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One compilation, from text to an object in memory.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_JIT_COMPILATION_H
#define ATTN_LIB_JIT_COMPILATION_H

#include "KernelParts.h"
#include "Reports.h"

namespace attn {

/// Compiles `source`; nothing when `reports` got an error. With `listing`, the
/// text of every stage is kept and no code is loaded. Runs on the calling
/// thread and may end in a fatal LLVM error: call through `runGuarded`.
std::unique_ptr<Kernel::Parts> runCompilation(std::string_view source,
                                              const Options &options,
                                              Reports &reports,
                                              Listing *listing);

} // namespace attn

#endif // ATTN_LIB_JIT_COMPILATION_H

//===- Pool.h ---------------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The fallback thread pool, for processes without an OpenMP runtime.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_RUNTIME_POOL_H
#define ATTN_LIB_RUNTIME_POOL_H

namespace attn::runtime {

/// Runs `work(argument)` on `threads` threads, the calling one included, and
/// waits for all. When another thread is using the pool, or threads cannot be
/// made, fewer take part; the calling one always does.
void runOnPool(int threads, void (*work)(void *), void *argument);

/// The threads of a parent do not exist in its child.
void forgetPoolAfterFork();

} // namespace attn::runtime

#endif // ATTN_LIB_RUNTIME_POOL_H

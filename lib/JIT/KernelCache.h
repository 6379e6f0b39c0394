//===- KernelCache.h --------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kernels of this process by what they were made from.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_JIT_KERNELCACHE_H
#define ATTN_LIB_JIT_KERNELCACHE_H

#include "attn/JIT/Compiler.h"

#include <list>
#include <unordered_map>

namespace attn {

/// Keeps the kernels used last. Thread safe.
class KernelCache {
public:
  static KernelCache &get();

  /// The whole request as text: equal keys mean equal code.
  static std::string makeKey(std::string_view source, const Options &options);

  std::shared_ptr<const Kernel> find(const std::string &key);

  /// Returns the kernel to use: an equal one when another thread was faster.
  std::shared_ptr<const Kernel> insert(const std::string &key,
                                       std::shared_ptr<const Kernel> kernel);
  CacheInfo getInfo();
  void clear();

private:
  struct Entry {
    std::string key;
    std::shared_ptr<const Kernel> kernel;
  };

  std::mutex lock;
  /// Most recently used first.
  std::list<Entry> entries;
  std::unordered_map<std::string_view, std::list<Entry>::iterator> index;
  CacheInfo info;
};

} // namespace attn

#endif // ATTN_LIB_JIT_KERNELCACHE_H

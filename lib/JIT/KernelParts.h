//===- KernelParts.h --------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a kernel is made of; shared by the files that build one.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_JIT_KERNELPARTS_H
#define ATTN_LIB_JIT_KERNELPARTS_H

#include "attn/JIT/Compiler.h"

namespace attn {

/// Code in memory. Frees it on destruction.
class LoadedObject {
public:
  using Entry = void (*)(void **);
  virtual ~LoadedObject() = default;
  Entry entry = nullptr;
};

struct Kernel::Parts {
  std::string name;
  std::string source;
  Options options;
  Signature signature;
  Timings timings;
  std::vector<Remark> remarks;
  std::vector<Diagnostic> warnings;
  std::string object;
  /// Null for another machine's code.
  std::unique_ptr<LoadedObject> loaded;
};

/// Fills `listing` by compiling the same request again.
void makeListing(std::string_view source, const Options &options,
                 Listing &listing);

} // namespace attn

#endif // ATTN_LIB_JIT_KERNELPARTS_H

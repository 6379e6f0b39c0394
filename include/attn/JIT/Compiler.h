//===- Compiler.h -----------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// From MLIR text or bytecode to a kernel that can be called.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_JIT_COMPILER_H
#define ATTN_JIT_COMPILER_H

#include "attn/JIT/Kernel.h"

namespace attn {

struct Options {
  std::string target = "host";
  /// The public function to compile; may be empty when there is only one.
  std::string entry;
  /// Name of the source in messages.
  std::string fileName = "<source>";
  /// Queries and keys per step, query blocks per task; 0 leaves them to the
  /// cost model.
  int64_t blockQueries = 0, blockKeys = 0, blocksPerTask = 0;
  std::string schedule = "auto";
  /// "mask-tiles" or "mask-tiles-split": the kernel shows the tiles of the
  /// attention's mask instead (attn-mask-tiles). Empty: nothing.
  std::string analysis;
  /// LLVM effort 0..3; -1 is the default.
  int optLevel = -1;
  /// Register the code with an attached GDB; name it in perf's map file.
  bool gdb = false, perf = false;
  /// Share kernels between equal requests of this process.
  bool cache = true;
};

struct CompileResult {
  /// Null when compilation failed.
  std::shared_ptr<const Kernel> kernel;
  /// At least one error when it did.
  std::vector<Diagnostic> diagnostics;
};

/// Never aborts, whatever the source; may be called from many threads.
CompileResult compile(std::string_view source, const Options &options);

struct CacheInfo {
  size_t entries = 0, hits = 0, misses = 0;
};
CacheInfo getCacheInfo();
void clearCache();

} // namespace attn

#endif // ATTN_JIT_COMPILER_H

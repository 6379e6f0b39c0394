//===- Pipelines.h - The phases, in order -----------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_PIPELINES_PIPELINES_H
#define ATTN_PIPELINES_PIPELINES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>
#include <string>

namespace mlir {
class DialectRegistry;
class OpPassManager;
} // namespace mlir

namespace mlir::attn {

/// The levels of IR, always in this order.
enum class Phase {
  Input,      ///< attn operations and upstream graphs on tensors, as given
  Raise,      ///< attention written as plain operations has become attn
  Expand,     ///< named variants and attributes have become core operations
  Specialize, ///< exact simplifications of core operations
  Tile,       ///< tasks and online steps on tiles of tensors
  Codegen,    ///< vectors and buffers, no tensor left
  Target,     ///< the LLVM dialect
};

llvm::ArrayRef<Phase> getPhases();
llvm::StringRef getPhaseName(Phase phase);
std::optional<Phase> getPhase(llvm::StringRef name);

/// Everything that steers compilation; part of every cache key.
struct CompileOptions {
  /// host, cpu:x86-64-v3, ...
  std::string target = "host";
  /// auto, lanes-queries or lanes-features.
  std::string schedule = "auto";
  /// Queries and keys per step, query blocks per task; 0: by the cost model.
  int64_t blockQueries = 0, blockKeys = 0, blocksPerTask = 0;
  /// "mask-tiles" or "mask-tiles-split": a function that shows the tiles of its
  /// mask takes the place of the attention. Empty: nothing.
  std::string analysis;
};

/// Appends the passes of one phase; the last checks the phase's contract.
void buildPhase(OpPassManager &pm, Phase phase, const CompileOptions &options);

/// Appends all phases up to and including `last`.
void buildPipeline(OpPassManager &pm, Phase last,
                   const CompileOptions &options);

/// Dialects and interface implementations compilation needs.
void registerDialects(DialectRegistry &registry);

/// Passes and pipelines of this project.
void registerPasses();

} // namespace mlir::attn

#endif // ATTN_PIPELINES_PIPELINES_H

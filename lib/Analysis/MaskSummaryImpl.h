//===- MaskSummaryImpl.h - What is scanned before the tiles -----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_ANALYSIS_MASKSUMMARYIMPL_H
#define ATTN_LIB_ANALYSIS_MASKSUMMARYIMPL_H

#include "MaskConjuncts.h"
#include "attn/Analysis/MaskAnalysis.h"

namespace mlir::attn {

struct MaskSummary::Impl {
  /// Keys per entry of the minima and maxima of a table.
  static constexpr int64_t kBlockKeys = 128;

  /// Tensors [B or 1, H or 1, ..] of index.
  struct Table {
    Value sorted;         // [.., 1]: 1 if no entry is less than the one before
    Value minima, maxima; // [.., ceil(S / kBlockKeys)]
    bool onBatch = false, onHead = false;
  };
  /// Of the key-only part of a conjunct; tensors [B or 1, H or 1, S + 1].
  struct Runs {
    Value nextKept, nextMasked; // the first such key at or after j, or S
    bool onBatch = false, onHead = false;
  };

  DenseMap<const mask::Leaf *, Table> tables;
  DenseMap<const mask::Conjunct *, Runs> runs;
};

} // namespace mlir::attn

#endif // ATTN_LIB_ANALYSIS_MASKSUMMARYIMPL_H

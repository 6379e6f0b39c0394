//===- MaskAnalysis.h - Which keys may a block of rows attend ---*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A mask is an i1 predicate over (batch, head, row, key). This analysis turns
// it into bounds of the key loop: comparisons that are affine in row and key,
// with floordiv and mod by constants, are inverted for the key; everything else
// is left out, which makes the bounds wider but never wrong.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_ANALYSIS_MASKANALYSIS_H
#define ATTN_ANALYSIS_MASKANALYSIS_H

#include "mlir/IR/Value.h"
#include <cstdint>
#include <memory>
#include <optional>

namespace mlir {
class Location;
class OpBuilder;
class Operation;
class Region;

namespace attn {

/// Facts about a mask predicate. Two assumptions are made about the machine
/// integers it is written with: rows, keys and tensor sizes are below 2^30, and
/// 64-bit arithmetic does not overflow. Narrower arithmetic is understood only
/// where it provably does not wrap.
///
/// The object refers to values inside the region: use it while the region is
/// alive and unchanged.
class MaskAnalysis {
public:
  /// `mask` has one block (b, h, i, j : index) whose terminator's operand 0 is
  /// the i1 keep value. Values from above, and anything computed from b, h and
  /// values above (tensor.extract %len[%b] too), are symbols.
  static MaskAnalysis compute(Region &mask);

  /// True if every pair is kept.
  bool isTrivial() const;

  /// [lo, hi): outside, every key is masked for all rows. [fullLo, fullHi): in
  /// it, every pair is kept; empty as fullLo == fullHi. Always
  /// 0 <= lo <= fullLo <= fullHi <= hi <= numKeys.
  struct KeyBounds {
    Value lo, fullLo, fullHi, hi;
  };

  /// Emits the bounds for the rows [firstRow, lastRow] (inclusive, not empty)
  /// as index arithmetic without regions. Symbols are cloned at the insertion
  /// point, with b and h replaced by `batch` and `head`.
  KeyBounds emitKeyBounds(OpBuilder &builder, Location loc, Value batch,
                          Value head, Value firstRow, Value lastRow,
                          Value numKeys) const;

  /// How the number of keys within the bounds changes as the row grows.
  enum class Trend { Flat, Growing, Shrinking, Unknown };
  Trend getTrend() const;

  /// False if an atom was left out because it was not understood, or the
  /// predicate has too many cases: the bounds are sound but wide. Atoms with
  /// the key under mod are understood, yet no interval expresses them.
  bool isExact() const;

  /// The sub-expressions that were not understood, in the order met.
  ArrayRef<Operation *> getDefeatingOps() const;

  /// The kept pairs of one head, when the predicate has no symbols and the
  /// count is affordable.
  std::optional<int64_t> countPairs(int64_t numQueries, int64_t numKeys) const;

  /// What attn-print-mask-analysis shows.
  void print(raw_ostream &os) const;

  /// The facts themselves, private to lib/Analysis.
  struct Facts;

private:
  explicit MaskAnalysis(std::shared_ptr<const Facts> facts)
      : facts(std::move(facts)) {}

  std::shared_ptr<const Facts> facts;
};

} // namespace attn
} // namespace mlir

#endif // ATTN_ANALYSIS_MASKANALYSIS_H

//===- MaskAnalysis.h - Which keys may a block of rows attend ---*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A mask is an i1 predicate over (batch, head, row, key). This analysis turns
// it into the runs of keys that a tile of rows may see:
// - comparisons that are affine in row and key, with floordiv and mod by
//   constants, are inverted for the key, symbolically;
// - what depends on the key alone is scanned once, before all tiles;
// - integers read at the row and at the key (document ids) and compared are
//   searched where the latter are sorted, and else bounded block by block;
// - everything else is left out, which makes the runs longer but never wrong.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_ANALYSIS_MASKANALYSIS_H
#define ATTN_ANALYSIS_MASKANALYSIS_H

#include "mlir/IR/Value.h"
#include "llvm/ADT/SmallVector.h"
#include <cstdint>
#include <memory>
#include <optional>

namespace mlir {
class Location;
class OpBuilder;
class Operation;
class Region;

namespace attn {

/// Values computed once, before all tiles, by MaskAnalysis::emitSummary.
class MaskSummary {
public:
  struct Impl;

private:
  friend class MaskAnalysis;
  friend class KeyRuns;
  std::shared_ptr<const Impl> impl;
};

class KeyRuns;

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
  ///
  /// `divisors` c1 > c2 > .., each a multiple of the next, split positions into
  /// axes i = c1 * i0 + c2 * i1 + .. + ik, of which a tile has a range each.
  static MaskAnalysis compute(Region &mask, ArrayRef<int64_t> divisors = {});

  /// How rows should be split so that tiles see few keys; no divisors if the
  /// rows of a tile should follow each other.
  struct RowSplit {
    SmallVector<int64_t, 2> divisors;
    /// The inner axes are residues: one of each per tile. Otherwise rows and
    /// keys lie in a grid, and tiles should be patches of it.
    bool isResidue = false;

    /// False for patches unless the queries, kDynamic if not known, are whole
    /// lines of the grid.
    bool fits(int64_t numQueries) const;
    /// The tile along each axis, outermost first: `numRows` of one residue, or
    /// a patch near to a square of as many rows, a power of two. Around such a
    /// patch there are fewest keys that only some of its rows see.
    SmallVector<int64_t, 3> getTile(int64_t numRows) const;
  };
  RowSplit suggestSplit() const;

  /// The rows that share what the mask reads at (i floordiv c), as block tables
  /// and BigBird's random blocks do; 0 if it reads nothing of the kind. A tile
  /// that lies within one such block sees the keys of one entry.
  int64_t getRowBlock() const;

  /// The range of an axis of the rows, inclusive.
  struct AxisRange {
    Value first, last;
  };

  /// True if every pair is kept. every pair is kept.
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
                          Value numKeys,
                          const MaskSummary &summary = MaskSummary()) const;

  /// True if the keys of a tile are one interval, which emitKeyBounds gives.
  bool isSingleInterval() const;

  /// Scans what the mask reads at the keys alone, in O(B * H * S) at most.
  /// Emits nothing when the mask reads no table.
  MaskSummary emitSummary(OpBuilder &builder, Location loc, Value numBatches,
                          Value numHeads, Value numKeys) const;

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
  friend class KeyRuns;
  explicit MaskAnalysis(std::shared_ptr<const Facts> facts)
      : facts(std::move(facts)) {}

  std::shared_ptr<const Facts> facts;
};

/// Walks over the keys that a tile of rows may see, in ascending order and none
/// twice. The constructor emits what is computed once per tile.
class KeyRuns {
public:
  KeyRuns(const MaskAnalysis &analysis, const MaskSummary &summary,
          OpBuilder &builder, Location loc, Value batch, Value head,
          ArrayRef<MaskAnalysis::AxisRange> rows, Value numKeys);
  ~KeyRuns();

  /// The next key at or after `key` at which a run may start; numKeys if there
  /// is none.
  Value emitNext(Value key);

  /// The run key, key + step, .. below `end` that starts at a key emitNext
  /// gave: key < end, unless key turned out to start none. `full`: every pair
  /// of it is kept. `visible`: not proved empty.
  struct Run {
    Value end, full, visible;
    int64_t step = 1;
  };
  Run emitRun(Value key);

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace attn
} // namespace mlir

#endif // ATTN_ANALYSIS_MASKANALYSIS_H

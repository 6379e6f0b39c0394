//===- TileEmitter.h - Mask expressions over a tile, as IR ------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_ANALYSIS_TILEEMITTER_H
#define ATTN_LIB_ANALYSIS_TILEEMITTER_H

#include "IndexEmitter.h"
#include "MaskFacts.h"
#include "MaskSummaryImpl.h"
#include "mlir/IR/IRMapping.h"

namespace mlir::attn::mask {

/// The rows of a tile: first and last of each axis. Equal ids mean equal rows.
struct Rows {
  SmallVector<std::pair<Index, Index>, 3> axes;
  unsigned id = 0;
};

/// The keys [first, last] of a block.
struct Keys {
  Index first, last;
};

/// Emits the least and greatest values that expressions take over the rows of
/// a tile, and over a block of keys when there is one. A copy emits at another
/// place that what the original emitted dominates.
class TileEmitter : public IndexEmitter {
public:
  TileEmitter(OpBuilder &builder, Location loc,
              const MaskAnalysis::Facts &facts,
              const MaskSummary::Impl *summary, Value batch, Value head,
              ArrayRef<MaskAnalysis::AxisRange> rows, Value numKeys);

  /// Over the rows, for sums that do not read the key.
  Index extreme(const Sum *sum, bool wantMax, const Rows &rows);
  Index extreme(const Sum *sum, bool wantMax) {
    return extreme(sum, wantMax, tileRows);
  }
  /// True if all rows of the tile give a sum the same value for certain.
  bool isSingle(const Sum *sum) const;
  /// Over the rows and the keys.
  Index extremeOverKeys(const Sum *sum, bool wantMax, const Keys &keys);
  /// Cuts off rows that a conjunct excludes; gives whether some are left, or
  /// nothing if it excludes none.
  std::optional<Condition> narrowRows(const Conjunct &conjunct, Rows &rows);
  /// Whether a guard may hold for some row, or holds for all.
  Condition guard(const Node *node, bool forAll);
  /// Whether some entry, and whether every entry that the rows and keys read
  /// makes the literal true; exact where positions rise with row and key.
  std::pair<Condition, Condition> scan(const Node *node, const Keys &keys);
  /// The truth of a literal that reads no row, at one key.
  Condition literalAt(const Node *node, Value key);

  const MaskAnalysis::Facts &facts;
  const MaskSummary::Impl *summary;
  Rows tileRows;
  Index numKeys;
  unsigned nextRowsId = 1;

private:
  Index extremeOfLeaf(const Leaf *leaf, bool wantMax, const Rows &rows);
  Index extremeOfKeyLeaf(const Leaf *leaf, bool wantMax, const Keys &keys);
  Index axisOf(Axis axis, const Keys &keys, bool wantMax);
  Index keyTable(const Leaf *leaf, bool wantMax, const Keys &keys);
  Index search(const Leaf *leaf, bool wantMax, const Rows &rows);
  void scanRows(const Leaf *leaf);
  Index symbol(const Leaf *leaf);
  Value cloneSymbol(Value value);
  Index sumOf(const Sum *sum, bool wantMax,
              llvm::function_ref<Index(const Leaf *, bool)> leafOf);

  IRMapping block;
  Value batch, head;
  DenseMap<std::pair<const Sum *, unsigned>, Index> sums;
  DenseMap<std::pair<const Leaf *, unsigned>, Index> leaves;
  DenseMap<std::pair<const Leaf *, Value>, Value> searches;
  struct Search {
    const Leaf *table;
    Value wanted, first;
  };
  SmallVector<Search, 4> earlierSearches;
};

/// A value of the region, or above it, where the region's arguments have the
/// values `block` maps them to.
Value cloneInto(OpBuilder &builder, Region &region, IRMapping &block,
                Value value);

/// The value of a table or symbol where the region's arguments have the values
/// `block` maps them to, as an index.
Value cloneAsIndex(OpBuilder &builder, Location loc, Region &region,
                   IRMapping &block, Value value);

} // namespace mlir::attn::mask

#endif // ATTN_LIB_ANALYSIS_TILEEMITTER_H

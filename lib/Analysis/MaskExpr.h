//===- MaskExpr.h - Hash-consed integer expressions of masks ----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every integer expression is a sum: constant + factor * leaf + ... . Leaves
// are the row i, the key j, symbols, values read from tables at i or j, and
// floordiv, min, max and select of sums. Sums and leaves are interned, so
// equality is equality of pointers.
//
// Positions may be split into axes by divisors c1 > c2 > ..., each a multiple
// of the next: i = c1 * i0 + c2 * i1 + ... + ik. What is affine in the axes but
// not in the position (a row of an image, a residue) then is linear.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_ANALYSIS_MASKEXPR_H
#define ATTN_LIB_ANALYSIS_MASKEXPR_H

#include "mlir/IR/Value.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"
#include <deque>
#include <unordered_map>

namespace mlir::attn::mask {

/// Rows, keys and sizes are assumed to be below this.
inline constexpr int64_t kPositionLimit = int64_t(1) << 30;

/// An inclusive range of machine integers, saturated at the ends of int64_t.
struct Limits {
  int64_t min = INT64_MIN;
  int64_t max = INT64_MAX;
};

Limits addLimits(Limits a, Limits b);
Limits scaleLimits(Limits a, int64_t factor);
Limits divideLimits(Limits a, int64_t divisor);

struct Sum;

enum class LeafKind : uint8_t {
  Row,
  Key,
  Symbol,
  Table,  // an integer computed from the row alone or from the key alone
  Search, // the first key at which a table is >= a: right for sorted tables
  FloorDiv,
  Min,
  Max,
  Select
};

/// One axis of a position p: (p floordiv stride) mod size. The outermost has
/// no size (0).
struct Axis {
  int64_t stride = 1;
  int64_t size = 0;
};

struct Leaf {
  LeafKind kind;
  unsigned id = 0;
  bool onRow = false;
  bool onKey = false;
  bool onSymbol = false;
  bool hasSelect = false;
  Limits range;
  const Sum *a = nullptr; // FloorDiv, Min, Max; the true value of Select; what
                          // Search looks for
  const Sum *b = nullptr; // Min, Max; the false value of Select
  int64_t divisor = 0;    // FloorDiv: always positive
  Value value;            // Symbol, Table: itself; Select: the condition
  const Leaf *table = nullptr; // Search
  Axis axis;                   // Row, Key
};

struct Term {
  const Leaf *leaf;
  int64_t factor;
};

struct Sum {
  int64_t constant = 0;
  SmallVector<Term, 4> terms; // ascending leaf id, factors not zero
  unsigned id = 0;
  bool onRow = false;
  bool onKey = false;
  bool onSymbol = false;
  bool hasSelect = false;
  Limits range;

  bool isConstant() const { return terms.empty(); }
  bool dependsOn(LeafKind variable) const {
    return variable == LeafKind::Row ? onRow : onKey;
  }
};

inline bool dependsOn(const Leaf *leaf, LeafKind variable) {
  return variable == LeafKind::Row ? leaf->onRow : leaf->onKey;
}

/// Whether a leaf reads `variable`, a Row or Key leaf.
bool reads(const Leaf *leaf, const Leaf *variable);

/// The axes of a position split by `divisors`, outermost first.
SmallVector<Axis> splitAxes(ArrayRef<int64_t> divisors);

/// Owns and interns expressions. All functions take and return null for "too
/// large to handle"; a null operand gives a null result.
class ExprPool {
public:
  explicit ExprPool(ArrayRef<int64_t> divisors = {});

  const Sum *constant(int64_t value);
  const Sum *row() const { return rowSum; }
  const Sum *key() const { return keySum; }
  /// The key as one leaf, which split expressions are joined to when solved.
  const Leaf *wholeKey() const { return wholeKeyLeaf; }
  const Sum *whole() const { return wholeKeySum; }
  ArrayRef<const Leaf *> rowAxes() const { return rowLeaves; }
  ArrayRef<const Leaf *> keyAxes() const { return keyLeaves; }
  const Sum *symbol(Value value, Limits range);
  const Sum *table(Value value, Limits range, bool onRow, bool onKey);
  const Sum *search(const Leaf *table, const Sum *atLeast);
  const Sum *add(const Sum *a, const Sum *b) { return combine(a, 1, b, 1); }
  const Sum *sub(const Sum *a, const Sum *b) { return combine(a, 1, b, -1); }
  const Sum *addConstant(const Sum *a, int64_t value);
  const Sum *scale(const Sum *a, int64_t factor);
  const Sum *combine(const Sum *a, int64_t ka, const Sum *b, int64_t kb);
  /// floor(a / divisor) for a positive divisor. Min, max and select leaves are
  /// moved out of the division.
  const Sum *floorDiv(const Sum *a, int64_t divisor);
  const Sum *minimum(const Sum *a, const Sum *b) {
    return extreme(false, a, b);
  }
  const Sum *maximum(const Sum *a, const Sum *b) { return extreme(true, a, b); }
  /// `onRow` and `onKey` say what the condition depends on.
  const Sum *select(Value condition, const Sum *a, const Sum *b, bool onRow,
                    bool onKey);
  /// a without the term of `leaf`.
  const Sum *without(const Sum *a, const Leaf *leaf);
  /// a with `leaf` replaced by a sum.
  const Sum *replace(const Sum *a, const Term &term, const Sum *by);

private:
  const Sum *extreme(bool maximum, const Sum *a, const Sum *b);
  const Sum *fromLeaf(Leaf leaf);
  const Sum *intern(int64_t constant, SmallVector<Term, 4> terms);
  const Sum *floorDivOfPlain(const Sum *a, int64_t divisor);

  std::deque<Leaf> leaves;
  std::deque<Sum> sums;
  std::unordered_multimap<size_t, const Leaf *> leafTable;
  std::unordered_multimap<size_t, const Sum *> sumTable;
  const Sum *position(LeafKind kind, ArrayRef<Axis> axes,
                      SmallVectorImpl<const Leaf *> &leavesOfAxes);

  const Sum *rowSum;
  const Sum *keySum;
  SmallVector<const Leaf *, 3> rowLeaves, keyLeaves;
  const Leaf *wholeKeyLeaf;
  const Sum *wholeKeySum;
};

/// The value of a sum without symbols, tables and selects.
int64_t evaluate(const Sum *sum, int64_t row, int64_t key);

/// Prints with i, j, and symbols named by `names`.
void printSum(raw_ostream &os, const Sum *sum,
              const DenseMap<Value, std::string> &names);

} // namespace mlir::attn::mask

#endif // ATTN_LIB_ANALYSIS_MASKEXPR_H

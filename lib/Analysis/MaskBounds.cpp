//===- MaskBounds.cpp - Bounds of the key loop as IR ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "IndexEmitter.h"
#include "MaskFacts.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::mask;

namespace {

/// Rows [first, last]; equal ids mean equal rows.
struct Rows {
  Index first, last;
  unsigned id = 0;
};

/// [lower, upper) if `alive`, else nothing. The flags say that the conjunct
/// limits that side at all.
struct Hull {
  Index lower, upper;
  Condition alive;
  bool hasLower = false;
  bool hasUpper = false;
};

struct Interval {
  Index lower, upper;
};

class BoundsEmitter : IndexEmitter {
public:
  BoundsEmitter(OpBuilder &builder, Location loc, Region &region, Value batch,
                Value head, Value firstRow, Value lastRow, Value numKeys)
      : IndexEmitter(builder, loc), region(region) {
    Limits position{0, kPositionLimit - 1};
    block.map(region.getArgument(0), batch);
    block.map(region.getArgument(1), head);
    rows = {wrap(firstRow, position), wrap(lastRow, position)};
    keys = wrap(numKeys, {0, kPositionLimit});
  }

  MaskAnalysis::KeyBounds emit(const MaskAnalysis::Facts &facts);

private:
  Interval hullOfUnion(ArrayRef<Conjunct> conjuncts);
  Hull hullOf(const Conjunct &conjunct, bool inUnion);
  Interval outside(const Conjunct &conjunct, Interval interval);
  Interval fullWithin(ArrayRef<Conjunct> masked, Interval hull);
  Interval widest(const Interval &a, const Interval &b);

  Index extreme(const Sum *sum, bool wantMax, const Rows &rows);
  Index extremeOfLeaf(const Leaf *leaf, bool wantMax, const Rows &rows);
  Condition guard(const Node *node);
  Index symbol(const Leaf *leaf);
  Value cloneSymbol(Value value);

  Region &region;
  IRMapping block;
  Rows rows;
  Index keys;
  Interval nothing; // an empty interval within the hull
  unsigned nextRowsId = 1;
  DenseMap<std::pair<const Sum *, unsigned>, Index> sums;
  DenseMap<std::pair<const Leaf *, unsigned>, Index> leaves;
};

} // namespace

//===----------------------------------------------------------------------===//
// Symbols and sums
//===----------------------------------------------------------------------===//

Value BoundsEmitter::cloneSymbol(Value value) {
  if (Value mapped = block.lookupOrNull(value))
    return mapped;
  Operation *op = value.getDefiningOp();
  if (!op || !region.isAncestor(op->getParentRegion()))
    return value;
  for (Value operand : op->getOperands())
    block.map(operand, cloneSymbol(operand));
  Operation *clone = op->clone(block);
  SmallVector<Value> folded;
  if (succeeded(builder.tryFold(clone, folded)) && !folded.empty()) {
    block.map(op->getResults(), folded);
    clone->destroy();
  } else {
    builder.insert(clone);
    block.map(op->getResults(), clone->getResults());
  }
  return block.lookup(value);
}

Index BoundsEmitter::symbol(const Leaf *leaf) {
  Value value = cloneSymbol(leaf->value);
  if (!value.getType().isIndex())
    value = builder.createOrFold<arith::IndexCastOp>(
        loc, builder.getIndexType(), value);
  return wrap(value, leaf->range);
}

/// The least or greatest value a leaf can take over the rows.
Index BoundsEmitter::extremeOfLeaf(const Leaf *leaf, bool wantMax,
                                   const Rows &rows) {
  if (leaf->kind == LeafKind::Row)
    return wantMax ? rows.last : rows.first;
  unsigned key = leaf->onRow ? rows.id * 2 + wantMax : ~0u;
  auto it = leaves.find({leaf, key});
  if (it != leaves.end())
    return it->second;
  Index result;
  switch (leaf->kind) {
  case LeafKind::Symbol:
    result = symbol(leaf);
    break;
  case LeafKind::FloorDiv:
    result = floorDiv(extreme(leaf->a, wantMax, rows), leaf->divisor);
    break;
  case LeafKind::Min:
    result = minimum(extreme(leaf->a, wantMax, rows),
                     extreme(leaf->b, wantMax, rows));
    break;
  case LeafKind::Max:
    result = maximum(extreme(leaf->a, wantMax, rows),
                     extreme(leaf->b, wantMax, rows));
    break;
  case LeafKind::Row:
  case LeafKind::Key:
  case LeafKind::Select:
    llvm_unreachable("solved for the key, and selects are expanded");
  }
  return leaves[{leaf, key}] = result;
}

Index BoundsEmitter::extreme(const Sum *sum, bool wantMax, const Rows &rows) {
  unsigned key = sum->onRow ? rows.id * 2 + wantMax : ~0u;
  auto it = sums.find({sum, key});
  if (it != sums.end())
    return it->second;
  // Positive terms first: what follows can be subtracted.
  std::optional<Index> total;
  for (const Term &term : sum->terms) {
    if (term.factor < 0)
      continue;
    Index part = mul(extremeOfLeaf(term.leaf, wantMax, rows), term.factor);
    total = total ? add(*total, part) : part;
  }
  bool addsConstant = total.has_value();
  if (!total)
    total = constant(sum->constant);
  for (const Term &term : sum->terms)
    if (term.factor < 0)
      total = sub(*total,
                  mul(extremeOfLeaf(term.leaf, !wantMax, rows), -term.factor));
  if (addsConstant)
    total = add(*total, constant(sum->constant));
  return sums[{sum, key}] = *total;
}

Condition BoundsEmitter::guard(const Node *node) {
  if (node->kind == NodeKind::Ge)
    return lessEqual(constant(0), extreme(node->sum, true, rows));
  Value value = cloneSymbol(node->value);
  Condition condition{value};
  if (std::optional<int64_t> known = getConstantIntValue(value))
    condition = {Value(), *known != 0};
  return node->negated ? negate(condition) : condition;
}

//===----------------------------------------------------------------------===//
// Intervals
//===----------------------------------------------------------------------===//

/// The keys outside of which no row satisfies the conjunct. In a union, an
/// interval that is empty must not widen the others.
Hull BoundsEmitter::hullOf(const Conjunct &conjunct, bool inUnion) {
  Hull hull{constant(0), keys, {}};
  for (const Node *node : conjunct.guards)
    hull.alive = both(hull.alive, guard(node));
  Rows live = rows;
  for (const Sum *bound : conjunct.rowLower)
    live.first = maximum(live.first, extreme(bound, true, rows));
  for (const Sum *bound : conjunct.rowUpper)
    live.last =
        minimum(live.last, add(extreme(bound, true, rows), constant(-1)));
  if (!conjunct.rowLower.empty() || !conjunct.rowUpper.empty()) {
    live.id = nextRowsId++;
    hull.alive = both(hull.alive, lessEqual(live.first, live.last));
  }
  hull.hasLower = !conjunct.keyLower.empty();
  hull.hasUpper = !conjunct.keyUpper.empty();
  for (auto [index, bound] : llvm::enumerate(conjunct.keyLower)) {
    Index value = extreme(bound, false, live);
    hull.lower = index ? maximum(hull.lower, value) : value;
  }
  for (auto [index, bound] : llvm::enumerate(conjunct.keyUpper)) {
    Index value = extreme(bound, true, live);
    hull.upper = index ? minimum(hull.upper, value) : value;
  }
  if (inUnion && hull.hasLower && hull.hasUpper)
    hull.alive =
        both(hull.alive, lessEqual(add(hull.lower, constant(1)), hull.upper));
  return hull;
}

Interval BoundsEmitter::hullOfUnion(ArrayRef<Conjunct> conjuncts) {
  Interval result{constant(0), constant(0)};
  for (auto [index, conjunct] : llvm::enumerate(conjuncts)) {
    Hull hull = hullOf(conjunct, conjuncts.size() > 1);
    hull.upper = select(hull.alive, hull.upper, constant(0));
    if (conjuncts.size() > 1)
      hull.lower = select(hull.alive, hull.lower, keys);
    result.lower = index ? minimum(result.lower, hull.lower) : hull.lower;
    result.upper = index ? maximum(result.upper, hull.upper) : hull.upper;
  }
  result.lower = minimum(maximum(result.lower, constant(0)), keys);
  result.upper = maximum(minimum(result.upper, keys), result.lower);
  return result;
}

Interval BoundsEmitter::widest(const Interval &a, const Interval &b) {
  Condition isFirst = lessEqual(sub(b.upper, b.lower), sub(a.upper, a.lower));
  return {select(isFirst, a.lower, b.lower), select(isFirst, a.upper, b.upper)};
}

/// The widest part of an interval that a conjunct does not touch.
Interval BoundsEmitter::outside(const Conjunct &conjunct, Interval interval) {
  Hull hull = hullOf(conjunct, /*inUnion=*/true);
  if (hull.alive.isAlways(false))
    return interval;
  Interval below = nothing, above = nothing;
  if (hull.hasLower)
    below = {interval.lower, minimum(interval.upper, hull.lower)};
  if (hull.hasUpper)
    above = {maximum(interval.lower, hull.upper), interval.upper};
  Interval left = hull.hasLower && hull.hasUpper ? widest(below, above)
                  : hull.hasUpper                ? above
                                                 : below;
  return {select(hull.alive, left.lower, interval.lower),
          select(hull.alive, left.upper, interval.upper)};
}

Interval BoundsEmitter::fullWithin(ArrayRef<Conjunct> masked, Interval hull) {
  Interval full = hull;
  nothing = {hull.lower, hull.lower};
  // Half lines first: which part of a cut in the middle is wider depends on
  // them.
  for (bool isMiddle : {false, true})
    for (const Conjunct &conjunct : masked)
      if (isMiddle ==
          (!conjunct.keyLower.empty() && !conjunct.keyUpper.empty()))
        full = outside(conjunct, full);
  return full;
}

MaskAnalysis::KeyBounds BoundsEmitter::emit(const MaskAnalysis::Facts &facts) {
  Interval hull = hullOfUnion(facts.kept.conjuncts);
  Interval full;
  if (facts.maskedByConjunct.empty()) {
    full = fullWithin(facts.masked.conjuncts, hull);
  } else {
    full = fullWithin(facts.maskedByConjunct.front(), hull);
    for (ArrayRef<Conjunct> masked :
         ArrayRef(facts.maskedByConjunct).drop_front())
      full = widest(full, fullWithin(masked, hull));
  }
  full.lower = minimum(full.lower, hull.upper);
  full.upper = maximum(full.upper, full.lower);
  return {materialize(hull.lower), materialize(full.lower),
          materialize(full.upper), materialize(hull.upper)};
}

MaskAnalysis::KeyBounds MaskAnalysis::emitKeyBounds(OpBuilder &builder,
                                                    Location loc, Value batch,
                                                    Value head, Value firstRow,
                                                    Value lastRow,
                                                    Value numKeys) const {
  return BoundsEmitter(builder, loc, facts->region, batch, head, firstRow,
                       lastRow, numKeys)
      .emit(*facts);
}

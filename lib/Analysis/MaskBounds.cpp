//===- MaskBounds.cpp - Bounds of the key loop as IR ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TileEmitter.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::mask;

namespace {

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

class BoundsEmitter : public TileEmitter {
public:
  using TileEmitter::TileEmitter;

  MaskAnalysis::KeyBounds emit();

private:
  Interval hullOfUnion(ArrayRef<Conjunct> conjuncts);
  Hull hullOf(const Conjunct &conjunct, bool inUnion);
  Interval outside(const Conjunct &conjunct, Interval interval);
  Interval fullWithin(ArrayRef<Conjunct> masked, Interval hull);
  Interval widest(const Interval &a, const Interval &b);

  Interval nothing; // an empty interval within the hull
};

} // namespace

//===----------------------------------------------------------------------===//
// Intervals
//===----------------------------------------------------------------------===//

/// The keys outside of which no row satisfies the conjunct. In a union, an
/// interval that is empty must not widen the others.
Hull BoundsEmitter::hullOf(const Conjunct &conjunct, bool inUnion) {
  Hull hull{constant(0), numKeys, {}};
  for (const Node *node : conjunct.guards)
    hull.alive = both(hull.alive, guard(node, /*forAll=*/false));
  Rows live = tileRows;
  if (std::optional<Condition> some = narrowRows(conjunct, live))
    hull.alive = both(hull.alive, *some);
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
      hull.lower = select(hull.alive, hull.lower, numKeys);
    result.lower = index ? minimum(result.lower, hull.lower) : hull.lower;
    result.upper = index ? maximum(result.upper, hull.upper) : hull.upper;
  }
  result.lower = minimum(maximum(result.lower, constant(0)), numKeys);
  result.upper = maximum(minimum(result.upper, numKeys), result.lower);
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

MaskAnalysis::KeyBounds BoundsEmitter::emit() {
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

MaskAnalysis::KeyBounds
MaskAnalysis::emitKeyBounds(OpBuilder &builder, Location loc, Value batch,
                            Value head, Value firstRow, Value lastRow,
                            Value numKeys, const MaskSummary &summary) const {
  return BoundsEmitter(builder, loc, *facts, summary.impl.get(), batch, head,
                       AxisRange{firstRow, lastRow}, numKeys)
      .emit();
}

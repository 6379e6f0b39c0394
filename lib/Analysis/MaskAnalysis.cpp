//===- MaskAnalysis.cpp - Which keys may a block of rows attend -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Analysis/MaskAnalysis.h"
#include "MaskFacts.h"
#include "mlir/IR/Region.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::mask;

MaskAnalysis MaskAnalysis::compute(Region &mask, ArrayRef<int64_t> divisors) {
  auto facts = std::make_shared<Facts>(mask, divisors);
  PredicateReader &reader = facts->reader;
  Value keep = mask.front().getTerminator()->getOperand(0);
  facts->predicate = reader.read(keep, false);
  facts->kept = toDisjunction(reader, facts->predicate);
  facts->masked = toDisjunction(reader, reader.read(keep, true));
  if (!facts->masked.isSuperset || facts->kept.isSuperset)
    return MaskAnalysis(std::move(facts));
  // A row and key are kept for sure where no atom of some conjunct fails.
  for (const Conjunct &conjunct : facts->kept.conjuncts) {
    std::vector<Conjunct> &masked = facts->maskedByConjunct.emplace_back();
    for (const Node *atom : conjunct.atoms)
      masked.push_back(solveConjunct(reader, reader.negate(atom)));
  }
  return MaskAnalysis(std::move(facts));
}

bool MaskAnalysis::isTrivial() const {
  return facts->predicate->kind == NodeKind::True;
}

bool MaskAnalysis::isSingleInterval() const {
  ArrayRef<Conjunct> kept = facts->kept.conjuncts;
  return kept.size() <= 1 && facts->reader.pool.rowAxes().size() == 1 &&
         llvm::all_of(kept, [](const Conjunct &conjunct) {
           return conjunct.isInterval();
         });
}

bool MaskAnalysis::isExact() const {
  return getDefeatingOps().empty() && !facts->kept.isSuperset;
}

ArrayRef<Operation *> MaskAnalysis::getDefeatingOps() const {
  return facts->reader.defeatingOps.getArrayRef();
}

//===----------------------------------------------------------------------===//
// Trend
//===----------------------------------------------------------------------===//

namespace {
/// What a row more adds, between two limits.
struct Slope {
  double min = 0;
  double max = 0;
};
} // namespace

static Slope slopeOf(const Sum *sum);

static Slope slopeOfLeaf(const Leaf *leaf) {
  if (!leaf->onRow)
    return {};
  if (leaf->kind == LeafKind::Row)
    return {1.0 / double(leaf->axis.stride), 1.0 / double(leaf->axis.stride)};
  // Tables over rows and keys rise alike, as far as they rise.
  if (leaf->kind == LeafKind::Table || leaf->kind == LeafKind::Search)
    return {1, 1};
  Slope a = slopeOf(leaf->a);
  if (leaf->kind == LeafKind::FloorDiv)
    return {a.min / double(leaf->divisor), a.max / double(leaf->divisor)};
  Slope b = slopeOf(leaf->b);
  return {std::min(a.min, b.min), std::max(a.max, b.max)};
}

static Slope slopeOf(const Sum *sum) {
  Slope total;
  for (const Term &term : sum->terms) {
    Slope leaf = slopeOfLeaf(term.leaf);
    double x = double(term.factor) * leaf.min;
    double y = double(term.factor) * leaf.max;
    total.min += std::min(x, y);
    total.max += std::max(x, y);
  }
  return total;
}

static Slope slopeOfBounds(ArrayRef<const Sum *> bounds) {
  if (bounds.empty())
    return {};
  Slope result = slopeOf(bounds.front());
  for (const Sum *bound : bounds.drop_front()) {
    Slope slope = slopeOf(bound);
    result = {std::min(result.min, slope.min), std::max(result.max, slope.max)};
  }
  return result;
}

MaskAnalysis::Trend MaskAnalysis::getTrend() const {
  constexpr double tolerance = 1e-9;
  bool grows = false, shrinks = false;
  for (const Conjunct &conjunct : facts->kept.conjuncts) {
    Slope upper = slopeOfBounds(conjunct.keyUpper);
    Slope lower = slopeOfBounds(conjunct.keyLower);
    grows |= upper.max - lower.min > tolerance || !conjunct.rowLower.empty();
    shrinks |= upper.min - lower.max < -tolerance || !conjunct.rowUpper.empty();
  }
  if (grows && shrinks)
    return Trend::Unknown;
  return grows ? Trend::Growing : shrinks ? Trend::Shrinking : Trend::Flat;
}

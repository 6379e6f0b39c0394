//===- MaskCount.cpp - The number of kept pairs ---------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MaskFacts.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::mask;

/// Evaluations a count may cost.
static constexpr int64_t kMaxEvaluations = int64_t(1) << 23;

namespace {

using KeyInterval = std::pair<int64_t, int64_t>;

class PairCounter {
public:
  PairCounter(ArrayRef<Conjunct> conjuncts, int64_t numQueries, int64_t numKeys)
      : conjuncts(conjuncts), numQueries(numQueries), numKeys(numKeys) {}

  std::optional<int64_t> count();

private:
  int64_t countRow(int64_t row) const;
  int64_t countRowByPairs(int64_t row) const;
  std::optional<KeyInterval> keysOf(const Conjunct &conjunct,
                                    int64_t row) const;
  bool collectLines();
  int64_t countByLines();

  ArrayRef<Conjunct> conjuncts;
  int64_t numQueries, numKeys;
  /// Bounds of the form slope * i + constant.
  SmallVector<KeyInterval> lines;
  SmallVector<int64_t> starts;
};

} // namespace

std::optional<KeyInterval> PairCounter::keysOf(const Conjunct &conjunct,
                                               int64_t row) const {
  for (const Sum *bound : conjunct.rowLower)
    if (row < bound->constant)
      return std::nullopt;
  for (const Sum *bound : conjunct.rowUpper)
    if (row >= bound->constant)
      return std::nullopt;
  KeyInterval keys{0, numKeys};
  for (const Sum *bound : conjunct.keyLower)
    keys.first = std::max(keys.first, evaluate(bound, row, 0));
  for (const Sum *bound : conjunct.keyUpper)
    keys.second = std::min(keys.second, evaluate(bound, row, 0));
  if (keys.first >= keys.second)
    return std::nullopt;
  return keys;
}

int64_t PairCounter::countRow(int64_t row) const {
  SmallVector<KeyInterval, 8> intervals;
  for (const Conjunct &conjunct : conjuncts)
    if (std::optional<KeyInterval> keys = keysOf(conjunct, row))
      intervals.push_back(*keys);
  llvm::sort(intervals);
  int64_t total = 0, end = 0;
  for (auto [first, last] : intervals) {
    total += std::max<int64_t>(0, last - std::max(first, end));
    end = std::max(end, last);
  }
  return total;
}

int64_t PairCounter::countRowByPairs(int64_t row) const {
  SmallVector<std::pair<KeyInterval, const Conjunct *>, 8> live;
  for (const Conjunct &conjunct : conjuncts)
    if (std::optional<KeyInterval> keys = keysOf(conjunct, row))
      live.push_back({*keys, &conjunct});
  int64_t total = 0;
  for (int64_t key = 0; key < numKeys; ++key)
    total += llvm::any_of(live, [&](auto &entry) {
      auto &[keys, conjunct] = entry;
      return keys.first <= key && key < keys.second &&
             llvm::all_of(
                 conjunct->atoms,
                 [&](const Node *atom) {
                   return evaluate(atom->sum, row, key) >= 0;
                 });
    });
  return total;
}

/// False if some bound is not a line. Collects the rows where the order of two
/// bounds may change: between two of them the count is linear in the row.
bool PairCounter::collectLines() {
  lines = {{0, 0}, {0, numKeys}};
  starts = {0, numQueries};
  for (const Conjunct &conjunct : conjuncts) {
    for (ArrayRef<const Sum *> bounds :
         {ArrayRef(conjunct.keyLower), ArrayRef(conjunct.keyUpper)}) {
      for (const Sum *bound : bounds) {
        if (bound->terms.size() > 1 ||
            (!bound->isConstant() &&
             bound->terms[0].leaf->kind != LeafKind::Row))
          return false;
        lines.push_back({bound->isConstant() ? 0 : bound->terms[0].factor,
                         bound->constant});
      }
    }
    for (ArrayRef<const Sum *> bounds :
         {ArrayRef(conjunct.rowLower), ArrayRef(conjunct.rowUpper)})
      for (const Sum *bound : bounds)
        starts.push_back(bound->constant);
  }
  return int64_t(lines.size() * lines.size()) < numQueries;
}

int64_t PairCounter::countByLines() {
  for (const auto &[slopeA, constantA] : lines) {
    for (const auto &[slopeB, constantB] : lines) {
      if (slopeA <= slopeB)
        continue;
      int64_t crossing =
          llvm::divideFloorSigned(constantB - constantA, slopeA - slopeB);
      starts.append({crossing, crossing + 1});
    }
  }
  llvm::sort(starts);
  int64_t total = 0, first = 0;
  for (int64_t next : starts) {
    if (next <= first || next > numQueries)
      continue;
    total += (next - first) * (countRow(first) + countRow(next - 1)) / 2;
    first = next;
  }
  return total;
}

std::optional<int64_t> PairCounter::count() {
  bool byPairs = false;
  int64_t numAtoms = 0;
  for (const Conjunct &conjunct : conjuncts) {
    byPairs |= conjunct.numPeriodic != 0;
    numAtoms += conjunct.atoms.size();
    for (const Node *atom : conjunct.atoms)
      if (atom->kind != NodeKind::Ge || atom->sum->onSymbol)
        return std::nullopt;
  }
  if (!byPairs && collectLines())
    return countByLines();
  int64_t cost = numQueries * (numAtoms + 1) * (byPairs ? numKeys : 1);
  if (cost > kMaxEvaluations)
    return std::nullopt;
  int64_t total = 0;
  for (int64_t row = 0; row < numQueries; ++row)
    total += byPairs ? countRowByPairs(row) : countRow(row);
  return total;
}

std::optional<int64_t> MaskAnalysis::countPairs(int64_t numQueries,
                                                int64_t numKeys) const {
  if (facts->kept.isSuperset)
    return std::nullopt;
  return PairCounter(facts->kept.conjuncts, numQueries, numKeys).count();
}

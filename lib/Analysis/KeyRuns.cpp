//===- KeyRuns.cpp - The runs of keys a tile may see, as IR ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TileEmitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::mask;

namespace {

/// The keys scanned at once of a mask with an entry per pair.
constexpr int64_t kScanKeys = 64;

/// Keys with (j - phase) mod period < width.
struct Phase {
  int64_t period;
  Index phase, width;
  /// No row of the tile sees other keys than the rest.
  bool isUniform;
};

/// What is known of one conjunct for all of a tile.
struct KeySet {
  const Conjunct *conjunct;
  Index lower, upper;         // empty where lower >= upper
  Index fullLower, fullUpper; // likewise
  SmallVector<Phase, 1> phases;
  Value nextKept, nextMasked; // of this batch and head
  Value batch, head;          // where they are read
  bool canBeFull;
};

} // namespace

struct KeyRuns::Impl : TileEmitter {
  Impl(OpBuilder &builder, Location loc, const MaskAnalysis::Facts &facts,
       const MaskSummary::Impl *summary, Value batch, Value head,
       ArrayRef<MaskAnalysis::AxisRange> rows, Value numKeys)
      : TileEmitter(builder, loc, facts, summary, batch, head, rows, numKeys) {
    for (const Conjunct &conjunct : facts.kept.conjuncts)
      ranges.push_back(prepare(conjunct, batch, head));
  }

  KeySet prepare(const Conjunct &conjunct, Value batch, Value head);
  void prepareFull(KeySet &range, const Rows &live);
  Phase prepareStride(const Stride &stride, const Rows &live);
  std::optional<int64_t> constantWidth(const Stride &stride) const;
  int64_t singlePeriod() const;
  SmallVector<int64_t> blockSizes() const;
  Condition within(const Index &lower, const Index &upper, const Index &first,
                   const Index &end) {
    return both(lessEqual(lower, first), lessEqual(end, upper));
  }

  Index distanceIn(const Phase &phase, const Index &key) {
    return floorMod(sub(key, phase.phase), phase.period);
  }
  Index floorMod(const Index &value, int64_t divisor) {
    return sub(value, mul(floorDiv(value, divisor), divisor));
  }
  Condition less(const Index &a, const Index &b) {
    return lessEqual(add(a, constant(1)), b);
  }
  Index read(Value tensor, const KeySet &range, const Index &key) {
    Value value = tensor::ExtractOp::create(
        builder, loc, tensor,
        ValueRange{range.batch, range.head, materialize(key)});
    return {value, {0, kPositionLimit}};
  }

  Index nextOf(const KeySet &range, const Index &key);
  /// Whether a run of the conjunct holds `key`, and where it ends.
  std::pair<Condition, Index> runOf(const KeySet &range, const Index &key);
  Condition mayKeep(const KeySet &range, const Keys &keys);

  SmallVector<KeySet, 4> ranges;
};

//===----------------------------------------------------------------------===//
// Once per tile
//===----------------------------------------------------------------------===//

/// end - phase, where the rows do not matter and the rest cancels.
std::optional<int64_t>
KeyRuns::Impl::constantWidth(const Stride &stride) const {
  if (stride.lower.size() != 1 || stride.upper.size() != 1)
    return std::nullopt;
  const Sum *lower = stride.lower.front(), *upper = stride.upper.front();
  bool sameTerms =
      llvm::equal(lower->terms, upper->terms, [](const Term &a, const Term &b) {
        return a.leaf == b.leaf && a.factor == b.factor;
      });
  if (!sameTerms || !isSingle(lower))
    return std::nullopt;
  return upper->constant - lower->constant;
}

Phase KeyRuns::Impl::prepareStride(const Stride &stride, const Rows &live) {
  auto bound = [&](ArrayRef<const Sum *> sums, bool isLower, bool forAll) {
    Index result;
    for (auto [index, sum] : llvm::enumerate(sums)) {
      Index value = extreme(sum, isLower == forAll, live);
      result = index == 0 ? value
               : isLower  ? maximum(result, value)
                          : minimum(result, value);
    }
    return mul(result, stride.unit);
  };
  Index phase = bound(stride.lower, true, false);
  Index end = bound(stride.upper, false, false);
  // Axes of the tile with one value make both sides the same.
  bool isUniform =
      llvm::all_of(stride.lower,
                   [&](const Sum *sum) { return isSingle(sum); }) &&
      llvm::all_of(stride.upper, [&](const Sum *sum) { return isSingle(sum); });
  Index width = sub(end, phase);
  if (std::optional<int64_t> constant = constantWidth(stride))
    width = IndexEmitter::constant(*constant * stride.unit);
  return {stride.period, phase, width, isUniform};
}

/// The period of keys that come one by one, or 0: then all of them are a run.
int64_t KeyRuns::Impl::singlePeriod() const {
  if (ranges.size() != 1 || ranges.front().phases.size() != 1 ||
      !ranges.front().conjunct->runs.empty() ||
      !ranges.front().conjunct->probes.empty() ||
      !ranges.front().conjunct->scans.empty())
    return 0;
  const Phase &phase = ranges.front().phases.front();
  bool isSingle = phase.width.isConstant() && phase.width.range.min == 1;
  return isSingle ? phase.period : 0;
}

// The stretch that all rows keep.
void KeyRuns::Impl::prepareFull(KeySet &range, const Rows &live) {
  const Conjunct &conjunct = *range.conjunct;
  range.canBeFull =
      !facts.kept.isSuperset && conjunct.numOpaque == 0 &&
      !conjunct.hasUnsolved &&
      llvm::all_of(range.phases, [](const Phase &p) { return p.isUniform; });
  if (!range.canBeFull)
    return;
  Condition all;
  for (const Node *node : conjunct.guards)
    all = both(all, guard(node, /*forAll=*/true));
  // Rows that were cut off keep nothing.
  for (const Sum *bound : conjunct.rowLower)
    all = both(all, lessEqual(extreme(bound, true), tileRows.axes[0].first));
  for (const Sum *bound : conjunct.rowUpper)
    all = both(all, less(tileRows.axes[0].second, extreme(bound, false)));
  range.fullLower = range.lower;
  range.fullUpper = range.upper;
  for (const Sum *bound : conjunct.keyLower)
    range.fullLower = maximum(range.fullLower, extreme(bound, true, live));
  for (const Sum *bound : conjunct.keyUpper)
    range.fullUpper = minimum(range.fullUpper, extreme(bound, false, live));
  range.fullUpper = select(all, range.fullUpper, constant(0));
}

KeySet KeyRuns::Impl::prepare(const Conjunct &conjunct, Value batch,
                              Value head) {
  KeySet range;
  range.conjunct = &conjunct;
  Condition alive;
  for (const Node *node : conjunct.guards)
    alive = both(alive, guard(node, /*forAll=*/false));
  Rows live = tileRows;
  if (std::optional<Condition> some = narrowRows(conjunct, live))
    alive = both(alive, *some);
  range.lower = constant(0);
  range.upper = numKeys;
  for (const Sum *bound : conjunct.keyLower)
    range.lower = maximum(range.lower, extreme(bound, false, live));
  for (const Sum *bound : conjunct.keyUpper)
    range.upper = minimum(range.upper, extreme(bound, true, live));
  range.upper = select(alive, range.upper, constant(0));
  for (const Stride &stride : conjunct.strides)
    range.phases.push_back(prepareStride(stride, live));
  // The longest period first: within its runs those of the next lie.
  llvm::sort(range.phases, [](const Phase &a, const Phase &b) {
    return a.period > b.period;
  });
  if (!conjunct.runs.empty()) {
    const MaskSummary::Impl::Runs &runs = summary->runs.at(&conjunct);
    Value zero = materialize(constant(0));
    range.nextKept = runs.nextKept;
    range.nextMasked = runs.nextMasked;
    range.batch = runs.onBatch ? batch : zero;
    range.head = runs.onHead ? head : zero;
  }
  prepareFull(range, live);
  return range;
}

//===----------------------------------------------------------------------===//
// Once per run
//===----------------------------------------------------------------------===//

// With several periods the key found may lie outside a longer one: the walk
// then goes on from there.
Index KeyRuns::Impl::nextOf(const KeySet &range, const Index &key) {
  Index next = maximum(key, range.lower);
  for (const Phase &phase : range.phases) {
    Index distance = distanceIn(phase, next);
    Index following = sub(add(next, constant(phase.period)), distance);
    next = select(less(distance, phase.width), next, following);
  }
  if (range.nextKept)
    next = read(range.nextKept, range, minimum(next, numKeys));
  return select(less(next, range.upper), next, numKeys);
}

std::pair<Condition, Index> KeyRuns::Impl::runOf(const KeySet &range,
                                                 const Index &key) {
  Condition holds = both(lessEqual(range.lower, key), less(key, range.upper));
  Index end = range.upper;
  for (const Phase &phase : range.phases) {
    Index distance = distanceIn(phase, key);
    holds = both(holds, less(distance, phase.width));
    if (singlePeriod() == 0)
      end = minimum(end, add(key, sub(phase.width, distance)));
  }
  if (range.nextMasked) {
    Index masked = read(range.nextMasked, range, key);
    holds = both(holds, less(key, masked));
    end = minimum(end, masked);
  }
  return {holds, end};
}

// Interval arithmetic over rows and keys of the comparisons that bounds do not
// express: whether some pair may be kept.
Condition KeyRuns::Impl::mayKeep(const KeySet &range, const Keys &keys) {
  Condition result;
  for (const Node *probe : range.conjunct->probes)
    result = both(result, lessEqual(constant(0),
                                    extremeOverKeys(probe->sum, true, keys)));
  return result;
}

// The keys that share an entry of what is summarised or scanned.
SmallVector<int64_t> KeyRuns::Impl::blockSizes() const {
  llvm::SmallSetVector<int64_t, 2> sizes;
  for (const KeySet &range : ranges) {
    if (!range.conjunct->probes.empty())
      sizes.insert(MaskSummary::Impl::kBlockKeys);
    for (const Node *node : range.conjunct->scans) {
      int64_t size = 1;
      for (const Sum *index : node->indices)
        for (const Term &term : index->terms)
          if (term.leaf->onKey && term.leaf->kind == LeafKind::FloorDiv)
            size = std::max(size, term.leaf->divisor);
      // A mask with an entry per pair is scanned at the speed of memory: short
      // runs find more of what is empty or full.
      sizes.insert(size > 1 ? size : kScanKeys);
    }
  }
  return sizes.takeVector();
}

//===----------------------------------------------------------------------===//
// The interface
//===----------------------------------------------------------------------===//

KeyRuns::KeyRuns(const MaskAnalysis &analysis, const MaskSummary &summary,
                 OpBuilder &builder, Location loc, Value batch, Value head,
                 ArrayRef<MaskAnalysis::AxisRange> rows, Value numKeys)
    : impl(std::make_unique<Impl>(builder, loc, *analysis.facts,
                                  summary.impl.get(), batch, head, rows,
                                  numKeys)) {}

KeyRuns::~KeyRuns() = default;

Value KeyRuns::emitNext(Value key) {
  Impl emitter = *impl;
  Index from = emitter.wrap(key, {0, kPositionLimit});
  Index next = emitter.numKeys;
  for (const KeySet &range : emitter.ranges)
    next = emitter.minimum(next, emitter.nextOf(range, from));
  return emitter.materialize(next);
}

KeyRuns::Run KeyRuns::emitRun(Value key) {
  Impl e = *impl;
  Index from = e.wrap(key, {0, kPositionLimit});
  Index end = from, fullEnd = from, nextFull = e.numKeys;
  bool anyProbe = false, anyScan = false;
  for (const KeySet &range : e.ranges) {
    auto [holds, rangeEnd] = e.runOf(range, from);
    end = e.maximum(end, e.select(holds, rangeEnd, from));
    anyProbe |= !range.conjunct->probes.empty();
    anyScan |= !range.conjunct->scans.empty();
    if (!range.canBeFull || !range.conjunct->scans.empty())
      continue;
    Condition full = e.both(holds, e.both(e.lessEqual(range.fullLower, from),
                                          e.less(from, range.fullUpper)));
    Index stop = e.minimum(rangeEnd, range.fullUpper);
    fullEnd = e.maximum(fullEnd, e.select(full, stop, from));
    // The full stretch ahead begins a run of its own.
    Condition ahead = e.both(e.less(from, range.fullLower),
                             e.less(range.fullLower, range.fullUpper));
    nextFull = e.minimum(nextFull, e.select(ahead, range.fullLower, e.numKeys));
  }
  bool anyFull = llvm::any_of(
      e.ranges, [](const KeySet &range) { return range.canBeFull; });
  Condition isFull =
      anyFull ? e.less(from, fullEnd) : Condition{Value(), false};
  end = e.select(isFull, fullEnd, e.minimum(end, nextFull));
  Condition isVisible{Value(), true};
  if (anyProbe || anyScan) {
    // Runs end where a block of the tables' entries does.
    for (int64_t block : e.blockSizes()) {
      Index blockEnd = e.mul(
          e.add(e.floorDiv(from, block), IndexEmitter::constant(1)), block);
      end = e.minimum(end, blockEnd);
    }
    Index last = e.sub(end, IndexEmitter::constant(1));
    Keys keys{from, e.maximum(from, last)};
    isVisible = isFull;
    for (const KeySet &range : e.ranges) {
      // Other conjuncts may begin within the run.
      Condition some =
          e.both(e.less(e.nextOf(range, from), end), e.mayKeep(range, keys));
      // Another conjunct's run may go on where this one's has ended.
      auto [holds, rangeEnd] = e.runOf(range, from);
      Condition all =
          e.both(e.both(holds, e.lessEqual(end, rangeEnd)),
                 e.within(range.fullLower, range.fullUpper, from, end));
      for (const Node *node : range.conjunct->scans) {
        auto [anyEntry, everyEntry] = e.scan(node, keys);
        some = e.both(some, anyEntry);
        all = e.both(all, everyEntry);
      }
      isVisible = e.either(isVisible, some);
      if (range.canBeFull && !range.conjunct->scans.empty())
        isFull = e.either(isFull, all);
    }
  }
  return {e.materialize(end), e.materialize(isFull), e.materialize(isVisible),
          std::max<int64_t>(1, e.singlePeriod())};
}

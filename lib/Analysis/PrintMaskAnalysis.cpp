//===- PrintMaskAnalysis.cpp - The mask analysis on standard output -------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Analysis/MaskAnalysis.h"
#include "attn/Analysis/Passes.h"
#include "attn/Dialect/Attn/IR/Attn.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

namespace mlir::attn {
#define GEN_PASS_DEF_PRINTMASKANALYSISPASS
#include "attn/Analysis/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// Tiles of a mask whose sizes and symbols are known
//===----------------------------------------------------------------------===//

namespace {

/// The walk over the keys of a tile, emitted once beside the program and folded
/// for each key.
class StaticWalk {
public:
  StaticWalk(AttentionOpInterface op, const MaskAnalysis &analysis,
             int64_t numKeys);

  struct Step {
    int64_t next, end, step;
    bool full, visible;
  };
  /// The next key at or after `key` in the rows given, and the run from `key`.
  std::optional<Step> evaluate(int64_t first, int64_t last, int64_t key);

private:
  bool fold(Operation &op);
  std::optional<int64_t> lookup(Value value);

  Block block;
  DenseMap<Value, Attribute> known;
  Value next;
  KeyRuns::Run run;
};

} // namespace

StaticWalk::StaticWalk(AttentionOpInterface op, const MaskAnalysis &analysis,
                       int64_t numKeys) {
  OpBuilder b(op->getContext());
  Location loc = op.getLoc();
  Type index = b.getIndexType();
  for (unsigned i = 0; i < 3; ++i)
    block.addArgument(index, loc);
  b.setInsertionPointToStart(&block);
  Value zero = arith::ConstantIndexOp::create(b, loc, 0);
  Value keys = arith::ConstantIndexOp::create(b, loc, numKeys);
  MaskAnalysis::AxisRange rows{block.getArgument(0), block.getArgument(1)};
  KeyRuns runs(analysis, MaskSummary(), b, loc, zero, zero, rows, keys);
  next = runs.emitNext(block.getArgument(2));
  run = runs.emitRun(block.getArgument(2));
}

bool StaticWalk::fold(Operation &op) {
  SmallVector<Attribute> operands;
  for (Value operand : op.getOperands()) {
    Attribute value = known.lookup(operand);
    if (!value)
      matchPattern(operand, m_Constant(&value));
    operands.push_back(value);
  }
  SmallVector<OpFoldResult> results;
  if (op.getNumRegions() || failed(op.fold(operands, results)) ||
      results.size() != op.getNumResults())
    return false;
  for (auto [result, folded] : llvm::zip(op.getResults(), results)) {
    auto value = dyn_cast<Attribute>(folded);
    if (!value)
      value = known.lookup(cast<Value>(folded));
    known[result] = value;
  }
  return true;
}

std::optional<int64_t> StaticWalk::lookup(Value value) {
  Attribute constant = known.lookup(value);
  if (!constant)
    matchPattern(value, m_Constant(&constant));
  if (auto integer = dyn_cast_or_null<IntegerAttr>(constant))
    return integer.getValue().getSExtValue();
  return std::nullopt;
}

std::optional<StaticWalk::Step>
StaticWalk::evaluate(int64_t first, int64_t last, int64_t key) {
  known.clear();
  Builder b(block.getArgument(0).getContext());
  int64_t arguments[] = {first, last, key};
  for (auto [argument, value] : llvm::zip(block.getArguments(), arguments))
    known[argument] = b.getIndexAttr(value);
  for (Operation &op : block)
    if (!fold(op))
      return std::nullopt;
  std::optional<int64_t> values[] = {lookup(next), lookup(run.end),
                                     lookup(run.full), lookup(run.visible)};
  for (std::optional<int64_t> value : values)
    if (!value)
      return std::nullopt;
  return Step{*values[0], *values[1], run.step, *values[2] != 0,
              *values[3] != 0};
}

static constexpr int64_t kBlock = 64;
static constexpr int64_t kMostSteps = 1 << 12;
static constexpr int64_t kMostTiles = 1 << 18;

namespace {
struct TileCounts {
  int64_t full = 0, partial = 0, empty = 0;
};
} // namespace

/// What the keys of a run add to their blocks.
static void mark(const StaticWalk::Step &run, int64_t key,
                 MutableArrayRef<int64_t> visited,
                 MutableArrayRef<int64_t> full) {
  for (; run.visible && key < run.end; key += run.step) {
    visited[key / kBlock] += 1;
    full[key / kBlock] += run.full;
  }
}

/// The tiles of a mask by class; none where they depend on what is known at run
/// time only, or the walk is long.
static std::optional<TileCounts> countTiles(AttentionOpInterface op,
                                            const MaskAnalysis &analysis,
                                            int64_t numQueries,
                                            int64_t numKeys) {
  Region &mask = op.getMaskRegion();
  bool readsTable =
      mask.walk([](tensor::ExtractOp) { return WalkResult::interrupt(); })
          .wasInterrupted();
  int64_t tilesOfRow = llvm::divideCeil(numKeys, kBlock);
  bool isLarge = llvm::divideCeil(numQueries, kBlock) > kMostTiles ||
                 llvm::divideCeil(numQueries, kBlock) * tilesOfRow > kMostTiles;
  if (isLarge || readsTable || !mask.getArgument(0).use_empty() ||
      !mask.getArgument(1).use_empty())
    return std::nullopt;
  StaticWalk walk(op, analysis, numKeys);
  TileCounts counts;
  int64_t steps = 0;
  for (int64_t first = 0; first < numQueries; first += kBlock) {
    int64_t last = std::min(first + kBlock, numQueries) - 1;
    SmallVector<int64_t> visited(tilesOfRow), full(visited);
    for (int64_t key = 0;;) {
      std::optional<StaticWalk::Step> ahead = walk.evaluate(first, last, key);
      if (!ahead || ++steps > kMostSteps)
        return std::nullopt;
      if (ahead->next >= numKeys)
        break;
      std::optional<StaticWalk::Step> run =
          walk.evaluate(first, last, ahead->next);
      if (!run)
        return std::nullopt;
      mark(*run, ahead->next, visited, full);
      key = std::max(run->end, ahead->next);
    }
    for (auto [block, count] : llvm::enumerate(visited)) {
      int64_t width = std::min<int64_t>(kBlock, numKeys - block * kBlock);
      int64_t &kind = count == 0             ? counts.empty
                      : full[block] == width ? counts.full
                                             : counts.partial;
      ++kind;
    }
  }
  return counts;
}

static int64_t getStaticSize(AttentionOpInterface op, unsigned dim) {
  for (auto [operand, map] : llvm::zip(op.getRoleOperands(), op.getRoleMaps()))
    for (auto [position, expr] : llvm::enumerate(map.getResults()))
      if (expr == getAffineDimExpr(dim, op->getContext()))
        return cast<ShapedType>(operand.getType()).getDimSize(position);
  return ShapedType::kDynamic;
}

static void printTiles(AttentionOp op, const MaskAnalysis &analysis) {
  int64_t numQueries = getStaticSize(op, kQuery);
  int64_t numKeys = getStaticSize(op, kKey);
  if (ShapedType::isDynamic(numQueries) || ShapedType::isDynamic(numKeys) ||
      op.hasKeyRows())
    return;
  if (std::optional<TileCounts> counts =
          countTiles(op, analysis, numQueries, numKeys))
    llvm::outs() << "  tiles of " << kBlock << " x " << kBlock << ": "
                 << counts->full << " full, " << counts->partial << " partial, "
                 << counts->empty << " empty\n";
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {
struct PrintMaskAnalysisPass final
    : attn::impl::PrintMaskAnalysisPassBase<PrintMaskAnalysisPass> {
  using Base::Base;
  void runOnOperation() override {
    getOperation()->walk([](AttentionOpInterface op) {
      Region &mask = op.getMaskRegion();
      if (mask.empty())
        return;
      llvm::outs() << "mask of " << op->getName() << " at " << op.getLoc()
                   << ": ";
      MaskAnalysis analysis = MaskAnalysis::compute(mask);
      analysis.print(llvm::outs());
      if (auto attention = dyn_cast<AttentionOp>(*op))
        printTiles(attention, analysis);
    });
    markAllAnalysesPreserved();
  }
};
} // namespace

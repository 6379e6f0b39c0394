//===- AttnExpand.cpp - Mask and score attributes become regions ----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "AttnMaps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"

using namespace mlir;
using namespace mlir::attn;

namespace {
/// The sizes attributes may ask for, built before the operation. Those not
/// used in the end are erased.
struct ProblemSizes {
  RewriterBase &rewriter;
  Value heads, queries, keys;

  ProblemSizes(RewriterBase &rewriter, AttentionOp op) : rewriter(rewriter) {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPoint(op);
    auto size = [&](LoopDim dim) {
      return getValueOrCreateConstantIndexOp(rewriter, op.getLoc(),
                                             getLoopDimSize(rewriter, op, dim));
    };
    heads = size(kHead);
    queries = size(kQuery);
    keys = size(kKey);
  }

  ~ProblemSizes() {
    for (Value size : {heads, queries, keys})
      if (Operation *def = size.getDefiningOp(); def && def->use_empty())
        rewriter.eraseOp(def);
  }

  PairContext getContext(ValueRange position, ValueRange operands) const {
    return {position[0], position[1], position[2], position[3],
            heads,       queries,     keys,        operands};
  }
};

/// Attributes with their operands.
struct Modifiers {
  ArrayAttr kinds;
  std::optional<ArrayRef<int32_t>> counts;
  OperandRange operands;

  bool empty() const { return !kinds || kinds.empty(); }

  template <typename Interface>
  LogicalResult
  forEach(function_ref<LogicalResult(Interface, ValueRange)> visit) const {
    OperandRange rest = operands;
    for (auto [i, kind] : llvm::enumerate(kinds)) {
      size_t count = counts ? (*counts)[i] : 0;
      if (failed(visit(cast<Interface>(kind), rest.take_front(count))))
        return failure();
      rest = rest.drop_front(count);
    }
    return success();
  }
};
} // namespace

/// Creates a block in front of the region's own, if any.
static Block *createEntry(RewriterBase &rewriter, Region &region,
                          ArrayRef<Type> types, Location loc) {
  SmallVector<Location> locs(types.size(), loc);
  return rewriter.createBlock(&region, region.begin(), types, locs);
}

/// Ends the new block: appends the region's own block with `arguments`, or
/// yields `value`. Returns the yield.
static YieldOp closeEntry(RewriterBase &rewriter, Block *entry,
                          ValueRange arguments, Value value) {
  if (Block *own = entry->getNextNode()) {
    rewriter.mergeBlocks(own, entry, arguments);
    return cast<YieldOp>(entry->getTerminator());
  }
  rewriter.setInsertionPointToEnd(entry);
  return YieldOp::create(rewriter, value.getLoc(), value);
}

static LogicalResult expandScores(RewriterBase &rewriter, AttentionOp op,
                                  const Modifiers &scores,
                                  const ProblemSizes &sizes) {
  Type index = rewriter.getIndexType();
  Block *entry = createEntry(rewriter, op.getScore(),
                             {op.getComputeType(), index, index, index, index},
                             op.getLoc());
  Value score = entry->getArgument(0);
  auto apply = [&](ScoreAttrInterface kind, ValueRange operands) {
    score = kind.materialize(
        rewriter, op.getLoc(), score,
        sizes.getContext(entry->getArguments().drop_front(), operands));
    return success(score != nullptr);
  };
  if (failed(scores.forEach<ScoreAttrInterface>(apply)))
    return failure();
  SmallVector<Value> arguments(entry->getArguments());
  arguments.front() = score;
  closeEntry(rewriter, entry, arguments, score);
  return success();
}

static LogicalResult expandMasks(RewriterBase &rewriter, AttentionOp op,
                                 const Modifiers &masks,
                                 const ProblemSizes &sizes) {
  Type index = rewriter.getIndexType();
  Block *entry = createEntry(rewriter, op.getMask(),
                             {index, index, index, index}, op.getLoc());
  Value keep;
  auto apply = [&](MaskAttrInterface kind, ValueRange operands) {
    if (kind.isTrivial())
      return success();
    Value own =
        kind.materialize(rewriter, op.getLoc(),
                         sizes.getContext(entry->getArguments(), operands));
    if (!own)
      return failure();
    keep = keep ? arith::AndIOp::create(rewriter, op.getLoc(), keep, own) : own;
    return success();
  };
  if (failed(masks.forEach<MaskAttrInterface>(apply)))
    return failure();
  if (!keep)
    keep = arith::ConstantIntOp::create(rewriter, op.getLoc(), 1, 1);
  YieldOp yield = closeEntry(rewriter, entry, entry->getArguments(), keep);
  if (yield.getValue() == keep)
    return success();
  rewriter.setInsertionPoint(yield);
  Value both =
      arith::AndIOp::create(rewriter, op.getLoc(), keep, yield.getValue());
  rewriter.modifyOpInPlace(yield,
                           [&] { yield.getValueMutable().assign(both); });
  return success();
}

/// Folding leaves constants behind that nothing uses.
static void eraseDeadOps(RewriterBase &rewriter, Region &region) {
  for (Block &block : region)
    for (Operation &inner : llvm::make_early_inc_range(llvm::reverse(block)))
      if (isOpTriviallyDead(&inner))
        rewriter.eraseOp(&inner);
}

bool AttentionOp::isCore() {
  return (!getScores() || getScores()->empty()) &&
         (!getMasks() || getMasks()->empty());
}

LogicalResult AttentionOp::expand(RewriterBase &rewriter) {
  OpBuilder::InsertionGuard guard(rewriter);
  Modifiers scores{getScoresAttr(), getScoreOperandCounts(),
                   getScoreOperands()};
  Modifiers masks{getMasksAttr(), getMaskOperandCounts(), getMaskOperands()};
  rewriter.startOpModification(*this);
  {
    ProblemSizes sizes(rewriter, *this);
    if ((!scores.empty() &&
         failed(expandScores(rewriter, *this, scores, sizes))) ||
        (!masks.empty() &&
         failed(expandMasks(rewriter, *this, masks, sizes)))) {
      rewriter.cancelOpModification(*this);
      return failure();
    }
    eraseDeadOps(rewriter, getScore());
    eraseDeadOps(rewriter, getMask());
  }
  getScoreOperandsMutable().clear();
  getMaskOperandsMutable().clear();
  for (StringAttr name :
       {getScoresAttrName(), getMasksAttrName(),
        getScoreOperandCountsAttrName(), getMaskOperandCountsAttrName()})
    (*this)->removeAttr(name);
  rewriter.finalizeOpModification(*this);
  return success();
}

//===- TileAttention.cpp - Cuts attention into tasks and steps ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TaskBuilder.h"
#include "attn/Tile/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"

namespace mlir::attn {
#define GEN_PASS_DEF_TILEATTENTIONPASS
#include "attn/Tile/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

static void reportMask(AttentionOp op, const MaskAnalysis &mask,
                       const AttentionSizes &sizes) {
  auto options =
      remark::RemarkOpts::name("MaskAnalysis").category("attn-tile-attention");
  if (!mask.isExact()) {
    for (Operation *defeating : mask.getDefeatingOps())
      remark::missed(defeating->getLoc(), options)
          << "mask is evaluated element by element where it depends on "
          << defeating->getName().getStringRef()
          << ": not an affine comparison of query and key index";
    return;
  }
  std::string kept;
  bool isStatic = !ShapedType::isDynamic(sizes.numQueries) &&
                  !ShapedType::isDynamic(sizes.numKeys);
  if (isStatic)
    if (std::optional<int64_t> pairs =
            mask.countPairs(sizes.numQueries, sizes.numKeys))
      kept = "; it keeps " + std::to_string(*pairs) + " of " +
             std::to_string(sizes.numQueries * sizes.numKeys) +
             " pairs of a head";
  remark::passed(op.getLoc(), options)
      << "mask understood: key blocks without a kept pair are skipped, full "
         "ones carry no mask code"
      << kept;
}

static void reportSchedule(AttentionOp op, const Schedule &schedule) {
  remark::passed(
      op.getLoc(),
      remark::RemarkOpts::name("Schedule").category("attn-tile-attention"))
      << "tiled into blocks of " << std::to_string(schedule.blockQueries)
      << " queries x " << std::to_string(schedule.blockKeys) << " keys; "
      << schedule.reason;
}

// Key and value heads of a group can be read once for all its query heads
// when both are grouped alike.
static bool supportsFeatureLanes(AttentionOp op) {
  auto getDivisor = [](AffineMap map) -> int64_t {
    for (AffineExpr expr : map.getResults())
      if (expr.isFunctionOfDim(kHead)) {
        auto division = dyn_cast<AffineBinaryOpExpr>(expr);
        return division ? cast<AffineConstantExpr>(division.getRHS()).getValue()
                        : 1;
      }
    return 0;
  };
  SmallVector<AffineMap> maps = op.getRoleMaps();
  bool hasHeads = llvm::any_of(maps[0].getResults(), [](AffineExpr expr) {
    return expr.isFunctionOfDim(kHead);
  });
  // The heads of a group are computed at once: their keys must be the same.
  if (op.hasKeyRows() && !op.getKeyRows().getArgument(1).use_empty())
    return false;
  int64_t key = getDivisor(maps[1]), value = getDivisor(maps[2]);
  return key == value && (key > 0 || !hasHeads);
}

static bool isConstantTrue(Region &region) {
  if (region.empty())
    return true;
  Value keep = region.front().getTerminator()->getOperand(0);
  return getConstantIntValue(keep).value_or(0) != 0;
}

// How tiles with queries in the lanes see the mask: with rows split into axes
// where that saves keys, and keys in lists where one interval is not enough.
static TileMask splitRows(AttentionOp op, const TileMask &mask,
                          const AttentionSizes &sizes, MaskShape &shape) {
  TileMask result = mask;
  MaskAnalysis::RowSplit split = mask.analysis.suggestSplit();
  if (!split.fits(sizes.numQueries)) {
    remark::missed(op.getLoc(), remark::RemarkOpts::name("MaskAnalysis")
                                    .category("attn-tile-attention"))
        << "mask of a grid with lines of "
        << std::to_string(split.divisors.front())
        << ": tiles are not patches of it, because the number of queries is "
           "not known to be whole lines";
    split = {};
  }
  if (!split.divisors.empty())
    result.analysis = MaskAnalysis::compute(op.getMaskRegion(), split.divisors);
  shape.rows = split;
  shape.isListed = !result.analysis.isSingleInterval();
  shape.rowBlock = mask.analysis.getRowBlock();
  shape.isBanded = result.analysis.getTrend() == MaskAnalysis::Trend::Flat &&
                   !op.getMaskRegion().getArgument(2).use_empty();
  return result;
}

LogicalResult mlir::attn::tileAttention(RewriterBase &rewriter, AttentionOp op,
                                        const CPUTarget &target,
                                        const ScheduleRequest &request) {
  if (op.getScores() || op.getMasks())
    return op.emitOpError("expects mask and score attributes to be expanded "
                          "before tiling (run attn-expand)");
  rewriter.setInsertionPoint(op);
  AttentionSizes sizes = getStaticSizes(op);
  std::optional<TileMask> mask, split;
  if (!isConstantTrue(op.getMaskRegion())) {
    MaskAnalysis analysis = MaskAnalysis::compute(op.getMaskRegion());
    if (!analysis.isTrivial()) {
      reportMask(op, analysis, sizes);
      mask = TileMask{analysis, {}};
    }
  }
  MaskShape shape;
  if (mask)
    split = splitRows(op, *mask, sizes, shape);

  SmallVector<Value> outputs = TaskBuilder::createOutputs(rewriter, op);
  auto build = [&](LaneKind lanes, Value active = {}) {
    Schedule schedule = chooseSchedule(op, target, request, lanes, shape);
    reportSchedule(op, schedule);
    std::optional<TileMask> &part =
        lanes == LaneKind::Queries && !shape.rows.divisors.empty() ? split
                                                                   : mask;
    if (part)
      part->scan(rewriter, op);
    return TaskBuilder(rewriter, op, schedule, part ? &*part : nullptr)
        .build(outputs, active);
  };

  using Kind = ScheduleRequest::Kind;
  bool canUseFeatures = supportsFeatureLanes(op);
  int64_t maxQueries =
      std::max<int64_t>(1, getMaxFeatureRows(target) / sizes.headsPerGroup);
  bool isStatic = !ShapedType::isDynamic(sizes.numQueries);
  bool fewQueries = isStatic && sizes.numQueries <= maxQueries;
  if (!canUseFeatures || request.kind == Kind::Queries ||
      (request.kind == Kind::Auto && isStatic && !fewQueries)) {
    rewriter.replaceOp(op, build(LaneKind::Queries));
    return success();
  }
  if (request.kind == Kind::Features || fewQueries) {
    rewriter.replaceOp(op, build(LaneKind::Features));
    return success();
  }

  // The number of queries is known at run time only: both schedules.
  Value numQueries = TaskBuilder::getSize(rewriter, op, kQuery);
  Value limit =
      arith::ConstantIndexOp::create(rewriter, op.getLoc(), maxQueries);
  Value few = arith::CmpIOp::create(
      rewriter, op.getLoc(), arith::CmpIPredicate::sle, numQueries, limit);
  Value many = arith::CmpIOp::create(
      rewriter, op.getLoc(), arith::CmpIPredicate::sgt, numQueries, limit);
  // One after the other, and one of them without tasks: both then write
  // straight into the caller's buffers.
  outputs = build(LaneKind::Features, few);
  rewriter.replaceOp(op, build(LaneKind::Queries, many));
  return success();
}

namespace {
struct TileAttentionPass final
    : public attn::impl::TileAttentionPassBase<TileAttentionPass> {
  using Base::Base;

  void runOnOperation() override {
    std::string error;
    FailureOr<CPUTarget> description = describeTarget(target, error);
    if (failed(description)) {
      getOperation().emitError() << error;
      return signalPassFailure();
    }
    FailureOr<ScheduleRequest> request = readOptions();
    if (failed(request))
      return signalPassFailure();
    SmallVector<AttentionOp> ops;
    getOperation().walk([&](AttentionOp op) { ops.push_back(op); });
    IRRewriter rewriter(&getContext());
    for (AttentionOp op : ops)
      if (failed(tileAttention(rewriter, op, *description, *request)))
        return signalPassFailure();
  }

private:
  FailureOr<ScheduleRequest> readOptions() {
    // Queries of a step are unrolled and blocks of a task are kept at once:
    // sizes no schedule profits from would only cost compile time and memory.
    std::tuple<StringRef, int64_t, int64_t> sizes[] = {
        {"block-queries", blockQueries, 512},
        {"block-keys", blockKeys, 1 << 16},
        {"blocks-per-task", blocksPerTask, 64}};
    for (auto [name, value, most] : sizes)
      if (value < 0 || value > most) {
        getOperation().emitError()
            << "expects option '" << name << "' to be between 0 and " << most
            << ", but got " << value;
        return failure();
      }
    ScheduleRequest request;
    request.blockQueries = blockQueries;
    request.blockKeys = blockKeys;
    request.blocksPerTask = blocksPerTask;
    if (schedule == "lanes-queries") {
      request.kind = ScheduleRequest::Kind::Queries;
    } else if (schedule == "lanes-features") {
      request.kind = ScheduleRequest::Kind::Features;
    } else if (schedule != "auto") {
      getOperation().emitError()
          << "unknown schedule '" << schedule
          << "', expected auto, lanes-queries or lanes-features";
      return failure();
    }
    return request;
  }
};
} // namespace

//===- LowerTiles.cpp - Vector code for the operations on tiles -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Codegen/OnlineStep.h"
#include "attn/Codegen/Passes.h"
#include "attn/Codegen/TileOps.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace mlir::attn {
#define GEN_PASS_DEF_LOWERTILESPASS
#include "attn/Codegen/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

// Affine operations have no form on vectors; their arithmetic has.
static void expandAffine(Region &region) {
  region.walk([](Operation *op) {
    if (!isa<affine::AffineApplyOp, affine::AffineMinOp, affine::AffineMaxOp>(
            op))
      return;
    auto map = cast<AffineMapAttr>(op->getAttr("map")).getValue();
    OpBuilder b(op);
    auto values =
        affine::expandAffineMap(b, op->getLoc(), map, op->getOperands());
    if (!values)
      return;
    Value result = values->front();
    for (Value value : llvm::drop_begin(*values))
      result =
          isa<affine::AffineMinOp>(op)
              ? b.createOrFold<arith::MinSIOp>(op->getLoc(), result, value)
              : b.createOrFold<arith::MaxSIOp>(op->getLoc(), result, value);
    op->getResult(0).replaceAllUsesWith(result);
    op->erase();
  });
}

// A step with a mask and the same step without, under one condition.
struct GuardedStep {
  scf::IfOp branch;
  OnlineAttentionOp masked;
};

static std::optional<GuardedStep> matchGuardedStep(scf::IfOp branch) {
  auto onlyStep = [](Region &region) -> OnlineAttentionOp {
    if (region.empty() || !llvm::hasNItems(region.front(), 2))
      return {};
    return dyn_cast<OnlineAttentionOp>(region.front().front());
  };
  OnlineAttentionOp plain = onlyStep(branch.getThenRegion()),
                    masked = onlyStep(branch.getElseRegion());
  auto inputs = [](OnlineAttentionOp op) {
    return std::make_tuple(op.getQuery(), op.getKey(), op.getValue(),
                           op.getKeyRows(), op.getAccumulator(),
                           op.getMaximum(), op.getSum(),
                           op.getIndexingMapsAttr(), op.getLogitScaleAttr());
  };
  if (!plain || !masked || inputs(plain) != inputs(masked) ||
      !llvm::equal(plain.getOrigin(), masked.getOrigin()) ||
      !plain.getMaskRegion().empty() || masked.getMaskRegion().empty() ||
      plain.getScoreRegion().empty() != masked.getScoreRegion().empty())
    return std::nullopt;
  return GuardedStep{branch, masked};
}

// The two steps share all code but the mask: emitting them as one halves what
// the backend has to compile.
static LogicalResult lowerGuardedSteps(func::FuncOp function,
                                       const CPUTarget &target) {
  SmallVector<GuardedStep> steps;
  function.walk([&](scf::IfOp branch) {
    if (std::optional<GuardedStep> step = matchGuardedStep(branch))
      steps.push_back(*step);
  });
  for (GuardedStep &step : steps) {
    FailureOr<StepLayout> layout = getStepLayout(step.masked);
    if (failed(layout))
      return failure();
    if (*layout == StepLayout::FeatureLanes ||
        ShapedType::isDynamic(getMaxKeys(step.masked)))
      continue;
    OpBuilder b(step.branch);
    if (failed(emitQueryLanesStep(b, step.masked, target,
                                  *layout == StepLayout::QueryLanesPairs,
                                  step.branch.getCondition())))
      return failure();
    step.branch.erase();
  }
  return success();
}

static LogicalResult lowerStep(OpBuilder &b, OnlineAttentionOp op,
                               const CPUTarget &target) {
  FailureOr<StepLayout> layout = getStepLayout(op);
  if (failed(layout))
    return failure();
  if (ShapedType::isDynamic(getMaxKeys(op)))
    return op.emitOpError("expects a number of keys with a known upper bound, "
                          "to size the scratch buffer by");
  switch (*layout) {
  case StepLayout::QueryLanes:
    return emitQueryLanesStep(b, op, target, /*pairs=*/false);
  case StepLayout::QueryLanesPairs:
    return emitQueryLanesStep(b, op, target, /*pairs=*/true);
  case StepLayout::FeatureLanes:
    return emitFeatureLanesStep(b, op, target);
  }
  llvm_unreachable("all layouts are handled");
}

// As a call of a runtime function, what memref.copy of strided buffers
// otherwise becomes, a copy would need a library beside the kernel.
static void lowerCopies(func::FuncOp function) {
  function.walk([](memref::CopyOp copy) {
    OpBuilder b(copy);
    linalg::CopyOp::create(b, copy.getLoc(), copy.getSource(),
                           copy.getTarget());
    copy.erase();
  });
}

// Tables are scanned a piece of each row at a time: what comes next is nothing
// that the hardware foresees.
static void prefetchScans(func::FuncOp function) {
  constexpr int64_t kBitsAhead = 1024;
  function.walk([](vector::TransferReadOp read) {
    auto type = dyn_cast<MemRefType>(read.getShapedType());
    if (!type || !type.isLastDimUnitStride() ||
        !type.getElementType().isIntOrFloat())
      return;
    OpBuilder b(read);
    SmallVector<Value> indices(read.getIndices());
    Value ahead = arith::ConstantIndexOp::create(
        b, read.getLoc(), kBitsAhead / type.getElementTypeBitWidth());
    indices.back() =
        arith::AddIOp::create(b, read.getLoc(), indices.back(), ahead);
    memref::PrefetchOp::create(b, read.getLoc(), read.getBase(), indices,
                               /*isWrite=*/false, /*localityHint=*/2,
                               /*isDataCache=*/true);
  });
}

// Other graph operations: plain loops.
static LogicalResult lowerToLoops(func::FuncOp function) {
  SmallVector<linalg::LinalgOp> ops;
  function.walk([&](linalg::LinalgOp op) { ops.push_back(op); });
  IRRewriter rewriter(function.getContext());
  for (linalg::LinalgOp op : ops) {
    rewriter.setInsertionPoint(op);
    if (!op.hasPureBufferSemantics() ||
        failed(linalg::linalgOpToLoops(rewriter, op)))
      return op.emitOpError("expects buffers, but got tensors (run "
                            "attn-bufferize)");
    rewriter.eraseOp(op);
  }
  return success();
}

namespace {
struct LowerTilesPass final
    : public attn::impl::LowerTilesPassBase<LowerTilesPass> {
  using Base::Base;

  void runOnOperation() override {
    std::string error;
    FailureOr<CPUTarget> description = describeTarget(target, error);
    if (failed(description)) {
      getOperation().emitError() << error;
      return signalPassFailure();
    }
    lowerCopies(getOperation());
    prefetchScans(getOperation());
    getOperation().walk([](OnlineAttentionOp op) {
      expandAffine(op.getScoreRegion());
      expandAffine(op.getMaskRegion());
    });
    if (failed(lowerGuardedSteps(getOperation(), *description)))
      return signalPassFailure();
    SmallVector<Operation *> ops;
    getOperation().walk([&](Operation *op) {
      if (isa<OnlineAttentionOp, PackOp, NormalizeOp>(op))
        ops.push_back(op);
      else if (auto fill = dyn_cast<linalg::FillOp>(op))
        if (canEmitFill(fill, *description))
          ops.push_back(op);
    });
    for (Operation *op : ops) {
      if (op->getNumResults() > 0) {
        op->emitOpError("expects buffers, but got tensors (run "
                        "attn-bufferize)");
        return signalPassFailure();
      }
      OpBuilder b(op);
      LogicalResult result = success();
      if (auto step = dyn_cast<OnlineAttentionOp>(op))
        result = lowerStep(b, step, *description);
      else if (auto pack = dyn_cast<PackOp>(op))
        result = emitPack(b, pack, *description);
      else if (auto normalize = dyn_cast<NormalizeOp>(op))
        result = emitNormalize(b, normalize, *description);
      else
        emitFill(b, cast<linalg::FillOp>(op), *description);
      if (failed(result))
        return signalPassFailure();
      op->erase();
    }
    if (failed(lowerToLoops(getOperation())))
      return signalPassFailure();
  }
};
} // namespace

//===- AttnCanonicalize.cpp - Canonical forms of the operations -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "AttnMaps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// Regions
//===----------------------------------------------------------------------===//

static Value getYielded(Region &region) {
  return region.empty() ? Value()
                        : cast<YieldOp>(region.front().back()).getValue();
}

static LogicalResult removeRegion(PatternRewriter &rewriter, Operation *op,
                                  Region &region) {
  rewriter.modifyOpInPlace(op, [&] {
    while (!region.front().empty())
      rewriter.eraseOp(&region.front().back());
    rewriter.eraseBlock(&region.front());
  });
  return success();
}

namespace {
/// A mask that keeps every pair.
struct RemoveTrueMask : OpInterfaceRewritePattern<AttentionOpInterface> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;
  LogicalResult matchAndRewrite(AttentionOpInterface op,
                                PatternRewriter &rewriter) const override {
    Value keep = getYielded(op.getMaskRegion());
    if (!keep || !matchPattern(keep, m_One()))
      return rewriter.notifyMatchFailure(op, "the mask is not always true");
    return removeRegion(rewriter, op, op.getMaskRegion());
  }
};

/// A score region that gives back the logit.
struct RemoveIdentityScore : OpInterfaceRewritePattern<AttentionOpInterface> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;
  LogicalResult matchAndRewrite(AttentionOpInterface op,
                                PatternRewriter &rewriter) const override {
    Value score = getYielded(op.getScoreRegion());
    if (!score || score != op.getScoreRegion().getArgument(0))
      return rewriter.notifyMatchFailure(op, "the score is not the identity");
    return removeRegion(rewriter, op, op.getScoreRegion());
  }
};

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

/// Takes operands in front of a `tensor.cast` that hides static sizes, as the
/// tensor dialect does for operations with a destination. Theirs clones the
/// operation and cannot when a region is empty, so this one comes first.
struct FoldTensorCasts : OpInterfaceRewritePattern<AttentionOpInterface> {
  FoldTensorCasts(MLIRContext *context)
      : OpInterfaceRewritePattern(context, /*benefit=*/2) {}

  LogicalResult matchAndRewrite(AttentionOpInterface op,
                                PatternRewriter &rewriter) const override {
    if (!tensor::hasFoldableTensorCastOperand(op))
      return rewriter.notifyMatchFailure(op, "no cast to take away");
    SmallVector<Type> types(op->getResultTypes());
    SmallVector<Value> operands = tensor::getUpdatedOperandsAfterCastOpFolding(
        cast<DestinationStyleOpInterface>(*op), types);
    rewriter.modifyOpInPlace(op, [&] { op->setOperands(operands); });
    rewriter.setInsertionPointAfter(op);
    for (auto [number, type] : llvm::enumerate(types)) {
      OpResult result = op->getResult(number);
      Type before = result.getType();
      if (before == type)
        continue;
      rewriter.modifyOpInPlace(op, [&] { result.setType(types[number]); });
      auto cast = tensor::CastOp::create(rewriter, op.getLoc(), before, result);
      rewriter.replaceAllUsesExcept(result, cast, cast);
    }
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Clauses of attn.attention
//===----------------------------------------------------------------------===//

/// Key j in row j, of as many rows as there are keys.
struct RemoveIdentityKeyRows : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AttentionOp op,
                                PatternRewriter &rewriter) const override {
    Value row = getYielded(op.getKeyRows());
    if (!row || row != op.getKeyRows().getArgument(2))
      return rewriter.notifyMatchFailure(op, "keys are not in order");
    AffineExpr keys = getAffineDimExpr(kKey, op.getContext());
    for (unsigned role : {1, 2}) {
      unsigned position = *op.getRoleMaps()[role].getResultPosition(keys);
      if (failed(
              hasSize(op.getRoleOperands()[role], position, op.getNumKeys())))
        return rewriter.notifyMatchFailure(op, "there may be more rows");
    }
    rewriter.modifyOpInPlace(op, [&] { op.getNumKeysMutable().clear(); });
    return removeRegion(rewriter, op, op.getKeyRows());
  }

  static LogicalResult hasSize(Value tensor, unsigned dim, Value size) {
    if (!isa<RankedTensorType>(tensor.getType()))
      return failure();
    FailureOr<bool> equal = ValueBoundsConstraintSet::areEqual(
        ValueBoundsConstraintSet::Variable(tensor, dim), size);
    return success(succeeded(equal) && *equal);
  }
};

/// `scale(%constant)` becomes `scale(constant)`.
struct InlineConstantScale : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AttentionOp op,
                                PatternRewriter &rewriter) const override {
    FloatAttr value;
    if (!op.getScale() || !matchPattern(op.getScale(), m_Constant(&value)))
      return rewriter.notifyMatchFailure(op, "the scale is no constant");
    rewriter.modifyOpInPlace(op, [&] {
      op.getScaleMutable().clear();
      op.setScaleValueAttr(rewriter.getF64FloatAttr(value.getValueAsDouble()));
    });
    return success();
  }
};

/// 1/sqrt(D) is what an absent scale means.
struct DropDefaultScale : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AttentionOp op,
                                PatternRewriter &rewriter) const override {
    std::optional<int64_t> width = getStaticLoopDimSize(op, kWidth);
    if (!op.getScaleValueAttr() || !width || *width == 0)
      return rewriter.notifyMatchFailure(op, "no constant scale or width");
    double scale = op.getScaleValueAttr().getValueAsDouble();
    double standard = 1.0 / std::sqrt(static_cast<double>(*width));
    bool equal = op.getComputeType().isF64() ? scale == standard
                                             : static_cast<float>(scale) ==
                                                   static_cast<float>(standard);
    if (!equal)
      return rewriter.notifyMatchFailure(op, "another scale");
    rewriter.modifyOpInPlace(op, [&] { op.removeScaleValueAttr(); });
    return success();
  }
};

/// Masks that keep every pair, such as an unbounded window.
struct DropTrivialMasks : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AttentionOp op,
                                PatternRewriter &rewriter) const override {
    ArrayAttr masks = op.getMasksAttr();
    auto isTrivial = [](Attribute kind) {
      return cast<MaskAttrInterface>(kind).isTrivial();
    };
    if (!masks || (!masks.empty() && llvm::none_of(masks, isTrivial)))
      return rewriter.notifyMatchFailure(op, "no trivial mask");
    SmallVector<Attribute> kinds;
    SmallVector<int32_t> counts;
    SmallVector<Value> operands;
    OperandRange rest = op.getMaskOperands();
    for (auto [i, kind] : llvm::enumerate(masks)) {
      size_t count =
          op.getMaskOperandCounts() ? (*op.getMaskOperandCounts())[i] : 0;
      if (!isTrivial(kind)) {
        kinds.push_back(kind);
        counts.push_back(count);
        llvm::append_range(operands, rest.take_front(count));
      }
      rest = rest.drop_front(count);
    }
    rewriter.modifyOpInPlace(op, [&] {
      op.getMaskOperandsMutable().assign(operands);
      op.setMasksAttr(kinds.empty() ? ArrayAttr()
                                    : rewriter.getArrayAttr(kinds));
      op.setMaskOperandCountsAttr(operands.empty()
                                      ? DenseI32ArrayAttr()
                                      : rewriter.getDenseI32ArrayAttr(counts));
    });
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Empty problems
//===----------------------------------------------------------------------===//

static bool hasZeroDim(Type type) {
  return llvm::is_contained(cast<ShapedType>(type).getShape(), 0);
}

/// No key, or no pair that the mask keeps.
static bool attendsToNothing(AttentionOpInterface op) {
  Value keep = getYielded(op.getMaskRegion());
  return getStaticLoopDimSize(op, kKey) == 0 ||
         (keep && matchPattern(keep, m_Zero()));
}

static Value fill(OpBuilder &b, Location loc, Value init, double value) {
  auto element = cast<FloatType>(getElementTypeOrSelf(init.getType()));
  Value constant =
      arith::ConstantOp::create(b, loc, b.getFloatAttr(element, value));
  return linalg::FillOp::create(b, loc, constant, init).getResult(0);
}

/// The log-sum-exp of rows without keys: the sink is all they attend to.
static Value broadcastSinks(OpBuilder &b, AttentionOp op) {
  MLIRContext *context = b.getContext();
  AffineMap lseMap = op.getRoleMaps()[4];
  unsigned rank = lseMap.getNumResults();
  AffineExpr head = getAffineConstantExpr(0, context);
  if (auto position =
          lseMap.getResultPosition(getAffineDimExpr(kHead, context)))
    head = getAffineDimExpr(*position, context);
  AffineMap maps[] = {AffineMap::get(rank, 0, head),
                      AffineMap::getMultiDimIdentityMap(rank, context)};
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  auto generic = linalg::GenericOp::create(
      b, op.getLoc(), op.getLse().getType(), op.getSinks(), op.getLse(), maps,
      iterators, [](OpBuilder &nested, Location loc, ValueRange arguments) {
        linalg::YieldOp::create(nested, loc, arguments[0]);
      });
  return generic.getResult(0);
}

/// Rows that attend to nothing give 0 and -infinity.
struct FoldEmptyAttention : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AttentionOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.hasPureTensorSemantics())
      return rewriter.notifyMatchFailure(op, "not on tensors");
    if (llvm::all_of(op.getResultTypes(), hasZeroDim)) {
      rewriter.replaceOp(op, op.getDpsInits());
      return success();
    }
    if (!attendsToNothing(op))
      return rewriter.notifyMatchFailure(op, "there are keys to attend to");
    Location loc = op.getLoc();
    SmallVector<Value> results = {fill(rewriter, loc, op.getOutput(), 0.0)};
    if (op.getLse())
      results.push_back(op.getSinks()
                            ? broadcastSinks(rewriter, op)
                            : fill(rewriter, loc, op.getLse(), -INFINITY));
    rewriter.replaceOp(op, results);
    return success();
  }
};

/// Zeros of an operand's shape, but of size 1 along `dim`.
static Value createUnit(OpBuilder &b, AttentionOp op, unsigned role,
                        unsigned dim) {
  Value operand = op.getRoleOperands()[role];
  SmallVector<OpFoldResult> sizes =
      tensor::getMixedSizes(b, op.getLoc(), operand);
  AffineExpr expr = getAffineDimExpr(dim, b.getContext());
  sizes[*op.getRoleMaps()[role].getResultPosition(expr)] = b.getIndexAttr(1);
  Value empty = tensor::EmptyOp::create(
      b, op.getLoc(), sizes, getElementTypeOrSelf(operand.getType()));
  return fill(b, op.getLoc(), empty, 0.0);
}

/// Queries and keys without width have logits of 0, as those of one zero do.
struct WidenEmptyWidth : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AttentionOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.hasPureTensorSemantics() || getStaticLoopDimSize(op, kWidth) != 0)
      return rewriter.notifyMatchFailure(op, "the width is not 0");
    Value query = createUnit(rewriter, op, 0, kWidth);
    Value key = createUnit(rewriter, op, 1, kWidth);
    rewriter.modifyOpInPlace(op, [&] {
      op.getQueryMutable().set(query);
      op.getKeyMutable().set(key);
      op.getScaleMutable().clear();
      op.setScaleValueAttr(rewriter.getF64FloatAttr(1.0));
    });
    return success();
  }
};

/// Values without width leave the log-sum-exp to compute.
struct WidenEmptyValues : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AttentionOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.hasPureTensorSemantics() || !op.getLse() ||
        getStaticLoopDimSize(op, kValueWidth) != 0)
      return rewriter.notifyMatchFailure(op, "the value width is not 0");
    Value value = createUnit(rewriter, op, 2, kValueWidth);
    Value output = createUnit(rewriter, op, 3, kValueWidth);
    SmallVector<Type> types = {output.getType(), op.getResult(1).getType()};
    auto widened =
        cast<AttentionOp>(cloneWith(rewriter, op, types, op->getOperands()));
    rewriter.modifyOpInPlace(widened, [&] {
      widened.getValueMutable().set(value);
      widened.getOutputMutable().set(output);
    });
    rewriter.replaceOp(op, {op.getOutput(), widened.getResult(1)});
    return success();
  }
};

/// A step without keys leaves the state as it is.
struct FoldEmptyStep : OpRewritePattern<OnlineAttentionOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(OnlineAttentionOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.hasPureTensorSemantics())
      return rewriter.notifyMatchFailure(op, "not on tensors");
    if (!attendsToNothing(op) && !llvm::all_of(op.getResultTypes(), hasZeroDim))
      return rewriter.notifyMatchFailure(op, "there are keys to attend to");
    rewriter.replaceOp(op, op.getDpsInits());
    return success();
  }
};

/// `origin(0, 0, 0, 0)` is what an absent origin means.
struct DropZeroOrigin : OpRewritePattern<OnlineAttentionOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(OnlineAttentionOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getOrigin().empty() ||
        !llvm::all_of(op.getOrigin(), [](Value position) {
          return matchPattern(position, m_Zero());
        }))
      return rewriter.notifyMatchFailure(op, "the origin is not constant 0");
    rewriter.modifyOpInPlace(op, [&] { op.getOriginMutable().clear(); });
    return success();
  }
};
} // namespace

void AttentionOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                              MLIRContext *context) {
  patterns.add<FoldTensorCasts, RemoveTrueMask, RemoveIdentityScore,
               RemoveIdentityKeyRows, InlineConstantScale, DropDefaultScale,
               DropTrivialMasks, FoldEmptyAttention, WidenEmptyWidth,
               WidenEmptyValues>(context);
}

void OnlineAttentionOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                                    MLIRContext *context) {
  // The patterns on the interface come with attn.attention.
  patterns.add<FoldEmptyStep, DropZeroOrigin>(context);
}

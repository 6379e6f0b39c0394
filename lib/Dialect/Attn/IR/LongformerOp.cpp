//===- LongformerOp.cpp - Roles and expansion of attn.longformer ----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "AttnMaps.h"
#include "AttrBuilders.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// Roles
//===----------------------------------------------------------------------===//

MutableOperandRange LongformerOp::getDpsInitsMutable() {
  return getOutputMutable();
}

SmallVector<AffineMap> LongformerOp::getDefaultMaps() {
  return buildDefaultMaps(*this);
}

Value LongformerOp::getQueryOperand() { return getQuery(); }
Value LongformerOp::getKeyOperand() { return getKey(); }
Value LongformerOp::getValueOperand() { return getValue(); }
Region &LongformerOp::getScoreRegion() { return getScore(); }
Region &LongformerOp::getMaskRegion() { return getMask(); }
bool LongformerOp::hasKeyRows() { return false; }
FloatType LongformerOp::getComputeType() { return computeTypeFor(getQuery()); }

SmallVector<AffineMap> LongformerOp::getRoleMaps() {
  return getIndexingMapsAttr() ? getMaps(getIndexingMapsAttr())
                               : getDefaultMaps();
}

SmallVector<Value> LongformerOp::getRoleOperands() {
  return {getQuery(), getKey(), getValue(), getOutput()};
}

SmallVector<StringRef> LongformerOp::getRoleNames() {
  return {"query", "key", "value", "output"};
}

//===----------------------------------------------------------------------===//
// Expansion
//===----------------------------------------------------------------------===//

bool LongformerOp::isCore() { return false; }

/// The flag of a token, from a tensor [L] or [B, L].
static Value loadFlag(ExprBuilder &e, Value flags, Value batch, Value token) {
  SmallVector<Value> indices = {batch, token};
  auto rank = cast<RankedTensorType>(flags.getType()).getRank();
  return e.toBool(e.load(flags, ArrayRef(indices).take_back(rank)));
}

/// Whether a pair (b, h, i, j) belongs to one kind of rows.
using Predicate = function_ref<Value(ExprBuilder &, ValueRange)>;

/// Attention with the score of `op` and its mask, if any, and `predicate`.
static Value createPart(RewriterBase &rewriter, LongformerOp op,
                        ValueRange inputs, Value output, Predicate predicate) {
  OpBuilder::InsertionGuard guard(rewriter);
  auto part = AttentionOp::create(
      rewriter, op.getLoc(), TypeRange{output.getType()}, inputs[0], inputs[1],
      inputs[2], op.getScale(), /*sinks=*/Value(),
      /*score_operands=*/ValueRange(), /*mask_operands=*/ValueRange(),
      /*num_keys=*/Value(), output,
      /*lse=*/Value(), op.getScaleValueAttr(), /*scores=*/ArrayAttr(),
      /*masks=*/ArrayAttr(), /*score_operand_counts=*/DenseI32ArrayAttr(),
      /*mask_operand_counts=*/DenseI32ArrayAttr(), op.getIndexingMapsAttr());
  IRMapping mapping;
  op.getScore().cloneInto(&part.getScore(), mapping);
  op.getMask().cloneInto(&part.getMask(), mapping);
  Region &mask = part.getMask();
  Value own;
  if (mask.empty()) {
    Type index = rewriter.getIndexType();
    SmallVector<Type> types(4, index);
    rewriter.createBlock(&mask, mask.begin(), types,
                         SmallVector<Location>(4, op.getLoc()));
  } else {
    auto yield = cast<YieldOp>(mask.front().getTerminator());
    own = yield.getValue();
    rewriter.eraseOp(yield);
    rewriter.setInsertionPointToEnd(&mask.front());
  }
  ExprBuilder e{rewriter, op.getLoc()};
  Value keep = predicate(e, mask.getArguments());
  YieldOp::create(rewriter, op.getLoc(), own ? e.both(own, keep) : keep);
  return part->getResult(0);
}

/// `ordinary`, with the rows of `global` where the flag says so.
static Value chooseRows(RewriterBase &rewriter, LongformerOp op, Value ordinary,
                        Value global) {
  // Maps from the dimensions of the output, in their own order.
  AffineMap output = op.getRoleMaps()[3];
  MLIRContext *context = op.getContext();
  unsigned rank = output.getNumResults();
  SmallVector<AffineExpr> flags;
  const LoopDim flagDims[] = {kBatch, kQuery};
  auto flagRank = cast<RankedTensorType>(op.getIsGlobal().getType()).getRank();
  for (LoopDim dim : ArrayRef(flagDims).take_back(flagRank))
    flags.push_back(getAffineDimExpr(
        *output.getResultPosition(getAffineDimExpr(dim, context)), context));
  AffineMap identity = AffineMap::getMultiDimIdentityMap(rank, context);
  SmallVector<AffineMap> maps = {
      identity, AffineMap::get(rank, 0, flags, context), identity};
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  auto choice = linalg::GenericOp::create(
      rewriter, op.getLoc(), ordinary.getType(),
      ValueRange{global, op.getIsGlobal()}, ordinary, maps, iterators,
      [](OpBuilder &b, Location loc, ValueRange arguments) {
        Value flag = ExprBuilder{b, loc}.toBool(arguments[1]);
        Value chosen =
            arith::SelectOp::create(b, loc, flag, arguments[0], arguments[2]);
        linalg::YieldOp::create(b, loc, chosen);
      });
  return choice.getResult(0);
}

LogicalResult LongformerOp::expand(RewriterBase &rewriter) {
  rewriter.setInsertionPoint(*this);
  int64_t window = getWindow();
  Value flags = getIsGlobal();
  Value ordinary =
      createPart(rewriter, *this, {getQuery(), getKey(), getValue()},
                 getOutput(), [&](ExprBuilder &e, ValueRange pair) {
                   Value near = e.isNear(pair[2], pair[3], window);
                   return e.either(near, loadFlag(e, flags, pair[0], pair[3]));
                 });
  auto type = cast<RankedTensorType>(getOutput().getType());
  Value empty = tensor::EmptyOp::create(
      rewriter, getLoc(),
      tensor::getMixedSizes(rewriter, getLoc(), getOutput()),
      type.getElementType());
  Value global = createPart(
      rewriter, *this, {getGlobalQuery(), getGlobalKey(), getGlobalValue()},
      empty, [&](ExprBuilder &e, ValueRange pair) {
        return loadFlag(e, flags, pair[0], pair[2]);
      });
  rewriter.replaceOp(*this, chooseRows(rewriter, *this, ordinary, global));
  return success();
}

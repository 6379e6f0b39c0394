//===- AttnDecompose.cpp - The unfused definition in linalg ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "AttnMaps.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

static Value floatConstant(OpBuilder &b, Location loc, Type type,
                           double value) {
  return arith::ConstantOp::create(b, loc, b.getFloatAttr(type, value));
}

static Value isEqual(OpBuilder &b, Location loc, Value value, double other) {
  return arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OEQ, value,
                               floatConstant(b, loc, value.getType(), other));
}

/// exp(value - reference), or 2 to it; 0 where `value` is -infinity, whatever
/// the reference.
static Value shiftedExp(OpBuilder &b, Location loc, Value value,
                        Value reference, bool base2) {
  Value difference = arith::SubFOp::create(b, loc, value, reference);
  Value exp = base2 ? math::Exp2Op::create(b, loc, difference).getResult()
                    : math::ExpOp::create(b, loc, difference).getResult();
  Value zero = floatConstant(b, loc, value.getType(), 0.0);
  return arith::SelectOp::create(b, loc, isEqual(b, loc, value, -INFINITY),
                                 zero, exp);
}

/// `weight * value`, exactly 0 where the weight is: what lies under the mask
/// must not reach the result, were it infinite.
static Value weigh(OpBuilder &b, Location loc, Value weight, Value value) {
  Value product = arith::MulFOp::create(b, loc, weight, value);
  Value zero = floatConstant(b, loc, weight.getType(), 0.0);
  return arith::SelectOp::create(b, loc, isEqual(b, loc, weight, 0.0), zero,
                                 product);
}

/// `numerator / sum`, 0 for an empty sum.
static Value divide(OpBuilder &b, Location loc, Value numerator, Value sum) {
  Value quotient = arith::DivFOp::create(b, loc, numerator, sum);
  Value zero = floatConstant(b, loc, sum.getType(), 0.0);
  return arith::SelectOp::create(b, loc, isEqual(b, loc, sum, 0.0), zero,
                                 quotient);
}

//===----------------------------------------------------------------------===//
// linalg.generic over named loops
//===----------------------------------------------------------------------===//

namespace {
using Dims = SmallVector<unsigned>;
using Body = function_ref<Value(OpBuilder &, Location, ValueRange)>;

/// A tensor placed in a space of loops.
struct Placed {
  Value tensor;
  AffineMap map;
};
} // namespace

static AffineMap selectDims(MLIRContext *context, unsigned numDims,
                            ArrayRef<unsigned> dims) {
  return AffineMap::getMultiDimMapWithTargets(numDims, dims, context);
}

/// A linalg.generic over `loops`, a subset of the space the maps start from.
/// Loops the output does not have are reductions.
static Value createGeneric(OpBuilder &b, Location loc, ArrayRef<unsigned> loops,
                           ArrayRef<Placed> inputs, Placed output, Body body) {
  MLIRContext *context = b.getContext();
  SmallVector<AffineExpr> renamed(output.map.getNumDims(),
                                  getAffineConstantExpr(0, context));
  for (auto [position, dim] : llvm::enumerate(loops))
    renamed[dim] = getAffineDimExpr(position, context);
  SmallVector<Value> tensors;
  SmallVector<AffineMap> maps;
  auto place = [&](const Placed &placed) {
    maps.push_back(
        placed.map.replaceDimsAndSymbols(renamed, {}, loops.size(), 0));
  };
  for (const Placed &input : inputs) {
    tensors.push_back(input.tensor);
    place(input);
  }
  place(output);
  SmallVector<utils::IteratorType> iterators;
  for (unsigned dim : loops)
    iterators.push_back(output.map.isFunctionOfDim(dim)
                            ? utils::IteratorType::parallel
                            : utils::IteratorType::reduction);
  auto generic = linalg::GenericOp::create(
      b, loc, output.tensor.getType(), tensors, output.tensor, maps, iterators,
      [&](OpBuilder &nested, Location nestedLoc, ValueRange arguments) {
        Value result = body(nested, nestedLoc, arguments);
        linalg::YieldOp::create(nested, nestedLoc, result);
      });
  return generic.getResult(0);
}

static Value createFilled(OpBuilder &b, Location loc,
                          ArrayRef<OpFoldResult> sizes, Type type,
                          double value) {
  Value empty = tensor::EmptyOp::create(b, loc, sizes, type);
  return linalg::FillOp::create(b, loc, floatConstant(b, loc, type, value),
                                empty)
      .getResult(0);
}

static Value maximum(OpBuilder &b, Location loc, ValueRange in) {
  return arith::MaximumFOp::create(b, loc, in[0], in[1]);
}

static Value rescale(OpBuilder &b, Location loc, ValueRange in) {
  return weigh(b, loc, in[0], in[1]);
}

/// 2^(own - max(own, other)): what a state is scaled by when it is joined
/// with another.
static Placed createFactor(OpBuilder &b, Location loc, ArrayRef<unsigned> loops,
                           Placed own, Placed other, Placed output) {
  output.tensor = createGeneric(
      b, loc, loops, {own, other}, output,
      [](OpBuilder &nested, Location l, ValueRange in) -> Value {
        return shiftedExp(nested, l, in[0], maximum(nested, l, in),
                          /*base2=*/true);
      });
  return output;
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

namespace {
/// Builds the unfused definition: every intermediate is a tensor.
class Decomposer {
public:
  Decomposer(OpBuilder &b, AttentionOpInterface op)
      : b(b), loc(op.getLoc()), op(op), maps(op.getRoleMaps()),
        operands(op.getRoleOperands()), compute(op.getComputeType()) {
    for (unsigned dim : {kBatch, kHead})
      if (maps[3].isFunctionOfDim(dim))
        outer.push_back(dim);
  }

  /// Fails when a dimension exists only in halves.
  LogicalResult check() {
    for (unsigned dim : {kKey, kWidth})
      if (!isWhole(dim))
        return failure();
    return success();
  }

  Dims withOuter(std::initializer_list<LoopDim> inner) const {
    Dims dims = outer;
    dims.append(inner.begin(), inner.end());
    return dims;
  }
  AffineMap mapTo(ArrayRef<unsigned> dims) const {
    return selectDims(b.getContext(), kNumLoopDims, dims);
  }
  Placed place(Value tensor, std::initializer_list<LoopDim> inner) const {
    return {tensor, mapTo(withOuter(inner))};
  }
  Placed role(unsigned index) const { return {operands[index], maps[index]}; }

  Value filled(std::initializer_list<LoopDim> inner, double value) const {
    SmallVector<OpFoldResult> sizes;
    for (unsigned dim : withOuter(inner))
      sizes.push_back(getLoopDimSize(b, op, dim));
    return createFilled(b, loc, sizes, compute, value);
  }

  /// Replaces keys and values by the rows that hold them, in order: key n is
  /// row `rowOf(b, h, n)`.
  using RowOf = function_ref<Value(OpBuilder &, Value, Value, Value)>;
  void gatherKeys(RowOf rowOf);
  /// sum_d q k over (b, h, m, n).
  Value dotProducts() const;
  /// The scaled and scored logits, -infinity under the mask. `scale` is
  /// applied before the score region, `postScale` behind it.
  Value maskedLogits(Value dots, Value scale, double postScale,
                     ArrayRef<Value> origin, Value rows) const;
  Placed rowMax(Value logits, Placed init) const;
  Value weights(Value logits, Placed max, bool base2) const;
  Placed rowSum(Value weights, Placed init) const;
  Placed weightedValues(Value weights, Placed init) const;
  Value inlineRegion(OpBuilder &nested, Region &region,
                     ValueRange arguments) const;

  OpBuilder &b;
  Location loc;
  mutable AttentionOpInterface op;
  SmallVector<AffineMap> maps;
  SmallVector<Value> operands;
  FloatType compute;
  Dims outer;

private:
  bool isWhole(unsigned dim) const {
    AffineExpr expr = getAffineDimExpr(dim, b.getContext());
    return llvm::any_of(
        maps, [&](AffineMap map) { return map.getResultPosition(expr); });
  }
  SmallVector<Value> position(OpBuilder &nested, ArrayRef<Value> origin,
                              Value rows) const;
};
} // namespace

void Decomposer::gatherKeys(RowOf rowOf) {
  for (auto [role, columns] :
       {std::pair(1, kWidth), std::pair(2, kValueWidth)}) {
    Dims loops = withOuter({kKey, columns});
    SmallVector<OpFoldResult> sizes;
    for (unsigned dim : loops)
      sizes.push_back(getLoopDimSize(b, op, dim));
    Value source = operands[role];
    AffineMap from = maps[role];
    Value empty = tensor::EmptyOp::create(
        b, loc, sizes, getElementTypeOrSelf(source.getType()));
    auto body = [&](OpBuilder &nested, Location l, ValueRange) -> Value {
      Value zero = arith::ConstantIndexOp::create(nested, l, 0);
      SmallVector<Value> at(kNumLoopDims, zero);
      for (auto [position, dim] : llvm::enumerate(loops))
        at[dim] = linalg::IndexOp::create(nested, l, position);
      at[kKey] = rowOf(nested, at[kBatch], at[kHead], at[kKey]);
      SmallVector<Value> indices;
      for (AffineExpr expr : from.getResults())
        indices.push_back(
            affine::expandAffineExpr(nested, l, expr, at, ValueRange()));
      return tensor::ExtractOp::create(nested, l, source, indices);
    };
    operands[role] =
        createGeneric(b, loc, loops, {}, {empty, mapTo(loops)}, body);
    maps[role] = mapTo(loops);
  }
}

Value Decomposer::dotProducts() const {
  return createGeneric(
      b, loc, withOuter({kQuery, kKey, kWidth}), {role(0), role(1)},
      place(filled({kQuery, kKey}, 0.0), {kQuery, kKey}),
      [&](OpBuilder &nested, Location l, ValueRange in) -> Value {
        Value query = convertScalarToDtype(nested, l, in[0], compute,
                                           /*isUnsignedCast=*/false);
        Value key = convertScalarToDtype(nested, l, in[1], compute,
                                         /*isUnsignedCast=*/false);
        Value product = arith::MulFOp::create(nested, l, query, key);
        return arith::AddFOp::create(nested, l, in[2], product);
      });
}

Value Decomposer::inlineRegion(OpBuilder &nested, Region &region,
                               ValueRange arguments) const {
  IRMapping mapping;
  Block &block = region.front();
  mapping.map(block.getArguments(), arguments);
  for (Operation &inner : block.without_terminator())
    nested.clone(inner, mapping);
  return mapping.lookupOrDefault(cast<YieldOp>(block.back()).getValue());
}

/// The global (b, h, i, j) of an element of the logits.
SmallVector<Value> Decomposer::position(OpBuilder &nested,
                                        ArrayRef<Value> origin,
                                        Value rows) const {
  Dims loops = withOuter({kQuery, kKey});
  SmallVector<Value> result;
  for (unsigned dim : {kBatch, kHead, kQuery, kKey}) {
    auto it = llvm::find(loops, dim);
    Value index =
        it == loops.end()
            ? arith::ConstantIndexOp::create(nested, loc, 0).getResult()
            : linalg::IndexOp::create(nested, loc, it - loops.begin())
                  .getResult();
    if (dim == kQuery && rows) {
      // Rows beyond the last valid one repeat it.
      Value one = arith::ConstantIndexOp::create(nested, loc, 1);
      Value last = arith::SubIOp::create(nested, loc, rows, one);
      index = arith::MinSIOp::create(nested, loc, index, last);
    }
    if (!origin.empty())
      index = arith::AddIOp::create(nested, loc, index, origin[dim]);
    result.push_back(index);
  }
  return result;
}

Value Decomposer::maskedLogits(Value dots, Value scale, double postScale,
                               ArrayRef<Value> origin, Value rows) const {
  Region &score = op.getScoreRegion(), &mask = op.getMaskRegion();
  return createGeneric(
      b, loc, withOuter({kQuery, kKey}), {}, place(dots, {kQuery, kKey}),
      [&](OpBuilder &nested, Location l, ValueRange in) -> Value {
        Value logit = in[0];
        SmallVector<Value> at;
        if (!score.empty() || !mask.empty())
          at = position(nested, origin, rows);
        if (scale)
          logit = arith::MulFOp::create(nested, l, logit, scale);
        if (!score.empty()) {
          SmallVector<Value> arguments = {logit};
          llvm::append_range(arguments, at);
          logit = inlineRegion(nested, score, arguments);
        }
        if (postScale != 1.0)
          logit = arith::MulFOp::create(
              nested, l, logit, floatConstant(nested, l, compute, postScale));
        if (!mask.empty()) {
          Value keep = inlineRegion(nested, mask, at);
          Value masked = floatConstant(nested, l, compute, -INFINITY);
          logit = arith::SelectOp::create(nested, l, keep, logit, masked);
        }
        return logit;
      });
}

Placed Decomposer::rowMax(Value logits, Placed init) const {
  Value max = createGeneric(b, loc, withOuter({kQuery, kKey}),
                            place(logits, {kQuery, kKey}), init, maximum);
  return {max, init.map};
}

Value Decomposer::weights(Value logits, Placed max, bool base2) const {
  return createGeneric(
      b, loc, withOuter({kQuery, kKey}), max, place(logits, {kQuery, kKey}),
      [&](OpBuilder &nested, Location l, ValueRange in) -> Value {
        return shiftedExp(nested, l, in[1], in[0], base2);
      });
}

Placed Decomposer::rowSum(Value weights, Placed init) const {
  Value sum = createGeneric(
      b, loc, withOuter({kQuery, kKey}), place(weights, {kQuery, kKey}), init,
      [](OpBuilder &nested, Location l, ValueRange in) -> Value {
        return arith::AddFOp::create(nested, l, in[1], in[0]);
      });
  return {sum, init.map};
}

Placed Decomposer::weightedValues(Value weights, Placed init) const {
  Value values =
      createGeneric(b, loc, withOuter({kQuery, kValueWidth, kKey}),
                    {place(weights, {kQuery, kKey}), role(2)}, init,
                    [&](OpBuilder &nested, Location l, ValueRange in) -> Value {
                      Value value = convertScalarToDtype(
                          nested, l, in[1], compute, /*isUnsignedCast=*/false);
                      return arith::AddFOp::create(
                          nested, l, in[2], weigh(nested, l, in[0], value));
                    });
  return {values, init.map};
}

/// The scale as a value of the compute type; 1/sqrt(D) when absent, where no
/// width counts as width 1.
static Value buildScale(OpBuilder &b, AttentionOp op) {
  Location loc = op.getLoc();
  Type compute = op.getComputeType();
  if (op.getScale())
    return op.getScale();
  if (op.getScaleValueAttr())
    return floatConstant(b, loc, compute,
                         op.getScaleValueAttr().getValueAsDouble());
  if (std::optional<int64_t> width = getStaticLoopDimSize(op, kWidth))
    return floatConstant(b, loc, compute,
                         1.0 / std::sqrt(double(std::max<int64_t>(*width, 1))));
  Value width =
      getValueOrCreateConstantIndexOp(b, loc, getLoopDimSize(b, op, kWidth));
  Value one = arith::ConstantIndexOp::create(b, loc, 1);
  width = arith::MaxSIOp::create(b, loc, width, one);
  width = arith::IndexCastOp::create(b, loc, b.getI64Type(), width);
  width = arith::SIToFPOp::create(b, loc, compute, width);
  Value root = math::SqrtOp::create(b, loc, width);
  return arith::DivFOp::create(b, loc, floatConstant(b, loc, compute, 1.0),
                               root);
}

/// Copies the sinks to every row, through `body(sink, max)`.
static Placed spreadSinks(const Decomposer &d, Value sinks, Placed init,
                          Body body) {
  AffineMap headMap =
      llvm::is_contained(d.outer, unsigned(kHead))
          ? d.mapTo({kHead})
          : AffineMap::get(kNumLoopDims, 0,
                           getAffineConstantExpr(0, d.b.getContext()));
  Value spread = createGeneric(d.b, d.loc, d.withOuter({kQuery}),
                               Placed{sinks, headMap}, init, body);
  return {spread, init.map};
}

FailureOr<SmallVector<Value>> AttentionOp::decomposeOperation(OpBuilder &b) {
  Decomposer d(b, *this);
  if (!isCore() || !hasPureTensorSemantics() || failed(d.check()))
    return failure();
  if (hasKeyRows())
    d.gatherKeys(
        [&](OpBuilder &nested, Value batch, Value head, Value key) -> Value {
          return d.inlineRegion(nested, getKeyRows(), {batch, head, key});
        });
  Value logits =
      d.maskedLogits(d.dotProducts(), buildScale(b, *this), 1.0, {}, {});
  Placed maxInit = d.place(d.filled({kQuery}, -INFINITY), {kQuery});
  Placed sumInit = d.place(d.filled({kQuery}, 0.0), {kQuery});
  if (getSinks())
    maxInit =
        spreadSinks(d, getSinks(), maxInit,
                    [](OpBuilder &, Location, ValueRange in) { return in[0]; });
  Placed max = d.rowMax(logits, maxInit);
  if (getSinks()) {
    Placed copy = {max.tensor, max.map};
    sumInit = spreadSinks(
        d, getSinks(), copy, [](OpBuilder &nested, Location l, ValueRange in) {
          return shiftedExp(nested, l, in[0], in[1], /*base2=*/false);
        });
  }
  Value weights = d.weights(logits, max, /*base2=*/false);
  Placed sum = d.rowSum(weights, sumInit);
  Placed values =
      d.weightedValues(weights, d.place(d.filled({kQuery, kValueWidth}, 0.0),
                                        {kQuery, kValueWidth}));

  SmallVector<Value> results;
  results.push_back(createGeneric(
      b, d.loc, d.withOuter({kQuery, kValueWidth}), {values, sum}, d.role(3),
      [](OpBuilder &nested, Location l, ValueRange in) {
        return convertScalarToDtype(nested, l, divide(nested, l, in[0], in[1]),
                                    in[2].getType(), /*isUnsignedCast=*/false);
      }));
  if (getLse())
    results.push_back(createGeneric(
        b, d.loc, d.withOuter({kQuery}), {max, sum}, d.role(4),
        [](OpBuilder &nested, Location l, ValueRange in) -> Value {
          Value log = math::LogOp::create(nested, l, in[1]);
          Value lse = arith::AddFOp::create(nested, l, in[0], log);
          return arith::SelectOp::create(
              nested, l, isEqual(nested, l, in[1], 0.0),
              floatConstant(nested, l, lse.getType(), -INFINITY), lse);
        }));
  return results;
}

FailureOr<SmallVector<Value>>
OnlineAttentionOp::decomposeOperation(OpBuilder &b) {
  Decomposer d(b, *this);
  if (!hasPureTensorSemantics() || failed(d.check()))
    return failure();
  if (Value list = getKeyRows())
    d.gatherKeys([&](OpBuilder &nested, Value, Value, Value n) -> Value {
      return tensor::ExtractOp::create(nested, d.loc, list, n);
    });
  SmallVector<Value> origin(getOrigin());
  Value logits =
      d.maskedLogits(d.dotProducts(), {}, getLogitScale().convertToDouble(),
                     origin, getRows());
  // The factor is read from the old maximum before the new one replaces it,
  // so that the state can be updated in place.
  Placed tileMax =
      d.rowMax(logits, d.place(d.filled({kQuery}, -INFINITY), {kQuery}));
  Placed max = d.role(4);
  Placed factor = createFactor(b, d.loc, d.withOuter({kQuery}), max, tileMax,
                               d.place(d.filled({kQuery}, 0.0), {kQuery}));
  max.tensor =
      createGeneric(b, d.loc, d.withOuter({kQuery}), tileMax, max, maximum);
  Placed sum = d.role(5), accumulator = d.role(3);
  sum.tensor =
      createGeneric(b, d.loc, d.withOuter({kQuery}), factor, sum, rescale);
  accumulator.tensor =
      createGeneric(b, d.loc, d.withOuter({kQuery, kValueWidth}), factor,
                    accumulator, rescale);
  Value weights = d.weights(logits, max, /*base2=*/true);
  sum = d.rowSum(weights, sum);
  accumulator = d.weightedValues(weights, accumulator);
  return SmallVector<Value>{accumulator.tensor, max.tensor, sum.tensor};
}

//===----------------------------------------------------------------------===//
// Merge
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> MergeOp::decomposeOperation(OpBuilder &b) {
  if (!hasPureTensorSemantics())
    return failure();
  Location loc = getLoc();
  unsigned rank = cast<ShapedType>(getAccumulator().getType()).getRank();
  AffineMap full = AffineMap::getMultiDimIdentityMap(rank, getContext());
  AffineMap row = full.dropResult(rank - 1);
  Dims rowLoops = llvm::to_vector(llvm::seq(rank - 1));
  Dims allLoops = llvm::to_vector(llvm::seq(rank));

  Placed partialMax = {getPartialMaximum(), row};
  Placed max = {getMaximum(), row};
  Value empty = tensor::EmptyOp::create(
      b, loc, tensor::getMixedSizes(b, loc, getMaximum()),
      getElementTypeOrSelf(getMaximum().getType()));
  Placed partialFactor =
      createFactor(b, loc, rowLoops, partialMax, max, Placed{empty, row});
  Placed factor =
      createFactor(b, loc, rowLoops, max, partialMax, Placed{empty, row});
  max.tensor = createGeneric(b, loc, rowLoops, partialMax, max, maximum);
  // (partial factor, partial value, factor, value)
  auto combine = [](OpBuilder &nested, Location l, ValueRange in) -> Value {
    Value partial = weigh(nested, l, in[0], in[1]);
    Value own = weigh(nested, l, in[2], in[3]);
    return arith::AddFOp::create(nested, l, own, partial);
  };
  Value sum = createGeneric(
      b, loc, rowLoops, {partialFactor, Placed{getPartialSum(), row}, factor},
      Placed{getSum(), row}, combine);
  Value accumulator = createGeneric(
      b, loc, allLoops,
      {partialFactor, Placed{getPartialAccumulator(), full}, factor},
      Placed{getAccumulator(), full}, combine);
  return SmallVector<Value>{accumulator, max.tensor, sum};
}

//===----------------------------------------------------------------------===//
// Pack
//===----------------------------------------------------------------------===//

namespace {
/// Where an element of a packed tile comes from.
struct PackedElement {
  /// One index for each of h, r and c.
  Value index[3];
  /// Whether it is taken from the source; null when always.
  Value isInside;
};
} // namespace

/// (h, r, c) of a destination element; `sizes` are the source's, null where
/// rows lie in a grid. Rows beyond them repeat the last, or are outside where
/// the destination splits them.
static PackedElement locate(OpBuilder &b, Location loc, AffineMap map,
                            ArrayRef<Value> sizes) {
  Value zero = arith::ConstantIndexOp::create(b, loc, 0);
  Value one = arith::ConstantIndexOp::create(b, loc, 1);
  PackedElement element = {{zero, zero, zero}, {}};
  bool isSplit[3] = {};
  for (auto [position, expr] : llvm::enumerate(map.getResults())) {
    DimUse use = *getDimUse(expr);
    isSplit[use.dim] |= use.kind != DimUse::Whole;
    Value index = linalg::IndexOp::create(b, loc, position);
    if (use.kind == DimUse::Quotient)
      index = arith::MulIOp::create(
          b, loc, index, arith::ConstantIndexOp::create(b, loc, use.divisor));
    element.index[use.dim] =
        arith::AddIOp::create(b, loc, element.index[use.dim], index);
  }
  for (unsigned dim : {1, 2}) {
    Value &index = element.index[dim];
    if (!sizes[dim])
      continue;
    if (dim == 2 || isSplit[dim]) {
      Value inside = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt,
                                           index, sizes[dim]);
      element.isInside =
          element.isInside
              ? arith::AndIOp::create(b, loc, element.isInside, inside)
              : inside;
    }
    Value last = arith::SubIOp::create(b, loc, sizes[dim], one);
    index = arith::MinSIOp::create(b, loc, index, last);
  }
  return element;
}

/// Where in the source an element lies.
static SmallVector<Value> locateInSource(OpBuilder &b, PackOp op,
                                         PackedElement &element) {
  Location loc = op.getLoc();
  if (op.getGather())
    element.index[1] =
        tensor::ExtractOp::create(b, loc, op.getGather(), element.index[1]);
  bool splitsRows =
      !op.getDestinationMap().getResultPosition(b.getAffineDimExpr(1));
  SmallVector<Value> indices;
  for (auto [position, expr] :
       llvm::enumerate(op.getSourceMap().getResults())) {
    if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
      indices.push_back(element.index[dim.getPosition()]);
      continue;
    }
    // An axis of a grid ends on its own.
    Value index = affine::AffineApplyOp::create(
        b, loc, AffineMap::get(3, 0, expr), element.index);
    Value size = tensor::DimOp::create(b, loc, op.getSource(), position);
    if (splitsRows)
      element.isInside = arith::AndIOp::create(
          b, loc, element.isInside,
          arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, index,
                                size));
    Value one = arith::ConstantIndexOp::create(b, loc, 1);
    Value last = arith::SubIOp::create(b, loc, size, one);
    indices.push_back(arith::MinSIOp::create(b, loc, index, last));
  }
  return indices;
}

FailureOr<SmallVector<Value>> PackOp::decomposeOperation(OpBuilder &b) {
  if (!hasPureTensorSemantics())
    return failure();
  Location loc = getLoc();
  AffineMap sourceMap = getSourceMap();
  Value one = arith::ConstantIndexOp::create(b, loc, 1);
  Value sizes[] = {one, one, one};
  for (auto [position, expr] : llvm::enumerate(sourceMap.getResults())) {
    if (auto dim = dyn_cast<AffineDimExpr>(expr))
      sizes[dim.getPosition()] =
          tensor::DimOp::create(b, loc, getSource(), position);
    else
      sizes[1] = Value();
  }
  if (getGather())
    sizes[1] = tensor::DimOp::create(b, loc, getGather(), 0);

  auto destination = cast<RankedTensorType>(getDestination().getType());
  Type compute = b.getF32Type();
  for (Type type : {getElementTypeOrSelf(getSource().getType()),
                    destination.getElementType()})
    if (type.isF64())
      compute = type;
  AffineMap identity =
      AffineMap::getMultiDimIdentityMap(destination.getRank(), getContext());
  auto body = [&](OpBuilder &nested, Location l, ValueRange) -> Value {
    PackedElement element = locate(nested, l, getDestinationMap(), sizes);
    SmallVector<Value> indices = locateInSource(nested, *this, element);
    Value value = tensor::ExtractOp::create(nested, l, getSource(), indices);
    value = convertScalarToDtype(nested, l, value, compute,
                                 /*isUnsignedCast=*/false);
    if (getScale())
      value = arith::MulFOp::create(
          nested, l, value,
          convertScalarToDtype(nested, l, getScale(), compute,
                               /*isUnsignedCast=*/false));
    if (getScaleValueAttr())
      value = arith::MulFOp::create(
          nested, l, value,
          floatConstant(nested, l, compute,
                        getScaleValueAttr().getValueAsDouble()));
    value = arith::SelectOp::create(nested, l, element.isInside, value,
                                    floatConstant(nested, l, compute, 0.0));
    return convertScalarToDtype(nested, l, value, destination.getElementType(),
                                /*isUnsignedCast=*/false);
  };
  return SmallVector<Value>{createGeneric(
      b, loc, llvm::to_vector(llvm::seq<unsigned>(destination.getRank())), {},
      Placed{getDestination(), identity}, body)};
}

//===----------------------------------------------------------------------===//
// Normalize
//===----------------------------------------------------------------------===//

/// Takes of each dimension of `tensor` as much as the output has; all of the
/// rows that lie in a grid.
static Value sliceLike(OpBuilder &b, Location loc, Value tensor, AffineMap map,
                       ArrayRef<OpFoldResult> sizes) {
  SmallVector<OpFoldResult> offsets(map.getNumResults(), b.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(map.getNumResults(), b.getIndexAttr(1));
  SmallVector<OpFoldResult> taken;
  for (auto [position, expr] : llvm::enumerate(map.getResults())) {
    auto dim = dyn_cast<AffineDimExpr>(expr);
    taken.push_back(dim ? sizes[dim.getPosition()]
                        : tensor::getMixedSize(b, loc, tensor, position));
  }
  return b.createOrFold<tensor::ExtractSliceOp>(loc, tensor, offsets, taken,
                                                strides);
}

/// The maps of a normalize from (h, r, c, axes of r) instead: each axis of the
/// rows is a loop of its own, r the first of them where it is the only one.
namespace {
struct GridMaps {
  AffineMap accumulator, output, lse;
  /// The loops the output has.
  Dims loops;
};
} // namespace

static GridMaps separateAxes(NormalizeOp op) {
  MLIRContext *context = op.getContext();
  AffineMap out = op.getOutputMap();
  SmallVector<RowAxis> axes = *getRowAxes(out);
  unsigned numDims = 3 + axes.size();
  AffineExpr row = getAffineConstantExpr(0, context);
  DenseMap<AffineExpr, AffineExpr> loopOf;
  GridMaps maps;
  for (auto [number, axis] : llvm::enumerate(axes)) {
    AffineExpr loop =
        getAffineDimExpr(axes.size() > 1 ? 3 + number : 1, context);
    row = row + loop * axis.stride;
    loopOf[out.getResult(axis.position)] = loop;
  }
  auto separate = [&](AffineMap map) {
    SmallVector<AffineExpr> results;
    for (AffineExpr expr : map.getResults()) {
      auto it = loopOf.find(expr);
      results.push_back(it == loopOf.end() ? expr : it->second);
    }
    return AffineMap::get(numDims, 0, results, context);
  };
  AffineExpr h = getAffineDimExpr(0, context), c = getAffineDimExpr(2, context);
  maps.accumulator =
      op.getAccumulatorMap().replaceDimsAndSymbols({h, row, c}, {}, numDims, 0);
  maps.output = separate(out);
  maps.lse = separate(op.getLseMap());
  for (unsigned dim = 0; dim < numDims; ++dim)
    if (maps.output.isFunctionOfDim(dim))
      maps.loops.push_back(dim);
  return maps;
}

FailureOr<SmallVector<Value>> NormalizeOp::decomposeOperation(OpBuilder &b) {
  if (!hasPureTensorSemantics())
    return failure();
  Location loc = getLoc();
  auto [in, out, lseMap, loops] = separateAxes(*this);
  SmallVector<OpFoldResult> sizes(out.getNumDims(), b.getIndexAttr(1));
  for (auto [position, expr] : llvm::enumerate(out.getResults()))
    sizes[cast<AffineDimExpr>(expr).getPosition()] =
        tensor::getMixedSize(b, loc, getOutput(), position);
  Dims rowLoops = loops;
  llvm::erase(rowLoops, 2u);
  AffineMap inRows = dropColumns(in);
  auto slice = [&](Value tensor, AffineMap map) {
    return Placed{sliceLike(b, loc, tensor, map, sizes), map};
  };
  Placed sum = slice(getSum(), inRows);
  SmallVector<Value> results;
  results.push_back(createGeneric(
      b, loc, loops, {slice(getAccumulator(), in), sum},
      Placed{getOutput(), out},
      [](OpBuilder &nested, Location l, ValueRange in) {
        return convertScalarToDtype(nested, l, divide(nested, l, in[0], in[1]),
                                    in[2].getType(), /*isUnsignedCast=*/false);
      }));
  if (getLse())
    results.push_back(createGeneric(
        b, loc, rowLoops, {slice(getMaximum(), inRows), sum},
        Placed{getLse(), lseMap},
        [](OpBuilder &nested, Location l, ValueRange in) -> Value {
          Value log = math::Log2Op::create(nested, l, in[1]);
          Value base2 = arith::AddFOp::create(nested, l, in[0], log);
          Value lse = arith::MulFOp::create(
              nested, l, base2,
              floatConstant(nested, l, base2.getType(), llvm::numbers::ln2));
          return arith::SelectOp::create(
              nested, l, isEqual(nested, l, in[1], 0.0),
              floatConstant(nested, l, lse.getType(), -INFINITY), lse);
        }));
  return results;
}

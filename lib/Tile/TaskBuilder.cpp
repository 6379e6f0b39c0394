//===- TaskBuilder.cpp - The loop nest of one attention -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TaskBuilder.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include <cmath>

using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// Index arithmetic
//===----------------------------------------------------------------------===//

Value TaskBuilder::constant(int64_t value) {
  return arith::ConstantIndexOp::create(b, loc, value);
}
Value TaskBuilder::add(Value lhs, Value rhs) {
  return b.createOrFold<arith::AddIOp>(loc, lhs, rhs);
}
Value TaskBuilder::sub(Value lhs, Value rhs) {
  return b.createOrFold<arith::SubIOp>(loc, lhs, rhs);
}
Value TaskBuilder::mul(Value lhs, Value rhs) {
  return b.createOrFold<arith::MulIOp>(loc, lhs, rhs);
}
Value TaskBuilder::min(Value lhs, Value rhs) {
  return b.createOrFold<arith::MinSIOp>(loc, lhs, rhs);
}
Value TaskBuilder::ceilDiv(Value lhs, Value rhs) {
  return b.createOrFold<arith::CeilDivSIOp>(loc, lhs, rhs);
}
Value TaskBuilder::less(Value lhs, Value rhs) {
  return b.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::slt, lhs,
                                       rhs);
}
Value TaskBuilder::select(Value condition, Value lhs, Value rhs) {
  return b.createOrFold<arith::SelectOp>(loc, condition, lhs, rhs);
}

Value TaskBuilder::remaining(Value limit, Value position, int64_t size) {
  AffineExpr left = getAffineSymbolExpr(0, b.getContext()) -
                    getAffineSymbolExpr(1, b.getContext());
  AffineExpr most = getAffineConstantExpr(size, b.getContext());
  AffineMap map = AffineMap::get(0, 2, {left, most}, b.getContext());
  OpFoldResult result = affine::makeComposedFoldedAffineMin(
      b, loc, map, {OpFoldResult(limit), OpFoldResult(position)});
  return getValueOrCreateConstantIndexOp(b, loc, result);
}

//===----------------------------------------------------------------------===//
// Slices
//===----------------------------------------------------------------------===//

static int64_t getDivisor(AffineExpr expr) {
  if (auto division = dyn_cast<AffineBinaryOpExpr>(expr))
    if (auto divisor = dyn_cast<AffineConstantExpr>(division.getRHS()))
      return divisor.getValue();
  return 1;
}

static int64_t getGroup(AffineMap map) {
  for (AffineExpr expr : map.getResults())
    if (expr.isFunctionOfDim(kHead))
      return getDivisor(expr);
  return 1;
}

static unsigned getDim(AffineExpr expr) {
  for (unsigned dim = 0; dim < kNumLoopDims; ++dim)
    if (expr.isFunctionOfDim(dim))
      return dim;
  llvm_unreachable("a map result names a dimension");
}

Value TaskBuilder::getSize(OpBuilder &builder, AttentionOp op, unsigned dim) {
  if (dim == kKey && op.hasKeyRows())
    return op.getNumKeys();
  SmallVector<Value> operands = op.getRoleOperands();
  SmallVector<AffineMap> maps = op.getRoleMaps();
  for (auto [operand, map] : llvm::zip(operands, maps))
    for (auto [position, expr] : llvm::enumerate(map.getResults()))
      if (expr == getAffineDimExpr(dim, op.getContext()))
        return getValueOrCreateConstantIndexOp(
            builder, op.getLoc(),
            tensor::getMixedSize(builder, op.getLoc(), operand, position));
  return arith::ConstantIndexOp::create(builder, op.getLoc(), 1);
}

TaskBuilder::Slice TaskBuilder::getSlice(Value operand, AffineMap map,
                                         const Ranges &ranges) {
  Slice slice;
  SmallVector<int64_t> shape;
  for (AffineExpr expr : map.getResults()) {
    unsigned dim = getDim(expr);
    Range range = ranges[dim];
    if (dim == kQuery && axes.size() > 1) {
      appendRows(slice, shape);
      continue;
    }
    if (dim == kHead && getDivisor(expr) > 1) {
      AffineExpr h = getAffineDimExpr(0, b.getContext());
      range.offset = affine::makeComposedFoldedAffineApply(
          b, loc, h.floorDiv(getDivisor(expr)), {range.offset});
      range.size = b.getIndexAttr(1);
      range.keep = false;
    }
    slice.offsets.push_back(range.offset);
    slice.sizes.push_back(range.size);
    slice.strides.push_back(b.getIndexAttr(1));
    if (!range.keep)
      continue;
    slice.kept.push_back(dim);
    shape.push_back(
        getConstantIntValue(range.size).value_or(ShapedType::kDynamic));
  }
  slice.type = RankedTensorType::get(
      shape, cast<ShapedType>(operand.getType()).getElementType());
  return slice;
}

Value TaskBuilder::extract(Value operand, AffineMap map, const Ranges &ranges,
                           Slice *result) {
  Slice slice = getSlice(operand, map, ranges);
  Value part = tensor::ExtractSliceOp::create(
      b, loc, slice.type, operand, slice.offsets, slice.sizes, slice.strides);
  if (result)
    *result = std::move(slice);
  return part;
}

// The remaining loop dimensions as (heads, rows, columns) of pack and
// normalize: queries and keys are rows, widths are columns.
AffineMap TaskBuilder::packMap(ArrayRef<unsigned> dims) {
  SmallVector<AffineExpr> results;
  unsigned axis = 0;
  for (unsigned dim : dims) {
    bool isRow = dim == kQuery || dim == kKey;
    AffineExpr expr = b.getAffineDimExpr(dim == kHead ? 0 : isRow ? 1 : 2);
    if (dim == kQuery && isGrid()) {
      int64_t inner = 1;
      for (const TileAxis &part : ArrayRef(axes).drop_front(axis + 1))
        inner *= part.tile;
      expr = expr.floorDiv(inner);
      if (axis > 0)
        expr = expr % axes[axis].tile;
      ++axis;
    }
    results.push_back(expr);
  }
  return AffineMap::get(3, 0, results, b.getContext());
}

// Blocks of a task are stacked along a leading dimension.
Value TaskBuilder::blockOf(Value whole, Value block) {
  auto type = cast<RankedTensorType>(whole.getType());
  SmallVector<OpFoldResult> offsets(type.getRank(), b.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(type.getRank(), b.getIndexAttr(1));
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, whole);
  offsets[0] = block;
  sizes[0] = b.getIndexAttr(1);
  auto partType = RankedTensorType::get(type.getShape().drop_front(),
                                        type.getElementType());
  return tensor::ExtractSliceOp::create(b, loc, partType, whole, offsets, sizes,
                                        strides);
}

Value TaskBuilder::insertBlock(Value part, Value whole, Value block) {
  auto type = cast<RankedTensorType>(whole.getType());
  SmallVector<OpFoldResult> offsets(type.getRank(), b.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(type.getRank(), b.getIndexAttr(1));
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, whole);
  offsets[0] = block;
  sizes[0] = b.getIndexAttr(1);
  return tensor::InsertSliceOp::create(b, loc, part, whole, offsets, sizes,
                                       strides);
}

//===----------------------------------------------------------------------===//
// Tasks
//===----------------------------------------------------------------------===//

TaskBuilder::TaskBuilder(OpBuilder &builder, AttentionOp op,
                         const Schedule &schedule, const TileMask *mask)
    : b(builder), op(op), loc(op.getLoc()), schedule(schedule), mask(mask),
      maps(op.getRoleMaps()), computeType(op.getComputeType()),
      features(schedule.lanes == LaneKind::Features),
      keyGroup(getGroup(maps[1])), shared(schedule.blocksPerTask > 1) {
  int64_t outer = 0;
  ArrayRef<int64_t> tiles = schedule.rowTiles;
  for (auto [index, divisor] : llvm::enumerate(schedule.rowDivisors)) {
    axes.push_back({divisor, outer ? outer / divisor : 0, tiles[index]});
    outer = divisor;
  }
  axes.push_back(
      {1, outer, tiles.empty() ? schedule.blockQueries : tiles.back()});
}

// The result is written whole: what the destinations held is of no use.
SmallVector<Value> TaskBuilder::createOutputs(OpBuilder &builder,
                                              AttentionOp op) {
  SmallVector<Value> outputs;
  for (Value destination : op.getDpsInits()) {
    auto type = cast<RankedTensorType>(destination.getType());
    outputs.push_back(tensor::EmptyOp::create(
        builder, op.getLoc(),
        tensor::getMixedSizes(builder, op.getLoc(), destination),
        type.getElementType()));
  }
  return outputs;
}

SmallVector<Value> TaskBuilder::build(ValueRange outputs, Value active) {
  numQueries = getSize(b, op, kQuery);
  numKeys = getSize(b, op, kKey);
  width = getSize(b, op, kWidth);
  valueWidth = getSize(b, op, kValueWidth);
  Value numBatches = getSize(b, op, kBatch);
  Value numHeads = getSize(b, op, kHead);
  if (features)
    numHeads =
        b.createOrFold<arith::DivUIOp>(loc, numHeads, constant(keyGroup));
  blocksPerTask = constant(schedule.blocksPerTask);
  if (shared && schedule.shareAboveKeys > 0)
    blocksPerTask = select(less(constant(schedule.shareAboveKeys), numKeys),
                           blocksPerTask, constant(1));
  Value numTasks = countTasks();
  if (active)
    numTasks = select(active, numTasks, constant(0));

  SmallVector<Value> expanded;
  for (auto [output, map] :
       llvm::zip(outputs, ArrayRef<AffineMap>(maps).drop_front(3)))
    expanded.push_back(expandRows(output, map));
  query = expandRows(op.getQuery(), maps[0]);
  SmallVector<OpFoldResult> bounds = {getAsOpFoldResult(numBatches),
                                      getAsOpFoldResult(numHeads),
                                      getAsOpFoldResult(numTasks)};
  auto tasks = scf::ForallOp::create(b, loc, bounds, expanded,
                                     /*mapping=*/std::nullopt);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(tasks.getBody());
    buildTask(tasks, numTasks);
  }
  SmallVector<Value> results;
  for (auto [result, output, map] :
       llvm::zip(tasks.getResults(), outputs,
                 ArrayRef<AffineMap>(maps).drop_front(3)))
    results.push_back(collapseRows(result, map, output.getType()));
  return results;
}

void TaskBuilder::buildTask(scf::ForallOp tasks, Value numTasks) {
  batch = tasks.getInductionVar(0);
  head = tasks.getInductionVar(1);
  if (features)
    head = mul(head, constant(keyGroup));
  Value task = tasks.getInductionVar(2);
  if (mask && mask->analysis.getTrend() == MaskAnalysis::Trend::Growing)
    // The last queries have most keys: start with the longest task.
    task = sub(sub(numTasks, constant(1)), task);
  locateRows(task);
  Value firstQuery = firstRows.front(), numRows = numRowsOf.front();
  packedQuery = packQuery(firstQuery, numRows);
  State state = keyLoop(initialState(), firstQuery, numRows);
  finish(state, firstQuery, numRows, tasks);
}

// Scales the query, brings it into the step's layout and type.
Value TaskBuilder::packQuery(Value firstQuery, Value numRows) {
  Type element = schedule.bf16Pairs ? Type(b.getBF16Type()) : computeType;
  OpFoldResult columns = getAsOpFoldResult(width);
  SmallVector<OpFoldResult> shape;
  OpFoldResult rows = b.getIndexAttr(schedule.blockQueries);
  if (features)
    shape = {b.getIndexAttr(keyGroup), rows, columns};
  else if (schedule.bf16Pairs)
    shape = {b.getIndexAttr(*getConstantIntValue(width) / 2), rows,
             b.getIndexAttr(2)};
  else
    shape = {columns, rows};
  if (!shared) {
    Value empty = tensor::EmptyOp::create(b, loc, shape, element);
    return packQueryBlock(firstQuery, numRows, empty);
  }
  SmallVector<OpFoldResult> all = {b.getIndexAttr(schedule.blocksPerTask)};
  all.append(shape);
  Value empty = tensor::EmptyOp::create(b, loc, all, element);
  Value numBlocks = ceilDiv(numRows, constant(schedule.blockQueries));
  auto loop = scf::ForOp::create(b, loc, constant(0), numBlocks, constant(1),
                                 ValueRange{empty});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value block = loop.getInductionVar(), carried = loop.getRegionIterArg(0);
  Value offset = mul(block, constant(schedule.blockQueries));
  Value packed =
      packQueryBlock(add(firstQuery, offset),
                     remaining(numRows, offset, schedule.blockQueries),
                     blockOf(carried, block));
  scf::YieldOp::create(b, loc, insertBlock(packed, carried, block));
  return loop.getResult(0);
}

// A scale that cannot go into the query goes in front of the score region.
bool TaskBuilder::hasScoreRegion() {
  return !op.getScoreRegion().empty() || (schedule.bf16Pairs && !staticScale());
}

std::optional<double> TaskBuilder::staticScale() {
  if (op.getScale())
    return std::nullopt;
  if (std::optional<APFloat> value = op.getScaleValue())
    return value->convertToDouble();
  if (std::optional<int64_t> size = getConstantIntValue(width))
    return 1.0 / std::sqrt(double(std::max<int64_t>(*size, 1)));
  return std::nullopt;
}

Value TaskBuilder::dynamicScale() {
  if (op.getScale())
    return op.getScale();
  Value integer = arith::IndexCastOp::create(b, loc, b.getI64Type(), width);
  Value size = arith::SIToFPOp::create(b, loc, computeType, integer);
  return math::RsqrtOp::create(b, loc, size);
}

Value TaskBuilder::packQueryBlock(Value firstQuery, Value numRows,
                                  Value destination) {
  Ranges ranges{};
  ranges[kBatch] = {batch, b.getIndexAttr(1), false};
  ranges[kHead] = {head, b.getIndexAttr(features ? keyGroup : 1), features};
  ranges[kQuery] = {firstQuery, getAsOpFoldResult(numRows), true};
  ranges[kWidth] = {b.getIndexAttr(0), getAsOpFoldResult(width), true};
  Slice slice;
  Value source = extract(query, maps[0], ranges, &slice);

  AffineExpr h = b.getAffineDimExpr(0), r = b.getAffineDimExpr(1),
             c = b.getAffineDimExpr(2);
  SmallVector<AffineExpr> layout = {c, r};
  if (features)
    layout = {h, r, c};
  else if (schedule.bf16Pairs)
    layout = {c.floorDiv(2), r, c % 2};
  SmallVector<AffineMap> packMaps = {
      packMap(slice.kept), AffineMap::get(3, 0, layout, b.getContext())};

  // The scale goes into the query, and so does log2(e) unless a score region
  // wants natural logits. bf16 queries stay as they are: rounding the scaled
  // ones would cost accuracy.
  FloatAttr scaleAttr;
  Value scale;
  double base = hasScoreRegion() ? 1.0 : M_LOG2E;
  if (schedule.bf16Pairs) {
    // Neither.
  } else if (std::optional<double> value = staticScale()) {
    scaleAttr = b.getF64FloatAttr(*value * base);
  } else {
    scale = dynamicScale();
    if (base != 1.0)
      scale = arith::MulFOp::create(
          b, loc, scale,
          arith::ConstantOp::create(b, loc,
                                    b.getFloatAttr(scale.getType(), base)));
  }
  return PackOp::create(b, loc, TypeRange{destination.getType()}, source,
                        /*gather=*/Value(), scale, destination, scaleAttr,
                        b.getAffineMapArrayAttr(packMaps))
      .getResult(0);
}

//===----------------------------------------------------------------------===//
// State
//===----------------------------------------------------------------------===//

TaskBuilder::State TaskBuilder::initialState() {
  OpFoldResult block = b.getIndexAttr(schedule.blockQueries);
  SmallVector<OpFoldResult> rows, accumulator;
  if (shared)
    rows.push_back(b.getIndexAttr(schedule.blocksPerTask));
  if (features)
    rows.push_back(b.getIndexAttr(keyGroup));
  accumulator = rows;
  rows.push_back(block);
  if (features)
    accumulator.append({block, getAsOpFoldResult(valueWidth)});
  else
    accumulator.append({getAsOpFoldResult(valueWidth), block});

  auto constantOf = [&](double value) -> Value {
    return arith::ConstantOp::create(b, loc,
                                     b.getFloatAttr(computeType, value));
  };
  auto fill = [&](ArrayRef<OpFoldResult> shape, Value value) {
    Value empty = tensor::EmptyOp::create(b, loc, shape, computeType);
    return linalg::FillOp::create(b, loc, value, empty).getResult(0);
  };
  Value maximum = constantOf(-std::numeric_limits<double>::infinity());
  Value sum = constantOf(0.0);
  if (!op.getSinks())
    return {fill(accumulator, sum), fill(rows, maximum), fill(rows, sum)};

  // A sink is a key whose weight counts and whose value is zero.
  auto sinkOf = [&](Value head) -> Value {
    Value logit = tensor::ExtractOp::create(b, loc, op.getSinks(), head);
    return arith::MulFOp::create(b, loc, logit, constantOf(M_LOG2E));
  };
  Value one = constantOf(1.0);
  if (!features)
    return {fill(accumulator, sum), fill(rows, sinkOf(head)), fill(rows, one)};
  Value perHead = tensor::EmptyOp::create(b, loc, rows, computeType);
  for (int64_t h = 0; h < keyGroup; ++h) {
    SmallVector<OpFoldResult> offsets = {b.getIndexAttr(h), b.getIndexAttr(0)};
    SmallVector<OpFoldResult> sizes = {b.getIndexAttr(1), block};
    SmallVector<OpFoldResult> strides(2, b.getIndexAttr(1));
    Value part = fill({block}, sinkOf(add(head, constant(h))));
    perHead = tensor::InsertSliceOp::create(b, loc, part, perHead, offsets,
                                            sizes, strides);
  }
  return {fill(accumulator, sum), perHead, fill(rows, one)};
}

// Divides the rows of `part` by their sums, into `slices`.
SmallVector<Value> TaskBuilder::normalize(ArrayRef<Value> part,
                                          ValueRange slices,
                                          ArrayRef<Slice> places) {
  AffineExpr h = b.getAffineDimExpr(0), r = b.getAffineDimExpr(1),
             c = b.getAffineDimExpr(2);
  SmallVector<AffineExpr> layout = {c, r};
  if (features)
    layout = {h, r, c};
  SmallVector<AffineMap> normalizeMaps = {
      AffineMap::get(3, 0, layout, b.getContext())};
  for (const Slice &place : places)
    normalizeMaps.push_back(packMap(place.kept));
  auto result =
      NormalizeOp::create(b, loc, TypeRange(slices), part[0], part[1], part[2],
                          slices[0], slices.size() > 1 ? slices[1] : Value(),
                          b.getAffineMapArrayAttr(normalizeMaps));
  return SmallVector<Value>(result.getResults());
}

// The rows of the task's query blocks, one block after the other.
SmallVector<Value> TaskBuilder::normalizeBlocks(const State &state,
                                                Value numRows,
                                                ValueRange taskRows,
                                                ArrayRef<Slice> places) {
  Value numBlocks = ceilDiv(numRows, constant(schedule.blockQueries));
  auto loop =
      scf::ForOp::create(b, loc, constant(0), numBlocks, constant(1), taskRows);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value block = loop.getInductionVar();
  Value offset = mul(block, constant(schedule.blockQueries));
  Value rows = remaining(numRows, offset, schedule.blockQueries);
  State part;
  for (Value whole : state)
    part.push_back(blockOf(whole, block));

  SmallVector<Value> slices, next;
  std::vector<Slice> blocks;
  for (auto [carried, place] : llvm::zip(loop.getRegionIterArgs(), places)) {
    Slice slice;
    slice.sizes = tensor::getMixedSizes(b, loc, carried);
    slice.offsets.assign(slice.sizes.size(), b.getIndexAttr(0));
    slice.strides.assign(slice.sizes.size(), b.getIndexAttr(1));
    for (auto [position, dim] : llvm::enumerate(place.kept))
      if (dim == kQuery) {
        slice.offsets[position] = offset;
        slice.sizes[position] = getAsOpFoldResult(rows);
      }
    slices.push_back(tensor::ExtractSliceOp::create(
        b, loc, carried, slice.offsets, slice.sizes, slice.strides));
    blocks.push_back(std::move(slice));
  }
  SmallVector<Value> results = normalize(part, slices, places);
  for (auto [carried, value, slice] :
       llvm::zip(loop.getRegionIterArgs(), results, blocks))
    next.push_back(tensor::InsertSliceOp::create(
        b, loc, value, carried, slice.offsets, slice.sizes, slice.strides));
  scf::YieldOp::create(b, loc, next);
  return SmallVector<Value>(loop.getResults());
}

void TaskBuilder::finish(const State &state, Value firstQuery, Value numRows,
                         scf::ForallOp tasks) {
  Ranges ranges{};
  ranges[kBatch] = {batch, b.getIndexAttr(1), false};
  ranges[kHead] = {head, b.getIndexAttr(features ? keyGroup : 1), features};
  ranges[kQuery] = {firstQuery, getAsOpFoldResult(numRows), true};
  ranges[kValueWidth] = {b.getIndexAttr(0), getAsOpFoldResult(valueWidth),
                         true};
  SmallVector<Value> carried(tasks.getRegionIterArgs()), slices;
  std::vector<Slice> places;
  for (auto [output, map] :
       llvm::zip(carried, ArrayRef<AffineMap>(maps).drop_front(3)))
    slices.push_back(extract(output, map, ranges, &places.emplace_back()));
  SmallVector<Value> results =
      shared ? normalizeBlocks(state, numRows, slices, places)
             : normalize(state, slices, places);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(tasks.getTerminator().getBody());
  for (auto [result, place, output] : llvm::zip(results, places, carried))
    tensor::ParallelInsertSliceOp::create(b, loc, result, output, place.offsets,
                                          place.sizes, place.strides);
}

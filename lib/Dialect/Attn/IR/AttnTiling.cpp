//===- AttnTiling.cpp - Tiles and partial reductions ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "AttnAssembly.h"
#include "AttnMaps.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// Slices of the operands
//===----------------------------------------------------------------------===//

namespace {
/// A box of the iteration space.
struct Tile {
  ArrayRef<OpFoldResult> offsets, sizes;

  /// True unless the tile is known to hold a part of the dimension only.
  bool holdsAll(AttentionOpInterface op, unsigned dim) const {
    if (!isConstantIntValue(offsets[dim], 0))
      return false;
    std::optional<int64_t> full = getStaticLoopDimSize(op, dim);
    std::optional<int64_t> size = getConstantIntValue(sizes[dim]);
    return !full || !size || *full == *size;
  }
};

/// Where a tile lies in one operand.
struct SliceParameters {
  SmallVector<OpFoldResult> offsets, sizes;
  AffineMap map;
  /// The first dimension has size 1 and is not part of the result.
  bool dropsFirst = false;
};
} // namespace

static OpFoldResult apply(OpBuilder &b, Location loc, AffineExpr expr,
                          ArrayRef<OpFoldResult> operands) {
  return affine::makeComposedFoldedAffineApply(b, loc, expr, operands);
}

static OpFoldResult add(OpBuilder &b, Location loc, OpFoldResult lhs,
                        OpFoldResult rhs) {
  AffineExpr d0 = b.getAffineDimExpr(0), d1 = b.getAffineDimExpr(1);
  return apply(b, loc, d0 + d1, {lhs, rhs});
}

/// A tile of heads covers whole groups or lies inside one; of a size that is
/// not constant, it must hold all heads. Returns how many heads
/// of the tile share a key head.
static FailureOr<int64_t> sliceGroups(OpBuilder &b, Location loc, DimUse use,
                                      const Tile &tile, OpFoldResult full,
                                      SliceParameters &slice) {
  OpFoldResult offset = tile.offsets[use.dim];
  std::optional<int64_t> heads = getConstantIntValue(tile.sizes[use.dim]);
  if (!heads && isConstantIntValue(offset, 0)) {
    slice.offsets.push_back(offset);
    slice.sizes.push_back(full);
    return use.divisor;
  }
  if (!heads || *heads <= 0 ||
      (*heads % use.divisor != 0 && use.divisor % *heads != 0))
    return failure();
  int64_t shared = std::min(*heads, use.divisor);
  slice.offsets.push_back(
      apply(b, loc, b.getAffineDimExpr(0).floorDiv(use.divisor), {offset}));
  slice.sizes.push_back(b.getIndexAttr(*heads / shared));
  return shared;
}

/// `wholeKeys`: the keys lie anywhere in the operand.
static FailureOr<SliceParameters> getSlice(OpBuilder &b, Location loc,
                                           Value operand, AffineMap map,
                                           const Tile &tile, bool wholeKeys) {
  SliceParameters slice;
  SmallVector<AffineExpr> results;
  for (auto [position, expr] : llvm::enumerate(map.getResults())) {
    DimUse use = *getDimUse(expr);
    results.push_back(expr);
    if (use.kind == DimUse::Whole && !(use.dim == kKey && wholeKeys)) {
      slice.offsets.push_back(tile.offsets[use.dim]);
      slice.sizes.push_back(tile.sizes[use.dim]);
      continue;
    }
    OpFoldResult full = tensor::getMixedSize(b, loc, operand, position);
    if (use.dim == kHead) {
      FailureOr<int64_t> shared = sliceGroups(b, loc, use, tile, full, slice);
      if (failed(shared))
        return failure();
      results.back() = b.getAffineDimExpr(kHead).floorDiv(*shared);
      continue;
    }
    // Packed halves are taken whole.
    if (use.kind != DimUse::Whole &&
        !isConstantIntValue(tile.offsets[use.dim], 0))
      return failure();
    slice.offsets.push_back(b.getIndexAttr(0));
    slice.sizes.push_back(full);
  }
  slice.map = AffineMap::get(map.getNumDims(), 0, results, b.getContext());
  return slice;
}

static Value extractSlice(OpBuilder &b, Location loc, Value tensor,
                          const SliceParameters &slice,
                          SmallVectorImpl<Operation *> &slices) {
  auto type = cast<RankedTensorType>(tensor.getType());
  SmallVector<int64_t> shape;
  for (OpFoldResult size :
       ArrayRef<OpFoldResult>(slice.sizes).drop_front(slice.dropsFirst))
    shape.push_back(getConstantIntValue(size).value_or(ShapedType::kDynamic));
  SmallVector<OpFoldResult> strides(slice.sizes.size(), b.getIndexAttr(1));
  Value result = b.createOrFold<tensor::ExtractSliceOp>(
      loc, RankedTensorType::get(shape, type.getElementType()), tensor,
      slice.offsets, slice.sizes, strides);
  if (auto op = result.getDefiningOp<tensor::ExtractSliceOp>())
    slices.push_back(op);
  return result;
}

namespace {
/// The role operands of a tile, in order, and their maps.
struct TiledRoles {
  SmallVector<Value> operands;
  SmallVector<AffineMap> maps;
  SmallVector<Operation *> slices;
};
} // namespace

/// Slices the operands; `states`, where given, are the tile's destinations.
static FailureOr<TiledRoles> sliceRoles(OpBuilder &b, AttentionOpInterface op,
                                        const Tile &tile,
                                        ArrayRef<Value> states = {}) {
  constexpr unsigned kFirstDestination = 3;
  TiledRoles tiled;
  tiled.maps = op.getRoleMaps();
  for (auto [role, operand] : llvm::enumerate(op.getRoleOperands())) {
    if (role >= kFirstDestination && !states.empty()) {
      tiled.operands.push_back(states[role - kFirstDestination]);
      continue;
    }
    // Upstream rejects slices of empty dimensions; canonicalization has
    // removed the operation.
    if (llvm::is_contained(cast<ShapedType>(operand.getType()).getShape(), 0))
      return failure();
    FailureOr<SliceParameters> slice = getSlice(
        b, op.getLoc(), operand, tiled.maps[role], tile, op.hasKeyRows());
    if (failed(slice))
      return failure();
    tiled.operands.push_back(
        extractSlice(b, op.getLoc(), operand, *slice, tiled.slices));
    tiled.maps[role] = slice->map;
  }
  return tiled;
}

/// Sets the maps of a tile, unless they are the default.
template <typename OpTy>
static void setMaps(OpBuilder &b, OpTy op, ArrayRef<AffineMap> maps) {
  ArrayAttr attr = b.getAffineMapArrayAttr(maps);
  op.setIndexingMapsAttr(attr);
  if (hasDefaultMaps(op, attr, op.getDefaultMaps()))
    op.removeIndexingMapsAttr();
}

//===----------------------------------------------------------------------===//
// The parts both operations share
//===----------------------------------------------------------------------===//

static SmallVector<Range> getDomain(OpBuilder &b, AttentionOpInterface op) {
  SmallVector<Range> domain;
  for (unsigned dim = 0; dim < kNumLoopDims; ++dim)
    domain.push_back(
        {b.getIndexAttr(0), getLoopDimSize(b, op, dim), b.getIndexAttr(1)});
  return domain;
}

static SmallVector<utils::IteratorType> getIterators() {
  SmallVector<utils::IteratorType> iterators(kNumLoopDims,
                                             utils::IteratorType::parallel);
  iterators[kKey] = iterators[kWidth] = utils::IteratorType::reduction;
  return iterators;
}

static AffineMap getResultMap(AttentionOpInterface op, unsigned result) {
  constexpr unsigned kFirstDestination = 3;
  return op.getRoleMaps()[kFirstDestination + result];
}

static void mapToResult(AffineMap map, const Tile &tile,
                        SmallVectorImpl<OpFoldResult> &offsets,
                        SmallVectorImpl<OpFoldResult> &sizes) {
  for (AffineExpr expr : map.getResults()) {
    unsigned dim = cast<AffineDimExpr>(expr).getPosition();
    offsets.push_back(tile.offsets[dim]);
    sizes.push_back(tile.sizes[dim]);
  }
}

/// The part of the iteration space behind a tile of a result.
static void mapFromResult(OpBuilder &b, AttentionOpInterface op,
                          unsigned result, const Tile &tile,
                          SmallVectorImpl<OpFoldResult> &offsets,
                          SmallVectorImpl<OpFoldResult> &sizes) {
  for (const Range &range : getDomain(b, op)) {
    offsets.push_back(range.offset);
    sizes.push_back(range.size);
  }
  for (auto [position, expr] :
       llvm::enumerate(getResultMap(op, result).getResults())) {
    unsigned dim = cast<AffineDimExpr>(expr).getPosition();
    offsets[dim] = tile.offsets[position];
    sizes[dim] = tile.sizes[position];
  }
}

template <typename OpTy>
static FailureOr<TilingResult>
generateResultTile(OpBuilder &b, OpTy op, unsigned result, const Tile &tile) {
  SmallVector<OpFoldResult> offsets, sizes;
  mapFromResult(b, op, result, tile, offsets, sizes);
  FailureOr<TilingResult> tiled = op.getTiledImplementation(b, offsets, sizes);
  if (failed(tiled))
    return failure();
  Value value = tiled->tiledValues[result];
  return TilingResult{tiled->tiledOps, {value}, tiled->generatedSlices};
}

//===----------------------------------------------------------------------===//
// attn.attention
//===----------------------------------------------------------------------===//

/// Adds a tile's offsets to the indices a region sees.
static void shiftIndices(OpBuilder &b, Region &region, unsigned firstIndex,
                         ArrayRef<Value> offsets) {
  if (region.empty())
    return;
  OpBuilder::InsertionGuard guard(b);
  Block &block = region.front();
  b.setInsertionPointToStart(&block);
  for (auto [dim, offset] : llvm::enumerate(offsets)) {
    BlockArgument index = block.getArgument(firstIndex + dim);
    if (!offset || index.use_empty())
      continue;
    auto shifted = arith::AddIOp::create(b, index.getLoc(), index, offset);
    index.replaceAllUsesExcept(shifted, shifted);
  }
}

SmallVector<Range> AttentionOp::getIterationDomain(OpBuilder &b) {
  return getDomain(b, *this);
}

SmallVector<utils::IteratorType> AttentionOp::getLoopIteratorTypes() {
  return getIterators();
}

LogicalResult AttentionOp::getResultTilePosition(
    OpBuilder &b, unsigned result, ArrayRef<OpFoldResult> offsets,
    ArrayRef<OpFoldResult> sizes, SmallVector<OpFoldResult> &resultOffsets,
    SmallVector<OpFoldResult> &resultSizes) {
  mapToResult(getResultMap(*this, result), {offsets, sizes}, resultOffsets,
              resultSizes);
  return success();
}

LogicalResult AttentionOp::getIterationDomainTileFromResultTile(
    OpBuilder &b, unsigned result, ArrayRef<OpFoldResult> offsets,
    ArrayRef<OpFoldResult> sizes, SmallVectorImpl<OpFoldResult> &domainOffsets,
    SmallVectorImpl<OpFoldResult> &domainSizes) {
  mapFromResult(b, *this, result, {offsets, sizes}, domainOffsets, domainSizes);
  return success();
}

/// The dimensions a tile must hold whole: all of the keys make one softmax,
/// and only one tile may write a row's log-sum-exp.
static LogicalResult checkTile(AttentionOp op, const Tile &tile) {
  if (!op.hasPureTensorSemantics() || !op.isCore() ||
      !tile.holdsAll(op, kKey) || !tile.holdsAll(op, kWidth))
    return failure();
  return success(!op.getLse() || tile.holdsAll(op, kValueWidth));
}

FailureOr<TilingResult>
AttentionOp::getTiledImplementation(OpBuilder &b,
                                    ArrayRef<OpFoldResult> offsets,
                                    ArrayRef<OpFoldResult> sizes) {
  Tile tile{offsets, sizes};
  Location loc = getLoc();
  if (failed(checkTile(*this, tile)))
    return failure();
  FailureOr<TiledRoles> roles = sliceRoles(b, *this, tile);
  if (failed(roles))
    return failure();

  SmallVector<Value> operands =
      llvm::to_vector(ArrayRef<Value>(roles->operands).take_front(3));
  if (getScale())
    operands.push_back(getScale());
  if (getSinks()) {
    SliceParameters slice{{offsets[kHead]}, {sizes[kHead]}, {}};
    operands.push_back(extractSlice(b, loc, getSinks(), slice, roles->slices));
  }
  if (getNumKeys())
    operands.push_back(getNumKeys());
  SmallVector<Type> types;
  for (Value init : ArrayRef<Value>(roles->operands).drop_front(3)) {
    operands.push_back(init);
    types.push_back(init.getType());
  }

  // Offsets of b, h, m and n, null where 0.
  SmallVector<Value> shifts;
  for (OpFoldResult offset : offsets.take_front(4))
    shifts.push_back(isConstantIntValue(offset, 0)
                         ? Value()
                         : getValueOrCreateConstantIndexOp(b, loc, offset));
  auto tiled = cast<AttentionOp>(cloneWith(b, *this, types, operands));
  setMaps(b, tiled, roles->maps);
  shiftIndices(b, tiled.getScore(), 1, shifts);
  shiftIndices(b, tiled.getMask(), 0, shifts);
  shiftIndices(b, tiled.getKeyRows(), 0,
               {shifts[kBatch], shifts[kHead], shifts[kKey]});
  return TilingResult{
      {tiled}, SmallVector<Value>(tiled->getResults()), roles->slices};
}

FailureOr<TilingResult>
AttentionOp::generateResultTileValue(OpBuilder &b, unsigned result,
                                     ArrayRef<OpFoldResult> offsets,
                                     ArrayRef<OpFoldResult> sizes) {
  return generateResultTile(b, *this, result, {offsets, sizes});
}

//===----------------------------------------------------------------------===//
// attn.online_attention
//===----------------------------------------------------------------------===//

SmallVector<Range> OnlineAttentionOp::getIterationDomain(OpBuilder &b) {
  return getDomain(b, *this);
}

SmallVector<utils::IteratorType> OnlineAttentionOp::getLoopIteratorTypes() {
  return getIterators();
}

LogicalResult OnlineAttentionOp::getResultTilePosition(
    OpBuilder &b, unsigned result, ArrayRef<OpFoldResult> offsets,
    ArrayRef<OpFoldResult> sizes, SmallVector<OpFoldResult> &resultOffsets,
    SmallVector<OpFoldResult> &resultSizes) {
  mapToResult(getResultMap(*this, result), {offsets, sizes}, resultOffsets,
              resultSizes);
  return success();
}

LogicalResult OnlineAttentionOp::getIterationDomainTileFromResultTile(
    OpBuilder &b, unsigned result, ArrayRef<OpFoldResult> offsets,
    ArrayRef<OpFoldResult> sizes, SmallVectorImpl<OpFoldResult> &domainOffsets,
    SmallVectorImpl<OpFoldResult> &domainSizes) {
  mapFromResult(b, *this, result, {offsets, sizes}, domainOffsets, domainSizes);
  return success();
}

/// The valid rows of a tile that starts at row `offset`, and how far its
/// origin moves. A tile past the last valid row repeats that row.
static std::pair<OpFoldResult, OpFoldResult> tileRows(OpBuilder &b,
                                                      Location loc, Value rows,
                                                      OpFoldResult offset,
                                                      OpFoldResult size) {
  AffineExpr d0 = b.getAffineDimExpr(0), d1 = b.getAffineDimExpr(1),
             d2 = b.getAffineDimExpr(2);
  MLIRContext *context = b.getContext();
  OpFoldResult shift = affine::makeComposedFoldedAffineMin(
      b, loc, AffineMap::get(2, 0, {d0, d1 - 1}, context), {offset, rows});
  OpFoldResult valid = affine::makeComposedFoldedAffineMin(
      b, loc, AffineMap::get(3, 0, {d2, d1 - d0}, context),
      {shift, rows, size});
  return {valid, shift};
}

/// One tile of a step; `states` replaces the slices of its destinations.
static FailureOr<TilingResult> tileStep(OpBuilder &b, OnlineAttentionOp op,
                                        const Tile &tile,
                                        ArrayRef<Value> states = {}) {
  Location loc = op.getLoc();
  // Every tile of e would update the row's maximum and sum again.
  if (!op.hasPureTensorSemantics() || !tile.holdsAll(op, kWidth) ||
      !tile.holdsAll(op, kValueWidth))
    return failure();
  FailureOr<TiledRoles> roles = sliceRoles(b, op, tile, states);
  if (failed(roles))
    return failure();

  SmallVector<OpFoldResult> origin(tile.offsets.take_front(4));
  OpFoldResult rows;
  if (op.getRows())
    std::tie(rows, origin[kQuery]) =
        tileRows(b, loc, op.getRows(), origin[kQuery], tile.sizes[kQuery]);
  for (auto [position, old] : llvm::enumerate(op.getOrigin()))
    origin[position] = add(b, loc, old, origin[position]);

  SmallVector<Value> operands =
      llvm::to_vector(ArrayRef<Value>(roles->operands).take_front(3));
  llvm::append_range(operands, op.getOrigin());
  if (rows)
    operands.push_back(getValueOrCreateConstantIndexOp(b, loc, rows));
  if (op.getKeyRows()) {
    SliceParameters slice{{tile.offsets[kKey]}, {tile.sizes[kKey]}, {}};
    operands.push_back(
        extractSlice(b, loc, op.getKeyRows(), slice, roles->slices));
  }
  SmallVector<Type> types;
  for (Value init : ArrayRef<Value>(roles->operands).drop_front(3)) {
    operands.push_back(init);
    types.push_back(init.getType());
  }
  SmallVector<Value> originValues;
  if (!llvm::all_of(origin, [](OpFoldResult position) {
        return isConstantIntValue(position, 0);
      }))
    originValues = getValueOrCreateConstantIndexOp(b, loc, origin);
  auto tiled = cast<OnlineAttentionOp>(cloneWith(b, op, types, operands));
  tiled.getOriginMutable().assign(originValues);
  setMaps(b, tiled, roles->maps);
  return TilingResult{
      {tiled}, SmallVector<Value>(tiled->getResults()), roles->slices};
}

FailureOr<TilingResult>
OnlineAttentionOp::getTiledImplementation(OpBuilder &b,
                                          ArrayRef<OpFoldResult> offsets,
                                          ArrayRef<OpFoldResult> sizes) {
  return tileStep(b, *this, {offsets, sizes});
}

FailureOr<TilingResult>
OnlineAttentionOp::generateResultTileValue(OpBuilder &b, unsigned result,
                                           ArrayRef<OpFoldResult> offsets,
                                           ArrayRef<OpFoldResult> sizes) {
  return generateResultTile(b, *this, result, {offsets, sizes});
}

//===----------------------------------------------------------------------===//
// Partial reductions: the keys are split, each part has a state of its own
//===----------------------------------------------------------------------===//

/// Merging needs the value columns innermost, and the same rows everywhere.
static bool hasMergeableState(OnlineAttentionOp op) {
  AffineMap accumulator = getResultMap(op, 0);
  AffineExpr columns = getAffineDimExpr(kValueWidth, op.getContext());
  if (accumulator.getResults().back() != columns)
    return false;
  AffineMap rows = accumulator.dropResult(accumulator.getNumResults() - 1);
  return getResultMap(op, 1) == rows && getResultMap(op, 2) == rows;
}

FailureOr<SmallVector<Value>>
OnlineAttentionOp::generateInitialTensorForPartialReduction(
    OpBuilder &b, Location loc, ArrayRef<OpFoldResult> tileSizes,
    const SetVector<unsigned> &reductionDims) {
  if (!reductionDims.contains(kKey) || !hasPureTensorSemantics() ||
      !hasMergeableState(*this))
    return failure();
  Type type = getComputeType();
  double identities[] = {0.0, -INFINITY, 0.0};
  SmallVector<Value> states;
  for (auto [init, identity] : llvm::zip_equal(getDpsInits(), identities)) {
    // The parts come first.
    SmallVector<OpFoldResult> sizes = {tileSizes[kKey]};
    llvm::append_range(sizes, tensor::getMixedSizes(b, loc, init));
    Value empty = tensor::EmptyOp::create(b, loc, sizes, type);
    Value constant =
        arith::ConstantOp::create(b, loc, b.getFloatAttr(type, identity));
    states.push_back(
        linalg::FillOp::create(b, loc, constant, empty).getResult(0));
  }
  return states;
}

/// The part of a tile's result: `part` of the first dimension, then the tile.
static SliceParameters getPartSlice(OpBuilder &b, OnlineAttentionOp op,
                                    unsigned result, OpFoldResult part,
                                    const Tile &tile) {
  SliceParameters slice;
  slice.offsets.push_back(part);
  slice.sizes.push_back(b.getIndexAttr(1));
  mapToResult(getResultMap(op, result), tile, slice.offsets, slice.sizes);
  slice.dropsFirst = true;
  return slice;
}

static OpFoldResult getPart(const SetVector<unsigned> &reductionDims,
                            ArrayRef<OpFoldResult> splitReductionIvs) {
  return splitReductionIvs[llvm::find(reductionDims, unsigned(kKey)) -
                           reductionDims.begin()];
}

FailureOr<TilingResult> OnlineAttentionOp::tileToPartialReduction(
    OpBuilder &b, Location loc, ReductionTilingStrategy strategy,
    ValueRange init, ArrayRef<OpFoldResult> offsets,
    ArrayRef<OpFoldResult> sizes, const SetVector<unsigned> &reductionDims,
    ArrayRef<OpFoldResult> splitReductionIvs) {
  // A state for each key of a tile would be the logits themselves.
  if (strategy != ReductionTilingStrategy::PartialReductionOuterParallel)
    return failure();
  Tile tile{offsets, sizes};
  OpFoldResult part = getPart(reductionDims, splitReductionIvs);
  SmallVector<Value> states;
  SmallVector<Operation *> slices;
  for (auto [result, partial] : llvm::enumerate(init))
    states.push_back(extractSlice(
        b, loc, partial, getPartSlice(b, *this, result, part, tile), slices));
  FailureOr<TilingResult> tiled = tileStep(b, *this, tile, states);
  if (succeeded(tiled))
    llvm::append_range(tiled->generatedSlices, slices);
  return tiled;
}

LogicalResult OnlineAttentionOp::getPartialResultTilePosition(
    OpBuilder &b, unsigned result, ReductionTilingStrategy strategy,
    ArrayRef<OpFoldResult> offsets, ArrayRef<OpFoldResult> sizes,
    const SetVector<unsigned> &reductionDims,
    ArrayRef<OpFoldResult> splitReductionIvs,
    SmallVector<OpFoldResult> &resultOffsets,
    SmallVector<OpFoldResult> &resultSizes) {
  SliceParameters slice =
      getPartSlice(b, *this, result, getPart(reductionDims, splitReductionIvs),
                   {offsets, sizes});
  resultOffsets = slice.offsets;
  resultSizes = slice.sizes;
  return success();
}

FailureOr<MergeResult>
OnlineAttentionOp::mergeReductions(OpBuilder &b, Location loc,
                                   ValueRange partialReduce,
                                   const SetVector<unsigned> &reductionDims) {
  Value zero = arith::ConstantIndexOp::create(b, loc, 0);
  Value one = arith::ConstantIndexOp::create(b, loc, 1);
  Value parts = getValueOrCreateConstantIndexOp(
      b, loc, tensor::getMixedSize(b, loc, partialReduce.front(), 0));
  SmallVector<Value> inits(getDpsInits());
  auto loop = scf::ForOp::create(b, loc, zero, parts, one, inits);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> operands;
  SmallVector<Operation *> slices;
  for (auto [partial, state] :
       llvm::zip_equal(partialReduce, loop.getRegionIterArgs())) {
    SliceParameters slice;
    slice.offsets.assign(cast<ShapedType>(partial.getType()).getRank(),
                         b.getIndexAttr(0));
    slice.offsets.front() = loop.getInductionVar();
    slice.sizes = {b.getIndexAttr(1)};
    llvm::append_range(slice.sizes, tensor::getMixedSizes(b, loc, state));
    slice.dropsFirst = true;
    operands.push_back(extractSlice(b, loc, partial, slice, slices));
  }
  llvm::append_range(operands, loop.getRegionIterArgs());
  auto merge = MergeOp::create(b, loc, getResultTypes(), operands);
  scf::YieldOp::create(b, loc, merge.getResults());
  return MergeResult{{loop}, SmallVector<Value>(loop.getResults())};
}

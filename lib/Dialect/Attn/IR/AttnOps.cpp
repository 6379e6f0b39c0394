//===- AttnOps.cpp - Roles, maps and interfaces of the operations ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "AttnAssembly.h"
#include "AttnMaps.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// Indexing maps
//===----------------------------------------------------------------------===//

/// Query heads per key head: 1 unless both counts are static.
static int64_t getGroupSize(ShapedType query, ShapedType other,
                            unsigned headDim) {
  if (other.getRank() <= headDim || query.isDynamicDim(headDim) ||
      other.isDynamicDim(headDim))
    return 1;
  int64_t heads = query.getDimSize(headDim);
  int64_t groups = other.getDimSize(headDim);
  return groups > 0 && heads > groups && heads % groups == 0 ? heads / groups
                                                             : 1;
}

SmallVector<AffineMap> attn::buildDefaultMaps(AttentionOpInterface op) {
  SmallVector<Value> operands = op.getRoleOperands();
  auto query = cast<ShapedType>(operands[0].getType());
  unsigned rank = query.getRank();
  if (rank < 2 || rank > 4)
    return {};
  MLIRContext *context = op->getContext();
  auto dim = [&](LoopDim d) { return getAffineDimExpr(d, context); };
  auto build = [&](std::initializer_list<LoopDim> inner, int64_t group) {
    SmallVector<AffineExpr> results;
    if (rank == 4)
      results.push_back(dim(kBatch));
    if (rank >= 3)
      results.push_back(dim(kHead).floorDiv(group));
    for (LoopDim d : inner)
      results.push_back(dim(d));
    return AffineMap::get(kNumLoopDims, 0, results, context);
  };
  auto group = [&](unsigned operand) -> int64_t {
    if (rank == 2)
      return 1;
    return getGroupSize(query, cast<ShapedType>(operands[operand].getType()),
                        rank - 3);
  };
  SmallVector<AffineMap> maps = {
      build({kQuery, kWidth}, 1), build({kKey, kWidth}, group(1)),
      build({kKey, kValueWidth}, group(2)), build({kQuery, kValueWidth}, 1)};
  while (maps.size() < operands.size())
    maps.push_back(build({kQuery}, 1));
  return maps;
}

bool attn::hasDefaultMaps(Operation *op, ArrayAttr maps,
                          ArrayRef<AffineMap> defaults) {
  return maps &&
         maps == Builder(op->getContext()).getAffineMapArrayAttr(defaults);
}

/// The list that tells where the keys lie, if there is one: it has as many
/// elements as the operation has keys, whatever the size of key and value.
static Value getKeyList(AttentionOpInterface op, unsigned dim) {
  auto step = dyn_cast<OnlineAttentionOp>(*op);
  return step && dim == kKey ? step.getKeyRows() : Value();
}

/// The number of keys where a region tells where they lie.
static Value getKeyCount(AttentionOpInterface op, unsigned dim) {
  auto attention = dyn_cast<AttentionOp>(*op);
  return attention && dim == kKey ? attention.getNumKeys() : Value();
}

/// The operand and the position in it where a loop dimension is a whole
/// dimension of the operand.
static std::optional<std::pair<Value, unsigned>>
findLoopDim(AttentionOpInterface op, unsigned dim) {
  if (Value list = getKeyList(op, dim))
    return std::pair(list, 0u);
  AffineExpr expr = getAffineDimExpr(dim, op->getContext());
  std::optional<std::pair<Value, unsigned>> found;
  for (auto [operand, map] :
       llvm::zip_equal(op.getRoleOperands(), op.getRoleMaps()))
    if (auto position = map.getResultPosition(expr)) {
      // A partial reduction is asked for on larger destinations.
      if (cast<ShapedType>(operand.getType()).getRank() != map.getNumResults())
        continue;
      // Prefer the operand whose type tells the size.
      if (!cast<ShapedType>(operand.getType()).isDynamicDim(*position))
        return std::pair(operand, *position);
      if (!found)
        found = std::pair(operand, *position);
    }
  return found;
}

std::optional<int64_t> attn::getStaticLoopDimSize(AttentionOpInterface op,
                                                  unsigned dim) {
  if (Value count = getKeyCount(op, dim))
    return getConstantIntValue(count);
  auto found = findLoopDim(op, dim);
  if (!found)
    return std::nullopt;
  int64_t size =
      cast<ShapedType>(found->first.getType()).getDimSize(found->second);
  if (ShapedType::isDynamic(size))
    return std::nullopt;
  return size;
}

OpFoldResult attn::getLoopDimSize(OpBuilder &builder, AttentionOpInterface op,
                                  unsigned dim) {
  Location loc = op.getLoc();
  if (Value count = getKeyCount(op, dim))
    return getAsOpFoldResult(count);
  if (auto found = findLoopDim(op, dim)) {
    auto [operand, position] = *found;
    if (isa<MemRefType>(operand.getType()))
      return memref::getMixedSize(builder, loc, operand, position);
    return tensor::getMixedSize(builder, loc, operand, position);
  }
  return builder.getIndexAttr(1);
}

SmallVector<AffineMap> attn::getMaps(ArrayAttr maps) {
  return llvm::to_vector(maps.getAsValueRange<AffineMapAttr>());
}

FloatType attn::computeTypeFor(Value query) {
  if (getElementTypeOrSelf(query.getType()).isF64())
    return Float64Type::get(query.getContext());
  return Float32Type::get(query.getContext());
}

Operation *attn::cloneWith(OpBuilder &builder, Operation *op, TypeRange types,
                           ValueRange operands) {
  Operation *clone = builder.clone(*op);
  clone->setOperands(operands);
  for (auto [result, type] : llvm::zip_equal(clone->getResults(), types))
    result.setType(type);
  return clone;
}

//===----------------------------------------------------------------------===//
// Interfaces shared by all operations
//===----------------------------------------------------------------------===//

using Effects =
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>;

/// Buffers are read; those that are destinations are written too. Regions may
/// read buffers from above.
static void collectEffects(DestinationStyleOpInterface op, Effects &effects) {
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<BaseMemRefType>(operand.get().getType()))
      continue;
    effects.emplace_back(MemoryEffects::Read::get(), &operand);
    if (op.isDpsInit(&operand))
      effects.emplace_back(MemoryEffects::Write::get(), &operand);
  }
  llvm::SetVector<Value> captured;
  getUsedValuesDefinedAbove(op->getRegions(), captured);
  if (llvm::any_of(captured, [](Value value) {
        return isa<BaseMemRefType>(value.getType());
      }))
    effects.emplace_back(MemoryEffects::Read::get());
}

static LogicalResult reifyFromInits(DestinationStyleOpInterface op,
                                    OpBuilder &builder,
                                    ReifiedRankedShapedTypeDims &shapes) {
  for (OpResult result : op->getResults())
    shapes.push_back(tensor::getMixedSizes(builder, op->getLoc(),
                                           op.getTiedOpOperand(result)->get()));
  return success();
}

#define ATTN_DESTINATION_OP(OpTy)                                              \
  void OpTy::getEffects(Effects &effects) { collectEffects(*this, effects); }  \
  LogicalResult OpTy::reifyResultShapes(OpBuilder &builder,                    \
                                        ReifiedRankedShapedTypeDims &shapes) { \
    return reifyFromInits(*this, builder, shapes);                             \
  }
ATTN_DESTINATION_OP(AttentionOp)
ATTN_DESTINATION_OP(OnlineAttentionOp)
ATTN_DESTINATION_OP(MergeOp)
ATTN_DESTINATION_OP(PackOp)
ATTN_DESTINATION_OP(NormalizeOp)
ATTN_DESTINATION_OP(LongformerOp)
#undef ATTN_DESTINATION_OP

//===----------------------------------------------------------------------===//
// attn.attention
//===----------------------------------------------------------------------===//

MutableOperandRange AttentionOp::getDpsInitsMutable() {
  auto [first, length] = getODSOperandIndexAndLength(8);
  return MutableOperandRange(*this, first, length + (getLse() ? 1 : 0));
}

SmallVector<AffineMap> AttentionOp::getDefaultMaps() {
  return buildDefaultMaps(*this);
}

Value AttentionOp::getQueryOperand() { return getQuery(); }
Value AttentionOp::getKeyOperand() { return getKey(); }
Value AttentionOp::getValueOperand() { return getValue(); }
Region &AttentionOp::getScoreRegion() { return getScore(); }
Region &AttentionOp::getMaskRegion() { return getMask(); }
bool AttentionOp::hasKeyRows() { return getNumKeys() != nullptr; }
FloatType AttentionOp::getComputeType() { return computeTypeFor(getQuery()); }

SmallVector<AffineMap> AttentionOp::getRoleMaps() {
  return getIndexingMapsAttr() ? getMaps(getIndexingMapsAttr())
                               : getDefaultMaps();
}

SmallVector<Value> AttentionOp::getRoleOperands() {
  SmallVector<Value> operands = {getQuery(), getKey(), getValue()};
  llvm::append_range(operands, getDpsInits());
  return operands;
}

SmallVector<StringRef> AttentionOp::getRoleNames() {
  SmallVector<StringRef> names = {"query", "key", "value", "output"};
  if (getLse())
    names.push_back("lse");
  return names;
}

//===----------------------------------------------------------------------===//
// attn.online_attention
//===----------------------------------------------------------------------===//

MutableOperandRange OnlineAttentionOp::getDpsInitsMutable() {
  return MutableOperandRange(*this, getODSOperandIndexAndLength(6).first, 3);
}

SmallVector<AffineMap> OnlineAttentionOp::getDefaultMaps() {
  return buildDefaultMaps(*this);
}

Value OnlineAttentionOp::getQueryOperand() { return getQuery(); }
Value OnlineAttentionOp::getKeyOperand() { return getKey(); }
Value OnlineAttentionOp::getValueOperand() { return getValue(); }
Region &OnlineAttentionOp::getScoreRegion() { return getScore(); }
Region &OnlineAttentionOp::getMaskRegion() { return getMask(); }
bool OnlineAttentionOp::hasKeyRows() { return getKeyRows() != nullptr; }

FloatType OnlineAttentionOp::getComputeType() {
  return computeTypeFor(getQuery());
}

SmallVector<AffineMap> OnlineAttentionOp::getRoleMaps() {
  return getIndexingMapsAttr() ? getMaps(getIndexingMapsAttr())
                               : getDefaultMaps();
}

SmallVector<Value> OnlineAttentionOp::getRoleOperands() {
  SmallVector<Value> operands = {getQuery(), getKey(), getValue()};
  llvm::append_range(operands, getDpsInits());
  return operands;
}

SmallVector<StringRef> OnlineAttentionOp::getRoleNames() {
  return {"query", "key", "value", "accumulator", "maximum", "sum"};
}

//===----------------------------------------------------------------------===//
// attn.merge, attn.pack, attn.normalize
//===----------------------------------------------------------------------===//

MutableOperandRange MergeOp::getDpsInitsMutable() {
  return MutableOperandRange(*this, 3, 3);
}

MutableOperandRange PackOp::getDpsInitsMutable() {
  return getDestinationMutable();
}

AffineMap PackOp::getSourceMap() {
  return cast<AffineMapAttr>(getMaps()[0]).getValue();
}

AffineMap PackOp::getDestinationMap() {
  return cast<AffineMapAttr>(getMaps()[1]).getValue();
}

MutableOperandRange NormalizeOp::getDpsInitsMutable() {
  return MutableOperandRange(*this, 3, getNumOperands() - 3);
}

static std::optional<RowAxis> getRowAxis(AffineExpr expr, unsigned position) {
  RowAxis axis{position, 1, 0};
  auto peel = [&](AffineExprKind kind, int64_t &constant) {
    auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
    if (!binary || binary.getKind() != kind)
      return;
    if (auto rhs = dyn_cast<AffineConstantExpr>(binary.getRHS())) {
      constant = rhs.getValue();
      expr = binary.getLHS();
    }
  };
  peel(AffineExprKind::Mod, axis.size);
  peel(AffineExprKind::FloorDiv, axis.stride);
  if (expr != getAffineDimExpr(1, expr.getContext()))
    return std::nullopt;
  return axis;
}

std::optional<SmallVector<RowAxis>> attn::getRowAxes(AffineMap map) {
  SmallVector<RowAxis> axes;
  for (auto [position, expr] : llvm::enumerate(map.getResults())) {
    if (!expr.isFunctionOfDim(1))
      continue;
    std::optional<RowAxis> axis = getRowAxis(expr, position);
    if (!axis)
      return std::nullopt;
    axes.push_back(*axis);
  }
  llvm::sort(axes, [](const RowAxis &lhs, const RowAxis &rhs) {
    return lhs.stride > rhs.stride;
  });
  // Each axis runs through what one step of the axis before it leaves.
  for (auto [number, axis] : llvm::enumerate(axes)) {
    bool fits = number == 0 ? axis.size == 0
                            : axis.size > 1 && axis.stride * axis.size ==
                                                   axes[number - 1].stride;
    if (!fits || (number + 1 == axes.size() && axis.stride != 1))
      return std::nullopt;
  }
  return axes;
}

static AffineMap getRowsAndColumns(MLIRContext *context) {
  return AffineMap::getMultiDimMapWithTargets(3, {1, 2}, context);
}

AffineMap NormalizeOp::getAccumulatorMap() {
  return getMaps() ? cast<AffineMapAttr>((*getMaps())[0]).getValue()
                   : getRowsAndColumns(getContext());
}

AffineMap NormalizeOp::getOutputMap() {
  return getMaps() ? cast<AffineMapAttr>((*getMaps())[1]).getValue()
                   : getRowsAndColumns(getContext());
}

AffineMap attn::dropColumns(AffineMap map) {
  AffineExpr columns = getAffineDimExpr(2, map.getContext());
  auto position = map.getResultPosition(columns);
  return position ? map.dropResult(*position) : map;
}

AffineMap NormalizeOp::getLseMap() {
  if (getMaps() && getMaps()->size() > 2)
    return cast<AffineMapAttr>((*getMaps())[2]).getValue();
  return dropColumns(getOutputMap());
}

//===----------------------------------------------------------------------===//
// Generated definitions
//===----------------------------------------------------------------------===//

#define GET_OP_CLASSES
#include "attn/Dialect/Attn/IR/AttnOps.cpp.inc"

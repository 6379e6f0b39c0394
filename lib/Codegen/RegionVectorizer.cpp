//===- RegionVectorizer.cpp - Scalar region to vector code ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Codegen/RegionVectorizer.h"
#include "attn/Codegen/OnlineStep.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mlir::attn;

RegionVectorizer::RegionVectorizer(KernelBuilder &kernel, Region &region)
    : kernel(kernel), block(region.empty() ? nullptr : &region.front()),
      ranges(&region) {}

void RegionVectorizer::prepare(ArrayRef<std::optional<Argument>> arguments,
                               unsigned groups) {
  prepared.assign(groups, IRMapping());
  llvm::SmallPtrSet<Value, 16> later;
  for (auto [argument, bound] : llvm::zip(block->getArguments(), arguments)) {
    if (!bound) {
      remainingArguments.push_back(argument.getArgNumber());
      later.insert(argument);
      if (!argument.getType().isIndex())
        perLane.insert(argument);
      continue;
    }
    if (!bound->uniform)
      perLane.insert(argument);
    for (unsigned group = 0; group < groups; ++group)
      prepared[group].map(argument, bound->uniform ? bound->uniform
                                                   : bound->varying[group]);
  }
  for (Operation &op : block->without_terminator()) {
    if (llvm::any_of(op.getOperands(),
                     [&](Value operand) { return perLane.contains(operand); }))
      perLane.insert(op.result_begin(), op.result_end());
    if (llvm::any_of(op.getOperands(),
                     [&](Value operand) { return later.contains(operand); })) {
      later.insert(op.result_begin(), op.result_end());
      remainingOps.push_back(&op);
      continue;
    }
    emit(op, prepared.front());
    for (unsigned group = 1; group < groups; ++group) {
      // What is the same in all lanes is the same in all groups.
      Value first = prepared.front().lookup(op.getResult(0));
      if (isa<VectorType>(first.getType()))
        emit(op, prepared[group]);
      else
        prepared[group].map(op.getResults(), ValueRange(first));
    }
  }
}

Value RegionVectorizer::evaluate(unsigned group, ArrayRef<Value> remaining) {
  IRMapping mapping = prepared[group];
  currentGroup = group;
  for (auto [number, value] : llvm::zip(remainingArguments, remaining))
    mapping.map(block->getArgument(number), value);
  SmallVector<Value> scalars;
  for (Value value : remaining)
    if (!isa<VectorType>(value.getType()))
      scalars.push_back(value);
  if (group == 0 || scalars != lastScalars)
    shared.clear();
  lastScalars = scalars;
  for (Operation *op : remainingOps) {
    if (Value known = shared.lookup(op)) {
      mapping.map(op->getResult(0), known);
      continue;
    }
    emit(*op, mapping);
    if (op->getNumResults() != 1)
      continue;
    Value result = mapping.lookup(op->getResult(0));
    if (!isa<VectorType>(result.getType()))
      shared[op] = result;
  }
  Value yielded = block->getTerminator()->getOperand(0);
  return asVector(mapping.lookupOrDefault(yielded), yielded.getType());
}

bool RegionVectorizer::isVarying(Value value, const IRMapping &mapping) const {
  return isa<VectorType>(mapping.lookupOrDefault(value).getType());
}

void RegionVectorizer::emit(Operation &op, IRMapping &mapping) {
  bool anyVarying = llvm::any_of(op.getOperands(), [&](Value operand) {
    return isVarying(operand, mapping);
  });
  if (!anyVarying)
    kernel.builder.clone(op, mapping);
  else if (isa<memref::LoadOp>(op))
    emitLoad(op, mapping);
  else if (OpTrait::hasElementwiseMappableTraits(&op))
    emitElementwise(op, mapping);
  else
    emitPerLane(op, mapping);
}

// An operation that knows no vectors.
void RegionVectorizer::emitPerLane(Operation &op, IRMapping &mapping) {
  OpBuilder &b = kernel.builder;
  SmallVector<SmallVector<Value>> lanes(op.getNumResults());
  for (unsigned lane = 0; lane < kernel.lanes; ++lane) {
    IRMapping scalars;
    for (Value operand : op.getOperands()) {
      Value mapped = mapping.lookupOrDefault(operand);
      if (isa<VectorType>(mapped.getType()))
        mapped = asVector(mapped, operand.getType());
      if (isa<VectorType>(mapped.getType()))
        mapped =
            vector::ExtractOp::create(b, op.getLoc(), mapped, int64_t(lane));
      scalars.map(operand, mapped);
    }
    Operation *copy = b.clone(op, scalars);
    for (auto [number, result] : llvm::enumerate(copy->getResults()))
      lanes[number].push_back(result);
  }
  for (auto [result, values] : llvm::zip(op.getResults(), lanes))
    mapping.map(result,
                vector::FromElementsOp::create(
                    b, op.getLoc(), kernel.vectorOf(result.getType()), values)
                    .getResult());
}

// Converts between index, i64 and i32.
static Value convertInteger(OpBuilder &b, Location loc, Value value,
                            Type type) {
  Type from = getElementTypeOrSelf(value.getType());
  Type to = getElementTypeOrSelf(type);
  if (from == to)
    return value;
  if (from.isIndex() || to.isIndex())
    return arith::IndexCastOp::create(b, loc, type, value);
  if (from.getIntOrFloatBitWidth() < to.getIntOrFloatBitWidth())
    return arith::ExtSIOp::create(b, loc, type, value);
  return arith::TruncIOp::create(b, loc, type, value);
}

Value RegionVectorizer::asVector(Value value, Type scalarType) {
  if (!isa<VectorType>(value.getType()))
    return kernel.broadcast(value, kernel.vectorOf(scalarType));
  if (!scalarType.isIntOrIndex())
    return value;
  return convertInteger(kernel.builder, kernel.loc, value,
                        kernel.vectorOf(scalarType));
}

Value RegionVectorizer::asNarrowVector(Value value) {
  Type type = kernel.builder.getI32Type();
  if (isa<VectorType>(value.getType()))
    return convertInteger(kernel.builder, kernel.loc, value,
                          kernel.vectorOf(type));
  return kernel.broadcast(
      convertInteger(kernel.builder, kernel.loc, value, type),
      kernel.vectorOf(type));
}

bool RegionVectorizer::canNarrow(Operation &op) {
  if (!isa<arith::AddIOp, arith::SubIOp, arith::MulIOp, arith::MinSIOp,
           arith::MaxSIOp, arith::SelectOp, arith::CmpIOp, arith::RemSIOp,
           arith::DivSIOp, math::AbsIOp>(op))
    return false;
  auto isWide = [](Value value) {
    return value.getType().isIndex() || value.getType().isInteger(64);
  };
  auto fits = [&](Value value) {
    return !isWide(value) || ranges.isNarrow(value);
  };
  return llvm::any_of(op.getOperands(), isWide) &&
         llvm::all_of(op.getOperands(), fits) &&
         llvm::all_of(op.getResults(), fits);
}

void RegionVectorizer::emitElementwise(Operation &op, IRMapping &mapping) {
  bool narrow = canNarrow(op);
  SmallVector<Value> operands;
  for (Value operand : op.getOperands()) {
    Value mapped = mapping.lookupOrDefault(operand);
    // A select may keep a scalar condition.
    bool scalarCondition = isa<arith::SelectOp>(op) && operands.empty() &&
                           !isa<VectorType>(mapped.getType());
    bool isTruth = operand.getType().isInteger(1);
    operands.push_back(scalarCondition ? mapped
                       : narrow && !isTruth
                           ? asNarrowVector(mapped)
                           : asVector(mapped, operand.getType()));
  }
  SmallVector<Type> types;
  for (Type type : op.getResultTypes())
    types.push_back(kernel.vectorOf(
        narrow && !type.isInteger(1) ? kernel.builder.getI32Type() : type));
  OperationState state(op.getLoc(), op.getName().getStringRef(), operands,
                       types, op.getAttrs());
  mapping.map(op.getResults(), kernel.builder.create(state)->getResults());
}

std::pair<Value, Value> RegionVectorizer::linearise(Operation &op,
                                                    IRMapping &mapping,
                                                    unsigned skipped) {
  auto load = cast<memref::LoadOp>(op);
  OpBuilder &b = kernel.builder;
  Location loc = op.getLoc();
  Value memref = mapping.lookupOrDefault(load.getMemRef());
  SmallVector<Value> indices;
  for (Value index : load.getIndices().drop_back(skipped)) {
    Value mapped = mapping.lookupOrDefault(index);
    bool varies = isa<VectorType>(mapped.getType());
    indices.push_back(varies ? asVector(mapped, index.getType()) : mapped);
  }
  auto metadata = memref::ExtractStridedMetadataOp::create(b, loc, memref);
  Value offset = metadata.getOffset();
  VectorType indexVector = kernel.vectorOf(b.getIndexType());
  Value varying;
  for (auto [index, stride] : llvm::zip(indices, metadata.getStrides())) {
    if (!isa<VectorType>(index.getType())) {
      offset = kernel.addIndex(offset, kernel.mulIndex(index, stride));
      continue;
    }
    Value scaled = b.createOrFold<arith::MulIOp>(
        loc, index, kernel.broadcast(stride, indexVector));
    varying =
        varying ? b.createOrFold<arith::AddIOp>(loc, varying, scaled) : scaled;
  }
  auto flatType = MemRefType::get(
      {ShapedType::kDynamic}, load.getType(),
      StridedLayoutAttr::get(b.getContext(), ShapedType::kDynamic, {1}));
  Value flat = memref::ReinterpretCastOp::create(
      b, loc, flatType, metadata.getBaseBuffer(), OpFoldResult(offset),
      ArrayRef<OpFoldResult>{b.getIndexAttr(1)},
      ArrayRef<OpFoldResult>{b.getIndexAttr(1)});
  return {flat, varying};
}

// A load whose index differs between lanes: of a table read ahead, a gather
// from the linearised buffer, or one load per lane where the hardware gathers
// no such elements.
void RegionVectorizer::emitLoad(Operation &op, IRMapping &mapping) {
  auto load = cast<memref::LoadOp>(op);
  if (RowTable *table = tableOf.lookup(&op)) {
    mapping.map(load.getResult(), table->load(stepKey, currentGroup));
    return;
  }
  OpBuilder &b = kernel.builder;
  Location loc = op.getLoc();
  Type element = load.getType();
  bool gathers = element.isIndex() || (element.isIntOrFloat() &&
                                       (element.getIntOrFloatBitWidth() == 32 ||
                                        element.getIntOrFloatBitWidth() == 64));
  if (!gathers)
    return emitPerLane(op, mapping);
  auto [flat, varying] = linearise(op, mapping);
  VectorType resultType = kernel.vectorOf(element);
  Value allLanes = arith::ConstantOp::create(
      b, loc, DenseElementsAttr::get(kernel.vectorOf(b.getI1Type()), true));
  Value zero =
      arith::ConstantOp::create(b, loc, resultType, b.getZeroAttr(resultType));
  Value gathered = vector::GatherOp::create(b, loc, resultType, flat,
                                            ValueRange{kernel.index(0)},
                                            varying, allLanes, zero);
  mapping.map(load.getResult(), gathered);
}

//===----------------------------------------------------------------------===//
// Tables with a row per lane
//===----------------------------------------------------------------------===//

bool RegionVectorizer::findTables(Value firstKey, Value numKeys,
                                  int64_t maxKeys) {
  this->firstKey = firstKey;
  this->numKeys = numKeys;
  Value key = block->getArguments().back();
  llvm::SmallPtrSet<Operation *, 16> later(remainingOps.begin(),
                                           remainingOps.end());
  auto dependsOnKey = [&](Value index) {
    return index == key || later.contains(index.getDefiningOp());
  };
  for (Operation *op : remainingOps) {
    auto load = dyn_cast<memref::LoadOp>(op);
    if (!load || !RowTable::canHold(load.getMemRefType()))
      continue;
    Value last = load.getIndices().back();
    auto others = load.getIndices().drop_back();
    auto differs = [&](Value index) { return perLane.contains(index); };
    if (dependsOnKey(last) && !differs(last) &&
        llvm::none_of(others, dependsOnKey) && llvm::any_of(others, differs))
      addTable(op, /*isRun=*/last == key, maxKeys);
  }
  return !tables.empty();
}

void RegionVectorizer::addTable(Operation *op, bool isRun, int64_t maxKeys) {
  auto load = cast<memref::LoadOp>(op);
  KernelBuilder &k = kernel;
  std::function<Value(Value)> position;
  if (isRun) {
    position = [this](Value key) { return kernel.addIndex(firstKey, key); };
  } else {
    Value list = createScratch(k, {maxKeys}, k.builder.getIndexType());
    positions.emplace_back(load.getIndices().back(), list);
    position = [this, list](Value key) {
      return kernel.loadScalar(list, {key});
    };
  }
  unsigned groups = prepared.size();
  for (unsigned group = 0; group < groups; ++group) {
    auto [flat, rows] = linearise(*op, prepared[group], /*skipped=*/1);
    if (group == 0)
      tables.push_back(std::make_unique<RowTable>(
          k, flat, int64_t(groups) * k.lanes, position, isRun));
    tables.back()->setRows(group, rows);
  }
  tableOf[op] = tables.back().get();
}

// Lists the values an index that only the key changes has at the step's keys.
void RegionVectorizer::fillPositions(Value index, Value list) {
  KernelBuilder &k = kernel;
  llvm::SmallPtrSet<Operation *, 16> needed;
  SmallVector<Value> worklist{index};
  while (!worklist.empty())
    if (Operation *op = worklist.pop_back_val().getDefiningOp())
      if (op->getBlock() == block && needed.insert(op).second)
        worklist.append(op->operand_begin(), op->operand_end());
  k.loop(k.index(0), numKeys, 1, [&](Value key) {
    IRMapping mapping = prepared.front();
    mapping.map(block->getArguments().back(), k.addIndex(firstKey, key));
    for (Operation *op : remainingOps)
      if (needed.contains(op))
        emit(*op, mapping);
    k.storeScalar(mapping.lookup(index), list, {key});
  });
}

void RegionVectorizer::approachTables() {
  for (auto [index, list] : positions)
    fillPositions(index, list);
  for (auto &table : tables)
    table->prefetch(numKeys);
}

void RegionVectorizer::readTables(Value first) {
  for (auto &table : tables)
    table->read(first, numKeys);
}

//===- OnlineStep.cpp - What the schedules of a step share ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Codegen/OnlineStep.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"

using namespace mlir;
using namespace mlir::attn;

// The loop dimensions of a map's results, a split dimension once per part.
static SmallVector<unsigned> getDims(AffineMap map) {
  SmallVector<unsigned> dims;
  for (AffineExpr result : map.getResults())
    for (unsigned dim = 0; dim < map.getNumDims(); ++dim)
      if (result.isFunctionOfDim(dim))
        dims.push_back(dim);
  return dims;
}

FailureOr<StepLayout> mlir::attn::getStepLayout(OnlineAttentionOp op) {
  SmallVector<AffineMap> maps = op.getRoleMaps();
  using Dims = SmallVector<unsigned>;
  Dims query = getDims(maps[0]), key = getDims(maps[1]),
       value = getDims(maps[2]), accumulator = getDims(maps[3]);
  Dims rowMajorKey{kKey, kWidth}, rowMajorValue{kKey, kValueWidth};
  if (accumulator == Dims{kValueWidth, kQuery} && key == rowMajorKey) {
    if (query == Dims{kWidth, kQuery} && value == rowMajorValue)
      return StepLayout::QueryLanes;
    if (query == Dims{kWidth, kQuery, kWidth} &&
        value == Dims{kKey, kValueWidth, kKey})
      return StepLayout::QueryLanesPairs;
  }
  if (key == rowMajorKey && value == rowMajorValue &&
      query == Dims{kHead, kQuery, kWidth} &&
      accumulator == Dims{kHead, kQuery, kValueWidth})
    return StepLayout::FeatureLanes;
  return op.emitOpError("expects indexing maps of a layout code is generated "
                        "for: queries in lanes, query (d, m) and accumulator "
                        "(e, m), or features in lanes, query (h, m, d) and "
                        "accumulator (h, m, e), with key (n, d) and value "
                        "(n, e)");
}

StepOperands::StepOperands(KernelBuilder &k, OnlineAttentionOp op)
    : query(op.getQuery()), key(op.getKey()), value(op.getValue()),
      accumulator(op.getAccumulator()), maximum(op.getMaximum()),
      sum(op.getSum()), keyRows(op.getKeyRows()),
      logitScale(op.getLogitScale().convertToDouble()) {
  numKeys = k.dim(keyRows ? keyRows : key, 0);
  width = k.dim(key, 1);
  SmallVector<AffineMap> maps = op.getRoleMaps();
  for (auto [position, result] : llvm::enumerate(maps[2].getResults()))
    if (result.isFunctionOfDim(kValueWidth))
      valueWidth = k.dim(value, position);
  SmallVector<Value> origin(op.getOrigin());
  if (origin.empty())
    origin.assign(4, k.index(0));
  batch = origin[0];
  head = origin[1];
  firstQuery = origin[2];
  firstKey = origin[3];
}

int64_t mlir::attn::getMaxKeys(OnlineAttentionOp op) {
  Value keys = op.getKeyRows() ? op.getKeyRows() : op.getKey();
  auto type = cast<MemRefType>(keys.getType());
  if (!type.isDynamicDim(0))
    return type.getDimSize(0);
  FailureOr<int64_t> bound = ValueBoundsConstraintSet::computeConstantBound(
      presburger::BoundType::UB, {keys, /*dim=*/0},
      /*stopCondition=*/nullptr, /*closedUB=*/true);
  return succeeded(bound) ? *bound : ShapedType::kDynamic;
}

Value mlir::attn::createScratch(KernelBuilder &k, ArrayRef<int64_t> shape,
                                Type element) {
  auto type = MemRefType::get(shape, element);
  return memref::AllocOp::create(k.builder, k.loc, type,
                                 k.builder.getI64IntegerAttr(64));
}

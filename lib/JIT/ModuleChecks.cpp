//===- ModuleChecks.cpp ---------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ModuleChecks.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;

static constexpr unsigned maxNesting = 1000;
static constexpr int64_t maxElements = int64_t(1) << 40;
static constexpr int64_t maxConstantElements = int64_t(1) << 26;

LogicalResult(::attn::checkNesting)(ModuleOp module) {
  SmallVector<std::pair<Operation *, unsigned>> worklist = {{module, 0}};
  while (!worklist.empty()) {
    auto [op, depth] = worklist.pop_back_val();
    if (depth > maxNesting)
      return module.emitError("expected at most ")
             << maxNesting << " levels of nested regions";
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (Operation &inner : block)
          worklist.push_back({&inner, depth + 1});
  }
  return success();
}

/// The static part of a shape multiplied out; nothing above the limit.
static bool isSmall(Type type, int64_t limit) {
  auto shaped = dyn_cast<ShapedType>(type);
  if (!shaped || !shaped.hasRank())
    return true;
  int64_t count = 1;
  for (int64_t size : shaped.getShape())
    if (!ShapedType::isDynamic(size) && size > 0 &&
        (__builtin_mul_overflow(count, size, &count) || count > limit))
      return false;
  return true;
}

static LogicalResult checkType(Operation *op, Type type) {
  if (isSmall(type, maxElements))
    return success();
  return op->emitOpError("expects at most 2^40 elements, but got ") << type;
}

/// Upstream's analysis of sizes indexes a shape with what `tensor.dim` says.
static LogicalResult checkDimension(tensor::DimOp op) {
  auto type = dyn_cast<RankedTensorType>(op.getSource().getType());
  std::optional<int64_t> index = op.getConstantIndex();
  if (!type || !index || (*index >= 0 && *index < type.getRank()))
    return success();
  return op.emitOpError("expects a dimension below ")
         << type.getRank() << ", but got " << *index;
}

LogicalResult(::attn::checkSizes)(ModuleOp module) {
  WalkResult result = module.walk([&](Operation *op) {
    if (auto dim = dyn_cast<tensor::DimOp>(op))
      if (failed(checkDimension(dim)))
        return WalkResult::interrupt();
    for (Type type : op->getResultTypes())
      if (failed(checkType(op, type)))
        return WalkResult::interrupt();
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (Type type : block.getArgumentTypes())
          if (failed(checkType(op, type)))
            return WalkResult::interrupt();
    for (NamedAttribute attribute : op->getAttrs()) {
      auto elements = dyn_cast<ElementsAttr>(attribute.getValue());
      if (!elements || isSmall(elements.getType(), maxConstantElements))
        continue;
      op->emitOpError("expects constants of at most 2^26 elements, but got ")
          << elements.getType();
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

//===- RegionRanges.cpp - Which integers fit into 32 bits -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Codegen/RegionRanges.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;

static constexpr int64_t kPositionLimit = int64_t(1) << 30;

bool RegionRanges::isNarrow(Value value) {
  Type type = value.getType();
  if (!type.isIndex() && !type.isInteger(64))
    return false;
  std::optional<Range> range = of(value);
  return range && range->min >= INT32_MIN && range->max <= INT32_MAX;
}

std::optional<RegionRanges::Range> RegionRanges::of(Value value) {
  if (auto it = known.find(value); it != known.end())
    return it->second;
  std::optional<Range> result;
  APInt constant;
  Type type = value.getType();
  auto argument = dyn_cast<BlockArgument>(value);
  if (matchPattern(value, m_ConstantInt(&constant)))
    result = {constant.getSExtValue(), constant.getSExtValue()};
  else if (argument && argument.getParentRegion() == region)
    result = {0, kPositionLimit};
  else if (Operation *op = value.getDefiningOp())
    result = ofOp(op);
  if (!result && type.isInteger() && type.getIntOrFloatBitWidth() <= 32 &&
      type.getIntOrFloatBitWidth() > 1) {
    int64_t half = int64_t(1) << (type.getIntOrFloatBitWidth() - 1);
    result = {-half, half - 1};
  }
  return known[value] = result;
}

std::optional<RegionRanges::Range> RegionRanges::ofOp(Operation *op) {
  if (isa<memref::DimOp>(op))
    return Range{0, kPositionLimit};
  if (isa<arith::MinUIOp>(op))
    for (Value operand : op->getOperands())
      if (auto limit = of(operand); limit && limit->min >= 0)
        return Range{0, limit->max};
  if (isa<arith::IndexCastOp, arith::ExtSIOp>(op))
    return op->getOperand(0).getType().isInteger(1) ? Range{-1, 0}
                                                    : of(op->getOperand(0));
  if (isa<arith::SelectOp>(op)) {
    auto a = of(op->getOperand(1)), b = of(op->getOperand(2));
    if (!a || !b)
      return std::nullopt;
    return Range{std::min(a->min, b->min), std::max(a->max, b->max)};
  }
  if (isa<math::AbsIOp>(op)) {
    auto a = of(op->getOperand(0));
    if (!a)
      return std::nullopt;
    return Range{a->min > 0 ? a->min : 0, std::max(-a->min, a->max)};
  }
  if (op->getNumOperands() != 2)
    return std::nullopt;
  auto a = of(op->getOperand(0)), b = of(op->getOperand(1));
  if (!a || !b)
    return std::nullopt;
  // Nothing here comes near the ends of 64 bits.
  auto isSmall = [](const Range &range) {
    return range.min >= -(int64_t(1) << 31) && range.max <= int64_t(1) << 31;
  };
  if (!isSmall(*a) || !isSmall(*b))
    return std::nullopt;
  if (isa<arith::AddIOp>(op))
    return Range{a->min + b->min, a->max + b->max};
  if (isa<arith::SubIOp>(op))
    return Range{a->min - b->max, a->max - b->min};
  if (isa<arith::MulIOp>(op)) {
    int64_t corners[] = {a->min * b->min, a->min * b->max, a->max * b->min,
                         a->max * b->max};
    return Range{*llvm::min_element(corners), *llvm::max_element(corners)};
  }
  if (isa<arith::MinSIOp>(op))
    return Range{std::min(a->min, b->min), std::min(a->max, b->max)};
  if (isa<arith::MaxSIOp>(op))
    return Range{std::max(a->min, b->min), std::max(a->max, b->max)};
  if (b->min != b->max || b->min <= 0)
    return std::nullopt;
  if (isa<arith::RemSIOp>(op))
    return Range{a->min < 0 ? 1 - b->min : 0, a->max > 0 ? b->min - 1 : 0};
  if (isa<arith::RemUIOp>(op) && a->min >= 0)
    return Range{0, b->min - 1};
  if (isa<arith::DivSIOp, arith::FloorDivSIOp>(op) ||
      (isa<arith::DivUIOp>(op) && a->min >= 0))
    return Range{llvm::divideFloorSigned(a->min, b->min),
                 std::max<int64_t>(a->max / b->min,
                                   llvm::divideFloorSigned(a->max, b->min))};
  return std::nullopt;
}

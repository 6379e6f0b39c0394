//===- DimExpr.cpp --------------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/JIT/DimExpr.h"

#include <array>

using namespace attn;

/// Applies one operator; false on overflow or a divisor below one.
static bool apply(DimExpr::Op op, int64_t lhs, int64_t rhs, int64_t &result) {
  if (op == DimExpr::Op::Add)
    return !__builtin_add_overflow(lhs, rhs, &result);
  if (op == DimExpr::Op::Mul)
    return !__builtin_mul_overflow(lhs, rhs, &result);
  if (rhs < 1)
    return false;
  int64_t floor = lhs / rhs - (lhs % rhs < 0);
  int64_t rest = lhs - floor * rhs;
  result = op == DimExpr::Op::FloorDiv  ? floor
           : op == DimExpr::Op::CeilDiv ? floor + (rest != 0)
                                        : rest;
  return true;
}

DimExpr DimExpr::binary(Op op, const DimExpr &lhs, const DimExpr &rhs) {
  std::optional<int64_t> left = lhs.asConstant(), right = rhs.asConstant();
  int64_t value;
  if (left && right && apply(op, *left, *right, value))
    return constant(value);
  if (right == 1 && (op == Op::Mul || op == Op::FloorDiv || op == Op::CeilDiv))
    return lhs;
  if (right == 0 && op == Op::Add)
    return lhs;
  std::vector<Step> steps(lhs.steps);
  steps.insert(steps.end(), rhs.steps.begin(), rhs.steps.end());
  steps.push_back({op, 0});
  return DimExpr(std::move(steps));
}

std::optional<int64_t> DimExpr::asConstant() const {
  if (steps.size() == 1 && steps[0].op == Op::Constant)
    return steps[0].value;
  return std::nullopt;
}

std::optional<unsigned> DimExpr::asSlot() const {
  if (steps.size() == 1 && steps[0].op == Op::Slot)
    return static_cast<unsigned>(steps[0].value);
  return std::nullopt;
}

bool attn::operator==(const DimExpr &lhs, const DimExpr &rhs) {
  if (lhs.steps.size() != rhs.steps.size())
    return false;
  for (size_t i = 0; i < lhs.steps.size(); ++i)
    if (lhs.steps[i].op != rhs.steps[i].op ||
        lhs.steps[i].value != rhs.steps[i].value)
      return false;
  return true;
}

std::optional<int64_t> DimExpr::evaluate(std::span<const int64_t> slots) const {
  // Deep enough for any size an affine map of a kernel computes.
  std::array<int64_t, 64> stack;
  size_t depth = 0;
  for (const Step &step : steps) {
    if (step.op == Op::Constant || step.op == Op::Slot) {
      if (depth == stack.size())
        return std::nullopt;
      stack[depth++] = step.op == Op::Constant ? step.value : slots[step.value];
      continue;
    }
    depth -= 1;
    if (!apply(step.op, stack[depth - 1], stack[depth], stack[depth - 1]))
      return std::nullopt;
  }
  return depth == 1 ? std::optional(stack[0]) : std::nullopt;
}

//===- IndexEmitter.cpp - Index arithmetic with known ranges --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "IndexEmitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::mask;

Index IndexEmitter::wrap(Value value, Limits range) const {
  APInt known;
  if (matchPattern(value, m_ConstantInt(&known)))
    return constant(known.getSExtValue());
  return {value, range};
}

Value IndexEmitter::materialize(const Index &index) {
  if (index.value)
    return index.value;
  Value &value = constants[index.range.min];
  if (!value)
    value = arith::ConstantIndexOp::create(builder, loc, index.range.min);
  return value;
}

Value IndexEmitter::materialize(const Condition &condition) {
  if (condition.value)
    return condition.value;
  return arith::ConstantIntOp::create(builder, loc, condition.constant, 1);
}

Index IndexEmitter::add(const Index &a, const Index &b) {
  Limits range = addLimits(a.range, b.range);
  if (a.isConstant() && b.isConstant())
    return constant(range.min);
  if (a.isConstant())
    return add(b, a);
  if (b.isConstant() && b.range.min == 0)
    return a;
  return {arith::AddIOp::create(builder, loc, a.value, materialize(b)), range};
}

Index IndexEmitter::sub(const Index &a, const Index &b) {
  Limits range = addLimits(a.range, scaleLimits(b.range, -1));
  if (b.isConstant())
    return add(a, constant(-b.range.min));
  if (a.value == b.value)
    return constant(0);
  return {arith::SubIOp::create(builder, loc, materialize(a), b.value), range};
}

Index IndexEmitter::mul(const Index &a, int64_t factor) {
  Limits range = scaleLimits(a.range, factor);
  if (a.isConstant() || factor == 0)
    return constant(range.min);
  if (factor == 1)
    return a;
  return {arith::MulIOp::create(builder, loc, a.value,
                                materialize(constant(factor))),
          range};
}

Index IndexEmitter::floorDiv(const Index &a, int64_t divisor) {
  Limits range = divideLimits(a.range, divisor);
  if (a.isConstant() || range.min == range.max)
    return constant(range.min);
  return {arith::FloorDivSIOp::create(builder, loc, a.value,
                                      materialize(constant(divisor))),
          range};
}

Index IndexEmitter::minimum(const Index &a, const Index &b) {
  if (a.range.max <= b.range.min || (a.value && a.value == b.value))
    return a;
  if (b.range.max <= a.range.min)
    return b;
  return {
      arith::MinSIOp::create(builder, loc, materialize(a), materialize(b)),
      {std::min(a.range.min, b.range.min), std::min(a.range.max, b.range.max)}};
}

Index IndexEmitter::maximum(const Index &a, const Index &b) {
  if (a.range.min >= b.range.max || (a.value && a.value == b.value))
    return a;
  if (b.range.min >= a.range.max)
    return b;
  return {
      arith::MaxSIOp::create(builder, loc, materialize(a), materialize(b)),
      {std::max(a.range.min, b.range.min), std::max(a.range.max, b.range.max)}};
}

Index IndexEmitter::select(const Condition &c, const Index &a, const Index &b) {
  if (!c.value)
    return c.constant ? a : b;
  bool same = a.isConstant() ? b.isConstant() && a.range.min == b.range.min
                             : a.value == b.value;
  if (same)
    return a;
  return {
      arith::SelectOp::create(builder, loc, c.value, materialize(a),
                              materialize(b)),
      {std::min(a.range.min, b.range.min), std::max(a.range.max, b.range.max)}};
}

Condition IndexEmitter::lessEqual(const Index &a, const Index &b) {
  if (a.range.max <= b.range.min || (a.value && a.value == b.value))
    return {Value(), true};
  if (a.range.min > b.range.max)
    return {Value(), false};
  return {arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::sle,
                                materialize(a), materialize(b))};
}

Condition IndexEmitter::both(const Condition &a, const Condition &b) {
  if (!a.value)
    return a.constant ? b : a;
  if (!b.value)
    return b.constant ? a : b;
  return {arith::AndIOp::create(builder, loc, a.value, b.value)};
}

Condition IndexEmitter::either(const Condition &a, const Condition &b) {
  if (!a.value)
    return a.constant ? a : b;
  if (!b.value)
    return b.constant ? b : a;
  return {arith::OrIOp::create(builder, loc, a.value, b.value)};
}

Condition IndexEmitter::negate(const Condition &a) {
  if (!a.value)
    return {Value(), !a.constant};
  Value one = arith::ConstantIntOp::create(builder, loc, 1, 1);
  return {arith::XOrIOp::create(builder, loc, a.value, one)};
}

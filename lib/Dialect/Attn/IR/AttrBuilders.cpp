//===- AttrBuilders.cpp - What mask and score attributes share ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "AttrBuilders.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

Value ExprBuilder::constant(int64_t value) {
  return arith::ConstantIndexOp::create(b, loc, value);
}

Value ExprBuilder::add(Value lhs, Value rhs) {
  return b.createOrFold<arith::AddIOp>(loc, lhs, rhs);
}

Value ExprBuilder::add(Value lhs, int64_t rhs) {
  return rhs ? add(lhs, constant(rhs)) : lhs;
}

Value ExprBuilder::floorDiv(Value lhs, int64_t rhs) {
  return rhs == 1
             ? lhs
             : b.createOrFold<arith::FloorDivSIOp>(loc, lhs, constant(rhs));
}

Value ExprBuilder::mod(Value lhs, int64_t rhs) {
  // Not arith.remsi, whose value takes the sign of `lhs`: the mask analysis
  // would have to know it.
  Value whole =
      arith::MulIOp::create(b, loc, floorDiv(lhs, rhs), constant(rhs));
  return arith::SubIOp::create(b, loc, lhs, whole);
}

Value ExprBuilder::compare(arith::CmpIPredicate predicate, Value lhs,
                           Value rhs) {
  return arith::CmpIOp::create(b, loc, predicate, lhs, rhs);
}

Value ExprBuilder::both(Value lhs, Value rhs) {
  return arith::AndIOp::create(b, loc, lhs, rhs);
}

Value ExprBuilder::either(Value lhs, Value rhs) {
  return arith::OrIOp::create(b, loc, lhs, rhs);
}

Value ExprBuilder::load(Value from, ValueRange indices) {
  if (isa<MemRefType>(from.getType()))
    return memref::LoadOp::create(b, loc, from, indices);
  return tensor::ExtractOp::create(b, loc, from, indices);
}

Value ExprBuilder::toIndex(Value value) {
  if (value.getType().isIndex())
    return value;
  return arith::IndexCastOp::create(b, loc, b.getIndexType(), value);
}

Value ExprBuilder::toBool(Value value) {
  Type type = value.getType();
  if (type.isInteger(1))
    return value;
  Value zero = arith::ConstantOp::create(b, loc, b.getIntegerAttr(type, 0));
  return compare(arith::CmpIPredicate::ne, value, zero);
}

Value ExprBuilder::isNear(Value lhs, Value rhs, int64_t distance) {
  // Beyond every position; larger sums could overflow.
  distance = std::min(distance, int64_t(1) << 40);
  Value after = compare(arith::CmpIPredicate::sge, rhs, add(lhs, -distance));
  Value before = compare(arith::CmpIPredicate::sle, rhs, add(lhs, distance));
  return both(after, before);
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

bool attn::isIntegerOrIndex(Type type) {
  return type.isIndex() || type.isSignlessInteger();
}

LogicalResult OperandChecks::count(size_t least, size_t most) const {
  if (types.size() >= least && types.size() <= most)
    return success();
  InFlightDiagnostic diag = emitError() << "expects ";
  if (most == 0)
    diag << "no operand";
  else if (least == most)
    diag << most << (most == 1 ? " operand" : " operands");
  else if (least == 0)
    diag << "at most " << most << " operand";
  else
    diag << least << " or " << most << " operands";
  return diag << " for '#attn." << kind << "', but got " << types.size();
}

LogicalResult OperandChecks::require(bool holds, unsigned operand,
                                     const Twine &expected) const {
  if (holds)
    return success();
  InFlightDiagnostic diag = emitError() << "expects ";
  if (types.size() == 1)
    diag << "the operand";
  else
    diag << "operand #" << operand;
  return diag << " of '#attn." << kind << "' to " << expected << ", but got "
              << types[operand];
}

ShapedType OperandChecks::shaped(unsigned operand) const {
  auto type = dyn_cast<ShapedType>(types[operand]);
  return type && type.hasRank() ? type : ShapedType();
}

LogicalResult OperandChecks::sizes(unsigned operand,
                                   ArrayRef<ExpectedSize> expected) const {
  ArrayRef<int64_t> shape = shaped(operand).getShape();
  for (auto [dim, pair] : llvm::enumerate(
           llvm::zip_equal(shape, expected.take_back(shape.size())))) {
    auto [got, want] = pair;
    if (ShapedType::isDynamic(got) || ShapedType::isDynamic(want.size) ||
        (want.mayBroadcast && got == 1))
      continue;
    int64_t needed = llvm::divideCeilSigned(want.size, want.block);
    if (want.mayExceed ? got >= needed : got == needed)
      continue;
    std::string size = want.letter.str();
    if (want.block != 1)
      size += " / " + std::to_string(want.block);
    return require(false, operand,
                   "have size " + size + " = " + Twine(needed) +
                       (want.mayExceed ? " or more" : "") + " in dimension " +
                       Twine(dim));
  }
  return success();
}

LogicalResult OperandChecks::offset(const PairSizes &problem) const {
  if (types.empty())
    return success();
  Type type = types.front();
  ShapedType tensor = shaped(0);
  bool isList = tensor && tensor.getRank() == 1;
  if (isList)
    type = tensor.getElementType();
  if (failed(require(isIntegerOrIndex(type), 0,
                     "be an integer or an integer tensor [B]")))
    return failure();
  return isList ? sizes(0, {{"B", problem.batch}}) : success();
}

//===- ScoreAttrs.cpp - Score attributes ----------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "AttrBuilders.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// Softcap
//===----------------------------------------------------------------------===//

LogicalResult SoftcapAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                  FloatAttr cap) {
  double value = cap.getValueAsDouble();
  if (!std::isfinite(value) || value <= 0)
    return emitError() << "expects the cap of '#attn.softcap' to be positive "
                          "and finite, but got "
                       << value;
  return success();
}

Value SoftcapAttr::materialize(OpBuilder &b, Location loc, Value score,
                               const PairContext &) const {
  auto constant = [&](double value) -> Value {
    return arith::ConstantOp::create(b, loc,
                                     b.getFloatAttr(score.getType(), value));
  };
  double cap = getCap().getValueAsDouble();
  Value scaled = arith::MulFOp::create(b, loc, score, constant(1.0 / cap));
  Value bounded = math::TanhOp::create(b, loc, scaled);
  return arith::MulFOp::create(b, loc, bounded, constant(cap));
}

LogicalResult
SoftcapAttr::verifyOperands(function_ref<InFlightDiagnostic()> emitError,
                            TypeRange types, const PairSizes &) const {
  return OperandChecks{emitError, getMnemonic(), types}.count(0, 0);
}

//===----------------------------------------------------------------------===//
// ALiBi
//===----------------------------------------------------------------------===//

/// The published slopes: a geometric series for a power of two; otherwise the
/// series of the power below, then every second slope of the power above.
static SmallVector<double> getAlibiSlopes(int64_t numHeads) {
  int64_t power = numHeads ? llvm::bit_floor<uint64_t>(numHeads) : 0;
  SmallVector<double> slopes;
  for (int64_t h = 0; h < numHeads; ++h) {
    double exponent = h < power ? -8.0 * (h + 1) / power
                                : -4.0 * (2 * (h - power) + 1) / power;
    slopes.push_back(std::exp2(exponent));
  }
  return slopes;
}

/// A table of the default slopes, placed before the operation whose region is
/// being built.
static Value createAlibiTable(OpBuilder &b, Location loc, Type type,
                              int64_t numHeads) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(b.getInsertionBlock()->getParentOp());
  SmallVector<Attribute> slopes;
  for (double slope : getAlibiSlopes(numHeads))
    slopes.push_back(b.getFloatAttr(type, slope));
  auto tableType = RankedTensorType::get(numHeads, type);
  return arith::ConstantOp::create(b, loc,
                                   DenseElementsAttr::get(tableType, slopes));
}

Value AlibiAttr::materialize(OpBuilder &b, Location loc, Value score,
                             const PairContext &pair) const {
  Type type = score.getType();
  Value table;
  if (!pair.operands.empty()) {
    table = pair.operands.front();
  } else {
    APInt numHeads;
    if (!matchPattern(pair.numHeads, m_ConstantInt(&numHeads))) {
      emitError(loc) << "expects a static number of heads for '#attn.alibi' "
                        "without slopes";
      return {};
    }
    table = createAlibiTable(b, loc, type, numHeads.getSExtValue());
  }
  Value slope =
      convertScalarToDtype(b, loc, ExprBuilder{b, loc}.load(table, pair.head),
                           type, /*isUnsignedCast=*/false);
  Value distance = arith::SubIOp::create(b, loc, pair.query, pair.key);
  // 32 bits: a vector conversion from 64 is slow on most CPUs.
  distance = arith::IndexCastOp::create(b, loc, b.getI32Type(), distance);
  distance = arith::SIToFPOp::create(b, loc, type, distance);
  Value bias = arith::MulFOp::create(b, loc, slope, distance);
  return arith::SubFOp::create(b, loc, score, bias);
}

LogicalResult
AlibiAttr::verifyOperands(function_ref<InFlightDiagnostic()> emitError,
                          TypeRange types, const PairSizes &sizes) const {
  OperandChecks checks{emitError, getMnemonic(), types};
  if (failed(checks.count(0, 1)))
    return failure();
  if (types.empty())
    return success();
  ShapedType slopes = checks.shaped(0);
  bool isList = slopes && slopes.getRank() == 1 &&
                isa<FloatType>(slopes.getElementType());
  return failure(failed(checks.require(isList, 0, "be a float tensor [H]")) ||
                 failed(checks.sizes(0, {{"H", sizes.heads}})));
}

//===----------------------------------------------------------------------===//
// Bias
//===----------------------------------------------------------------------===//

Value BiasAttr::materialize(OpBuilder &b, Location loc, Value score,
                            const PairContext &pair) const {
  ExprBuilder e{b, loc};
  Value bias = pair.operands.front();
  if (auto shaped = dyn_cast<ShapedType>(bias.getType())) {
    Value position[] = {pair.batch, pair.head, pair.query, pair.key};
    SmallVector<Value> indices;
    int64_t rank = shaped.getRank();
    for (auto [size, index] : llvm::zip_equal(
             shaped.getShape(), ArrayRef<Value>(position).take_back(rank)))
      indices.push_back(size == 1 ? e.constant(0) : index);
    bias = e.load(bias, indices);
  }
  bias = convertScalarToDtype(b, loc, bias, score.getType(),
                              /*isUnsignedCast=*/false);
  return arith::AddFOp::create(b, loc, score, bias);
}

LogicalResult
BiasAttr::verifyOperands(function_ref<InFlightDiagnostic()> emitError,
                         TypeRange types, const PairSizes &sizes) const {
  OperandChecks checks{emitError, getMnemonic(), types};
  if (failed(checks.count(1, 1)))
    return failure();
  Type type = types.front();
  ShapedType tensor = checks.shaped(0);
  if (tensor && tensor.getRank() <= 4)
    type = tensor.getElementType();
  if (failed(checks.require(isa<FloatType>(type), 0,
                            "be a float tensor of rank 0 to 4")))
    return failure();
  if (!tensor)
    return success();
  ExpectedSize expected[] = {{"B", sizes.batch},
                             {"H", sizes.heads},
                             {"L", sizes.queries},
                             {"S", sizes.keys}};
  for (ExpectedSize &each : expected)
    each.mayBroadcast = true;
  return checks.sizes(0, expected);
}

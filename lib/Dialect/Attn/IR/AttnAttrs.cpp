//===- AttnAttrs.cpp - Mask and score attributes --------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// Building blocks
//===----------------------------------------------------------------------===//

static Value indexConstant(OpBuilder &b, Location loc, int64_t value) {
  return arith::ConstantIndexOp::create(b, loc, value);
}

static Value addIndex(OpBuilder &b, Location loc, Value lhs, Value rhs) {
  return b.createOrFold<arith::AddIOp>(loc, lhs, rhs);
}

static Value loadElement(OpBuilder &b, Location loc, Value from,
                         ValueRange indices) {
  if (isa<MemRefType>(from.getType()))
    return memref::LoadOp::create(b, loc, from, indices);
  return tensor::ExtractOp::create(b, loc, from, indices);
}

/// The integer behind a mask attribute, as an index: a scalar, or the batch
/// element's entry of a tensor [B].
static Value loadIndex(OpBuilder &b, Location loc, Value operand, Value batch) {
  if (isa<ShapedType>(operand.getType()))
    operand = loadElement(b, loc, operand, batch);
  if (operand.getType().isIndex())
    return operand;
  return arith::IndexCastOp::create(b, loc, b.getIndexType(), operand);
}

static Value convertFloat(OpBuilder &b, Location loc, Value value, Type type) {
  unsigned from = value.getType().getIntOrFloatBitWidth();
  unsigned to = type.getIntOrFloatBitWidth();
  if (from < to)
    return arith::ExtFOp::create(b, loc, type, value);
  if (from > to)
    return arith::TruncFOp::create(b, loc, type, value);
  return value;
}

/// `base + offset`, plus the operand where present. Constants are folded, and
/// 0 is not added.
static Value shifted(OpBuilder &b, Location loc, Value base, int64_t offset,
                     const PairContext &pair) {
  if (!pair.operands.empty()) {
    Value extra = loadIndex(b, loc, pair.operands.front(), pair.batch);
    if (offset)
      extra = addIndex(b, loc, extra, indexConstant(b, loc, offset));
    return addIndex(b, loc, base, extra);
  }
  return offset ? addIndex(b, loc, base, indexConstant(b, loc, offset)) : base;
}

static Value compare(OpBuilder &b, Location loc, arith::CmpIPredicate predicate,
                     Value lhs, Value rhs) {
  return arith::CmpIOp::create(b, loc, predicate, lhs, rhs);
}

static bool isIntegerOrIndex(Type type) {
  return type.isIndex() || type.isSignlessInteger();
}

/// No operand, or one integer scalar or integer tensor [B].
static LogicalResult
verifyOffsetOperand(function_ref<InFlightDiagnostic()> emitError,
                    StringRef kind, TypeRange types) {
  if (types.size() > 1)
    return emitError() << "expects at most 1 operand for '#attn." << kind
                       << "', but got " << types.size();
  if (types.empty())
    return success();
  Type type = types.front();
  if (auto shaped = dyn_cast<ShapedType>(type);
      shaped && shaped.hasRank() && shaped.getRank() == 1)
    type = shaped.getElementType();
  if (!isIntegerOrIndex(type))
    return emitError() << "expects the operand of '#attn." << kind
                       << "' to be an integer or an integer tensor [B], but "
                          "got "
                       << types.front();
  return success();
}

//===----------------------------------------------------------------------===//
// Causal
//===----------------------------------------------------------------------===//

Attribute CausalAttr::parse(AsmParser &parser, Type) {
  auto align = CausalAlignment::TopLeft;
  int64_t offset = 0;
  auto parseField = [&]() -> ParseResult {
    StringRef keyword;
    SMLoc loc = parser.getCurrentLocation();
    if (parser.parseKeyword(&keyword))
      return failure();
    if (keyword == "offset")
      return failure(parser.parseEqual() || parser.parseInteger(offset));
    if (auto parsed = symbolizeCausalAlignment(keyword)) {
      align = *parsed;
      return success();
    }
    return parser.emitError(loc)
           << "expects 'top_left', 'bottom_right' or 'offset', but got '"
           << keyword << "'";
  };
  if (succeeded(parser.parseOptionalLess()) &&
      (parser.parseCommaSeparatedList(parseField) || parser.parseGreater()))
    return {};
  return CausalAttr::get(parser.getContext(), align, offset);
}

void CausalAttr::print(AsmPrinter &printer) const {
  bool bottomRight = getAlign() != CausalAlignment::TopLeft;
  if (!bottomRight && !getOffset())
    return;
  printer << '<';
  if (bottomRight)
    printer << stringifyCausalAlignment(getAlign());
  if (getOffset())
    printer << (bottomRight ? ", " : "") << "offset = " << getOffset();
  printer << '>';
}

Value CausalAttr::materialize(OpBuilder &b, Location loc,
                              const PairContext &pair) const {
  int64_t offset = getOffset();
  Value diagonal = pair.query;
  if (getAlign() == CausalAlignment::BottomRight) {
    Value difference =
        b.createOrFold<arith::SubIOp>(loc, pair.numKeys, pair.numQueries);
    APInt constant;
    if (matchPattern(difference, m_ConstantInt(&constant)))
      offset += constant.getSExtValue();
    else
      diagonal = addIndex(b, loc, diagonal, difference);
  }
  return compare(b, loc, arith::CmpIPredicate::sle, pair.key,
                 shifted(b, loc, diagonal, offset, pair));
}

LogicalResult
CausalAttr::verifyOperands(function_ref<InFlightDiagnostic()> emitError,
                           TypeRange types) const {
  return verifyOffsetOperand(emitError, getMnemonic(), types);
}

//===----------------------------------------------------------------------===//
// Window, prefix, key lengths
//===----------------------------------------------------------------------===//

LogicalResult WindowAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 int64_t left, int64_t right, int64_t) {
  if (left < -1 || right < -1)
    return emitError() << "expects 'left' and 'right' of '#attn.window' to be "
                          "-1 or more, but got "
                       << std::min(left, right);
  return success();
}

Value WindowAttr::materialize(OpBuilder &b, Location loc,
                              const PairContext &pair) const {
  Value keep;
  if (getLeft() != -1)
    keep = compare(b, loc, arith::CmpIPredicate::sge, pair.key,
                   shifted(b, loc, pair.query, getOffset() - getLeft(), pair));
  if (getRight() != -1) {
    Value after =
        compare(b, loc, arith::CmpIPredicate::sle, pair.key,
                shifted(b, loc, pair.query, getOffset() + getRight(), pair));
    keep = keep ? arith::AndIOp::create(b, loc, keep, after) : after;
  }
  if (!keep)
    keep = arith::ConstantIntOp::create(b, loc, 1, 1);
  return keep;
}

bool WindowAttr::isTrivial() const {
  return getLeft() == -1 && getRight() == -1;
}

LogicalResult
WindowAttr::verifyOperands(function_ref<InFlightDiagnostic()> emitError,
                           TypeRange types) const {
  return verifyOffsetOperand(emitError, getMnemonic(), types);
}

LogicalResult PrefixAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 int64_t length) {
  if (length < 0)
    return emitError() << "expects the length of '#attn.prefix' to be 0 or "
                          "more, but got "
                       << length;
  return success();
}

Value PrefixAttr::materialize(OpBuilder &b, Location loc,
                              const PairContext &pair) const {
  Value length;
  if (pair.operands.empty())
    length = indexConstant(b, loc, getLength());
  else {
    length = loadIndex(b, loc, pair.operands.front(), pair.batch);
    if (getLength())
      length = addIndex(b, loc, length, indexConstant(b, loc, getLength()));
  }
  return compare(b, loc, arith::CmpIPredicate::slt, pair.key, length);
}

LogicalResult
PrefixAttr::verifyOperands(function_ref<InFlightDiagnostic()> emitError,
                           TypeRange types) const {
  return verifyOffsetOperand(emitError, getMnemonic(), types);
}

Value KeyLengthsAttr::materialize(OpBuilder &b, Location loc,
                                  const PairContext &pair) const {
  return compare(b, loc, arith::CmpIPredicate::slt, pair.key,
                 loadIndex(b, loc, pair.operands.front(), pair.batch));
}

LogicalResult
KeyLengthsAttr::verifyOperands(function_ref<InFlightDiagnostic()> emitError,
                               TypeRange types) const {
  if (types.size() != 1)
    return emitError() << "expects 1 operand for '#attn.key_lengths', but got "
                       << types.size();
  return verifyOffsetOperand(emitError, getMnemonic(), types);
}

//===----------------------------------------------------------------------===//
// Softcap
//===----------------------------------------------------------------------===//

static ParseResult parseFloat64(AsmParser &parser, FloatAttr &attr) {
  double value;
  if (parser.parseFloat(value))
    return failure();
  attr = parser.getBuilder().getF64FloatAttr(value);
  return success();
}

static void printFloat64(AsmPrinter &printer, FloatAttr attr) {
  printer.printFloat(attr.getValue());
}

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
                            TypeRange types) const {
  if (!types.empty())
    return emitError() << "expects no operand for '#attn.softcap', but got "
                       << types.size();
  return success();
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
      convertFloat(b, loc, loadElement(b, loc, table, pair.head), type);
  Value distance = arith::SubIOp::create(b, loc, pair.query, pair.key);
  // 32 bits: a vector conversion from 64 is slow on most CPUs.
  distance = arith::IndexCastOp::create(b, loc, b.getI32Type(), distance);
  distance = arith::SIToFPOp::create(b, loc, type, distance);
  Value bias = arith::MulFOp::create(b, loc, slope, distance);
  return arith::SubFOp::create(b, loc, score, bias);
}

LogicalResult
AlibiAttr::verifyOperands(function_ref<InFlightDiagnostic()> emitError,
                          TypeRange types) const {
  if (types.size() > 1)
    return emitError() << "expects at most 1 operand for '#attn.alibi', but "
                          "got "
                       << types.size();
  if (types.empty())
    return success();
  auto shaped = dyn_cast<ShapedType>(types.front());
  if (!shaped || !shaped.hasRank() || shaped.getRank() != 1 ||
      !isa<FloatType>(shaped.getElementType()))
    return emitError() << "expects the operand of '#attn.alibi' to be a float "
                          "tensor [H], but got "
                       << types.front();
  return success();
}

//===----------------------------------------------------------------------===//
// Bias
//===----------------------------------------------------------------------===//

Value BiasAttr::materialize(OpBuilder &b, Location loc, Value score,
                            const PairContext &pair) const {
  Value bias = pair.operands.front();
  if (auto shaped = dyn_cast<ShapedType>(bias.getType())) {
    Value position[] = {pair.batch, pair.head, pair.query, pair.key};
    SmallVector<Value> indices;
    int64_t rank = shaped.getRank();
    for (auto [size, index] : llvm::zip_equal(
             shaped.getShape(), ArrayRef<Value>(position).take_back(rank)))
      indices.push_back(size == 1 ? indexConstant(b, loc, 0) : index);
    bias = loadElement(b, loc, bias, indices);
  }
  bias = convertFloat(b, loc, bias, score.getType());
  return arith::AddFOp::create(b, loc, score, bias);
}

LogicalResult
BiasAttr::verifyOperands(function_ref<InFlightDiagnostic()> emitError,
                         TypeRange types) const {
  if (types.size() != 1)
    return emitError() << "expects 1 operand for '#attn.bias', but got "
                       << types.size();
  Type type = types.front();
  if (auto shaped = dyn_cast<ShapedType>(type);
      shaped && shaped.hasRank() && shaped.getRank() <= 4)
    type = shaped.getElementType();
  if (!isa<FloatType>(type))
    return emitError() << "expects the operand of '#attn.bias' to be a float "
                          "tensor of rank 0 to 4, but got "
                       << types.front();
  return success();
}

#define GET_ATTRDEF_CLASSES
#include "attn/Dialect/Attn/IR/AttnAttrs.cpp.inc"

void AttnDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "attn/Dialect/Attn/IR/AttnAttrs.cpp.inc"
      >();
}

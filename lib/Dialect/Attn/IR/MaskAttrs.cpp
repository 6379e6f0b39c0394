//===- MaskAttrs.cpp - Masks that are arithmetic of positions -------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "AttrBuilders.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/OpImplementation.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// Causal
//===----------------------------------------------------------------------===//

/// The integer behind the attribute: a scalar, or the batch element's entry of
/// a tensor [B].
static Value loadOffset(ExprBuilder &e, const PairContext &pair) {
  Value operand = pair.operands.front();
  if (isa<ShapedType>(operand.getType()))
    operand = e.load(operand, pair.batch);
  return e.toIndex(operand);
}

/// `base + offset`, plus the operand where present. Constants are folded, and
/// 0 is not added.
static Value shifted(ExprBuilder &e, Value base, int64_t offset,
                     const PairContext &pair) {
  if (pair.operands.empty())
    return e.add(base, offset);
  return e.add(base, e.add(loadOffset(e, pair), offset));
}

Value CausalAttr::materialize(OpBuilder &b, Location loc,
                              const PairContext &pair) const {
  ExprBuilder e{b, loc};
  int64_t offset = getOffset();
  Value diagonal = pair.query;
  if (getAlign() == CausalAlignment::BottomRight) {
    Value difference =
        b.createOrFold<arith::SubIOp>(loc, pair.numKeys, pair.numQueries);
    APInt constant;
    if (matchPattern(difference, m_ConstantInt(&constant)))
      offset += constant.getSExtValue();
    else
      diagonal = e.add(diagonal, difference);
  }
  return e.compare(arith::CmpIPredicate::sle, pair.key,
                   shifted(e, diagonal, offset, pair));
}

LogicalResult
CausalAttr::verifyOperands(function_ref<InFlightDiagnostic()> emitError,
                           TypeRange types, const PairSizes &sizes) const {
  OperandChecks checks{emitError, getMnemonic(), types};
  return failure(failed(checks.count(0, 1)) || failed(checks.offset(sizes)));
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
  ExprBuilder e{b, loc};
  Value keep;
  if (getLeft() != -1)
    keep = e.compare(arith::CmpIPredicate::sge, pair.key,
                     shifted(e, pair.query, getOffset() - getLeft(), pair));
  if (getRight() != -1) {
    Value after =
        e.compare(arith::CmpIPredicate::sle, pair.key,
                  shifted(e, pair.query, getOffset() + getRight(), pair));
    keep = keep ? e.both(keep, after) : after;
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
                           TypeRange types, const PairSizes &sizes) const {
  OperandChecks checks{emitError, getMnemonic(), types};
  return failure(failed(checks.count(0, 1)) || failed(checks.offset(sizes)));
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
  ExprBuilder e{b, loc};
  Value length = pair.operands.empty()
                     ? e.constant(getLength())
                     : e.add(loadOffset(e, pair), getLength());
  return e.compare(arith::CmpIPredicate::slt, pair.key, length);
}

LogicalResult
PrefixAttr::verifyOperands(function_ref<InFlightDiagnostic()> emitError,
                           TypeRange types, const PairSizes &sizes) const {
  OperandChecks checks{emitError, getMnemonic(), types};
  return failure(failed(checks.count(0, 1)) || failed(checks.offset(sizes)));
}

Value KeyLengthsAttr::materialize(OpBuilder &b, Location loc,
                                  const PairContext &pair) const {
  ExprBuilder e{b, loc};
  return e.compare(arith::CmpIPredicate::slt, pair.key, loadOffset(e, pair));
}

LogicalResult
KeyLengthsAttr::verifyOperands(function_ref<InFlightDiagnostic()> emitError,
                               TypeRange types, const PairSizes &sizes) const {
  OperandChecks checks{emitError, getMnemonic(), types};
  return failure(failed(checks.count(1, 1)) || failed(checks.offset(sizes)));
}

//===----------------------------------------------------------------------===//
// Dilated, segments
//===----------------------------------------------------------------------===//

/// The first number of `values` below `least`, if there is one.
static std::optional<int64_t> findBelow(ArrayRef<int64_t> values,
                                        int64_t least) {
  const int64_t *found =
      llvm::find_if(values, [&](int64_t value) { return value < least; });
  return found == values.end() ? std::nullopt : std::optional(*found);
}

static LogicalResult verifyAtLeast(function_ref<InFlightDiagnostic()> emitError,
                                   StringRef what, ArrayRef<int64_t> values,
                                   int64_t least) {
  if (auto wrong = findBelow(values, least))
    return emitError() << "expects " << what << " to be " << least
                       << " or more, but got " << *wrong;
  return success();
}

LogicalResult DilatedAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                  int64_t window, ArrayRef<int64_t> steps) {
  if (steps.empty())
    return emitError() << "expects a step of '#attn.dilated', but got none";
  return failure(
      failed(verifyAtLeast(emitError, "the window of '#attn.dilated'", window,
                           0)) ||
      failed(verifyAtLeast(emitError, "steps of '#attn.dilated'", steps, 1)));
}

/// A number for each head; the table is made before the operation.
static Value createHeadTable(ExprBuilder &e, ArrayRef<int64_t> values) {
  OpBuilder::InsertionGuard guard(e.b);
  e.b.setInsertionPoint(e.b.getInsertionBlock()->getParentOp());
  auto type = RankedTensorType::get(values.size(), e.b.getI64Type());
  return arith::ConstantOp::create(e.b, e.loc,
                                   DenseElementsAttr::get(type, values));
}

Value DilatedAttr::materialize(OpBuilder &b, Location loc,
                               const PairContext &pair) const {
  ExprBuilder e{b, loc};
  Value keep = e.isNear(pair.query, pair.key, getWindow());
  SmallVector<int64_t> steps(getSteps());
  llvm::sort(steps);
  steps.erase(llvm::unique(steps), steps.end());
  if (steps.size() == 1 && steps.front() == 1)
    return keep;
  Value distance = arith::SubIOp::create(b, loc, pair.query, pair.key);
  auto isStep = [&](int64_t step) -> Value {
    Value rest = arith::RemSIOp::create(b, loc, distance, e.constant(step));
    return e.compare(arith::CmpIPredicate::eq, rest, e.constant(0));
  };
  if (steps.size() == 1)
    return e.both(keep, isStep(steps.front()));
  // One case a step: division by a constant is cheap and can be analysed.
  Value own = e.toIndex(e.load(createHeadTable(e, getSteps()), pair.head));
  Value any;
  for (int64_t step : steps) {
    Value chosen = e.compare(arith::CmpIPredicate::eq, own, e.constant(step));
    if (step != 1)
      chosen = e.both(chosen, isStep(step));
    any = any ? e.either(any, chosen) : chosen;
  }
  return e.both(keep, any);
}

LogicalResult
DilatedAttr::verifyOperands(function_ref<InFlightDiagnostic()> emitError,
                            TypeRange types, const PairSizes &sizes) const {
  int64_t count = getSteps().size();
  if (count != 1 && ShapedType::isStatic(sizes.heads) && count != sizes.heads)
    return emitError() << "expects as many steps of '#attn.dilated' as heads ("
                       << sizes.heads << "), but got " << count;
  return OperandChecks{emitError, getMnemonic(), types}.count(0, 0);
}

LogicalResult SegmentsAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                   int64_t length) {
  return verifyAtLeast(emitError, "the length of '#attn.segments'", length, 1);
}

Value SegmentsAttr::materialize(OpBuilder &b, Location loc,
                                const PairContext &pair) const {
  ExprBuilder e{b, loc};
  Value row = e.floorDiv(pair.query, getLength());
  Value column = e.floorDiv(pair.key, getLength());
  return e.compare(arith::CmpIPredicate::eq, row, column);
}

LogicalResult
SegmentsAttr::verifyOperands(function_ref<InFlightDiagnostic()> emitError,
                             TypeRange types, const PairSizes &) const {
  return OperandChecks{emitError, getMnemonic(), types}.count(0, 0);
}

//===----------------------------------------------------------------------===//
// Neighborhood
//===----------------------------------------------------------------------===//

LogicalResult
NeighborhoodAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                         ArrayRef<int64_t> shape, ArrayRef<int64_t> window,
                         ArrayRef<int64_t> dilation) {
  if (shape.empty() || window.size() != shape.size() ||
      dilation.size() != shape.size())
    return emitError() << "expects 'shape', 'window' and 'dilation' of "
                          "'#attn.neighborhood' to have a number for each "
                          "axis, but got "
                       << shape.size() << ", " << window.size() << " and "
                       << dilation.size();
  int64_t tokens = 1;
  for (ArrayRef<int64_t> values : {shape, window, dilation})
    if (failed(verifyAtLeast(emitError, "numbers of '#attn.neighborhood'",
                             values, 1)))
      return failure();
  for (auto [size, width, step] : llvm::zip_equal(shape, window, dilation)) {
    if (llvm::MulOverflow(tokens, size, tokens))
      return emitError() << "expects 'shape' of '#attn.neighborhood' to have "
                            "less than 2^63 tokens, but got ["
                         << shape << ']';
    if (width % 2 == 0)
      return emitError() << "expects 'window' of '#attn.neighborhood' to be "
                            "odd on each axis, but got "
                         << width;
    if (width > size / step)
      return emitError() << "expects window * dilation of "
                            "'#attn.neighborhood' to be at most the shape on "
                            "each axis, but got "
                         << width << " * " << step << " > " << size;
  }
  return success();
}

namespace {
struct GridAxis {
  int64_t size, window, dilation;

  bool isTrivial() const { return window == size; }
};
} // namespace

/// Whether two coordinates are near on one axis.
static Value isNeighbor(ExprBuilder &e, Value x, Value y, GridAxis axis) {
  int64_t before = axis.window / 2, step = axis.dilation;
  Value same, last = e.constant(axis.size - axis.window);
  if (step != 1) {
    // Tokens of one residue form an axis of their own.
    Value residue = e.mod(x, step);
    same = e.compare(arith::CmpIPredicate::eq, residue, e.mod(y, step));
    if (axis.size % step) {
      Value rest =
          arith::SubIOp::create(e.b, e.loc, e.constant(axis.size - 1), residue);
      last = e.add(e.floorDiv(rest, step), 1 - axis.window);
    } else {
      last = e.constant(axis.size / step - axis.window);
    }
    x = e.floorDiv(x, step);
    y = e.floorDiv(y, step);
  }
  Value first = e.add(x, -before);
  first = arith::MaxSIOp::create(e.b, e.loc, first, e.constant(0));
  first = arith::MinSIOp::create(e.b, e.loc, first, last);
  Value after = e.compare(arith::CmpIPredicate::sge, y, first);
  Value until =
      e.compare(arith::CmpIPredicate::sle, y, e.add(first, axis.window - 1));
  Value inside = e.both(after, until);
  return same ? e.both(same, inside) : inside;
}

Value NeighborhoodAttr::materialize(OpBuilder &b, Location loc,
                                    const PairContext &pair) const {
  ExprBuilder e{b, loc};
  Value keep;
  int64_t stride = 1;
  for (size_t axis = getShape().size(); axis-- > 0;) {
    GridAxis own{getShape()[axis], getWindow()[axis], getDilation()[axis]};
    if (!own.isTrivial()) {
      auto coordinate = [&](Value position) {
        Value quotient = e.floorDiv(position, stride);
        return axis ? e.mod(quotient, own.size) : quotient;
      };
      Value x = coordinate(pair.query), y = coordinate(pair.key);
      Value near = isNeighbor(e, x, y, own);
      keep = keep ? e.both(keep, near) : near;
    }
    stride *= own.size;
  }
  return keep ? keep : arith::ConstantIntOp::create(b, loc, 1, 1);
}

bool NeighborhoodAttr::isTrivial() const { return getWindow() == getShape(); }

LogicalResult
NeighborhoodAttr::verifyOperands(function_ref<InFlightDiagnostic()> emitError,
                                 TypeRange types,
                                 const PairSizes &sizes) const {
  int64_t tokens = 1;
  for (int64_t size : getShape())
    tokens *= size;
  for (auto [letter, size] :
       {std::pair("L", sizes.queries), std::pair("S", sizes.keys)})
    if (ShapedType::isStatic(size) && size != tokens)
      return emitError() << "expects 'shape' of '#attn.neighborhood' to have "
                         << letter << " = " << size << " tokens, but got "
                         << tokens;
  return OperandChecks{emitError, getMnemonic(), types}.count(0, 0);
}

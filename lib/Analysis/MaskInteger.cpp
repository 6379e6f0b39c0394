//===- MaskInteger.cpp - Integer values of masks as sums ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Dependence.h"
#include "MaskPredicate.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::mask;

//===----------------------------------------------------------------------===//
// Symbols
//===----------------------------------------------------------------------===//

/// True if `op` may be cloned to the place where the bounds are computed.
static bool isClonable(Operation *op) {
  if (op->getNumRegions() != 0 || op->getNumSuccessors() != 0 ||
      op->hasTrait<OpTrait::IsTerminator>())
    return false;
  if (isMemoryEffectFree(op))
    return true;
  auto effects = dyn_cast<MemoryEffectOpInterface>(op);
  return effects && effects.onlyHasEffect<MemoryEffects::Read>();
}

bool PredicateReader::isIndependent(Value value) {
  if (auto argument = dyn_cast<BlockArgument>(value))
    return argument.getOwner() != &mask.front() || argument.getArgNumber() < 2;
  return isIndependentOp(value.getDefiningOp());
}

bool PredicateReader::isIndependentOp(Operation *op) {
  if (!mask.isAncestor(op->getParentRegion()))
    return true;
  auto [it, inserted] = independent.try_emplace(op, false);
  if (!inserted)
    return it->second;
  bool result = isClonable(op) && llvm::all_of(op->getOperands(), [&](Value v) {
                  return isIndependent(v);
                });
  return independent[op] = result;
}

/// The first value met that is computed the same way.
Value PredicateReader::canonicalSymbol(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || !mask.isAncestor(op->getParentRegion()))
    return value;
  for (Value operand : op->getOperands())
    (void)canonicalSymbol(operand);
  unsigned number = cast<OpResult>(value).getResultNumber();
  for (Operation *known : symbolOps) {
    if (known == op)
      return value;
    if (OperationEquivalence::isEquivalentTo(
            known, op,
            [&](Value a, Value b) {
              return success(canonicalSymbol(a) == canonicalSymbol(b));
            },
            nullptr, OperationEquivalence::IgnoreLocations))
      return known->getResult(number);
  }
  symbolOps.push_back(op);
  return value;
}

/// What the type of a symbol and its definition say about its value.
static Limits rangeOfSymbol(Value value, Region &mask) {
  Type type = value.getType();
  if (!type.isIndex() && type.getIntOrFloatBitWidth() < 64) {
    int64_t half = int64_t(1) << (type.getIntOrFloatBitWidth() - 1);
    return {-half, half - 1};
  }
  auto argument = dyn_cast<BlockArgument>(value);
  bool isPosition = argument && argument.getOwner() == &mask.front();
  if (isPosition || value.getDefiningOp<tensor::DimOp>() ||
      value.getDefiningOp<memref::DimOp>())
    return {0, kPositionLimit - 1};
  return {};
}

const Sum *PredicateReader::symbol(Value value) {
  value = canonicalSymbol(value);
  return pool.symbol(value, rangeOfSymbol(value, mask));
}

/// A value computed from the row alone or the key alone, by operations that may
/// be cloned to where tables are scanned. Truth values count as 0 and 1.
const Sum *PredicateReader::table(Value value) {
  Dependence reads = dependenceOf(value, mask);
  if (reads.onRow == reads.onKey)
    return nullptr;
  llvm::SmallPtrSet<Operation *, 16> seen;
  SmallVector<Value> worklist{value};
  while (!worklist.empty()) {
    Operation *op = worklist.pop_back_val().getDefiningOp();
    if (!op || !mask.isAncestor(op->getParentRegion()) ||
        !seen.insert(op).second)
      continue;
    if (!isClonable(op))
      return nullptr;
    llvm::append_range(worklist, op->getOperands());
  }
  value = canonicalSymbol(value);
  Limits range =
      value.getType().isInteger(1) ? Limits{0, 1} : rangeOfSymbol(value, mask);
  return pool.table(value, range, reads.onRow, reads.onKey);
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

static bool isUnderstoodType(Type type) {
  return type.isIndex() ||
         (type.isSignlessInteger() && type.getIntOrFloatBitWidth() <= 64);
}

/// Constants, and sizes that the type of the tensor states.
static std::optional<int64_t> constantOf(Value value) {
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return constant.getSExtValue();
  ShapedType shaped;
  std::optional<int64_t> dimension;
  if (auto dim = value.getDefiningOp<tensor::DimOp>()) {
    shaped = cast<ShapedType>(dim.getSource().getType());
    dimension = dim.getConstantIndex();
  } else if (auto dim = value.getDefiningOp<memref::DimOp>()) {
    shaped = cast<ShapedType>(dim.getSource().getType());
    dimension = dim.getConstantIndex();
  }
  if (!dimension || !shaped.hasRank() || *dimension < 0 ||
      *dimension >= shaped.getRank() || shaped.isDynamicDim(*dimension))
    return std::nullopt;
  return shaped.getDimSize(*dimension);
}

const Sum *PredicateReader::integer(Value value) {
  auto it = sumOf.find(value);
  if (it != sumOf.end())
    return it->second;
  const Sum *sum = integerUncached(value);
  return sumOf[value] = sum;
}

const Sum *PredicateReader::integerUncached(Value value) {
  if (!isUnderstoodType(value.getType()))
    return nullptr;
  Operation *op = value.getDefiningOp();
  if (std::optional<int64_t> constant = constantOf(value)) {
    const Sum *sum = pool.constant(*constant);
    if (!sum)
      defeatingOps.insert(op);
    return sum;
  }
  if (isIndependent(value)) {
    // Linear arithmetic of symbols is opened, so that equal parts cancel.
    if (op && isa<arith::AddIOp, arith::SubIOp, arith::MulIOp,
                  arith::IndexCastOp, arith::ExtSIOp>(op))
      if (const Sum *sum = integerOfOp(op))
        return sum;
    return symbol(value);
  }
  if (!op)
    return cast<BlockArgument>(value).getArgNumber() == 2 ? pool.row()
                                                          : pool.key();
  size_t known = defeatingOps.size();
  const Sum *sum = integerOfOp(op);
  if (!sum && !value.getType().isInteger(1))
    sum = table(value);
  if (!sum && defeatingOps.size() == known)
    defeatingOps.insert(op);
  return sum;
}

/// True if the exact value of an operation also is the value of the machine
/// integer it computes.
static bool cannotWrap(Operation *op, const Sum *exact) {
  Type type = op->getResult(0).getType();
  if (type.isIndex() || type.getIntOrFloatBitWidth() == 64)
    return true;
  auto flags = dyn_cast<arith::ArithIntegerOverflowFlagsInterface>(op);
  if (flags && flags.hasNoSignedWrap() && !isa<arith::TruncIOp>(op))
    return true;
  int64_t half = int64_t(1) << (type.getIntOrFloatBitWidth() - 1);
  return exact->range.min >= -half && exact->range.max < half;
}

static bool isNonNegative(const Sum *sum) { return sum->range.min >= 0; }

const Sum *PredicateReader::selectOf(Operation *op) {
  Dependence reads = dependenceOf(op->getOperand(0), mask);
  return pool.select(op->getOperand(0), integer(op->getOperand(1)),
                     integer(op->getOperand(2)), reads.onRow, reads.onKey);
}

const Sum *PredicateReader::integerOfOp(Operation *op) {
  if (auto apply = dyn_cast<affine::AffineApplyOp>(op))
    return affineOp(op, apply.getAffineMap());
  if (auto minimum = dyn_cast<affine::AffineMinOp>(op))
    return affineOp(op, minimum.getAffineMap());
  if (auto maximum = dyn_cast<affine::AffineMaxOp>(op))
    return affineOp(op, maximum.getAffineMap());
  if (op->getNumOperands() == 0 ||
      !isUnderstoodType(op->getOperand(0).getType()))
    return nullptr;
  Value source = op->getOperand(0);
  if (isa<arith::SelectOp>(op))
    return selectOf(op);
  if (isa<arith::ExtSIOp, arith::ExtUIOp>(op) &&
      source.getType().isInteger(1)) {
    Dependence reads = dependenceOf(source, mask);
    return pool.select(source, pool.constant(isa<arith::ExtUIOp>(op) ? 1 : -1),
                       pool.constant(0), reads.onRow, reads.onKey);
  }
  if (isa<arith::IndexCastOp, arith::IndexCastUIOp, arith::ExtSIOp,
          arith::ExtUIOp, arith::TruncIOp, math::AbsIOp>(op)) {
    const Sum *sum = integer(source);
    if (!sum ||
        (isa<arith::IndexCastUIOp, arith::ExtUIOp>(op) && !isNonNegative(sum)))
      return nullptr;
    if (isa<math::AbsIOp>(op))
      sum = pool.maximum(sum, pool.scale(sum, -1));
    return sum && cannotWrap(op, sum) ? sum : nullptr;
  }
  if (op->getNumOperands() != 2)
    return nullptr;
  const Sum *a = integer(source);
  const Sum *b = a ? integer(op->getOperand(1)) : nullptr;
  const Sum *sum = b ? binary(op, a, b) : nullptr;
  return sum && cannotWrap(op, sum) ? sum : nullptr;
}

const Sum *PredicateReader::binary(Operation *op, const Sum *a, const Sum *b) {
  bool areNonNegative = isNonNegative(a) && isNonNegative(b);
  if (isa<arith::AddIOp>(op))
    return pool.add(a, b);
  if (isa<arith::SubIOp>(op))
    return pool.sub(a, b);
  if (isa<arith::MulIOp>(op)) {
    if (a->isConstant())
      std::swap(a, b);
    return b->isConstant() ? pool.scale(a, b->constant) : nullptr;
  }
  if (isa<arith::MinSIOp>(op) || (isa<arith::MinUIOp>(op) && areNonNegative))
    return pool.minimum(a, b);
  if (isa<arith::MaxSIOp>(op) || (isa<arith::MaxUIOp>(op) && areNonNegative))
    return pool.maximum(a, b);
  return b->isConstant() || a->isConstant() ? divisionOrBits(op, a, b)
                                            : nullptr;
}

/// Rounds toward zero: the floor where it is not negative, else the ceiling
/// where it is not positive.
const Sum *PredicateReader::truncatingDiv(const Sum *a, int64_t divisor) {
  if (isNonNegative(a))
    return pool.floorDiv(a, divisor);
  const Sum *ceiling = pool.floorDiv(pool.addConstant(a, divisor - 1), divisor);
  return pool.maximum(pool.floorDiv(a, divisor),
                      pool.minimum(ceiling, pool.constant(0)));
}

const Sum *PredicateReader::divisionOrBits(Operation *op, const Sum *a,
                                           const Sum *b) {
  if (isa<arith::AndIOp>(op)) {
    // x & (2^k - 1) is x mod 2^k in two's complement.
    if (a->isConstant())
      std::swap(a, b);
    int64_t modulus = b->constant + 1;
    if (modulus <= 0 || !llvm::isPowerOf2_64(modulus))
      return nullptr;
    return pool.combine(a, 1, pool.floorDiv(a, modulus), -modulus);
  }
  if (!b->isConstant())
    return nullptr;
  int64_t amount = b->constant;
  if (isa<arith::ShLIOp, arith::ShRSIOp, arith::ShRUIOp>(op)) {
    if (amount < 0 || amount > 30 ||
        (isa<arith::ShRUIOp>(op) && !isNonNegative(a)))
      return nullptr;
    int64_t power = int64_t(1) << amount;
    return isa<arith::ShLIOp>(op) ? pool.scale(a, power)
                                  : pool.floorDiv(a, power);
  }
  bool isUnsigned = isa<arith::DivUIOp, arith::RemUIOp, arith::CeilDivUIOp>(op);
  if (amount == 0 || (isUnsigned && (amount < 0 || !isNonNegative(a))))
    return nullptr;
  // A remainder does not depend on the sign of the divisor.
  if (isa<arith::RemSIOp, arith::RemUIOp>(op))
    return pool.combine(a, 1, truncatingDiv(a, std::abs(amount)),
                        -std::abs(amount));
  if (amount < 0) {
    a = pool.scale(a, -1);
    amount = -amount;
  }
  if (!a)
    return nullptr;
  if (isa<arith::DivSIOp, arith::DivUIOp>(op))
    return truncatingDiv(a, amount);
  if (isa<arith::FloorDivSIOp>(op))
    return pool.floorDiv(a, amount);
  if (isa<arith::CeilDivSIOp, arith::CeilDivUIOp>(op))
    return pool.floorDiv(pool.addConstant(a, amount - 1), amount);
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Affine maps
//===----------------------------------------------------------------------===//

const Sum *PredicateReader::affineOp(Operation *op, AffineMap map) {
  SmallVector<const Sum *> operands;
  for (Value operand : op->getOperands())
    operands.push_back(integer(operand));
  const Sum *result = nullptr;
  for (auto [index, expr] : llvm::enumerate(map.getResults())) {
    const Sum *sum = affine(expr, operands, map.getNumDims());
    if (index == 0)
      result = sum;
    else
      result = !result || !sum                ? nullptr
               : isa<affine::AffineMinOp>(op) ? pool.minimum(result, sum)
                                              : pool.maximum(result, sum);
  }
  return result;
}

const Sum *PredicateReader::affine(AffineExpr expr,
                                   ArrayRef<const Sum *> operands,
                                   unsigned numDims) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return pool.constant(constant.getValue());
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return operands[dim.getPosition()];
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return operands[numDims + symbol.getPosition()];
  auto binary = cast<AffineBinaryOpExpr>(expr);
  const Sum *a = affine(binary.getLHS(), operands, numDims);
  const Sum *b = affine(binary.getRHS(), operands, numDims);
  if (!a || !b)
    return nullptr;
  if (expr.getKind() == AffineExprKind::Add)
    return pool.add(a, b);
  if (expr.getKind() == AffineExprKind::Mul && a->isConstant())
    std::swap(a, b);
  if (!b->isConstant())
    return nullptr;
  int64_t amount = b->constant;
  if (expr.getKind() == AffineExprKind::Mul)
    return pool.scale(a, amount);
  if (amount <= 0)
    return nullptr;
  if (expr.getKind() == AffineExprKind::CeilDiv)
    return pool.floorDiv(pool.addConstant(a, amount - 1), amount);
  const Sum *quotient = pool.floorDiv(a, amount);
  return expr.getKind() == AffineExprKind::FloorDiv
             ? quotient
             : pool.combine(a, 1, quotient, -amount);
}

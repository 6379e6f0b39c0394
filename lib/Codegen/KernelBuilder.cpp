//===- KernelBuilder.cpp - Vector code in few words -----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Codegen/KernelBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::attn;

KernelBuilder::KernelBuilder(OpBuilder &builder, Location loc, FloatType type,
                             const CPUTarget &target)
    : builder(builder), loc(loc), type(type), target(target),
      lanes(std::max(1u, target.vectorBits / type.getWidth())),
      vectorType(VectorType::get({int64_t(lanes)}, type)) {}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

Value KernelBuilder::index(int64_t value) {
  return arith::ConstantIndexOp::create(builder, loc, value);
}

Value KernelBuilder::scalar(double value) {
  return arith::ConstantOp::create(builder, loc,
                                   builder.getFloatAttr(type, value));
}

Value KernelBuilder::splat(double value) {
  auto attribute =
      DenseElementsAttr::get(vectorType, builder.getFloatAttr(type, value));
  return arith::ConstantOp::create(builder, loc, attribute);
}

Value KernelBuilder::splatInt(IntegerType element, int64_t value) {
  auto attribute = DenseElementsAttr::get(
      vectorOf(element), builder.getIntegerAttr(element, value));
  return arith::ConstantOp::create(builder, loc, attribute);
}

Value KernelBuilder::negativeInfinity() {
  return splat(-std::numeric_limits<double>::infinity());
}

//===----------------------------------------------------------------------===//
// Index arithmetic
//===----------------------------------------------------------------------===//

Value KernelBuilder::addIndex(Value lhs, Value rhs) {
  return builder.createOrFold<arith::AddIOp>(loc, lhs, rhs);
}
Value KernelBuilder::subIndex(Value lhs, Value rhs) {
  return builder.createOrFold<arith::SubIOp>(loc, lhs, rhs);
}
Value KernelBuilder::mulIndex(Value lhs, Value rhs) {
  return builder.createOrFold<arith::MulIOp>(loc, lhs, rhs);
}
Value KernelBuilder::minIndex(Value lhs, Value rhs) {
  return builder.createOrFold<arith::MinSIOp>(loc, lhs, rhs);
}
Value KernelBuilder::maxIndex(Value lhs, Value rhs) {
  return builder.createOrFold<arith::MaxSIOp>(loc, lhs, rhs);
}
Value KernelBuilder::ceilDivIndex(Value lhs, int64_t rhs) {
  return builder.createOrFold<arith::DivUIOp>(loc, addIndex(lhs, rhs - 1),
                                              index(rhs));
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

Value KernelBuilder::add(Value lhs, Value rhs) {
  return arith::AddFOp::create(builder, loc, lhs, rhs);
}
Value KernelBuilder::sub(Value lhs, Value rhs) {
  return arith::SubFOp::create(builder, loc, lhs, rhs);
}
Value KernelBuilder::mul(Value lhs, Value rhs) {
  return arith::MulFOp::create(builder, loc, lhs, rhs);
}
Value KernelBuilder::div(Value lhs, Value rhs) {
  return arith::DivFOp::create(builder, loc, lhs, rhs);
}

Value KernelBuilder::fma(Value lhs, Value rhs, Value addend) {
  // Without the instruction vector.fma would become a library call per lane.
  if (!target.hasFMA)
    return add(mul(lhs, rhs), addend);
  return vector::FMAOp::create(builder, loc, lhs, rhs, addend);
}

Value KernelBuilder::max(Value lhs, Value rhs) {
  Value larger =
      arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OGT, lhs, rhs);
  return arith::SelectOp::create(builder, loc, larger, lhs, rhs);
}

Value KernelBuilder::broadcast(Value scalar) {
  return broadcast(scalar, vectorType);
}
Value KernelBuilder::broadcast(Value scalar, VectorType vector) {
  return vector::BroadcastOp::create(builder, loc, vector, scalar);
}

Value KernelBuilder::finiteOrZero(Value value) {
  Value empty = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OEQ,
                                      value, negativeInfinity());
  return arith::SelectOp::create(builder, loc, empty, splat(0.0), value);
}

Value KernelBuilder::convertFloat(Value value, Type element) {
  Type from = getElementTypeOrSelf(value);
  if (from == element)
    return value;
  Type to = element;
  if (auto vector = dyn_cast<VectorType>(value.getType()))
    to = vector.clone(element);
  if (from.getIntOrFloatBitWidth() < element.getIntOrFloatBitWidth())
    return arith::ExtFOp::create(builder, loc, to, value);
  if (from.getIntOrFloatBitWidth() > element.getIntOrFloatBitWidth())
    return arith::TruncFOp::create(builder, loc, to, value);
  // f16 and bf16: through f32.
  return convertFloat(convertFloat(value, builder.getF32Type()), element);
}

//===----------------------------------------------------------------------===//
// Exponential
//===----------------------------------------------------------------------===//

// 2^r on [-1/2, 1/2]. f32: minimax in relative error (9.2e-8 before rounding)
// among those with 2^0 = 1 exactly: a state whose maximum does not change is
// multiplied by it at every step. f64: the Taylor series to degree 13 (4e-18).
Value KernelBuilder::exp2Polynomial(Value fraction) {
  static const double kSingle[] = {0.0013264727213551826, 0.009671512812489076,
                                   0.05550733744824973,   0.24022242082677556,
                                   0.6931469775973299,    1.0};
  static const double kDouble[] = {
      1.3691488853904128e-12, 2.5678435993488206e-11,
      4.4455382718708115e-10, 7.0549116208011233e-09,
      1.0178086009239699e-07, 1.3215486790144307e-06,
      1.5252733804059841e-05, 1.5403530393381609e-04,
      1.3333558146428443e-03, 9.6181291076284772e-03,
      5.5504108664821580e-02, 2.4022650695910071e-01,
      6.9314718055994531e-01, 1.0};
  ArrayRef<double> coefficients =
      type.isF64() ? ArrayRef<double>(kDouble) : ArrayRef<double>(kSingle);
  Value result = splat(coefficients.front());
  for (double coefficient : coefficients.drop_front())
    result = fma(result, fraction, splat(coefficient));
  return result;
}

Value KernelBuilder::exp2(Value x) {
  return target.hasScalef && target.vectorBits == 512 ? exp2WithScalef(x)
                                                      : exp2WithExponentAdd(x);
}

// vscalef underflows to an exact 0; clamping keeps -infinity out of the
// reduction, where it would make NaN.
Value KernelBuilder::exp2WithScalef(Value x) {
  Value low = splat(type.isF64() ? -2000.0 : -300.0);
  Value clamped = max(low, x);
  Value whole = math::RoundEvenOp::create(builder, loc, clamped);
  Value power = exp2Polynomial(sub(clamped, whole));
  Type maskType = builder.getIntegerType(lanes);
  Value allLanes = LLVM::ConstantOp::create(
      builder, loc, maskType, builder.getIntegerAttr(maskType, -1));
  Value currentRounding = LLVM::ConstantOp::create(
      builder, loc, builder.getI32Type(), builder.getI32IntegerAttr(4));
  StringRef intrinsic = type.isF64() ? "llvm.x86.avx512.mask.scalef.pd.512"
                                     : "llvm.x86.avx512.mask.scalef.ps.512";
  return LLVM::CallIntrinsicOp::create(
             builder, loc, vectorType, builder.getStringAttr(intrinsic),
             ValueRange{power, whole, power, allLanes, currentRounding})
      .getResult(0);
}

// Adding 1.5 * 2^mantissa rounds to an integer and leaves that integer in the
// low bits, from where it is shifted into the exponent.
Value KernelBuilder::exp2WithExponentAdd(Value x) {
  bool isDouble = type.isF64();
  double lowest = isDouble ? -1022.0 : -126.0;
  Value low = splat(lowest);
  Value clamped = max(low, x);
  Value magic = splat(isDouble ? 6755399441055744.0 : 12582912.0);
  Value shifted = add(clamped, magic);
  Value whole = sub(shifted, magic);
  Value power = exp2Polynomial(sub(clamped, whole));
  IntegerType bits = builder.getIntegerType(type.getWidth());
  VectorType intVector = vectorOf(bits);
  Value exponent = arith::ShLIOp::create(
      builder, loc, arith::BitcastOp::create(builder, loc, intVector, shifted),
      splatInt(bits, isDouble ? 52 : 23));
  Value sum = arith::AddIOp::create(
      builder, loc, arith::BitcastOp::create(builder, loc, intVector, power),
      exponent);
  Value result = arith::BitcastOp::create(builder, loc, vectorType, sum);
  // NaN compares false and so keeps the (NaN) result.
  Value underflow =
      arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OLT, x, low);
  return arith::SelectOp::create(builder, loc, underflow, splat(0.0), result);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value KernelBuilder::load(Value memref, ValueRange indices) {
  return load(memref, indices, vectorType);
}
Value KernelBuilder::load(Value memref, ValueRange indices, VectorType vector) {
  return vector::LoadOp::create(builder, loc, vector, memref, indices);
}
void KernelBuilder::store(Value value, Value memref, ValueRange indices) {
  vector::StoreOp::create(builder, loc, value, memref, indices);
}
Value KernelBuilder::loadScalar(Value memref, ValueRange indices) {
  return memref::LoadOp::create(builder, loc, memref, indices);
}
void KernelBuilder::storeScalar(Value value, Value memref, ValueRange indices) {
  memref::StoreOp::create(builder, loc, value, memref, indices);
}

Value KernelBuilder::loadFirst(Value memref, ValueRange indices, Value mask,
                               VectorType vector) {
  Value zero = arith::ConstantOp::create(builder, loc, vector,
                                         builder.getZeroAttr(vector));
  return vector::MaskedLoadOp::create(builder, loc, vector, memref, indices,
                                      mask, zero);
}

void KernelBuilder::storeFirst(Value value, Value memref, ValueRange indices,
                               Value mask) {
  vector::MaskedStoreOp::create(builder, loc, memref, indices, mask, value);
}

Value KernelBuilder::laneMask(Value count) {
  Value zero = index(0);
  Value clamped = minIndex(maxIndex(count, zero), index(lanes));
  return vector::CreateMaskOp::create(builder, loc,
                                      vectorOf(builder.getI1Type()), clamped);
}

Value KernelBuilder::dim(Value memref, unsigned dimension) {
  auto shaped = cast<ShapedType>(memref.getType());
  if (!shaped.isDynamicDim(dimension))
    return index(shaped.getDimSize(dimension));
  return memref::DimOp::create(builder, loc, memref, dimension);
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

SmallVector<Value> KernelBuilder::loop(Value lower, Value upper, int64_t step,
                                       ValueRange init, LoopBody body) {
  auto loop = scf::ForOp::create(builder, loc, lower, upper, index(step), init);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> next =
      body(loop.getInductionVar(), loop.getRegionIterArgs());
  if (!init.empty())
    scf::YieldOp::create(builder, loc, next);
  return SmallVector<Value>(loop.getResults());
}

void KernelBuilder::loop(Value lower, Value upper, int64_t step,
                         llvm::function_ref<void(Value iv)> body) {
  loop(lower, upper, step, ValueRange(), [&](Value iv, ValueRange) {
    body(iv);
    return SmallVector<Value>();
  });
}

SmallVector<Value>
KernelBuilder::loopAhead(Value count, ValueRange init,
                         llvm::function_ref<Value(Value)> lookup,
                         LookupBody body) {
  Value last = subIndex(count, index(1));
  SmallVector<Value> carried(init);
  auto notEmpty = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::sgt,
                                        count, index(0));
  auto first = scf::IfOp::create(
      builder, loc, notEmpty,
      [&](OpBuilder &, Location) {
        Value found = lookup(index(0));
        // LLVM would join two look-ups alike behind the loop's head, where they
        // are late again.
        Value kept = maxIndex(found, index(0));
        scf::YieldOp::create(builder, loc, kept);
      },
      [&](OpBuilder &, Location) {
        Value none = index(0);
        scf::YieldOp::create(builder, loc, none);
      });
  carried.push_back(first.getResult(0));
  SmallVector<Value> results =
      loop(index(0), count, 1, carried, [&](Value iv, ValueRange values) {
        Value next = lookup(minIndex(addIndex(iv, 1), last));
        SmallVector<Value> yielded =
            body(iv, values.back(), values.drop_back());
        yielded.push_back(next);
        return yielded;
      });
  results.pop_back();
  return results;
}

//===- KernelBuilder.h - Vector code in few words ---------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A builder of vector, scf and memref operations for one element type and one
// vector width. It is what the micro-kernels are written in.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_CODEGEN_KERNELBUILDER_H
#define ATTN_CODEGEN_KERNELBUILDER_H

#include "attn/Target/CPU/TargetDescription.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

namespace mlir::attn {

class KernelBuilder {
public:
  /// Vectors of `type` (f32 or f64) as wide as the target's registers.
  KernelBuilder(OpBuilder &builder, Location loc, FloatType type,
                const CPUTarget &target);

  OpBuilder &builder;
  Location loc;
  FloatType type;
  const CPUTarget &target;
  unsigned lanes;
  VectorType vectorType;

  VectorType vectorOf(Type element) const {
    return VectorType::get({int64_t(lanes)}, element);
  }

  //===--------------------------------------------------------------------===//
  // Constants
  //===--------------------------------------------------------------------===//

  Value index(int64_t value);
  Value scalar(double value);
  Value splat(double value);
  Value splatInt(IntegerType element, int64_t value);
  Value negativeInfinity();

  //===--------------------------------------------------------------------===//
  // Arithmetic on index values; folded when both are constant
  //===--------------------------------------------------------------------===//

  Value addIndex(Value lhs, Value rhs);
  Value addIndex(Value lhs, int64_t rhs) { return addIndex(lhs, index(rhs)); }
  Value subIndex(Value lhs, Value rhs);
  Value mulIndex(Value lhs, Value rhs);
  Value minIndex(Value lhs, Value rhs);
  Value maxIndex(Value lhs, Value rhs);
  /// ceil(lhs / rhs) for lhs >= 0.
  Value ceilDivIndex(Value lhs, int64_t rhs);

  //===--------------------------------------------------------------------===//
  // Arithmetic on vectors and scalars
  //===--------------------------------------------------------------------===//

  Value add(Value lhs, Value rhs);
  Value sub(Value lhs, Value rhs);
  Value mul(Value lhs, Value rhs);
  Value div(Value lhs, Value rhs);
  Value fma(Value lhs, Value rhs, Value addend);
  /// The larger; `rhs` when either is NaN. One instruction on x86.
  Value max(Value lhs, Value rhs);
  Value broadcast(Value scalar);
  Value broadcast(Value scalar, VectorType vector);
  /// 2^x for x <= 0 and moderate positive x: a relative error of a few units
  /// in the last place, exactly 0 for -infinity, NaN for NaN.
  Value exp2(Value x);
  /// `value` where it is not -infinity, otherwise 0: what a row's maximum is
  /// subtracted as while the row has no key.
  Value finiteOrZero(Value value);
  /// Converts a float scalar or vector to another float element type.
  Value convertFloat(Value value, Type element);

  //===--------------------------------------------------------------------===//
  // Memory
  //===--------------------------------------------------------------------===//

  Value load(Value memref, ValueRange indices);
  Value load(Value memref, ValueRange indices, VectorType vector);
  void store(Value value, Value memref, ValueRange indices);
  Value loadScalar(Value memref, ValueRange indices);
  void storeScalar(Value value, Value memref, ValueRange indices);
  /// The lanes of `mask` from `indices` on; the others zero, or not written.
  Value loadFirst(Value memref, ValueRange indices, Value mask,
                  VectorType vector);
  void storeFirst(Value value, Value memref, ValueRange indices, Value mask);
  /// A mask of the lanes below `count`.
  Value laneMask(Value count);
  Value dim(Value memref, unsigned dimension);

  //===--------------------------------------------------------------------===//
  // Control flow
  //===--------------------------------------------------------------------===//

  using LoopBody =
      llvm::function_ref<SmallVector<Value>(Value iv, ValueRange carried)>;
  SmallVector<Value> loop(Value lower, Value upper, int64_t step,
                          ValueRange init, LoopBody body);
  void loop(Value lower, Value upper, int64_t step,
            llvm::function_ref<void(Value iv)> body);
  /// A loop over [0, count) whose body is given what `lookup` finds, an index
  /// of 0 or more, for the step. It is found one step ahead: the addresses made
  /// of it are known when their step begins.
  using LookupBody = llvm::function_ref<SmallVector<Value>(
      Value iv, Value found, ValueRange carried)>;
  SmallVector<Value> loopAhead(Value count, ValueRange init,
                               llvm::function_ref<Value(Value iv)> lookup,
                               LookupBody body);

private:
  Value exp2WithScalef(Value x);
  Value exp2WithExponentAdd(Value x);
  Value exp2Polynomial(Value fraction);
};

} // namespace mlir::attn

#endif // ATTN_CODEGEN_KERNELBUILDER_H

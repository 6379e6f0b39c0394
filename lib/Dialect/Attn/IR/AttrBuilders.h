//===- AttrBuilders.h - What mask and score attributes share ----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_DIALECT_ATTN_IR_ATTRBUILDERS_H
#define ATTN_LIB_DIALECT_ATTN_IR_ATTRBUILDERS_H

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

namespace mlir::attn {

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

/// Builds the arithmetic of an attribute at one location.
struct ExprBuilder {
  OpBuilder &b;
  Location loc;

  Value constant(int64_t value);
  /// Sums with a constant; 0 is not added.
  Value add(Value lhs, Value rhs);
  Value add(Value lhs, int64_t rhs);
  Value floorDiv(Value lhs, int64_t rhs);
  /// lhs - rhs * (lhs floordiv rhs).
  Value mod(Value lhs, int64_t rhs);
  Value compare(arith::CmpIPredicate predicate, Value lhs, Value rhs);
  Value both(Value lhs, Value rhs);
  Value either(Value lhs, Value rhs);

  /// An element of a tensor or memref.
  Value load(Value from, ValueRange indices);
  /// An integer as an index.
  Value toIndex(Value value);
  /// Whether an i1 or another integer is not 0.
  Value toBool(Value value);
  /// |lhs - rhs| <= distance.
  Value isNear(Value lhs, Value rhs, int64_t distance);
};

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

/// A dimension of an operand, and the size it must have.
struct ExpectedSize {
  StringRef letter;
  int64_t size;
  /// How many positions one element stands for.
  int64_t block = 1;
  /// Whether a static size 1 is broadcast, and whether more is accepted.
  bool mayBroadcast = false;
  bool mayExceed = false;
};

/// Checks the operands behind an attribute.
struct OperandChecks {
  function_ref<InFlightDiagnostic()> emitError;
  StringRef kind; // the mnemonic
  TypeRange types;

  LogicalResult count(size_t least, size_t most) const;
  /// An operand is what `expected` says.
  LogicalResult require(bool holds, unsigned operand,
                        const Twine &expected) const;
  /// Static sizes, right-aligned: the last sizes are for the last dimensions.
  LogicalResult sizes(unsigned operand, ArrayRef<ExpectedSize> expected) const;
  /// No operand, or one integer scalar or integer tensor [B].
  LogicalResult offset(const PairSizes &sizes) const;

  /// The ranked tensor or memref, null for another type.
  ShapedType shaped(unsigned operand) const;
};

bool isIntegerOrIndex(Type type);

} // namespace mlir::attn

#endif // ATTN_LIB_DIALECT_ATTN_IR_ATTRBUILDERS_H

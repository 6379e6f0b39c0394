//===- RandomMask.cpp - Random mask predicates as IR ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RandomMask.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace ::attn::test;

Value RandomMask::constant(int64_t value) {
  return make<arith::ConstantIndexOp>(value);
}

Value RandomMask::leaf() {
  switch (uniform(0, 9)) {
  case 0:
  case 1:
  case 2:
    return block.getArgument(2);
  case 3:
  case 4:
  case 5:
    return block.getArgument(3);
  case 6:
    return block.getArgument(uniform(0, 1));
  case 7:
    return indexSymbols[uniform(0, indexSymbols.size() - 1)];
  default:
    return constant(uniform(-20, 20));
  }
}

Value RandomMask::binary(unsigned depth) {
  Value a = integer(depth - 1), b = integer(depth - 1);
  switch (uniform(0, 8)) {
  case 0:
  case 1:
    return make<arith::AddIOp>(a, b);
  case 2:
  case 3:
    return make<arith::SubIOp>(a, b);
  case 4:
    return make<arith::MulIOp>(a, constant(uniform(-3, 3)));
  case 5:
    return make<arith::MinSIOp>(a, b);
  case 6:
    return make<arith::MaxSIOp>(a, b);
  case 7:
    return make<arith::MinUIOp>(a, b);
  default:
    return make<arith::MaxUIOp>(a, b);
  }
}

Value RandomMask::division(unsigned depth) {
  Value a = integer(depth - 1);
  int64_t amount = uniform(1, 12) * (uniform(0, 4) == 0 ? -1 : 1);
  Value divisor = constant(amount);
  switch (uniform(0, 9)) {
  case 0:
  case 1:
    return make<arith::FloorDivSIOp>(a, divisor);
  case 2:
    return make<arith::CeilDivSIOp>(a, divisor);
  case 3:
    return make<arith::DivSIOp>(a, divisor);
  case 4:
    return make<arith::RemSIOp>(a, divisor);
  case 5:
  case 6:
  case 7:
    return unsignedDivision(a, std::abs(amount));
  case 8:
    return make<arith::ShRSIOp>(a, constant(uniform(0, 4)));
  default:
    return make<arith::AndIOp>(a, constant((1 << uniform(0, 4)) - 1));
  }
}

/// In 32 bits: the analysis assumes that 64-bit arithmetic does not overflow,
/// and a negative number divided as unsigned would be near the end.
Value RandomMask::unsignedDivision(Value a, int64_t amount) {
  Type type = builder.getI32Type();
  Value divisor = make<arith::ConstantIntOp>(type, amount);
  a = make<arith::IndexCastOp>(type, a);
  switch (uniform(0, 2)) {
  case 0:
    a = make<arith::DivUIOp>(a, divisor);
    break;
  case 1:
    a = make<arith::RemUIOp>(a, divisor);
    break;
  default:
    a = make<arith::ShRUIOp>(a, divisor);
    break;
  }
  return make<arith::IndexCastOp>(builder.getIndexType(), a);
}

/// Arithmetic in 32 or 8 bits, which may wrap.
Value RandomMask::narrow(unsigned depth) {
  Type type = builder.getIntegerType(uniform(0, 3) == 0 ? 8 : 32);
  Value a = make<arith::IndexCastOp>(type, integer(depth - 1));
  Value b = make<arith::IndexCastOp>(type, integer(depth - 1));
  Value result =
      uniform(0, 1) ? make<arith::AddIOp>(a, b) : make<arith::SubIOp>(a, b);
  if (uniform(0, 3) == 0)
    return make<arith::IndexCastUIOp>(builder.getIndexType(), result);
  return make<arith::IndexCastOp>(builder.getIndexType(), result);
}

Value RandomMask::affine(unsigned depth) {
  AffineExpr x, y;
  bindDims(builder.getContext(), x, y);
  AffineExpr expr;
  int64_t divisor = uniform(1, 9);
  switch (uniform(0, 3)) {
  case 0:
    expr = x.floorDiv(divisor) - y;
    break;
  case 1:
    expr = x.ceilDiv(divisor) + y * uniform(-2, 2);
    break;
  case 2:
    expr = (x - y) % divisor;
    break;
  default:
    expr = (x + uniform(-9, 9)).floorDiv(divisor) * divisor + y;
    break;
  }
  SmallVector<Value> operands{integer(depth - 1), integer(depth - 1)};
  return make<affine::AffineApplyOp>(AffineMap::get(2, 0, expr), operands);
}

Value RandomMask::integer(unsigned depth) {
  if (depth == 0)
    return leaf();
  switch (uniform(0, 13)) {
  case 0:
  case 1:
  case 2:
    return leaf();
  case 3:
  case 4:
  case 5:
  case 6:
    return binary(depth);
  case 7:
  case 8:
    return division(depth);
  case 9:
    return narrow(depth);
  case 10:
    return affine(depth);
  case 11:
    return make<math::AbsIOp>(integer(depth - 1));
  case 12: {
    Value bit = predicate(0);
    Value wide = uniform(0, 1)
                     ? make<arith::ExtUIOp>(builder.getI32Type(), bit)
                     : make<arith::ExtSIOp>(builder.getI32Type(), bit);
    return make<arith::IndexCastOp>(builder.getIndexType(), wide);
  }
  default:
    return make<arith::SelectOp>(predicate(0), integer(depth - 1),
                                 integer(depth - 1));
  }
}

Value RandomMask::comparison() {
  auto predicate =
      arith::CmpIPredicate(uniform(0, 5) ? uniform(2, 5) : uniform(0, 9));
  unsigned depth = uniform(0, 2);
  return make<arith::CmpIOp>(predicate, integer(depth),
                             integer(uniform(0, depth)));
}

/// j against i plus something, i or j alone, or segments.
Value RandomMask::typicalComparison() {
  Value i = block.getArgument(2), j = block.getArgument(3);
  Value offset = uniform(0, 1)
                     ? constant(uniform(-20, 20))
                     : indexSymbols[uniform(0, indexSymbols.size() - 1)];
  auto predicate = arith::CmpIPredicate(uniform(2, 5));
  Value size = constant(uniform(1, 12));
  switch (uniform(0, 4)) {
  case 0:
  case 1:
    return make<arith::CmpIOp>(predicate, j, make<arith::AddIOp>(i, offset));
  case 2:
    return make<arith::CmpIOp>(predicate, j, offset);
  case 3:
    return make<arith::CmpIOp>(predicate, i, offset);
  default:
    return make<arith::CmpIOp>(
        arith::CmpIPredicate(uniform(0, 5)), make<arith::FloorDivSIOp>(j, size),
        make<arith::DivUIOp>(make<arith::AddIOp>(i, size), size));
  }
}

Value RandomMask::predicate(unsigned depth) {
  if (depth == 0 || uniform(0, 5) == 0) {
    switch (uniform(0, 19)) {
    case 0:
      return boolSymbols[uniform(0, boolSymbols.size() - 1)];
    case 1: {
      OperationState state(loc, "test.opaque");
      state.addOperands({block.getArgument(2), integer(1)});
      state.addTypes(builder.getI1Type());
      return builder.create(state)->getResult(0);
    }
    case 2:
      return make<arith::ConstantIntOp>(uniform(0, 1), 1);
    default:
      return uniform(0, 1) ? comparison() : typicalComparison();
    }
  }
  Value a = predicate(depth - 1), b = predicate(depth - 1);
  switch (uniform(0, 10)) {
  case 0:
    return make<arith::XOrIOp>(a, b);
  case 1:
    return make<arith::SelectOp>(predicate(0), a, b);
  case 2:
    return make<arith::XOrIOp>(a, make<arith::ConstantIntOp>(1, 1));
  case 3:
    return make<arith::CmpIOp>(uniform(0, 1) ? arith::CmpIPredicate::eq
                                             : arith::CmpIPredicate::ne,
                               a, b);
  case 4:
  case 5:
  case 6:
    return make<arith::OrIOp>(a, b);
  default:
    return make<arith::AndIOp>(a, b);
  }
}

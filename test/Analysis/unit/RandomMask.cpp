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
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;
using namespace ::attn::test;

Value RandomMask::constant(int64_t value) {
  return make<arith::ConstantIndexOp>(value);
}

Value RandomMask::leaf() {
  if (!tables.empty() && uniform(0, 7) == 0)
    return readIndex(uniform(0, 1));
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

//===----------------------------------------------------------------------===//
// Patterns
//===----------------------------------------------------------------------===//

Value RandomMask::map(AffineExpr expr, Value x, Value y) {
  return make<affine::AffineApplyOp>(AffineMap::get(2, 0, expr),
                                     ArrayRef<Value>{x, y});
}

Value RandomMask::compare(Value a, Value b) {
  return make<arith::CmpIOp>(arith::CmpIPredicate(uniform(0, 5)), a, b);
}

/// The remainder of a difference, a sum, or the key.
Value RandomMask::residues() {
  Value i = block.getArgument(2), j = block.getArgument(3);
  AffineExpr x, y;
  bindDims(builder.getContext(), x, y);
  int64_t period = uniform(2, 9);
  Value rest;
  switch (uniform(0, 6)) {
  case 6:
    gridDivisors = {period};
    rest = map((y % period) % uniform(2, 4), i, j);
    break;
  case 0: {
    Value distance = make<arith::SubIOp>(i, j);
    rest = make<arith::RemSIOp>(distance, constant(period));
    return make<arith::CmpIOp>(arith::CmpIPredicate(uniform(0, 1)), rest,
                               constant(0));
  }
  case 1:
    rest = map((x - y + uniform(-3, 3)) % period, i, j);
    break;
  case 2:
    rest = map((y - x) % period, i, j);
    break;
  case 3:
    rest = map((x + y + uniform(0, 3)) % period, i, j);
    break;
  case 4:
    rest = map((y + uniform(-5, 5)) % period, i, j);
    break;
  default:
    rest = map(y.floorDiv(uniform(1, 4)) % period, i, j);
    break;
  }
  Value other =
      uniform(0, 3) ? constant(uniform(0, period - 1)) : map(x % period, i, j);
  return compare(rest, other);
}

/// Distances of lines, or within them, in a grid; windows clamped inside.
Value RandomMask::grid() {
  Value i = block.getArgument(2), j = block.getArgument(3);
  AffineExpr x, y;
  bindDims(builder.getContext(), x, y);
  int64_t width = uniform(2, 8), size = uniform(2, 6), reach = uniform(0, 2);
  int64_t base = uniform(0, 2) ? 1 : width;
  width *= base;
  gridDivisors = {width * size * uniform(1, 2), width};
  if (base != 1)
    gridDivisors = {width, base};
  auto within = [&](AffineExpr axis) {
    return base == 1 ? axis % width : (axis % width).floorDiv(base);
  };
  auto distance = [&](AffineExpr a, AffineExpr b) {
    Value absolute = make<math::AbsIOp>(map(a - b, i, j));
    return make<arith::CmpIOp>(arith::CmpIPredicate::sle, absolute,
                               constant(reach));
  };
  switch (uniform(0, 5)) {
  case 0:
    return distance(x.floorDiv(width), y.floorDiv(width));
  case 1:
    return distance(within(x), within(y));
  case 2:
    return distance(x.floorDiv(width) % size, y.floorDiv(width) % size);
  case 3:
    return make<arith::AndIOp>(distance(x.floorDiv(width), y.floorDiv(width)),
                               distance(within(x), within(y)));
  case 4:
    return compare(map(within(x) - within(y), i, j),
                   constant(uniform(-reach, reach)));
  default: {
    // The window's first cell, clamped to the line.
    Value first = map(within(x) - reach, i, j);
    first = make<arith::MaxSIOp>(first, constant(0));
    first = make<arith::MinSIOp>(first, constant(width / base - reach));
    Value cell = map(within(y), i, j);
    Value end = make<arith::AddIOp>(first, constant(reach + 1));
    return make<arith::AndIOp>(
        make<arith::CmpIOp>(arith::CmpIPredicate::sge, cell, first),
        make<arith::CmpIOp>(arith::CmpIPredicate::slt, cell, end));
  }
  }
}

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

const MaskTable &RandomMask::pickTable(MaskTable::Reach reach, bool isBool) {
  SmallVector<const MaskTable *> found;
  for (const MaskTable &table : tables)
    if (table.reach == reach &&
        getElementTypeOrSelf(table.tensor.getType()).isInteger(1) == isBool)
      found.push_back(&table);
  return *found[uniform(0, found.size() - 1)];
}

Value RandomMask::clamp(Value index, Value tensor, unsigned dim) {
  Value size = make<tensor::DimOp>(tensor, int64_t(dim));
  Value last = make<arith::SubIOp>(size, constant(1));
  return make<arith::MinSIOp>(make<arith::MaxSIOp>(index, constant(0)), last);
}

Value RandomMask::read(const MaskTable &table) {
  readsTable = true;
  Value index = block.getArgument(table.reach == MaskTable::Rows ? 2 : 3);
  unsigned rank = cast<ShapedType>(table.tensor.getType()).getRank();
  if (table.reach == MaskTable::Anything) {
    AffineExpr x, y;
    bindDims(builder.getContext(), x, y);
    index = block.getArgument(uniform(2, 3));
    AffineExpr expr = (x + uniform(-6, 6)).floorDiv(uniform(1, 5));
    index = clamp(map(expr, index, index), table.tensor, rank - 1);
  }
  SmallVector<Value> position(1, index);
  if (rank == 2)
    position.insert(position.begin(), block.getArgument(uniform(0, 1)));
  return make<tensor::ExtractOp>(table.tensor, position);
}

Value RandomMask::readIndex(bool onKey) {
  MaskTable::Reach reach = uniform(0, 3) == 0 ? MaskTable::Anything
                           : onKey            ? MaskTable::Keys
                                              : MaskTable::Rows;
  return make<arith::IndexCastOp>(builder.getIndexType(),
                                  read(pickTable(reach, false)));
}

/// A truth value for each pair, or for a block of pairs.
Value RandomMask::blockLiteral() {
  readsTable = true;
  AffineExpr x, y;
  bindDims(builder.getContext(), x, y);
  Value i = block.getArgument(2), j = block.getArgument(3);
  int64_t rows = uniform(kMinBlock, 12), keys = uniform(kMinBlock, 20);
  SmallVector<Value, 2> position = {map(x.floorDiv(rows), i, j),
                                    map(y.floorDiv(keys), i, j)};
  Value table = blockTable;
  switch (uniform(0, 3)) {
  case 0:
    table = pairTable;
    position = {i, j};
    break;
  case 1:
    table = clampedTable;
    for (auto [dim, index] : llvm::enumerate(position))
      index = clamp(index, table, dim);
    break;
  default:
    break;
  }
  return make<tensor::ExtractOp>(table, position);
}

Value RandomMask::tableLiteral() {
  auto equality = arith::CmpIPredicate(uniform(0, 2) ? 0 : uniform(0, 5));
  Value i = block.getArgument(2), j = block.getArgument(3);
  switch (uniform(0, 9)) {
  case 0:
  case 1:
  case 2: {
    Value row = read(pickTable(MaskTable::Rows, false));
    Value key = read(pickTable(MaskTable::Keys, false));
    if (uniform(0, 2) == 0) {
      Value wide = make<arith::IndexCastOp>(builder.getIndexType(), key);
      key = make<arith::AddIOp>(wide, constant(uniform(-2, 2)));
      row = make<arith::IndexCastOp>(builder.getIndexType(), row);
    }
    return make<arith::CmpIOp>(equality, row, key);
  }
  case 3:
    return read(pickTable(MaskTable::Keys, true));
  case 4:
    return read(pickTable(MaskTable::Rows, true));
  case 5:
    return compare(readIndex(true), constant(uniform(-2, 8)));
  case 6:
    return compare(j, readIndex(false));
  case 7:
    return compare(i, readIndex(true));
  case 8:
    return make<arith::CmpIOp>(equality, readIndex(true),
                               uniform(0, 1) ? readIndex(false)
                                             : indexSymbols.front());
  default:
    return uniform(0, 1) ? compare(readIndex(false), readIndex(true))
                         : blockLiteral();
  }
}

Value RandomMask::literal() {
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
  case 3:
  case 4:
    return residues();
  case 5:
  case 6:
    return grid();
  default:
    if (!tables.empty() && uniform(0, 1))
      return tableLiteral();
    return uniform(0, 1) ? comparison() : typicalComparison();
  }
}

Value RandomMask::predicate(unsigned depth) {
  if (depth == 0 || uniform(0, 5) == 0)
    return literal();
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

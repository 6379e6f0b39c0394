//===- RowTiles.cpp - The rows of a task ----------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Mostly the rows of a task follow each other. Masks that keep residues of the
// key want rows with one residue, `stride` apart; masks of a grid want patches
// of it, for which the rows of query and results become the grid's axes.
//
//===----------------------------------------------------------------------===//

#include "TaskBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// Tasks
//===----------------------------------------------------------------------===//

Value TaskBuilder::countTasks() {
  if (axes.size() == 1)
    return ceilDiv(numQueries,
                   mul(blocksPerTask, constant(schedule.blockQueries)));
  if (isResidue()) {
    // The first (L mod stride) residues have one row more than the others.
    Value stride = constant(axes.front().stride),
          tile = constant(axes.front().tile);
    Value quotient = b.createOrFold<arith::DivUIOp>(loc, numQueries, stride);
    longResidues = sub(numQueries, mul(quotient, stride));
    blocksOfLong = ceilDiv(add(quotient, constant(1)), tile);
    blocksOfShort = ceilDiv(quotient, tile);
    return add(mul(longResidues, blocksOfLong),
               mul(sub(stride, longResidues), blocksOfShort));
  }
  Value count =
      ceilDiv(numQueries, constant(axes.front().stride * axes.front().tile));
  for (const TileAxis &axis : ArrayRef(axes).drop_front())
    count = mul(count, ceilDiv(constant(axis.size), constant(axis.tile)));
  return count;
}

void TaskBuilder::locateRows(Value task) {
  auto divide = [&](Value lhs, Value rhs) {
    return b.createOrFold<arith::DivUIOp>(loc, lhs, rhs);
  };
  Value one = constant(1);
  if (axes.size() == 1) {
    Value perTask = mul(blocksPerTask, constant(schedule.blockQueries));
    Value first = mul(task, perTask);
    Value count = features || !shared
                      ? remaining(numQueries, first, schedule.blockQueries)
                      : min(perTask, sub(numQueries, first));
    firstRows = {first};
    numRowsOf = {count};
  } else if (isResidue()) {
    Value longTasks = mul(longResidues, blocksOfLong);
    Value isLong = less(task, longTasks);
    Value rest = select(isLong, task, sub(task, longTasks));
    Value blocks = select(isLong, blocksOfLong, blocksOfShort);
    Value inGroup = divide(rest, blocks);
    Value residue = add(inGroup, select(isLong, constant(0), longResidues));
    Value block = sub(rest, mul(inGroup, blocks));
    Value first = mul(block, constant(axes.front().tile));
    Value quotient = divide(numQueries, constant(axes.front().stride));
    Value rows = add(quotient, select(isLong, one, constant(0)));
    firstRows = {first, residue};
    numRowsOf = {remaining(rows, first, axes.front().tile), one};
  } else {
    firstRows.assign(axes.size(), Value());
    numRowsOf = firstRows;
    for (size_t i = axes.size(); i-- > 0;) {
      Value size = i ? constant(axes[i].size)
                     : divide(numQueries, constant(axes[0].stride));
      Value block = task;
      if (i) {
        Value blocks = ceilDiv(size, constant(axes[i].tile));
        Value outer = divide(task, blocks);
        block = sub(task, mul(outer, blocks));
        task = outer;
      }
      firstRows[i] = mul(block, constant(axes[i].tile));
      numRowsOf[i] = remaining(size, firstRows[i], axes[i].tile);
    }
  }
  rowRanges.clear();
  for (auto [first, count] : llvm::zip(firstRows, numRowsOf)) {
    Value last =
        getConstantIntValue(count) == 1 ? first : sub(add(first, count), one);
    rowRanges.push_back({first, last});
  }
}

// The position in the problem of a lane's row; lanes beyond the grid repeat
// the last row of each axis.
Value TaskBuilder::rowPosition(Value lane) {
  Value position;
  int64_t inner = 1;
  for (size_t i = axes.size(); i-- > 0;) {
    Value digit = lane;
    if (inner > 1)
      digit = b.createOrFold<arith::DivUIOp>(loc, digit, constant(inner));
    if (i > 0)
      digit =
          b.createOrFold<arith::RemUIOp>(loc, digit, constant(axes[i].tile));
    Value row = add(firstRows[i], digit);
    if (isGrid())
      row = min(row, rowRanges[i].last);
    Value part = mul(row, constant(axes[i].stride));
    position = position ? add(position, part) : part;
    inner *= axes[i].tile;
  }
  return position;
}

//===----------------------------------------------------------------------===//
// Slices
//===----------------------------------------------------------------------===//

void TaskBuilder::appendRows(Slice &slice, SmallVectorImpl<int64_t> &shape) {
  auto append = [&](OpFoldResult offset, Value size, int64_t stride) {
    OpFoldResult count = getAsOpFoldResult(size);
    slice.offsets.push_back(offset);
    slice.sizes.push_back(count);
    slice.strides.push_back(b.getIndexAttr(stride));
    slice.kept.push_back(kQuery);
    shape.push_back(getConstantIntValue(count).value_or(ShapedType::kDynamic));
  };
  if (isResidue()) {
    Value first =
        add(mul(firstRows[0], constant(axes[0].stride)), firstRows[1]);
    append(first, numRowsOf[0], axes[0].stride);
    return;
  }
  for (auto [first, count] : llvm::zip(firstRows, numRowsOf))
    append(first, count, 1);
}

static bool isQuery(AffineExpr expr) { return expr.isFunctionOfDim(kQuery); }

SmallVector<ReassociationIndices> TaskBuilder::rowGroups(AffineMap map) {
  SmallVector<ReassociationIndices> groups;
  int64_t next = 0;
  for (AffineExpr expr : map.getResults()) {
    ReassociationIndices &group = groups.emplace_back();
    for (size_t i = 0; i < (isQuery(expr) ? axes.size() : 1); ++i)
      group.push_back(next++);
  }
  return groups;
}

Value TaskBuilder::expandRows(Value operand, AffineMap map) {
  if (!isGrid())
    return operand;
  auto type = cast<RankedTensorType>(operand.getType());
  SmallVector<int64_t> shape;
  for (auto [size, expr] : llvm::zip(type.getShape(), map.getResults())) {
    if (!isQuery(expr)) {
      shape.push_back(size);
      continue;
    }
    shape.push_back(size / axes.front().stride);
    for (const TileAxis &axis : ArrayRef(axes).drop_front())
      shape.push_back(axis.size);
  }
  auto expanded = RankedTensorType::get(shape, type.getElementType());
  if (auto empty = operand.getDefiningOp<tensor::EmptyOp>())
    return tensor::EmptyOp::create(b, loc, expanded, empty.getDynamicSizes());
  return tensor::ExpandShapeOp::create(b, loc, expanded, operand,
                                       rowGroups(map));
}

Value TaskBuilder::collapseRows(Value operand, AffineMap map, Type type) {
  if (!isGrid())
    return operand;
  return tensor::CollapseShapeOp::create(b, loc, type, operand, rowGroups(map));
}

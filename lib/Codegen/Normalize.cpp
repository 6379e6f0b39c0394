//===- Normalize.cpp - attn.normalize and fills as vector code ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Codegen/MicroKernel.h"
#include "attn/Codegen/TileOps.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include <cmath>

using namespace mlir;
using namespace mlir::attn;

namespace {

class NormalizeEmitter {
public:
  NormalizeEmitter(OpBuilder &builder, NormalizeOp op, const CPUTarget &target)
      : op(op), accumulator(op.getAccumulator()), output(op.getOutput()),
        outputElement(cast<MemRefType>(output.getType()).getElementType()),
        k(builder, op.getLoc(),
          cast<FloatType>(
              cast<MemRefType>(accumulator.getType()).getElementType()),
          target),
        rowAxes(*getRowAxes(op.getOutputMap())) {}

  void emit() {
    AffineExpr r = getAffineDimExpr(1, op.getContext());
    AffineExpr c = getAffineDimExpr(2, op.getContext());
    AffineMap to = op.getOutputMap();
    auto shape = cast<MemRefType>(accumulator.getType()).getShape();
    bool transposed =
        ArrayRef<AffineExpr>{c, r} == op.getAccumulatorMap().getResults() &&
        to.getResults().back() == c && !rowAxes.empty() &&
        !to.isFunctionOfDim(0);
    if (transposed && !ShapedType::isDynamic(shape[1]) &&
        shape[1] % k.lanes == 0)
      emitTransposed();
    else
      emitRows();
  }

private:
  /// 1 / sum, and 0 for a row without keys. Scalar or vector.
  Value reciprocal(Value sum, Value zero, Value one) {
    Value empty = arith::CmpFOp::create(k.builder, k.loc,
                                        arith::CmpFPredicate::OEQ, sum, zero);
    return arith::SelectOp::create(k.builder, k.loc, empty, zero,
                                   k.div(one, sum));
  }
  /// (max + log2(sum)) / log2(e); -infinity for a row without keys.
  Value logSumExp(Value maximum, Value sum, Value zero, Value scale,
                  Value infinity) {
    Value empty = arith::CmpFOp::create(k.builder, k.loc,
                                        arith::CmpFPredicate::OEQ, sum, zero);
    Value log = math::Log2Op::create(k.builder, k.loc, sum);
    return arith::SelectOp::create(k.builder, k.loc, empty, infinity,
                                   k.mul(k.add(maximum, log), scale));
  }
  /// The map's results without the column, for maximum, sum, log-sum-exp.
  static AffineMap withoutColumn(AffineMap map) {
    SmallVector<AffineExpr> results;
    for (AffineExpr result : map.getResults())
      if (!result.isFunctionOfDim(2))
        results.push_back(result);
    return AffineMap::get(3, 0, results, map.getContext());
  }
  SmallVector<Value> apply(AffineMap map, ValueRange position) {
    SmallVector<Value> indices;
    for (AffineExpr result : map.getResults())
      indices.push_back(affine::expandAffineExpr(k.builder, k.loc, result,
                                                 position, ValueRange()));
    return indices;
  }
  Value extent(AffineMap map, Value buffer, unsigned dimension) {
    for (auto [position, expr] : llvm::enumerate(map.getResults()))
      if (expr.isFunctionOfDim(dimension))
        return k.dim(buffer, position);
    return k.index(1);
  }
  bool isGrid() { return rowAxes.size() > 1; }
  /// Rows of the state up to the last one the output has.
  Value numRows() {
    if (rowAxes.empty())
      return k.index(1);
    return k.mulIndex(k.dim(output, rowAxes.front().position),
                      k.index(rowAxes.front().stride));
  }
  /// Calls `body` with every `step`-th row. A row beyond the end of an axis is
  /// written over its last index, before the row that belongs there: in a grid
  /// from the last to the first.
  void forRows(int64_t step, llvm::function_ref<void(Value row)> body);
  /// Where the row goes in output or log-sum-exp.
  SmallVector<Value> place(AffineMap map, Value buffer, ValueRange position);

  void emitTransposed();
  void emitTransposedBlock(Value row, Value column, Value columns,
                           Value factor);
  void emitLse(Value row, Value sum);
  void emitRows();

  NormalizeOp op;
  Value accumulator, output;
  Type outputElement;
  KernelBuilder k;
  SmallVector<RowAxis> rowAxes;
};

} // namespace

void NormalizeEmitter::forRows(int64_t step,
                               llvm::function_ref<void(Value row)> body) {
  Value rows = numRows();
  Value last =
      isGrid() ? k.mulIndex(k.subIndex(k.ceilDivIndex(rows, step), k.index(1)),
                            k.index(step))
               : Value();
  k.loop(k.index(0), rows, step,
         [&](Value row) { body(last ? k.subIndex(last, row) : row); });
}

SmallVector<Value> NormalizeEmitter::place(AffineMap map, Value buffer,
                                           ValueRange position) {
  SmallVector<Value> indices = apply(map, position);
  for (auto [number, expr] : llvm::enumerate(map.getResults()))
    if (expr.isFunctionOfDim(1)) {
      Value last = k.subIndex(k.dim(buffer, number), k.index(1));
      indices[number] = k.minIndex(indices[number], last);
    }
  return indices;
}

void NormalizeEmitter::emitTransposed() {
  Value columns = extent(op.getOutputMap(), output, 2);
  forRows(k.lanes, [&](Value row) {
    Value sum = k.load(op.getSum(), {row});
    Value factor = reciprocal(sum, k.splat(0.0), k.splat(1.0));
    if (op.getLse())
      emitLse(row, sum);
    k.loop(k.index(0), columns, k.lanes, [&](Value column) {
      emitTransposedBlock(row, column, columns, factor);
    });
  });
}

void NormalizeEmitter::emitTransposedBlock(Value row, Value column,
                                           Value columns, Value factor) {
  Value lastColumn = k.subIndex(columns, k.index(1));
  std::optional<int64_t> width = getConstantIntValue(columns);
  bool whole = width && *width % k.lanes == 0;
  SmallVector<Value> block;
  for (unsigned i = 0; i < k.lanes; ++i) {
    Value clamped = k.minIndex(k.addIndex(column, i), lastColumn);
    block.push_back(k.mul(k.load(accumulator, {clamped, row}), factor));
  }
  block = transpose(k, block);
  Value mask = whole ? Value() : k.laneMask(k.subIndex(columns, column));
  // From the last to the first: where rows end inside the block, the last
  // write to the last row is the right one.
  for (unsigned i = k.lanes; i-- > 0;) {
    SmallVector<Value> target = place(op.getOutputMap(), output,
                                      {k.index(0), k.addIndex(row, i), column});
    Value rounded = k.convertFloat(block[i], outputElement);
    if (whole)
      k.store(rounded, output, target);
    else
      k.storeFirst(rounded, output, target, mask);
  }
}

void NormalizeEmitter::emitLse(Value row, Value sum) {
  Value lse = logSumExp(k.load(op.getMaximum(), {row}), sum, k.splat(0.0),
                        k.splat(std::log(2.0)), k.negativeInfinity());
  for (unsigned i = k.lanes; i-- > 0;) {
    Value lane = vector::ExtractOp::create(k.builder, k.loc, lse, int64_t(i));
    Value zero = k.index(0);
    k.storeScalar(
        lane, op.getLse(),
        place(op.getLseMap(), op.getLse(), {zero, k.addIndex(row, i), zero}));
  }
}

// Rows stay rows, as after a step with the features in the lanes; and any
// other maps, whose columns are then read one by one.
void NormalizeEmitter::emitRows() {
  AffineMap from = op.getAccumulatorMap(), to = op.getOutputMap();
  AffineExpr column = getAffineDimExpr(2, op.getContext());
  bool contiguous =
      from.getResults().back() == column && to.getResults().back() == column;
  Value columns = extent(to, output, 2);
  k.loop(k.index(0), extent(to, output, 0), 1, [&](Value head) {
    forRows(1, [&](Value row) {
      Value zero = k.index(0);
      SmallVector<Value> position = {head, row, zero};
      SmallVector<Value> state = apply(withoutColumn(from), position);
      Value sum = k.loadScalar(op.getSum(), state);
      Value factor = reciprocal(sum, k.scalar(0.0), k.scalar(1.0));
      if (op.getLse())
        k.storeScalar(
            logSumExp(k.loadScalar(op.getMaximum(), state), sum, k.scalar(0.0),
                      k.scalar(std::log(2.0)),
                      k.scalar(-std::numeric_limits<double>::infinity())),
            op.getLse(), place(op.getLseMap(), op.getLse(), position));
      k.loop(zero, columns, contiguous ? k.lanes : 1, [&](Value at) {
        SmallVector<Value> read = apply(from, {head, row, at});
        SmallVector<Value> write = place(to, output, {head, row, at});
        if (!contiguous) {
          Value value = k.mul(k.loadScalar(accumulator, read), factor);
          k.storeScalar(k.convertFloat(value, outputElement), output, write);
          return;
        }
        Value mask = k.laneMask(k.subIndex(columns, at));
        Value loaded = k.loadFirst(accumulator, read, mask, k.vectorType);
        Value value = k.mul(loaded, k.broadcast(factor));
        k.storeFirst(k.convertFloat(value, outputElement), output, write, mask);
      });
    });
  });
}

LogicalResult mlir::attn::emitNormalize(OpBuilder &builder, NormalizeOp op,
                                        const CPUTarget &target) {
  NormalizeEmitter(builder, op, target).emit();
  return success();
}

bool mlir::attn::canEmitFill(linalg::FillOp op, const CPUTarget &target) {
  auto type = dyn_cast<MemRefType>(op.getOutputs().front().getType());
  if (!type || !type.hasStaticShape() || !type.getLayout().isIdentity() ||
      type.getRank() == 0)
    return false;
  auto element = dyn_cast<FloatType>(type.getElementType());
  if (!element || (!element.isF32() && !element.isF64()))
    return false;
  return type.getNumElements() % target.getLanes(element.getWidth()) == 0;
}

void mlir::attn::emitFill(OpBuilder &builder, linalg::FillOp op,
                          const CPUTarget &target) {
  Value buffer = op.getOutputs().front();
  auto type = cast<MemRefType>(buffer.getType());
  KernelBuilder k(builder, op.getLoc(), cast<FloatType>(type.getElementType()),
                  target);
  if (type.getRank() > 1) {
    SmallVector<ReassociationIndices> all(1);
    llvm::append_range(all.front(), llvm::seq<int64_t>(type.getRank()));
    buffer = memref::CollapseShapeOp::create(builder, op.getLoc(), buffer, all);
  }
  Value splat = k.broadcast(op.getInputs().front());
  k.loop(k.index(0), k.index(type.getNumElements()), k.lanes,
         [&](Value at) { k.store(splat, buffer, {at}); });
}

//===- Pack.cpp - attn.pack as vector code --------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Codegen/MicroKernel.h"
#include "attn/Codegen/TileOps.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Affine/Utils.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mlir::attn;

namespace {

/// Positions of heads, rows and columns in the maps of `attn.pack`.
enum PackDim : unsigned { kHeads, kRows, kColumns };

FloatType getWidest(OpBuilder &b, Type lhs, Type rhs) {
  bool isDouble = lhs.isF64() || rhs.isF64();
  return isDouble ? cast<FloatType>(b.getF64Type())
                  : cast<FloatType>(b.getF32Type());
}

class PackEmitter {
public:
  PackEmitter(OpBuilder &builder, PackOp op, const CPUTarget &target)
      : op(op), source(op.getSource()), destination(op.getDestination()),
        sourceType(cast<MemRefType>(source.getType())),
        destinationType(cast<MemRefType>(destination.getType())),
        k(builder, op.getLoc(),
          getWidest(builder, sourceType.getElementType(),
                    destinationType.getElementType()),
          target),
        rowAxes(*getRowAxes(op.getSourceMap())) {}

  void emit();

private:
  AffineExpr dim(unsigned position) {
    return getAffineDimExpr(position, op.getContext());
  }
  bool destinationIs(ArrayRef<AffineExpr> results) {
    return op.getDestinationMap().getResults() == results;
  }
  /// Rows, or the axes of a grid of them, and columns: no heads.
  bool sourceIsRowMajor() {
    AffineMap map = op.getSourceMap();
    return map.getNumResults() > 1 &&
           map.getResults().back() == dim(kColumns) &&
           !map.isFunctionOfDim(kHeads);
  }
  SmallVector<Value> apply(AffineMap map, ValueRange position) {
    SmallVector<Value> indices;
    for (AffineExpr result : map.getResults())
      indices.push_back(affine::expandAffineExpr(k.builder, k.loc, result,
                                                 position, ValueRange()));
    return indices;
  }
  /// Extent of a dimension of the pack in one of its operands; 1 when absent.
  Value extent(AffineMap map, Value buffer, unsigned dimension);
  /// Where in the source an element of the destination comes from; rows beyond
  /// the source repeat the last one, along each axis of a grid.
  SmallVector<Value> sourceIndices(Value head, Value row, Value column);
  /// True where the row is one of the source's.
  Value hasRow(Value row);
  Value scaleValue(Type type);
  bool isScaled() { return op.getScale() || op.getScaleValue(); }
  Value scaled(Value vector);
  Value pairsAsColumns(Value buffer) {
    SmallVector<ReassociationIndices> groups = {{0}, {1, 2}};
    return memref::CollapseShapeOp::create(k.builder, k.loc, buffer, groups);
  }

  void emitTransposed();
  void emitTransposedPairs();
  /// Transposes blocks of `load`ed rows into `store`d ones.
  void
  emitBlocks(Value rows, Value columns,
             llvm::function_ref<Value(Value row, Value column)> load,
             llvm::function_ref<void(Value, Value row, Value column)> store);
  void emitRowPairs();
  void emitRows();
  void emitElements();

  PackOp op;
  Value source, destination;
  MemRefType sourceType, destinationType;
  KernelBuilder k;
  SmallVector<RowAxis> rowAxes;
};

} // namespace

Value PackEmitter::extent(AffineMap map, Value buffer, unsigned dimension) {
  Value result = k.index(1);
  for (auto [position, expr] : llvm::enumerate(map.getResults()))
    if (expr.isFunctionOfDim(dimension))
      result = k.mulIndex(result, k.dim(buffer, position));
  return result;
}

SmallVector<Value> PackEmitter::sourceIndices(Value head, Value row,
                                              Value column) {
  Value one = k.index(1);
  if (Value list = op.getGather()) {
    Value last = k.subIndex(k.dim(list, 0), one);
    row = k.loadScalar(list, {k.minIndex(row, last)});
  }
  SmallVector<Value> indices = apply(op.getSourceMap(), {head, row, column});
  if (!op.getGather())
    for (const RowAxis &axis : rowAxes) {
      Value last = k.subIndex(k.dim(source, axis.position), one);
      indices[axis.position] = k.minIndex(indices[axis.position], last);
    }
  return indices;
}

Value PackEmitter::hasRow(Value row) {
  auto isBelow = [&](Value index, Value size) {
    return k.builder.createOrFold<arith::CmpIOp>(
        k.loc, arith::CmpIPredicate::slt, index, size);
  };
  if (Value list = op.getGather())
    return isBelow(row, k.dim(list, 0));
  SmallVector<Value> indices =
      apply(op.getSourceMap(), {k.index(0), row, k.index(0)});
  Value result;
  for (const RowAxis &axis : rowAxes) {
    Value inside =
        isBelow(indices[axis.position], k.dim(source, axis.position));
    result = result
                 ? k.builder.createOrFold<arith::AndIOp>(k.loc, result, inside)
                 : inside;
  }
  return result ? result : isBelow(row, k.index(1));
}

Value PackEmitter::scaleValue(Type type) {
  OpBuilder &b = k.builder;
  if (!op.getScale()) {
    double value = op.getScaleValueAttr().getValueAsDouble();
    return arith::ConstantOp::create(b, k.loc, b.getFloatAttr(type, value));
  }
  return k.convertFloat(op.getScale(), type);
}

Value PackEmitter::scaled(Value vector) {
  if (!isScaled())
    return vector;
  return k.mul(vector, k.broadcast(scaleValue(k.type)));
}

void PackEmitter::emit() {
  AffineExpr r = dim(kRows), c = dim(kColumns);
  AffineExpr two = getAffineConstantExpr(2, op.getContext());
  bool rowMajor = sourceIsRowMajor();
  bool bothBF16 = sourceType.getElementType().isBF16() &&
                  destinationType.getElementType().isBF16() && !isScaled();
  // Columns match and rows fill whole vectors: no element needs a test.
  auto wholeLanes = [&](unsigned position) {
    int64_t size = destinationType.getDimSize(position);
    return !ShapedType::isDynamic(size) && size % k.lanes == 0;
  };
  int64_t sourceColumns = sourceType.getShape().back();
  bool evenColumns =
      !ShapedType::isDynamic(sourceColumns) && sourceColumns % 2 == 0;
  if (rowMajor && destinationIs({c, r}) && wholeLanes(1) &&
      destinationType.getElementType() == k.type)
    return emitTransposed();
  if (rowMajor && bothBF16 && evenColumns && wholeLanes(1) &&
      destinationIs({c.floorDiv(two), r, c % two}))
    return emitTransposedPairs();
  if (rowMajor && bothBF16 && destinationIs({r.floorDiv(two), c, r % two}))
    return emitRowPairs();
  if (op.getSourceMap().getResults().back() == c &&
      op.getDestinationMap().getResults().back() == c)
    return emitRows();
  emitElements();
}

void PackEmitter::emitBlocks(
    Value rows, Value columns, llvm::function_ref<Value(Value, Value)> load,
    llvm::function_ref<void(Value, Value, Value)> store) {
  Value lastColumn = k.subIndex(columns, k.index(1));
  k.loop(k.index(0), rows, k.lanes, [&](Value row) {
    k.loop(k.index(0), columns, k.lanes, [&](Value column) {
      SmallVector<Value> block;
      for (unsigned i = 0; i < k.lanes; ++i)
        block.push_back(load(k.addIndex(row, i), column));
      block = transpose(k, block);
      // From the last to the first: where columns end inside the block, the
      // last write to the last column is the right one.
      for (unsigned i = k.lanes; i-- > 0;)
        store(block[i], row, k.minIndex(k.addIndex(column, i), lastColumn));
    });
  });
}

void PackEmitter::emitTransposed() {
  Value columns = extent(op.getDestinationMap(), destination, kColumns);
  bool whole = destinationType.getDimSize(0) % int64_t(k.lanes) == 0 &&
               !destinationType.isDynamicDim(0);
  VectorType vector = k.vectorOf(sourceType.getElementType());
  emitBlocks(
      k.index(destinationType.getDimSize(1)), columns,
      [&](Value row, Value column) {
        SmallVector<Value> at = sourceIndices(k.index(0), row, column);
        if (whole)
          return scaled(k.convertFloat(k.load(source, at, vector), k.type));
        Value mask = k.laneMask(k.subIndex(columns, column));
        return scaled(
            k.convertFloat(k.loadFirst(source, at, mask, vector), k.type));
      },
      [&](Value vector, Value row, Value column) {
        k.store(vector, destination, {column, row});
      });
}

// As the transpose of 32-bit words that hold two columns each.
void PackEmitter::emitTransposedPairs() {
  OpBuilder &b = k.builder;
  Value target = pairsAsColumns(destination);
  Value words = k.dim(destination, 0);
  Value columns = k.mulIndex(words, k.index(2));
  auto pairs = VectorType::get({int64_t(2 * k.lanes)}, b.getBF16Type());
  VectorType word = k.vectorOf(b.getI32Type());
  bool whole = !destinationType.isDynamicDim(0) &&
               destinationType.getDimSize(0) % int64_t(k.lanes) == 0;
  emitBlocks(
      k.index(destinationType.getDimSize(1)), words,
      [&](Value row, Value column) -> Value {
        Value first = k.mulIndex(column, k.index(2));
        SmallVector<Value> at = sourceIndices(k.index(0), row, first);
        Value loaded;
        if (whole) {
          loaded = k.load(source, at, pairs);
        } else {
          Value count = k.maxIndex(k.subIndex(columns, first), k.index(0));
          Value mask = vector::CreateMaskOp::create(
              b, k.loc, VectorType::get({int64_t(2 * k.lanes)}, b.getI1Type()),
              count);
          loaded = k.loadFirst(source, at, mask, pairs);
        }
        return vector::BitCastOp::create(b, k.loc, word, loaded);
      },
      [&](Value vector, Value row, Value column) {
        Value packed = vector::BitCastOp::create(b, k.loc, pairs, vector);
        k.store(packed, target, {column, k.mulIndex(row, k.index(2))});
      });
}

// Two rows interleaved, zeros for rows beyond the source.
void PackEmitter::emitRowPairs() {
  OpBuilder &b = k.builder;
  Value target = pairsAsColumns(destination);
  Value columns = extent(op.getSourceMap(), source, kColumns);
  VectorType half = k.vectorOf(b.getBF16Type());
  Value zeros = arith::ConstantOp::create(b, k.loc, half, b.getZeroAttr(half));
  int64_t width = sourceType.getShape().back();
  bool whole = !ShapedType::isDynamic(width) && width % k.lanes == 0;
  auto wideMask = VectorType::get({int64_t(2 * k.lanes)}, b.getI1Type());
  k.loop(k.index(0), k.dim(destination, 0), 1, [&](Value pair) {
    Value even = k.mulIndex(pair, k.index(2));
    Value odd = k.addIndex(even, 1);
    Value hasEven = hasRow(even), hasOdd = hasRow(odd);
    k.loop(k.index(0), columns, k.lanes, [&](Value column) {
      Value left = k.subIndex(columns, column);
      auto load = [&](Value row, Value exists) -> Value {
        SmallVector<Value> at = sourceIndices(k.index(0), row, column);
        Value loaded = whole ? k.load(source, at, half)
                             : k.loadFirst(source, at, k.laneMask(left), half);
        return arith::SelectOp::create(b, k.loc, exists, loaded, zeros);
      };
      Value first = load(even, hasEven), second = load(odd, hasOdd);
      Value both = vector::InterleaveOp::create(b, k.loc, first, second);
      Value position = k.mulIndex(column, k.index(2));
      if (whole) {
        k.store(both, target, {pair, position});
        return;
      }
      Value count =
          k.minIndex(k.mulIndex(left, k.index(2)), k.index(2 * k.lanes));
      Value mask = vector::CreateMaskOp::create(b, k.loc, wideMask, count);
      k.storeFirst(both, target, {pair, position}, mask);
    });
  });
}

// Rows stay rows: a converting, scaling copy.
void PackEmitter::emitRows() {
  Value heads = extent(op.getDestinationMap(), destination, kHeads);
  Value rows = extent(op.getDestinationMap(), destination, kRows);
  Value columns = extent(op.getDestinationMap(), destination, kColumns);
  Value sourceColumns = extent(op.getSourceMap(), source, kColumns);
  std::optional<int64_t> width = getConstantIntValue(columns);
  bool whole = width && *width % k.lanes == 0 &&
               getConstantIntValue(sourceColumns) == width;
  VectorType from = k.vectorOf(sourceType.getElementType());
  k.loop(k.index(0), heads, 1, [&](Value head) {
    k.loop(k.index(0), rows, 1, [&](Value row) {
      k.loop(k.index(0), columns, k.lanes, [&](Value column) {
        SmallVector<Value> read = sourceIndices(head, row, column);
        SmallVector<Value> write =
            apply(op.getDestinationMap(), {head, row, column});
        Value loaded =
            whole ? k.load(source, read, from)
                  : k.loadFirst(source, read,
                                k.laneMask(k.subIndex(sourceColumns, column)),
                                from);
        Value result = k.convertFloat(scaled(k.convertFloat(loaded, k.type)),
                                      destinationType.getElementType());
        if (whole)
          k.store(result, destination, write);
        else
          k.storeFirst(result, destination, write,
                       k.laneMask(k.subIndex(columns, column)));
      });
    });
  });
}

// Any maps: one element at a time.
void PackEmitter::emitElements() {
  OpBuilder &b = k.builder;
  AffineMap to = op.getDestinationMap();
  Value rows = extent(to, destination, kRows);
  Value columns = extent(to, destination, kColumns);
  Value sourceColumns = extent(op.getSourceMap(), source, kColumns);
  bool splitsRows = llvm::any_of(to.getResults(), [&](AffineExpr expr) {
    return expr != dim(kRows) && expr.isFunctionOfDim(kRows);
  });
  Value zero = k.scalar(0.0);
  k.loop(k.index(0), extent(to, destination, kHeads), 1, [&](Value head) {
    k.loop(k.index(0), rows, 1, [&](Value row) {
      k.loop(k.index(0), columns, 1, [&](Value column) {
        Value inColumns = arith::CmpIOp::create(
            b, k.loc, arith::CmpIPredicate::slt, column, sourceColumns);
        Value sourceColumn =
            k.minIndex(column, k.subIndex(sourceColumns, k.index(1)));
        Value value = k.convertFloat(
            k.loadScalar(source, sourceIndices(head, row, sourceColumn)),
            k.type);
        if (isScaled())
          value = k.mul(value, scaleValue(k.type));
        value = arith::SelectOp::create(b, k.loc, inColumns, value, zero);
        if (splitsRows)
          value = arith::SelectOp::create(b, k.loc, hasRow(row), value, zero);
        k.storeScalar(k.convertFloat(value, destinationType.getElementType()),
                      destination, apply(to, {head, row, column}));
      });
    });
  });
}

LogicalResult mlir::attn::emitPack(OpBuilder &builder, PackOp op,
                                   const CPUTarget &target) {
  PackEmitter(builder, op, target).emit();
  return success();
}

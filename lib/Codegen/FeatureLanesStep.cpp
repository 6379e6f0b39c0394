//===- FeatureLanesStep.cpp - A step with the features in the lanes -------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For few queries, as in decoding: lanes run along the width of keys and
// values, so that each key and value row is read once, contiguously, for all
// rows of the tile (the query heads of a group and their queries).
//
//===----------------------------------------------------------------------===//

#include "attn/Codegen/MicroKernel.h"
#include "attn/Codegen/OnlineStep.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::attn;

namespace {

class FeatureLanesStep {
public:
  FeatureLanesStep(OpBuilder &builder, OnlineAttentionOp op,
                   const CPUTarget &target)
      : op(op), k(builder, op.getLoc(), op.getComputeType(), target),
        in(k, op) {}

  LogicalResult emit() {
    ArrayRef<int64_t> shape = cast<MemRefType>(in.query.getType()).getShape();
    if (ShapedType::isDynamic(shape[0]) || ShapedType::isDynamic(shape[1]))
      return op.emitOpError(
          "expects a static number of heads and queries per tile");
    queriesPerHead = shape[1];
    numRows = shape[0] * shape[1];
    rowTile = std::min<int64_t>(
        {int64_t(llvm::PowerOf2Ceil(numRows)), 4, int64_t(k.lanes)});
    keyTile = k.lanes / rowTile;
    in.query = collapseRows(in.query);
    in.accumulator = collapseRows(in.accumulator);
    in.maximum = collapseRows(in.maximum);
    in.sum = collapseRows(in.sum);
    int64_t columns = llvm::alignTo(getMaxKeys(op), k.lanes) + k.lanes;
    scores = createScratch(
        k, {int64_t(llvm::alignTo(numRows, rowTile)), columns}, k.type);
    rescale = createScratch(k, {numRows}, k.type);
    emitScores();
    k.loop(k.index(0), k.index(numRows), 1,
           [&](Value row) { emitWeights(row); });
    emitValues();
    return success();
  }

private:
  /// Joins the leading dimensions, heads and queries.
  Value collapseRows(Value buffer) {
    SmallVector<ReassociationIndices> groups = {{0, 1}};
    for (int64_t d = 2; d < cast<MemRefType>(buffer.getType()).getRank(); ++d)
      groups.push_back({d});
    return memref::CollapseShapeOp::create(k.builder, k.loc, buffer, groups);
  }
  Value clampedRow(Value first, unsigned r) {
    return k.minIndex(k.addIndex(first, r), k.index(numRows - 1));
  }
  /// Loads a vector of any float type as the compute type; `mask` may be null.
  Value loadWide(Value buffer, ValueRange indices, Value mask) {
    Type element = cast<MemRefType>(buffer.getType()).getElementType();
    VectorType vector = k.vectorOf(element);
    Value loaded = mask ? k.loadFirst(buffer, indices, mask, vector)
                        : k.load(buffer, indices, vector);
    return k.convertFloat(loaded, k.type);
  }
  /// The row of the key some keys ahead, to ask for early. Each row is used
  /// once, so that memory is the limit; the hardware's own prefetching reaches
  /// two thirds of it.
  Value rowAhead(Value key) {
    constexpr int64_t kKeysAhead = 24;
    Value ahead = k.addIndex(key, kKeysAhead);
    if (!in.keyRows)
      return ahead;
    // Beyond the list: the rows behind its last one, most likely. Any row may
    // be asked for, but none looked up there.
    Value listed = k.minIndex(ahead, k.subIndex(in.numKeys, k.index(1)));
    return k.addIndex(in.keyRow(k, listed), k.subIndex(ahead, listed));
  }
  void prefetch(Value buffer, Value row, Value column) {
    memref::PrefetchOp::create(k.builder, k.loc, buffer,
                               ValueRange{row, column},
                               /*isWrite=*/false,
                               /*localityHint=*/3, /*isDataCache=*/true);
  }
  Value laneIndices(Value first) {
    VectorType type = k.vectorOf(k.builder.getIndexType());
    SmallVector<int64_t> lanes(llvm::to_vector(llvm::seq<int64_t>(k.lanes)));
    Value iota = arith::ConstantOp::create(
        k.builder, k.loc, DenseIntElementsAttr::get(type, lanes));
    return arith::AddIOp::create(k.builder, k.loc, iota,
                                 k.broadcast(first, type));
  }
  bool isMultiple(Value size, int64_t of) {
    std::optional<int64_t> constant = getConstantIntValue(size);
    return constant && *constant % of == 0;
  }

  void emitScores();
  void emitScoreTile(Value firstKey, Value firstRow);
  void emitWeights(Value row);
  Value applyRegions(Value row, Value maximum);
  void emitValues();
  /// A register tile: rows of weights, vectors of value columns and the lanes
  /// of them that exist (null: all).
  struct ValueTile {
    SmallVector<Value> rows, columns, masks;
  };
  SmallVector<Value> addValueRow(const ValueTile &tile, Value key,
                                 Value valueRow, ValueRange running);
  void joinValues(const ValueTile &tile, ValueRange sums);

  OnlineAttentionOp op;
  KernelBuilder k;
  StepOperands in;
  int64_t queriesPerHead, numRows, rowTile, keyTile;
  Value scores, rescale;
};

} // namespace

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

void FeatureLanesStep::emitScores() {
  k.loop(k.index(0), in.numKeys, keyTile, [&](Value firstKey) {
    k.loop(k.index(0), k.index(numRows), rowTile,
           [&](Value firstRow) { emitScoreTile(firstKey, firstRow); });
  });
}

// As many products as lanes, summed over lanes together at the end.
void FeatureLanesStep::emitScoreTile(Value firstKey, Value firstRow) {
  Value lastKey = k.subIndex(in.numKeys, k.index(1));
  SmallVector<Value> keys, keysAhead, rows;
  for (unsigned j = 0; j < keyTile; ++j) {
    Value key = k.minIndex(k.addIndex(firstKey, j), lastKey);
    keys.push_back(in.keyRow(k, key));
    keysAhead.push_back(rowAhead(key));
  }
  for (unsigned r = 0; r < rowTile; ++r)
    rows.push_back(clampedRow(firstRow, r));

  auto step = [&](Value column, ValueRange running, Value mask) {
    SmallVector<Value> keyVectors, next;
    for (auto [key, ahead] : llvm::zip(keys, keysAhead)) {
      keyVectors.push_back(loadWide(in.key, {key, column}, mask));
      prefetch(in.key, ahead, column);
    }
    for (unsigned r = 0; r < rowTile; ++r) {
      Value query = loadWide(in.query, {rows[r], column}, mask);
      for (unsigned j = 0; j < keyTile; ++j)
        next.push_back(k.fma(query, keyVectors[j], running[r * keyTile + j]));
    }
    return next;
  };
  SmallVector<Value> zeros(k.lanes, k.splat(0.0));
  Value whole = k.mulIndex(
      k.builder.createOrFold<arith::DivUIOp>(k.loc, in.width, k.index(k.lanes)),
      k.index(k.lanes));
  SmallVector<Value> products = k.loop(k.index(0), whole, k.lanes, zeros,
                                       [&](Value column, ValueRange running) {
                                         return step(column, running, Value());
                                       });
  if (!isMultiple(in.width, k.lanes))
    products = k.loop(whole, in.width, k.lanes, products,
                      [&](Value column, ValueRange running) {
                        Value mask = k.laneMask(k.subIndex(in.width, column));
                        return step(column, running, mask);
                      });
  Value sums = reduceLanes(k, products);
  for (unsigned r = 0; r < rowTile; ++r) {
    Value part = sums;
    if (rowTile > 1)
      part = vector::ExtractStridedSliceOp::create(
          k.builder, k.loc, sums, ArrayRef<int64_t>{r * keyTile},
          ArrayRef<int64_t>{keyTile}, ArrayRef<int64_t>{1});
    k.store(part, scores, {k.addIndex(firstRow, r), firstKey});
  }
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

// Applies the regions to a row of scores and hides the lanes beyond the last
// key; gives the vector of running maxima.
Value FeatureLanesStep::applyRegions(Value row, Value maximum) {
  OpBuilder &b = k.builder;
  RegionVectorizer score(k, op.getScoreRegion());
  RegionVectorizer mask(k, op.getMaskRegion());
  Value perHead = k.index(queriesPerHead);
  Value head =
      k.addIndex(in.head, b.createOrFold<arith::DivUIOp>(k.loc, row, perHead));
  Value query = b.createOrFold<arith::RemUIOp>(k.loc, row, perHead);
  if (op.getRows())
    query = k.minIndex(query, k.subIndex(op.getRows(), k.index(1)));
  query = k.addIndex(in.firstQuery, query);
  using Argument = RegionVectorizer::Argument;
  Argument batchArg{in.batch, {}}, headArg{head, {}}, queryArg{query, {}};
  if (score.isPresent())
    score.prepare({std::nullopt, batchArg, headArg, queryArg, std::nullopt}, 1);
  if (mask.isPresent())
    mask.prepare({batchArg, headArg, queryArg, std::nullopt}, 1);

  VectorType indexVector = k.vectorOf(b.getIndexType());
  Value last = k.broadcast(k.subIndex(in.numKeys, k.index(1)), indexVector);
  Value origin = k.broadcast(in.firstKey, indexVector);
  auto body = [&](Value column, ValueRange running) {
    Value logit = k.load(scores, {row, column});
    if (score.isPresent() || mask.isPresent()) {
      Value local = arith::MinSIOp::create(b, k.loc, laneIndices(column), last);
      Value keys = arith::AddIOp::create(b, k.loc, local, origin);
      if (score.isPresent())
        logit = score.evaluate(0, {logit, keys});
      if (mask.isPresent())
        logit = arith::SelectOp::create(b, k.loc, mask.evaluate(0, {keys}),
                                        logit, k.negativeInfinity());
    }
    if (in.logitScale != 1.0)
      logit = k.mul(logit, k.splat(in.logitScale));
    Value valid = k.laneMask(k.subIndex(in.numKeys, column));
    logit =
        arith::SelectOp::create(b, k.loc, valid, logit, k.negativeInfinity());
    k.store(logit, scores, {row, column});
    return SmallVector<Value>{k.max(running[0], logit)};
  };
  return k.loop(k.index(0), in.numKeys, k.lanes, {maximum}, body).front();
}

void FeatureLanesStep::emitWeights(Value row) {
  OpBuilder &b = k.builder;
  Value oldMaximum = k.broadcast(k.loadScalar(in.maximum, {row}));
  Value maxima = applyRegions(row, oldMaximum);
  Value scalarMaximum = vector::ReductionOp::create(
      b, k.loc, vector::CombiningKind::MAXNUMF, maxima);
  Value newMaximum = k.broadcast(scalarMaximum);
  Value finite = k.finiteOrZero(newMaximum);
  Value factor = vector::ExtractOp::create(
      b, k.loc, k.exp2(k.sub(oldMaximum, finite)), int64_t(0));
  auto body = [&](Value column, ValueRange running) {
    Value weight = k.exp2(k.sub(k.load(scores, {row, column}), finite));
    k.store(weight, scores, {row, column});
    return SmallVector<Value>{k.add(running[0], weight)};
  };
  SmallVector<Value> sums =
      k.loop(k.index(0), in.numKeys, k.lanes, {k.splat(0.0)}, body);
  Value total = vector::ReductionOp::create(
      b, k.loc, vector::CombiningKind::ADD, sums.front());
  Value oldSum = k.loadScalar(in.sum, {row});
  k.storeScalar(k.add(k.mul(oldSum, factor), total), in.sum, {row});
  k.storeScalar(scalarMaximum, in.maximum, {row});
  k.storeScalar(factor, rescale, {row});
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

void FeatureLanesStep::emitValues() {
  int64_t vectors = std::min<int64_t>(getTileRows(k.target, rowTile), 4);
  if (std::optional<int64_t> width = getConstantIntValue(in.valueWidth))
    vectors =
        std::clamp<int64_t>(llvm::divideCeil(*width, k.lanes), 1, vectors);
  bool whole = isMultiple(in.valueWidth, vectors * k.lanes);
  k.loop(k.index(0), in.valueWidth, vectors * k.lanes, [&](Value column) {
    k.loop(k.index(0), k.index(numRows), rowTile, [&](Value firstRow) {
      ValueTile tile;
      for (int64_t v = 0; v < vectors; ++v) {
        tile.columns.push_back(k.addIndex(column, v * k.lanes));
        tile.masks.push_back(
            whole ? Value()
                  : k.laneMask(k.subIndex(in.valueWidth, tile.columns.back())));
      }
      for (unsigned r = 0; r < rowTile; ++r)
        tile.rows.push_back(clampedRow(firstRow, r));
      SmallVector<Value> zeros(rowTile * vectors, k.splat(0.0));
      auto lookup = [&](Value key) { return in.keyRow(k, key); };
      auto add = [&](Value key, Value row, ValueRange running) {
        return addValueRow(tile, key, row, running);
      };
      joinValues(tile, in.keyRows ? k.loopAhead(in.numKeys, zeros, lookup, add)
                                  : k.loop(k.index(0), in.numKeys, 1, zeros,
                                           [&](Value key, ValueRange running) {
                                             return addValueRow(tile, key, key,
                                                                running);
                                           }));
    });
  });
}

// One row of values for all rows of weights of the tile.
SmallVector<Value> FeatureLanesStep::addValueRow(const ValueTile &tile,
                                                 Value key, Value valueRow,
                                                 ValueRange running) {
  bool guarded = !op.getMaskRegion().empty();
  Value ahead = rowAhead(key);
  SmallVector<Value> valueVectors, next;
  for (auto [column, mask] : llvm::zip(tile.columns, tile.masks)) {
    valueVectors.push_back(loadWide(in.value, {valueRow, column}, mask));
    prefetch(in.value, ahead, column);
  }
  for (Value row : tile.rows) {
    Value weight = k.broadcast(k.loadScalar(scores, {row, key}));
    // 0 * NaN is NaN: a masked value must not reach the row.
    Value used;
    if (guarded)
      used = arith::CmpFOp::create(k.builder, k.loc, arith::CmpFPredicate::UNE,
                                   weight, k.splat(0.0));
    for (Value value : valueVectors) {
      Value old = running[next.size()];
      Value sum = k.fma(weight, value, old);
      if (used)
        sum = arith::SelectOp::create(k.builder, k.loc, used, sum, old);
      next.push_back(sum);
    }
  }
  return next;
}

// Joins the sums of a block to the accumulator. All is read before any is
// written: rows that repeat the last one then agree.
void FeatureLanesStep::joinValues(const ValueTile &tile, ValueRange sums) {
  SmallVector<Value> joined;
  for (Value row : tile.rows) {
    Value factor = k.broadcast(k.loadScalar(rescale, {row}));
    for (auto [column, mask] : llvm::zip(tile.columns, tile.masks))
      joined.push_back(k.fma(loadWide(in.accumulator, {row, column}, mask),
                             factor, sums[joined.size()]));
  }
  unsigned next = 0;
  for (Value row : tile.rows)
    for (auto [column, mask] : llvm::zip(tile.columns, tile.masks)) {
      Value sum = joined[next++];
      if (mask)
        k.storeFirst(sum, in.accumulator, {row, column}, mask);
      else
        k.store(sum, in.accumulator, {row, column});
    }
}

LogicalResult mlir::attn::emitFeatureLanesStep(OpBuilder &builder,
                                               OnlineAttentionOp op,
                                               const CPUTarget &target) {
  return FeatureLanesStep(builder, op, target).emit();
}

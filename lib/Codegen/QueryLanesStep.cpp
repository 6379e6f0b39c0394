//===- QueryLanesStep.cpp - A step with the queries in the lanes ----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// S^T[n][m] = K Q^T with scalar broadcasts straight from row-major keys, P^T
// in its place, O^T[e][m] += V^T P^T with scalar broadcasts straight from
// row-major values. No packing of keys and values, no sum across lanes: the
// running maximum and sum are vectors over queries.
//
//===----------------------------------------------------------------------===//

#include "attn/Codegen/MicroKernel.h"
#include "attn/Codegen/OnlineStep.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mlir::attn;

namespace {

class QueryLanesStep {
public:
  QueryLanesStep(OpBuilder &builder, OnlineAttentionOp op,
                 const CPUTarget &target, bool pairs, Value full)
      : op(op), k(builder, op.getLoc(), op.getComputeType(), target), in(k, op),
        score(k, op.getScoreRegion()), mask(k, op.getMaskRegion()),
        pairs(pairs), full(full), hasScore(!op.getScoreRegion().empty()),
        hasMask(!op.getMaskRegion().empty()) {
    auto shape = cast<MemRefType>(in.accumulator.getType()).getShape();
    numLanes = shape.back();
    vectors = numLanes / k.lanes;
    rows = getTileRows(target, vectors);
  }

  LogicalResult emit() {
    if (ShapedType::isDynamic(numLanes) || numLanes % k.lanes != 0)
      return op.emitOpError("expects a static number of queries, a multiple of "
                            "the vector length (")
             << k.lanes << ")";
    int64_t maxKeys = llvm::alignTo(getMaxKeys(op), rows) + 2;
    scores = createScratch(k, {maxKeys, numLanes}, k.type);
    if (pairs) {
      packedWeights = createScratch(k, {maxKeys / 2 + 1, 2 * numLanes},
                                    k.builder.getBF16Type());
      in.query = collapsePairs(in.query);
    }
    SmallVector<Value> maxima = loadState(in.maximum);
    SmallVector<Value> newMaxima = emitScores(maxima);
    emitWeights(maxima, newMaxima);
    emitValues();
    return success();
  }

private:
  SmallVector<Value> loadState(Value state) {
    SmallVector<Value> result;
    for (unsigned v = 0; v < vectors; ++v)
      result.push_back(k.load(state, {k.index(v * k.lanes)}));
    return result;
  }
  void storeState(ValueRange values, Value state) {
    for (unsigned v = 0; v < vectors; ++v)
      k.store(values[v], state, {k.index(v * k.lanes)});
  }
  Value loadRow(Value buffer, Value row, unsigned v) {
    return k.load(buffer, {row, k.index(v * k.lanes)});
  }

  /// [.., n, 2] as [.., 2 n]: pairs are adjacent in memory.
  Value collapsePairs(Value packed) {
    SmallVector<ReassociationIndices> groups = {{0}, {1, 2}};
    return memref::CollapseShapeOp::create(k.builder, k.loc, packed, groups);
  }

  /// The rows of a register tile from `first` on; beyond the end they repeat
  /// the last one, so that no tile needs a remainder loop.
  SmallVector<Value> clampedRows(Value first, Value count) {
    Value last = k.subIndex(count, k.index(1));
    // Rows one behind the other share an address.
    bool whole = getConstantIntValue(count).value_or(1) % rows == 0;
    SmallVector<Value> result;
    for (unsigned r = 0; r < rows; ++r) {
      Value row = k.addIndex(first, r);
      result.push_back(whole ? row : k.minIndex(row, last));
    }
    return result;
  }

  SmallVector<Value> emitScores(ValueRange maxima);
  SmallVector<Value> emitScoreTiles(ValueRange maxima);
  void prepareRegions();
  SmallVector<Value> emitRegions(ValueRange maxima, bool masked);
  SmallVector<Value> branch(TypeRange types, Value condition,
                            llvm::function_ref<SmallVector<Value>()> then,
                            llvm::function_ref<SmallVector<Value>()> other);
  RegionVectorizer::Argument queryIndices();
  void emitWeights(ValueRange maxima, ValueRange newMaxima);
  void addToSums(ValueRange block);
  SmallVector<Value> joinColumn(Value column, ValueRange block);
  void storeColumn(ValueRange values, Value column);
  SmallVector<Value> emitWeightRow(Value row, ValueRange finite);
  void emitValues();
  void emitValueTiles();
  Value columnsFrom(Value first);
  void emitGuardedValues();
  Value emitAllFinite();

  OnlineAttentionOp op;
  KernelBuilder k;
  StepOperands in;
  RegionVectorizer score, mask;
  bool scoreHasTables = false, maskHasTables = false;
  bool pairs;
  Value full;
  bool hasScore, hasMask;
  int64_t numLanes;
  unsigned vectors, rows;
  Value scores, packedWeights;
  SmallVector<Value> rescale;
};

} // namespace

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

SmallVector<Value>
QueryLanesStep::branch(TypeRange types, Value condition,
                       llvm::function_ref<SmallVector<Value>()> then,
                       llvm::function_ref<SmallVector<Value>()> other) {
  auto branch = scf::IfOp::create(k.builder, k.loc, types, condition,
                                  /*addThenBlock=*/true,
                                  /*addElseBlock=*/true);
  OpBuilder::InsertionGuard guard(k.builder);
  auto fill = [&](Region &region,
                  llvm::function_ref<SmallVector<Value>()> body) {
    k.builder.setInsertionPointToStart(&region.front());
    SmallVector<Value> values = body();
    scf::YieldOp::create(k.builder, k.loc, values);
  };
  fill(branch.getThenRegion(), then);
  fill(branch.getElseRegion(), other);
  return SmallVector<Value>(branch.getResults());
}

SmallVector<Value> QueryLanesStep::emitScores(ValueRange maxima) {
  prepareRegions();
  SmallVector<Value> tracked = emitScoreTiles(maxima);
  if (!hasMask && !hasScore)
    return tracked;
  if (!hasMask || !full)
    return emitRegions(maxima, hasMask);
  SmallVector<Type> types(vectors, k.vectorType);
  return branch(
      types, full,
      [&] { return hasScore ? emitRegions(maxima, false) : tracked; },
      [&] { return emitRegions(maxima, true); });
}

// Writes the scores of all keys; gives the new maxima when no region is still
// to change them.
SmallVector<Value> QueryLanesStep::emitScoreTiles(ValueRange maxima) {
  RegisterTile tile{rows, vectors, pairs ? DotKind::BF16Pairs : DotKind::Fma};
  Value depth = pairs ? k.builder.createOrFold<arith::DivUIOp>(k.loc, in.width,
                                                               k.index(2))
                      : in.width;
  auto packed =
      VectorType::get({int64_t(2 * k.lanes)}, k.builder.getBF16Type());
  SmallVector<Value> zeros(rows * vectors, k.splat(0.0));
  // A score region changes the logits, and with them the maximum; a mask can
  // at most be absent.
  bool track = !hasScore && (!hasMask || full);
  auto body = [&](Value first, ValueRange running) {
    SmallVector<Value> keys = clampedRows(first, in.numKeys);
    for (Value &key : keys)
      key = in.keyRow(k, key);
    auto scalar = [&](Value step, unsigned r) {
      if (!pairs)
        return k.broadcast(k.loadScalar(in.key, {keys[r], step}));
      return broadcastPair(k, in.key, {keys[r], k.mulIndex(step, k.index(2))});
    };
    auto vector = [&](Value step, unsigned v) {
      if (!pairs)
        return loadRow(in.query, step, v);
      return k.load(in.query, {step, k.index(2 * v * k.lanes)}, packed);
    };
    SmallVector<Value> products =
        tile.multiply(k, depth, zeros, scalar, vector);
    SmallVector<Value> next(running);
    for (unsigned r = 0; r < rows; ++r) {
      Value row = k.addIndex(first, r);
      for (unsigned v = 0; v < vectors; ++v) {
        Value score = products[r * vectors + v];
        if (!hasScore && in.logitScale != 1.0)
          score = k.mul(score, k.splat(in.logitScale));
        k.store(score, scores, {row, k.index(v * k.lanes)});
        if (track)
          next[v] = k.max(next[v], score);
      }
    }
    return next;
  };
  return k.loop(k.index(0), in.numKeys, rows, track ? maxima : ValueRange(),
                body);
}

// The position of each lane's query: lanes beyond the valid rows repeat the
// last one, as the packed query does.
RegionVectorizer::Argument QueryLanesStep::queryIndices() {
  OpBuilder &b = k.builder;
  VectorType type = k.vectorOf(b.getIndexType());
  Value last = op.getRows() ? k.subIndex(op.getRows(), k.index(1))
                            : k.index(numLanes - 1);
  Value lastLane = k.broadcast(last, type);
  Value first = k.broadcast(in.firstQuery, type);
  RegionVectorizer::Argument result;
  for (unsigned v = 0; v < vectors; ++v) {
    SmallVector<int64_t> lanes;
    for (unsigned lane = 0; lane < k.lanes; ++lane)
      lanes.push_back(v * k.lanes + lane);
    Value lane = arith::ConstantOp::create(
        b, k.loc, DenseIntElementsAttr::get(type, ArrayRef<int64_t>(lanes)));
    Value valid = b.createOrFold<arith::MinSIOp>(k.loc, lane, lastLane);
    result.varying.push_back(
        b.createOrFold<arith::AddIOp>(k.loc, valid, first));
  }
  return result;
}

// What the regions need that no key changes. Where they read tables, memory is
// asked for them here, ahead of the products.
void QueryLanesStep::prepareRegions() {
  if (!hasMask && !hasScore)
    return;
  RegionVectorizer::Argument batch{in.batch, {}}, head{in.head, {}};
  RegionVectorizer::Argument query = queryIndices();
  if (hasScore) {
    score.prepare({std::nullopt, batch, head, query, std::nullopt}, vectors);
    scoreHasTables = score.findTables(in.firstKey, in.numKeys, getMaxKeys(op));
    score.approachTables();
  }
  if (!hasMask)
    return;
  mask.prepare({batch, head, query, std::nullopt}, vectors);
  maskHasTables = mask.findTables(in.firstKey, in.numKeys, getMaxKeys(op));
  if (!maskHasTables)
    return;
  auto approach = [&] {
    mask.approachTables();
    return SmallVector<Value>();
  };
  if (!full)
    approach();
  else
    branch(TypeRange(), full, [] { return SmallVector<Value>(); }, approach);
}

// Applies the score and mask regions to the stored scores.
SmallVector<Value> QueryLanesStep::emitRegions(ValueRange maxima, bool masked) {
  auto body = [&](Value row, ValueRange running) {
    Value keyIndex = k.addIndex(in.firstKey, row);
    score.selectKey(row);
    mask.selectKey(row);
    SmallVector<Value> next;
    for (unsigned v = 0; v < vectors; ++v) {
      Value logit = loadRow(scores, row, v);
      if (score.isPresent())
        logit = score.evaluate(v, {logit, keyIndex});
      if (hasScore && in.logitScale != 1.0)
        logit = k.mul(logit, k.splat(in.logitScale));
      if (masked)
        logit = arith::SelectOp::create(k.builder, k.loc,
                                        mask.evaluate(v, {keyIndex}), logit,
                                        k.negativeInfinity());
      k.store(logit, scores, {row, k.index(v * k.lanes)});
      next.push_back(k.max(running[v], logit));
    }
    return next;
  };
  bool readsMask = masked && maskHasTables;
  if (!scoreHasTables && !readsMask)
    return k.loop(k.index(0), in.numKeys, 1, maxima, body);
  auto someKeys = [&](Value first, ValueRange running) {
    if (scoreHasTables)
      score.readTables(first);
    if (readsMask)
      mask.readTables(first);
    Value end = k.minIndex(k.addIndex(first, RowTable::kKeys), in.numKeys);
    return k.loop(first, end, 1, running, body);
  };
  return k.loop(k.index(0), in.numKeys, RowTable::kKeys, maxima, someKeys);
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

SmallVector<Value> QueryLanesStep::emitWeightRow(Value row, ValueRange finite) {
  SmallVector<Value> weights;
  for (unsigned v = 0; v < vectors; ++v)
    weights.push_back(k.exp2(k.sub(loadRow(scores, row, v), finite[v])));
  return weights;
}

// The block is summed on its own and then joined to what came before: the
// rounding error grows with the square root of the block's length and not of
// the number of all keys.
void QueryLanesStep::addToSums(ValueRange block) {
  SmallVector<Value> sums = loadState(in.sum);
  for (unsigned v = 0; v < vectors; ++v)
    sums[v] = k.fma(sums[v], rescale[v], block[v]);
  storeState(sums, in.sum);
}

SmallVector<Value> QueryLanesStep::joinColumn(Value column, ValueRange block) {
  SmallVector<Value> result;
  for (unsigned v = 0; v < vectors; ++v)
    result.push_back(
        k.fma(loadRow(in.accumulator, column, v), rescale[v], block[v]));
  return result;
}

void QueryLanesStep::storeColumn(ValueRange values, Value column) {
  for (unsigned v = 0; v < vectors; ++v)
    k.store(values[v], in.accumulator, {column, k.index(v * k.lanes)});
}

void QueryLanesStep::emitWeights(ValueRange maxima, ValueRange newMaxima) {
  SmallVector<Value> finite;
  for (unsigned v = 0; v < vectors; ++v) {
    finite.push_back(k.finiteOrZero(newMaxima[v]));
    rescale.push_back(k.exp2(k.sub(maxima[v], finite[v])));
  }
  storeState(newMaxima, in.maximum);
  SmallVector<Value> zeros(vectors, k.splat(0.0));

  if (!pairs) {
    auto body = [&](Value row, ValueRange running) {
      SmallVector<Value> weights = emitWeightRow(row, finite), next;
      for (unsigned v = 0; v < vectors; ++v) {
        k.store(weights[v], scores, {row, k.index(v * k.lanes)});
        next.push_back(k.add(running[v], weights[v]));
      }
      return next;
    };
    addToSums(k.loop(k.index(0), in.numKeys, 1, zeros, body));
    return;
  }

  // Weights of two keys lie side by side; an odd last key is paired with 0.
  for (unsigned v = 0; v < vectors; ++v)
    k.store(k.negativeInfinity(), scores, {in.numKeys, k.index(v * k.lanes)});
  auto half = k.vectorOf(k.builder.getBF16Type());
  auto body = [&](Value pair, ValueRange running) {
    Value row = k.mulIndex(pair, k.index(2));
    SmallVector<Value> even = emitWeightRow(row, finite);
    SmallVector<Value> odd = emitWeightRow(k.addIndex(row, 1), finite);
    SmallVector<Value> next;
    for (unsigned v = 0; v < vectors; ++v) {
      auto round = [&](Value weight) -> Value {
        return arith::TruncFOp::create(k.builder, k.loc, half, weight);
      };
      Value both = vector::InterleaveOp::create(k.builder, k.loc,
                                                round(even[v]), round(odd[v]));
      k.store(both, packedWeights, {pair, k.index(2 * v * k.lanes)});
      next.push_back(k.add(k.add(running[v], even[v]), odd[v]));
    }
    return next;
  };
  Value numPairs = k.ceilDivIndex(in.numKeys, 2);
  addToSums(k.loop(k.index(0), numPairs, 1, zeros, body));
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

void QueryLanesStep::emitValues() {
  if (!hasMask)
    return emitValueTiles();
  // 0 * NaN is NaN: a value that is not finite must not reach the rows that
  // do not see its key.
  Value safe;
  if (full) {
    Value yes = arith::ConstantOp::create(k.builder, k.loc,
                                          k.builder.getBoolAttr(true));
    safe = branch(
               k.builder.getI1Type(), full,
               [&] { return SmallVector<Value>{yes}; },
               [&] { return SmallVector<Value>{emitAllFinite()}; })
               .front();
  } else {
    safe = emitAllFinite();
  }
  auto none = SmallVector<Value>();
  branch(
      TypeRange(), safe,
      [&] {
        emitValueTiles();
        return none;
      },
      [&] {
        emitGuardedValues();
        return none;
      });
}

// The value matrix from a column on, one register tile wide.
Value QueryLanesStep::columnsFrom(Value first) {
  OpBuilder &b = k.builder;
  SmallVector<OpFoldResult> sizes = memref::getMixedSizes(b, k.loc, in.value);
  SmallVector<OpFoldResult> offsets(sizes.size(), b.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(sizes.size(), b.getIndexAttr(1));
  offsets[1] = first;
  sizes[1] = b.getIndexAttr(rows);
  return memref::SubViewOp::create(b, k.loc, in.value, offsets, sizes, strides);
}

void QueryLanesStep::emitValueTiles() {
  RegisterTile tile{rows, vectors, pairs ? DotKind::BF16Pairs : DotKind::Fma};
  Value depth = pairs ? k.ceilDivIndex(in.numKeys, 2) : in.numKeys;
  auto packed =
      VectorType::get({int64_t(2 * k.lanes)}, k.builder.getBF16Type());
  k.loop(k.index(0), in.valueWidth, rows, [&](Value first) {
    SmallVector<Value> columns = clampedRows(first, in.valueWidth);
    SmallVector<Value> zeros(rows * vectors, k.splat(0.0));
    // Whole tiles of columns are constant distances from one address.
    bool whole = getConstantIntValue(in.valueWidth).value_or(1) % rows == 0;
    Value values = whole ? columnsFrom(first) : in.value;
    auto scalar = [&](Value row, unsigned r) {
      Value column = whole ? k.index(r) : columns[r];
      if (!pairs)
        return k.broadcast(k.loadScalar(values, {row, column}));
      return broadcastPair(k, values, {row, column, k.index(0)});
    };
    auto vector = [&](Value step, unsigned v) {
      if (!pairs)
        return loadRow(scores, step, v);
      return k.load(packedWeights, {step, k.index(2 * v * k.lanes)}, packed);
    };
    auto lookup = [&](Value step) { return in.keyRow(k, step); };
    SmallVector<Value> sums =
        in.keyRows ? tile.multiply(k, depth, zeros, scalar, vector, lookup)
                   : tile.multiply(k, depth, zeros, scalar, vector);
    // All are read before any is written: repeated columns then agree.
    SmallVector<Value> joined;
    for (unsigned r = 0; r < rows; ++r)
      llvm::append_range(
          joined,
          joinColumn(columns[r], ValueRange(sums).slice(r * vectors, vectors)));
    for (unsigned r = 0; r < rows; ++r)
      storeColumn(ValueRange(joined).slice(r * vectors, vectors), columns[r]);
  });
}

// x * 0 summed over all values is 0 exactly when all of them are finite.
// Several rows at a time, each with a sum of its own: one sum would wait for
// itself.
Value QueryLanesStep::emitAllFinite() {
  constexpr unsigned kRows = 8;
  Value buffer = pairs ? collapsePairs(in.value) : in.value;
  Value rowsToRead = in.keyRows ? in.numKeys : k.dim(buffer, 0);
  Value lastRow = k.subIndex(rowsToRead, k.index(1));
  Value columns = k.dim(buffer, 1);
  bool whole = getConstantIntValue(columns).value_or(1) % k.lanes == 0;
  VectorType vector =
      k.vectorOf(cast<MemRefType>(buffer.getType()).getElementType());
  Value zero = k.splat(0.0);
  auto addRows = [&](Value first, ValueRange outer) {
    SmallVector<Value> rowsHere;
    for (unsigned r = 0; r < kRows; ++r)
      rowsHere.push_back(
          in.keyRow(k, k.minIndex(k.addIndex(first, r), lastRow)));
    auto addColumns = [&](Value column, ValueRange running) {
      Value mask = whole ? Value() : k.laneMask(k.subIndex(columns, column));
      SmallVector<Value> next;
      for (auto [row, sum] : llvm::zip(rowsHere, running)) {
        Value loaded = whole ? k.load(buffer, {row, column}, vector)
                             : k.loadFirst(buffer, {row, column}, mask, vector);
        next.push_back(k.fma(k.convertFloat(loaded, k.type), zero, sum));
      }
      return next;
    };
    return k.loop(k.index(0), columns, k.lanes, outer, addColumns);
  };
  SmallVector<Value> zeros(kRows, zero);
  SmallVector<Value> sums =
      k.loop(k.index(0), rowsToRead, kRows, zeros, addRows);
  Value total = sums.front();
  for (Value sum : llvm::drop_begin(sums))
    total = k.add(total, sum);
  Value finite = arith::CmpFOp::create(k.builder, k.loc,
                                       arith::CmpFPredicate::OEQ, total, zero);
  return vector::ReductionOp::create(k.builder, k.loc,
                                     vector::CombiningKind::AND, finite);
}

// The rare path: one value column at a time, masked pairs skipped.
void QueryLanesStep::emitGuardedValues() {
  SmallVector<Value> finite;
  for (Value maximum : loadState(in.maximum))
    finite.push_back(k.finiteOrZero(maximum));
  k.loop(k.index(0), in.valueWidth, 1, [&](Value column) {
    SmallVector<Value> zeros(vectors, k.splat(0.0));
    auto body = [&](Value row, ValueRange running) {
      Value element =
          pairs
              ? k.loadScalar(in.value, {k.builder.createOrFold<arith::DivUIOp>(
                                            k.loc, row, k.index(2)),
                                        column,
                                        k.builder.createOrFold<arith::RemUIOp>(
                                            k.loc, row, k.index(2))})
              : k.loadScalar(in.value, {in.keyRow(k, row), column});
      Value repeated = k.broadcast(k.convertFloat(element, k.type));
      // With pairs the buffer still holds scores, otherwise weights.
      SmallVector<Value> weights;
      if (pairs)
        weights = emitWeightRow(row, finite);
      else
        for (unsigned v = 0; v < vectors; ++v)
          weights.push_back(loadRow(scores, row, v));
      SmallVector<Value> next;
      for (unsigned v = 0; v < vectors; ++v) {
        Value used =
            arith::CmpFOp::create(k.builder, k.loc, arith::CmpFPredicate::UNE,
                                  weights[v], k.splat(0.0));
        next.push_back(arith::SelectOp::create(
            k.builder, k.loc, used, k.fma(repeated, weights[v], running[v]),
            running[v]));
      }
      return next;
    };
    SmallVector<Value> sums = k.loop(k.index(0), in.numKeys, 1, zeros, body);
    storeColumn(joinColumn(column, sums), column);
  });
}

LogicalResult mlir::attn::emitQueryLanesStep(OpBuilder &builder,
                                             OnlineAttentionOp op,
                                             const CPUTarget &target,
                                             bool pairs, Value full) {
  return QueryLanesStep(builder, op, target, pairs, full).emit();
}

//===- KeyLoop.cpp - The loop over key blocks of a task -------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TaskBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include <cmath>

using namespace mlir;
using namespace mlir::attn;

static bool isZero(Value value) { return getConstantIntValue(value) == 0; }

//===----------------------------------------------------------------------===//
// Bounds
//===----------------------------------------------------------------------===//

// The keys the rows may attend. With several heads in a task a mask that
// depends on the head bounds nothing.
MaskAnalysis::KeyBounds TaskBuilder::keyBounds(Value firstQuery,
                                               Value numRows) {
  Value zero = constant(0);
  if (!mask)
    return {zero, zero, numKeys, numKeys};
  bool headsDiffer = features && keyGroup > 1 &&
                     !op.getMaskRegion().getArgument(1).use_empty();
  if (headsDiffer)
    return {zero, zero, zero, numKeys};
  Value lastQuery = sub(add(firstQuery, numRows), constant(1));
  return mask->analysis.emitKeyBounds(b, loc, batch, head, firstQuery,
                                      lastQuery, numKeys, *mask->summary);
}

TaskBuilder::State TaskBuilder::keyLoop(const State &state, Value firstQuery,
                                        Value numRows) {
  if (mask && schedule.listsKeys)
    return listedKeyLoop(state);
  MaskAnalysis::KeyBounds bounds = keyBounds(firstQuery, numRows);
  if (mask && !shared)
    return segmentedKeyLoop(state, firstQuery, numRows, bounds);
  auto loop =
      scf::ForOp::create(b, loc, bounds.lo, bounds.hi,
                         constant(schedule.blockKeys), ValueRange(state));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value firstKey = loop.getInductionVar();
  Value here = remaining(bounds.hi, firstKey, schedule.blockKeys);
  KeyBlock keys = keyAndValue(firstKey, here);
  State carried(loop.getRegionIterArgs());
  State next =
      shared ? sharedBlocks(carried, firstQuery, numRows, keys, firstKey, here)
             : step(carried,
                    {packedQuery, keys.key, keys.value, firstQuery, numRows,
                     firstKey, /*list=*/{}, keys.rows},
                    /*masked=*/false);
  scf::YieldOp::create(b, loc, next);
  return State(loop.getResults());
}

// Three stretches of keys, one after the other: partly kept, all kept, partly
// kept. Blocks start where a stretch starts, so no block mixes two of them.
TaskBuilder::State
TaskBuilder::segmentedKeyLoop(const State &state, Value firstQuery,
                              Value numRows,
                              const MaskAnalysis::KeyBounds &bounds) {
  Value block = constant(schedule.blockKeys);
  Value before = ceilDiv(sub(bounds.fullLo, bounds.lo), block);
  Value inside = ceilDiv(sub(bounds.fullHi, bounds.fullLo), block);
  Value after = ceilDiv(sub(bounds.hi, bounds.fullHi), block);
  Value untilAfter = add(before, inside);
  auto loop = scf::ForOp::create(b, loc, constant(0), add(untilAfter, after),
                                 constant(1), ValueRange(state));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value index = loop.getInductionVar();
  Value isInside, start = bounds.fullHi, end = bounds.hi, skipped = untilAfter;
  if (!isZero(inside)) {
    isInside = less(index, untilAfter);
    start = select(isInside, bounds.fullLo, start);
    end = select(isInside, bounds.fullHi, end);
    skipped = select(isInside, before, skipped);
  }
  if (!isZero(before)) {
    Value isBefore = less(index, before);
    start = select(isBefore, bounds.lo, start);
    end = select(isBefore, bounds.fullLo, end);
    skipped = select(isBefore, constant(0), skipped);
    if (isInside) {
      Value notBefore = b.createOrFold<arith::CmpIOp>(
          loc, arith::CmpIPredicate::sge, index, before);
      isInside = b.createOrFold<arith::AndIOp>(loc, isInside, notBefore);
    }
  }
  Value firstKey = add(start, mul(sub(index, skipped), block));
  Value here = remaining(end, firstKey, schedule.blockKeys);
  KeyBlock keys = keyAndValue(firstKey, here);
  State next = guardedStep(State(loop.getRegionIterArgs()),
                           {packedQuery, keys.key, keys.value, firstQuery,
                            numRows, firstKey, /*list=*/{}, keys.rows},
                           isInside);
  scf::YieldOp::create(b, loc, next);
  return State(loop.getResults());
}

//===----------------------------------------------------------------------===//
// Keys and values of a block
//===----------------------------------------------------------------------===//

TaskBuilder::KeyBlock TaskBuilder::keyAndValue(Value firstKey,
                                               Value numKeysHere) {
  if (op.hasKeyRows())
    return keyAndValueAt(lookUpRows(firstKey, /*list=*/{}, numKeysHere));
  Ranges ranges{};
  ranges[kBatch] = {batch, b.getIndexAttr(1), false};
  ranges[kHead] = {head, b.getIndexAttr(1), false};
  ranges[kKey] = {firstKey, getAsOpFoldResult(numKeysHere), true};
  ranges[kWidth] = {b.getIndexAttr(0), getAsOpFoldResult(width), true};
  ranges[kValueWidth] = {b.getIndexAttr(0), getAsOpFoldResult(valueWidth),
                         true};
  Slice keySlice, valueSlice;
  Value key = extract(op.getKey(), maps[1], ranges, &keySlice);
  Value value = extract(op.getValue(), maps[2], ranges, &valueSlice);
  bool convert = schedule.convertKeysAndValues;
  if (convert || keySlice.kept.front() != kKey)
    key = packRows(key, keySlice.kept, numKeysHere, width, /*pairs=*/false);
  if (convert || schedule.bf16Pairs || valueSlice.kept.front() != kKey)
    value = packRows(value, valueSlice.kept, numKeysHere, valueWidth,
                     schedule.bf16Pairs);
  return {key, value, {}};
}

// A key block as rows the step can read, converted or in pairs of rows.
Value TaskBuilder::packRows(Value source, ArrayRef<unsigned> kept, Value rows,
                            Value columns, bool pairs, Value gather) {
  Type element =
      schedule.convertKeysAndValues
          ? Type(computeType)
          : cast<RankedTensorType>(source.getType()).getElementType();
  AffineExpr r = b.getAffineDimExpr(1), c = b.getAffineDimExpr(2);
  SmallVector<AffineExpr> layout = {r, c};
  SmallVector<OpFoldResult> whole = {b.getIndexAttr(schedule.blockKeys),
                                     getAsOpFoldResult(columns)};
  SmallVector<OpFoldResult> sizes = {getAsOpFoldResult(rows), whole[1]};
  if (pairs) {
    layout = {r.floorDiv(2), c, r % 2};
    whole[0] = b.getIndexAttr((schedule.blockKeys + 1) / 2);
    whole.push_back(b.getIndexAttr(2));
    sizes = {getAsOpFoldResult(ceilDiv(rows, constant(2))), whole[1], whole[2]};
  }
  SmallVector<OpFoldResult> offsets(sizes.size(), b.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(sizes.size(), b.getIndexAttr(1));
  Value empty = tensor::EmptyOp::create(b, loc, whole, element);
  Value destination =
      tensor::ExtractSliceOp::create(b, loc, empty, offsets, sizes, strides);
  SmallVector<AffineMap> packMaps = {
      packMap(kept), AffineMap::get(3, 0, layout, b.getContext())};
  return PackOp::create(b, loc, TypeRange{destination.getType()}, source,
                        gather, /*scale=*/Value(), destination, FloatAttr(),
                        b.getAffineMapArrayAttr(packMaps))
      .getResult(0);
}

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

// All query blocks of the task for one key block.
TaskBuilder::State TaskBuilder::sharedBlocks(const State &state,
                                             Value firstQuery, Value numRows,
                                             const KeyBlock &keys,
                                             Value firstKey,
                                             Value numKeysHere) {
  Value numBlocks = ceilDiv(numRows, constant(schedule.blockQueries));
  auto loop = scf::ForOp::create(b, loc, constant(0), numBlocks, constant(1),
                                 ValueRange(state));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value block = loop.getInductionVar();
  Value offset = mul(block, constant(schedule.blockQueries));
  Value query = add(firstQuery, offset);
  Value rows = remaining(numRows, offset, schedule.blockQueries);
  State carried(loop.getRegionIterArgs()), part;
  for (Value whole : carried)
    part.push_back(blockOf(whole, block));
  StepInputs in{blockOf(packedQuery, block),
                keys.key,
                keys.value,
                query,
                rows,
                firstKey,
                /*list=*/{},
                keys.rows};
  auto insert = [&](const State &next) {
    State result;
    for (auto [value, whole] : llvm::zip(next, carried))
      result.push_back(insertBlock(value, whole, block));
    return result;
  };
  State next;
  if (!mask) {
    next = insert(step(part, in, /*masked=*/false));
  } else {
    MaskAnalysis::KeyBounds bounds = keyBounds(query, rows);
    Value endKey = add(firstKey, numKeysHere);
    Value visible = b.createOrFold<arith::AndIOp>(loc, less(bounds.lo, endKey),
                                                  less(firstKey, bounds.hi));
    next = branch(
        TypeRange(ValueRange(carried)), visible,
        [&] {
          Value full = clipKeys(in, bounds, endKey);
          return insert(guardedStep(part, in, full));
        },
        [&] { return carried; });
  }
  scf::YieldOp::create(b, loc, next);
  return State(loop.getResults());
}

// Cuts off the keys of a block behind the last one the rows see; gives the
// condition under which all pairs of the rest are kept, if there is one.
Value TaskBuilder::clipKeys(StepInputs &in,
                            const MaskAnalysis::KeyBounds &bounds,
                            Value endKey) {
  Value end = min(endKey, bounds.hi);
  Value count = remaining(end, in.firstKey, schedule.blockKeys);
  auto shorten = [&](Value block, Value rows) -> Value {
    SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(b, loc, block);
    SmallVector<OpFoldResult> offsets(sizes.size(), b.getIndexAttr(0));
    SmallVector<OpFoldResult> strides(sizes.size(), b.getIndexAttr(1));
    sizes.front() = getAsOpFoldResult(rows);
    return tensor::ExtractSliceOp::create(b, loc, block, offsets, sizes,
                                          strides);
  };
  if (in.keyRows) {
    in.keyRows = shorten(in.keyRows, count);
  } else {
    in.key = shorten(in.key, count);
    Value rows = schedule.bf16Pairs ? ceilDiv(count, constant(2)) : count;
    in.value = shorten(in.value, rows);
  }
  if (bounds.fullLo == bounds.fullHi)
    return {};
  auto atMost = [&](Value lhs, Value rhs) {
    return b.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::sle, lhs,
                                         rhs);
  };
  // With pairs an odd last key lies beside the value of the next one, which
  // these rows must not see: only the masked step looks at what it holds.
  Value last = schedule.bf16Pairs ? endKey : end;
  return b.createOrFold<arith::AndIOp>(loc, atMost(bounds.fullLo, in.firstKey),
                                       atMost(last, bounds.fullHi));
}

TaskBuilder::State TaskBuilder::branch(TypeRange types, Value condition,
                                       llvm::function_ref<State()> then,
                                       llvm::function_ref<State()> otherwise) {
  OpBuilder::InsertionGuard guard(b);
  auto branch = scf::IfOp::create(b, loc, types, condition,
                                  /*addThenBlock=*/true,
                                  /*addElseBlock=*/true);
  b.setInsertionPointToStart(&branch.getThenRegion().front());
  scf::YieldOp::create(b, loc, ValueRange(then()));
  b.setInsertionPointToStart(&branch.getElseRegion().front());
  scf::YieldOp::create(b, loc, ValueRange(otherwise()));
  return State(branch.getResults());
}

TaskBuilder::State TaskBuilder::guardedStep(const State &state,
                                            const StepInputs &in, Value full) {
  if (!full)
    return step(state, in, /*masked=*/true);
  return branch(
      TypeRange(ValueRange(state)), full,
      [&] { return step(state, in, /*masked=*/false); },
      [&] { return step(state, in, /*masked=*/true); });
}

// How the operands of a step lie: the code generator reads the layout off
// these maps.
ArrayAttr TaskBuilder::stepMaps() {
  AffineExpr h = b.getAffineDimExpr(kHead), m = b.getAffineDimExpr(kQuery),
             n = b.getAffineDimExpr(kKey), d = b.getAffineDimExpr(kWidth),
             e = b.getAffineDimExpr(kValueWidth);
  using Exprs = SmallVector<AffineExpr>;
  Exprs query = {d, m}, key = {n, d}, value = {n, e}, accumulator = {e, m},
        rows = {m};
  if (features) {
    query = {h, m, d};
    accumulator = {h, m, e};
    rows = {h, m};
  } else if (schedule.bf16Pairs) {
    query = {d.floorDiv(2), m, d % 2};
    value = {n.floorDiv(2), e, n % 2};
  }
  SmallVector<AffineMap> result;
  for (const Exprs &exprs : {query, key, value, accumulator, rows, rows})
    result.push_back(AffineMap::get(kNumLoopDims, 0, exprs, b.getContext()));
  return b.getAffineMapArrayAttr(result);
}

TaskBuilder::State TaskBuilder::step(const State &state, const StepInputs &in,
                                     bool masked) {
  double logitScale = 1.0;
  if (hasScoreRegion())
    logitScale = M_LOG2E;
  else if (schedule.bf16Pairs)
    logitScale = *staticScale() * M_LOG2E;
  SmallVector<Value> origin = {batch, head, in.firstQuery, in.firstKey};
  bool needsRows = in.rows && (masked || hasScoreRegion());
  auto result = OnlineAttentionOp::create(
      b, loc, TypeRange(ValueRange(state)), in.query, in.key, in.value, origin,
      needsRows ? in.rows : Value(), in.keyRows, state[0], state[1], state[2],
      b.getF64FloatAttr(logitScale), stepMaps());
  copyRegions(result, in, masked);
  return State(result.getResults());
}

// The regions of the step see lanes and entries of the list where those of the
// problem see rows and keys.
void TaskBuilder::mapPositions(Region &region, const StepInputs &in) {
  Block &block = region.front();
  b.setInsertionPointToStart(&block);
  unsigned row = block.getNumArguments() - 2, key = row + 1;
  // States what the code generator cannot see: positions fit into 32 bits.
  Value limit = constant((int64_t(1) << 30) - 1);
  if (in.list && !block.getArgument(key).use_empty()) {
    BlockArgument entry = block.getArgument(key);
    Value listed =
        tensor::ExtractOp::create(b, loc, in.list, ValueRange{entry});
    Value position = arith::MinUIOp::create(b, loc, listed, limit);
    entry.replaceAllUsesExcept(position, listed.getDefiningOp());
  }
  if (axes.size() == 1)
    return;
  BlockArgument lane = block.getArgument(row);
  if (lane.use_empty())
    return;
  // The argument's own uses are replaced before it is used to compute them.
  Value stand = arith::ConstantIndexOp::create(b, loc, 0);
  lane.replaceAllUsesWith(stand);
  Value position = arith::MinUIOp::create(b, loc, rowPosition(lane), limit);
  stand.replaceAllUsesWith(position);
  stand.getDefiningOp()->erase();
}

void TaskBuilder::copyRegions(OnlineAttentionOp step, const StepInputs &in,
                              bool masked) {
  OpBuilder::InsertionGuard guard(b);
  if (masked) {
    IRMapping mapping;
    op.getMaskRegion().cloneInto(&step.getMaskRegion(), mapping);
    mapPositions(step.getMaskRegion(), in);
  }
  Region &score = step.getScoreRegion();
  if (!op.getScoreRegion().empty()) {
    IRMapping mapping;
    op.getScoreRegion().cloneInto(&score, mapping);
    mapPositions(score, in);
  }
  if (!schedule.bf16Pairs || !hasScoreRegion())
    return;
  // bf16 queries are not scaled: the region sees scaled logits through a
  // product of its own.
  Value factor = staticScale() ? Value() : dynamicScale();
  Type index = b.getIndexType();
  if (score.empty()) {
    Block *block = b.createBlock(&score, score.end(),
                                 {computeType, index, index, index, index},
                                 SmallVector<Location>(5, loc));
    YieldOp::create(b, loc, block->getArgument(0));
  }
  Block &block = score.front();
  b.setInsertionPointToStart(&block);
  if (!factor)
    factor = arith::ConstantOp::create(
        b, loc, b.getFloatAttr(computeType, *staticScale()));
  auto scaled = arith::MulFOp::create(b, loc, block.getArgument(0), factor);
  block.getArgument(0).replaceAllUsesExcept(scaled, scaled);
}

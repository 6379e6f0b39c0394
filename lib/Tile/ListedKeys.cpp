//===- ListedKeys.cpp - Keys in runs, gathered into lists -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The keys a mask keeps may come in many runs, some of one key. Their positions
// are listed until a block is full; the step then reads keys and values through
// the list, so that its cost follows the keys seen and not the tiles touched.
//
//===----------------------------------------------------------------------===//

#include "TaskBuilder.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace mlir::attn;

void TileMask::scan(OpBuilder &builder, AttentionOp op) {
  if (summary)
    return;
  auto size = [&](unsigned dim) {
    return TaskBuilder::getSize(builder, op, dim);
  };
  summary = analysis.emitSummary(builder, op.getLoc(), size(kBatch),
                                 size(kHead), size(kKey));
}

// Lists keys from `firstKey` on: at most a block, all of runs that are full or
// all of runs that are not.
TaskBuilder::KeyList TaskBuilder::gatherKeys(KeyRuns &runs, Value firstKey) {
  Value list = tensor::EmptyOp::create(
      b, loc, ArrayRef<int64_t>{schedule.blockKeys}, b.getIndexType());
  Value block = constant(schedule.blockKeys), zero = constant(0),
        one = constant(1);
  Type index = b.getIndexType();
  Value yes = arith::ConstantIntOp::create(b, loc, 1, 1);
  // The number of keys, the next one, whether the runs are full, and the number
  // at which the list ends.
  SmallVector<Type> types = {index, index, b.getI1Type(), index,
                             list.getType()};
  auto both = [&](Value lhs, Value rhs) {
    return b.createOrFold<arith::AndIOp>(loc, lhs, rhs);
  };
  auto loop = scf::WhileOp::create(
      b, loc, types, ValueRange{zero, firstKey, yes, block, list},
      [&](OpBuilder &, Location, ValueRange args) {
        Value goes = both(less(args[0], args[3]), less(args[1], numKeys));
        scf::ConditionOp::create(b, loc, goes, args);
      },
      [&](OpBuilder &, Location, ValueRange args) {
        Value count = args[0], key = args[1], full = args[2];
        KeyRuns::Run run = runs.emitRun(key);
        Value differs = b.createOrFold<arith::XOrIOp>(loc, run.full, full);
        Value isFirst = b.createOrFold<arith::CmpIOp>(
            loc, arith::CmpIPredicate::eq, count, zero);
        Value mixes = both(differs, less(zero, count));
        Value step = constant(run.step);
        Value length = ceilDiv(sub(run.end, key), step);
        Value taken = min(length, sub(args[3], count));
        taken = select(run.visible, taken, zero);
        taken = select(mixes, zero, taken);
        Value passed = select(run.visible, taken, length);
        auto fill = scf::ForOp::create(b, loc, zero, taken, one, args[4]);
        {
          OpBuilder::InsertionGuard guard(b);
          b.setInsertionPointToStart(fill.getBody());
          Value offset = fill.getInductionVar();
          Value inserted = tensor::InsertOp::create(
              b, loc, add(key, mul(offset, step)), fill.getRegionIterArg(0),
              ValueRange{add(count, offset)});
          scf::YieldOp::create(b, loc, inserted);
        }
        Value next = runs.emitNext(add(key, mul(passed, step)));
        Value kept = select(isFirst, run.full, full);
        SmallVector<Value> results = {
            add(count, taken), select(mixes, key, next), kept,
            select(mixes, count, args[3]), fill.getResult(0)};
        scf::YieldOp::create(b, loc, results);
      });
  return {loop.getResult(4), loop.getResult(0), loop.getResult(2),
          loop.getResult(1)};
}

Value TaskBuilder::lookUpRows(Value firstKey, Value list, Value count) {
  Value empty = tensor::EmptyOp::create(
      b, loc, ArrayRef<int64_t>{schedule.blockKeys}, b.getIndexType());
  auto loop = scf::ForOp::create(b, loc, constant(0), count, constant(1),
                                 ValueRange{empty});
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value entry = loop.getInductionVar();
    Value position =
        list ? tensor::ExtractOp::create(b, loc, list, ValueRange{entry})
             : add(firstKey, entry);
    Block &region = op.getKeyRows().front();
    IRMapping mapping;
    mapping.map(region.getArguments(),
                SmallVector<Value>{batch, head, position});
    for (Operation &inner : region.without_terminator())
      b.clone(inner, mapping);
    Value row = mapping.lookupOrDefault(region.getTerminator()->getOperand(0));
    Value next = tensor::InsertOp::create(b, loc, row, loop.getRegionIterArg(0),
                                          ValueRange{entry});
    scf::YieldOp::create(b, loc, next);
  }
  SmallVector<OpFoldResult> offset = {b.getIndexAttr(0)},
                            size = {getAsOpFoldResult(count)},
                            stride = {b.getIndexAttr(1)};
  return tensor::ExtractSliceOp::create(b, loc, loop.getResult(0), offset, size,
                                        stride);
}

TaskBuilder::KeyBlock TaskBuilder::keyAndValueAt(Value rows) {
  // Key and value may have another number of rows than there are keys.
  auto numRows = [&](Value operand, AffineMap map) -> OpFoldResult {
    for (auto [position, expr] : llvm::enumerate(map.getResults()))
      if (expr.isFunctionOfDim(kKey))
        return tensor::getMixedSize(b, loc, operand, position);
    return b.getIndexAttr(1);
  };
  Ranges ranges{};
  ranges[kBatch] = {batch, b.getIndexAttr(1), false};
  ranges[kHead] = {head, b.getIndexAttr(1), false};
  ranges[kWidth] = {b.getIndexAttr(0), getAsOpFoldResult(width), true};
  ranges[kValueWidth] = {b.getIndexAttr(0), getAsOpFoldResult(valueWidth),
                         true};
  Slice keySlice, valueSlice;
  ranges[kKey] = {b.getIndexAttr(0), numRows(op.getKey(), maps[1]), true};
  Value key = extract(op.getKey(), maps[1], ranges, &keySlice);
  ranges[kKey] = {b.getIndexAttr(0), numRows(op.getValue(), maps[2]), true};
  Value value = extract(op.getValue(), maps[2], ranges, &valueSlice);
  if (!schedule.convertKeysAndValues && !schedule.bf16Pairs &&
      keySlice.kept.front() == kKey && valueSlice.kept.front() == kKey)
    return {key, value, rows};
  Value count = getValueOrCreateConstantIndexOp(
      b, loc, tensor::getMixedSize(b, loc, rows, 0));
  return {packRows(key, keySlice.kept, count, width, /*pairs=*/false, rows),
          packRows(value, valueSlice.kept, count, valueWidth,
                   schedule.bf16Pairs, rows),
          {}};
}

TaskBuilder::State TaskBuilder::listedStep(const State &state,
                                           const KeyList &list) {
  Value count = remaining(list.count, constant(0), schedule.blockKeys);
  SmallVector<OpFoldResult> offset = {b.getIndexAttr(0)},
                            size = {getAsOpFoldResult(count)},
                            stride = {b.getIndexAttr(1)};
  Value keys =
      tensor::ExtractSliceOp::create(b, loc, list.keys, offset, size, stride);
  StepInputs in{packedQuery,       {},          {},  constant(0),
                numRowsOf.front(), constant(0), keys};
  if (axes.size() == 1)
    in.firstQuery = firstRows.front();
  else if (isGrid())
    in.rows = Value();
  Value rows = op.hasKeyRows() ? lookUpRows({}, keys, count) : keys;
  KeyBlock block = keyAndValueAt(rows);
  in.key = block.key;
  in.value = block.value;
  in.keyRows = block.rows;
  Value full = list.full;
  if (getConstantIntValue(full) == 0)
    full = Value();
  return guardedStep(state, in, full);
}

TaskBuilder::State TaskBuilder::listedKeyLoop(const State &state) {
  KeyRuns runs(mask->analysis, *mask->summary, b, loc, batch, head, rowRanges,
               numKeys);
  SmallVector<Value> carried = {runs.emitNext(constant(0))};
  carried.append(state.begin(), state.end());
  auto loop = scf::WhileOp::create(
      b, loc, TypeRange(ValueRange(carried)), carried,
      [&](OpBuilder &, Location, ValueRange args) {
        scf::ConditionOp::create(b, loc, less(args[0], numKeys), args);
      },
      [&](OpBuilder &, Location, ValueRange args) {
        KeyList keys = gatherKeys(runs, args[0]);
        State before(args.drop_front(1));
        State after = branch(
            TypeRange(ValueRange(before)), less(constant(0), keys.count),
            [&] { return listedStep(before, keys); }, [&] { return before; });
        SmallVector<Value> next = {keys.next};
        next.append(after.begin(), after.end());
        scf::YieldOp::create(b, loc, next);
      });
  return State(loop.getResults().drop_front(1));
}

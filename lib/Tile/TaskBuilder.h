//===- TaskBuilder.h - The loop nest of one attention -----------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_TILE_TASKBUILDER_H
#define ATTN_LIB_TILE_TASKBUILDER_H

#include "attn/Analysis/MaskAnalysis.h"
#include "attn/Tile/Schedule.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace mlir::attn {

/// Builds the tasks of one attention under one schedule.
class TaskBuilder {
public:
  TaskBuilder(OpBuilder &builder, AttentionOp op, const Schedule &schedule,
              const MaskAnalysis *mask);

  /// Tensors for the results, to be written by the tasks.
  static SmallVector<Value> createOutputs(OpBuilder &builder, AttentionOp op);

  /// Emits the loop nest that writes `outputs`; gives the values that replace
  /// the results. Where `active` is given and false, there are no tasks.
  SmallVector<Value> build(ValueRange outputs, Value active);

  /// The size of a loop dimension of the whole problem.
  static Value getSize(OpBuilder &builder, AttentionOp op, unsigned dim);

private:
  /// A part of an operand: which loop dimensions remain, and where.
  struct Slice {
    SmallVector<OpFoldResult> offsets, sizes, strides;
    SmallVector<unsigned> kept;
    RankedTensorType type;
  };
  struct Range {
    OpFoldResult offset, size;
    bool keep;
  };
  using Ranges = std::array<Range, kNumLoopDims>;

  /// Accumulator, maximum and sum.
  using State = SmallVector<Value, 3>;

  Slice getSlice(Value operand, AffineMap map, const Ranges &ranges);
  Value extract(Value operand, AffineMap map, const Ranges &ranges,
                Slice *slice = nullptr);
  AffineMap packMap(ArrayRef<unsigned> dims);
  Value blockOf(Value whole, Value block);
  Value insertBlock(Value part, Value whole, Value block);

  Value packQuery(Value firstQuery, Value numRows);
  Value packQueryBlock(Value firstQuery, Value numRows, Value destination);
  State initialState();
  bool hasScoreRegion();
  /// The scale when it is known at compile time.
  std::optional<double> staticScale();
  Value dynamicScale();

  // The key loop (KeyLoop.cpp).
  State keyLoop(const State &state, Value firstQuery, Value numRows);
  MaskAnalysis::KeyBounds keyBounds(Value firstQuery, Value numRows);
  State segmentedKeyLoop(const State &state, Value firstQuery, Value numRows,
                         const MaskAnalysis::KeyBounds &bounds);
  std::pair<Value, Value> keyAndValue(Value firstKey, Value numKeysHere);
  Value packRows(Value source, ArrayRef<unsigned> kept, Value rows,
                 Value columns, bool pairs);
  State sharedBlocks(const State &state, Value firstQuery, Value numRows,
                     Value key, Value value, Value firstKey, Value numKeysHere);
  /// One key block for one query block; `full` says at run time whether all
  /// pairs are kept, and is null when that is not known to happen.
  struct StepInputs {
    Value query, key, value, firstQuery, rows, firstKey;
  };
  Value clipKeys(StepInputs &in, const MaskAnalysis::KeyBounds &bounds,
                 Value endKey);
  State guardedStep(const State &state, const StepInputs &in, Value full);
  State step(const State &state, const StepInputs &in, bool masked);
  State branch(TypeRange types, Value condition,
               llvm::function_ref<State()> then,
               llvm::function_ref<State()> otherwise);
  void copyRegions(OnlineAttentionOp step, bool masked);
  ArrayAttr stepMaps();

  SmallVector<Value> normalize(ArrayRef<Value> part, ValueRange slices,
                               ArrayRef<Slice> places);
  SmallVector<Value> normalizeBlocks(const State &state, Value numRows,
                                     ValueRange taskRows,
                                     ArrayRef<Slice> places);
  void finish(const State &state, Value firstQuery, Value numRows,
              scf::ForallOp tasks);

  // Small index arithmetic; constants fold.
  Value constant(int64_t value);
  Value add(Value lhs, Value rhs);
  Value sub(Value lhs, Value rhs);
  Value mul(Value lhs, Value rhs);
  Value min(Value lhs, Value rhs);
  Value ceilDiv(Value lhs, Value rhs);
  Value less(Value lhs, Value rhs);
  Value select(Value condition, Value lhs, Value rhs);
  /// min(limit - position, size), as an operation bounds can be proved of.
  Value remaining(Value limit, Value position, int64_t size);

  OpBuilder &b;
  AttentionOp op;
  Location loc;
  const Schedule &schedule;
  const MaskAnalysis *mask;
  SmallVector<AffineMap> maps;
  FloatType computeType;
  bool features;
  Value numQueries, numKeys, width, valueWidth;
  Value batch, head;
  int64_t keyGroup;
  /// Query blocks per task: a constant, or chosen at run time.
  Value blocksPerTask;
  bool shared;
  Value packedQuery;
};

} // namespace mlir::attn

#endif // ATTN_LIB_TILE_TASKBUILDER_H

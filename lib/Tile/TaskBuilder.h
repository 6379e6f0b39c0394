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

/// A mask that leaves some pairs out, as the loop nest sees it.
struct TileMask {
  MaskAnalysis analysis;
  /// Of the tables the mask reads, once scanned.
  std::optional<MaskSummary> summary;

  /// Emits the scan of the tables, unless that was done.
  void scan(OpBuilder &builder, AttentionOp op);
};

/// One axis of the rows: of positions p, (p floordiv stride) mod size, in tiles
/// of `tile`. The outermost has size 0.
struct TileAxis {
  int64_t stride, size, tile;
};

/// Builds the tasks of one attention under one schedule.
class TaskBuilder {
public:
  TaskBuilder(OpBuilder &builder, AttentionOp op, const Schedule &schedule,
              const TileMask *mask);

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

  // The rows of a task (RowTiles.cpp).
  Value countTasks();
  void locateRows(Value task);
  Value expandRows(Value operand, AffineMap map);
  Value collapseRows(Value operand, AffineMap map, Type type);
  SmallVector<ReassociationIndices> rowGroups(AffineMap map);
  void appendRows(Slice &slice, SmallVectorImpl<int64_t> &shape);
  bool isGrid() const { return axes.size() > 1 && axes.back().tile > 1; }
  bool isResidue() const { return axes.size() > 1 && axes.back().tile == 1; }
  Value rowPosition(Value lane);

  Slice getSlice(Value operand, AffineMap map, const Ranges &ranges);
  Value extract(Value operand, AffineMap map, const Ranges &ranges,
                Slice *slice = nullptr);
  AffineMap packMap(ArrayRef<unsigned> dims);
  void buildTask(scf::ForallOp tasks, Value numTasks);
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
  // The keys of masks with several runs (ListedKeys.cpp).
  State listedKeyLoop(const State &state);
  struct KeyList {
    Value keys, count, full, next;
  };
  KeyList gatherKeys(KeyRuns &runs, Value firstKey);
  State listedStep(const State &state, const KeyList &list);
  State segmentedKeyLoop(const State &state, Value firstQuery, Value numRows,
                         const MaskAnalysis::KeyBounds &bounds);
  /// The keys and values of a step, in place where it can read them so.
  struct KeyBlock {
    Value key, value, rows;
  };
  KeyBlock keyAndValue(Value firstKey, Value numKeysHere);
  KeyBlock keyAndValueAt(Value rows);
  /// The rows that hold keys: from `firstKey` on, or of a list of positions.
  Value lookUpRows(Value firstKey, Value list, Value count);
  Value packRows(Value source, ArrayRef<unsigned> kept, Value rows,
                 Value columns, bool pairs, Value gather = {});
  State sharedBlocks(const State &state, Value firstQuery, Value numRows,
                     const KeyBlock &block, Value firstKey, Value numKeysHere);
  /// One key block for one query block; `full` says at run time whether all
  /// pairs are kept, and is null when that is not known to happen.
  struct StepInputs {
    Value query, key, value, firstQuery, rows, firstKey;
    /// The positions of the keys, when they do not follow each other.
    Value list = {};
    /// The rows of key and value that hold the keys, when key and value are
    /// whole; otherwise they hold the step's keys, in order.
    Value keyRows = {};
  };
  Value clipKeys(StepInputs &in, const MaskAnalysis::KeyBounds &bounds,
                 Value endKey);
  State guardedStep(const State &state, const StepInputs &in, Value full);
  State step(const State &state, const StepInputs &in, bool masked);
  State branch(TypeRange types, Value condition,
               llvm::function_ref<State()> then,
               llvm::function_ref<State()> otherwise);
  void copyRegions(OnlineAttentionOp step, const StepInputs &in, bool masked);
  void mapPositions(Region &region, const StepInputs &in);
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
  const TileMask *mask;
  SmallVector<AffineMap> maps;
  FloatType computeType;
  bool features;
  Value numQueries, numKeys, width, valueWidth;
  Value batch, head;
  int64_t keyGroup;
  /// Query blocks per task: a constant, or chosen at run time.
  Value blocksPerTask;
  bool shared;
  /// The query operand, its rows split into the axes of a grid.
  Value query;
  Value packedQuery;
  SmallVector<TileAxis, 3> axes;
  /// Of the task: the first row and the number of rows, along each axis.
  SmallVector<Value, 3> firstRows, numRowsOf;
  SmallVector<MaskAnalysis::AxisRange, 3> rowRanges;
  /// Tasks of the residues with one row more than the others.
  Value longResidues, blocksOfLong, blocksOfShort;
};

} // namespace mlir::attn

#endif // ATTN_LIB_TILE_TASKBUILDER_H

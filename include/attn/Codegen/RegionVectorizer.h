//===- RegionVectorizer.h - Scalar region to vector code --------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_CODEGEN_REGIONVECTORIZER_H
#define ATTN_CODEGEN_REGIONVECTORIZER_H

#include "attn/Codegen/KernelBuilder.h"
#include "attn/Codegen/RegionRanges.h"
#include "attn/Codegen/RowTable.h"
#include "mlir/IR/IRMapping.h"

namespace mlir::attn {

/// Evaluates a scalar score or mask region on vectors of pairs. One index
/// varies over the lanes, the others are the same in all of them. Operations
/// that do not depend on the varying index stay scalar.
///
/// `prepare` emits, before a loop, all that depends only on arguments known
/// there; `evaluate` emits the rest, per vector of pairs.
class RegionVectorizer {
public:
  /// `region` may be empty: then `evaluate` must not be called.
  RegionVectorizer(KernelBuilder &kernel, Region &region);

  bool isPresent() const { return block != nullptr; }

  /// A region argument: one scalar, or one vector per group of lanes.
  struct Argument {
    Value uniform;
    SmallVector<Value> varying;
  };

  /// Binds the arguments known outside the loop (empty ones are bound by
  /// `evaluate`) and emits what depends on nothing else, once for each of the
  /// `groups` vectors the varying arguments have.
  void prepare(ArrayRef<std::optional<Argument>> arguments, unsigned groups);

  /// After `prepare`: finds the tables with a row per lane, to be read for some
  /// keys at a time; false when there is none. Key `n` of the step, of at most
  /// `maxKeys`, is the region's `firstKey + n`.
  bool findTables(Value firstKey, Value numKeys, int64_t maxKeys);
  /// Looks up where the step's keys are in the tables, and asks for the entries
  /// early.
  void approachTables();
  /// Reads the tables at the keys of the step from `first` on.
  void readTables(Value first);
  /// Says which key of the step is evaluated next.
  void selectKey(Value key) { stepKey = key; }

  /// Emits the rest for lane group `group`, with the remaining arguments in
  /// order, each a scalar or a vector; gives the region's result as a vector.
  /// Group 0 comes first; where the others follow in the same block with the
  /// same scalars, they share what does not depend on the lanes.
  Value evaluate(unsigned group, ArrayRef<Value> remaining);

private:
  bool isVarying(Value value, const IRMapping &mapping) const;
  /// Emits `op` under `mapping`; vectorises it when an operand is a vector.
  void emit(Operation &op, IRMapping &mapping);
  void emitLoad(Operation &op, IRMapping &mapping);
  /// A buffer with one dimension and the distances of the loaded elements from
  /// its beginning: what differs between lanes (null: nothing). The last
  /// `skipped` indices are taken for 0.
  std::pair<Value, Value> linearise(Operation &op, IRMapping &mapping,
                                    unsigned skipped = 0);
  void addTable(Operation *op, bool isRun, int64_t maxKeys);
  void fillPositions(Value index, Value list);
  void emitElementwise(Operation &op, IRMapping &mapping);
  void emitPerLane(Operation &op, IRMapping &mapping);
  /// Operations on 64-bit integers whose values need 32 are done in those:
  /// twice as many fit into a vector.
  bool canNarrow(Operation &op);
  Value asVector(Value value, Type scalarType);
  Value asNarrowVector(Value value);

  KernelBuilder &kernel;
  Block *block = nullptr;
  RegionRanges ranges;
  SmallVector<unsigned> remainingArguments;
  SmallVector<Operation *> remainingOps;
  SmallVector<IRMapping> prepared;
  /// What depends on the rows or on the logit, and so differs between lanes.
  llvm::SmallPtrSet<Value, 16> perLane;
  std::vector<std::unique_ptr<RowTable>> tables;
  llvm::SmallDenseMap<Operation *, RowTable *> tableOf;
  /// Indices that only the key changes, and the lists of their values.
  SmallVector<std::pair<Value, Value>> positions;
  Value firstKey, numKeys, stepKey;
  unsigned currentGroup = 0;
  /// Of the last group 0: its remaining scalars, and what follows from them.
  SmallVector<Value> lastScalars;
  llvm::SmallDenseMap<Operation *, Value> shared;
};

} // namespace mlir::attn

#endif // ATTN_CODEGEN_REGIONVECTORIZER_H

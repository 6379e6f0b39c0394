//===- RowTable.h - Tables with a row per query -----------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_CODEGEN_ROWTABLE_H
#define ATTN_CODEGEN_ROWTABLE_H

#include "attn/Codegen/KernelBuilder.h"
#include <functional>

namespace mlir::attn {

/// A table read, with the queries in the lanes, at a row per lane and at a
/// position along its rows that all lanes share. One by one the entries of a
/// vector are a load each; here those of some keys at a time are read along the
/// rows and transposed into a block with a row per key.
class RowTable {
public:
  /// Keys whose entries are in the block at a time.
  static constexpr int64_t kKeys = 16;

  /// Elements that vectors can be loaded and shuffled of.
  static bool canHold(MemRefType table);

  /// `flat` is the table with all its dimensions in one; `position` gives the
  /// position along the rows of a key of the step. Where it is known to be a
  /// constant more than the key, `isRun` says so.
  RowTable(KernelBuilder &k, Value flat, int64_t numLanes,
           std::function<Value(Value key)> position, bool isRun);

  /// The distances from the beginning of the table of a vector of rows.
  void setRows(unsigned group, Value distances);

  /// Asks for the entries of a step's keys, as if they were a run.
  void prefetch(Value numKeys);

  /// Brings the entries of the keys [first, first + kKeys), of `numKeys`, into
  /// the block.
  void read(Value first, Value numKeys);

  /// The entries of a key that was read last, for a vector of rows.
  Value load(Value key, unsigned group);

private:
  Value emitIsRun(Value numKeys);
  void copyRun();
  void copyEach(Value first, Value numKeys);
  /// Transposes a square; each vector has as many elements as there are.
  SmallVector<Value> transposeSquare(SmallVector<Value> rows);

  KernelBuilder &k;
  Value flat;
  int64_t numLanes, side;
  std::function<Value(Value key)> position;
  bool isRun;
  Type element;
  Value rows, block;
  /// The key of the block's first row.
  Value start;
};

} // namespace mlir::attn

#endif // ATTN_CODEGEN_ROWTABLE_H

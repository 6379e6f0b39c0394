//===- OnlineStep.h - A step of online attention as code --------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The schedules of one online-attention step on buffers. Which of them serves
// an operation is read off its indexing maps: the tile phase decides, the
// codegen phase obeys.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_CODEGEN_ONLINESTEP_H
#define ATTN_CODEGEN_ONLINESTEP_H

#include "attn/Codegen/KernelBuilder.h"
#include "attn/Codegen/RegionVectorizer.h"
#include "attn/Dialect/Attn/IR/Attn.h"

namespace mlir::attn {

/// What lies in the lanes of the vectors of a step.
enum class StepLayout {
  QueryLanes,      ///< query (d, m), accumulator (e, m)
  QueryLanesPairs, ///< query (d floordiv 2, m, d mod 2), bf16 dot products
  FeatureLanes,    ///< query (.., m, d), accumulator (.., m, e)
};

/// The layout the maps of `op` ask for; failure when they are none of them.
FailureOr<StepLayout> getStepLayout(OnlineAttentionOp op);

/// Emits the step before the builder's insertion point; `op` must be on
/// buffers and is erased by the caller. Where `full` is given and true, the
/// mask keeps every pair and is not evaluated.
LogicalResult emitQueryLanesStep(OpBuilder &builder, OnlineAttentionOp op,
                                 const CPUTarget &target, bool pairs,
                                 Value full = {});
LogicalResult emitFeatureLanesStep(OpBuilder &builder, OnlineAttentionOp op,
                                   const CPUTarget &target);

/// What both schedules need from the operation.
struct StepOperands {
  StepOperands(KernelBuilder &k, OnlineAttentionOp op);

  /// The row of key and value that holds the step's key `n`.
  Value keyRow(KernelBuilder &k, Value n) const {
    return keyRows ? k.loadScalar(keyRows, {n}) : n;
  }

  Value query, key, value, accumulator, maximum, sum;
  /// The list of the keys' rows; null when key n is row n.
  Value keyRows;
  Value numKeys, width, valueWidth;
  /// Position of the tile in the whole problem.
  Value batch, head, firstQuery, firstKey;
  double logitScale;
};

/// An upper bound of the keys of a step, to size its scratch by.
int64_t getMaxKeys(OnlineAttentionOp op);

/// A static scratch buffer; the placement pass moves it to the task's frame.
Value createScratch(KernelBuilder &k, ArrayRef<int64_t> shape, Type element);

} // namespace mlir::attn

#endif // ATTN_CODEGEN_ONLINESTEP_H

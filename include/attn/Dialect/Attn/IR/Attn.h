//===- Attn.h - The attn dialect --------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_DIALECT_ATTN_IR_ATTN_H
#define ATTN_DIALECT_ATTN_IR_ATTN_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Linalg/IR/LinalgInterfaces.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/TilingInterface.h"

namespace mlir::attn {

/// The dimensions of every operation's iteration space, in this order.
enum LoopDim : unsigned { kBatch, kHead, kQuery, kKey, kWidth, kValueWidth };
constexpr unsigned kNumLoopDims = 6;

/// What a mask or score attribute may use to build its expression.
struct PairContext {
  Value batch, head, query, key;
  /// Sizes of the whole problem, index typed.
  Value numHeads, numQueries, numKeys;
  /// Operands written behind the attribute.
  ValueRange operands;
};

/// An axis of the rows of a tile that are laid out as a grid: the operand's
/// dimension `position` is (r floordiv stride) mod size; the first axis is
/// bounded by the operand alone and has size 0.
struct RowAxis {
  unsigned position;
  int64_t stride, size;
};
/// The axes of the rows in a map from (h, r, c), outermost first: a single one
/// where r is a whole dimension, none where it is missing. Nothing when the
/// map uses rows in another way.
std::optional<SmallVector<RowAxis>> getRowAxes(AffineMap map);

/// What the types say about the problem's sizes; kDynamic where they do not.
struct PairSizes {
  int64_t batch, heads, queries, keys;
};

class AttentionOpInterface;
namespace detail {
LogicalResult verifyAttentionOp(AttentionOpInterface op);
} // namespace detail

} // namespace mlir::attn

#include "attn/Dialect/Attn/IR/AttnDialect.h.inc"
#include "attn/Dialect/Attn/IR/AttnEnums.h.inc"

#include "attn/Dialect/Attn/IR/AttnAttrInterfaces.h.inc"
#include "attn/Dialect/Attn/IR/AttnOpInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "attn/Dialect/Attn/IR/AttnAttrs.h.inc"

#define GET_OP_CLASSES
#include "attn/Dialect/Attn/IR/AttnOps.h.inc"

#endif // ATTN_DIALECT_ATTN_IR_ATTN_H

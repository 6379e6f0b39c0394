//===- Passes.h - Fewer operations, exactly ---------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_SPECIALIZE_PASSES_H
#define ATTN_SPECIALIZE_PASSES_H

#include "attn/Dialect/Attn/IR/Attn.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::attn {

/// Replaces `op` by one operation for each range of heads with a mask of its
/// own, if there are several, and at most `maxRanges`. Gives whether it did.
bool splitHeads(RewriterBase &rewriter, AttentionOp op, int64_t maxRanges);

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "attn/Specialize/Passes.h.inc"

} // namespace mlir::attn

#endif // ATTN_SPECIALIZE_PASSES_H

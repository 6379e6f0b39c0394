//===- Passes.h - Named operations become core operations -------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_EXPAND_PASSES_H
#define ATTN_EXPAND_PASSES_H

#include "mlir/IR/PatternMatch.h"
#include "mlir/Pass/Pass.h"

namespace mlir::attn {

/// Expands every operation below `root` until only core operations are left.
LogicalResult expandAll(RewriterBase &rewriter, Operation *root);

/// Replaces `attn` operations below `root` by their unfused definition.
LogicalResult decomposeAll(RewriterBase &rewriter, Operation *root);

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "attn/Expand/Passes.h.inc"

} // namespace mlir::attn

#endif // ATTN_EXPAND_PASSES_H

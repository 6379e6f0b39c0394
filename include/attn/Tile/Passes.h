//===- Passes.h - Core operations to online steps in loops ------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TILE_PASSES_H
#define ATTN_TILE_PASSES_H

#include "attn/Tile/Schedule.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::attn {

#define GEN_PASS_DECL
#include "attn/Tile/Passes.h.inc"

/// Replaces `op` by tasks and online steps.
LogicalResult tileAttention(RewriterBase &rewriter, AttentionOp op,
                            const CPUTarget &target,
                            const ScheduleRequest &request);

#define GEN_PASS_REGISTRATION
#include "attn/Tile/Passes.h.inc"

} // namespace mlir::attn

#endif // ATTN_TILE_PASSES_H

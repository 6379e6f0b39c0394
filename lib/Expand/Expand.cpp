//===- Expand.cpp - Calls each operation's own expansion ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Expand/Passes.h"

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace mlir::attn {
#define GEN_PASS_DEF_EXPANDPASS
#include "attn/Expand/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

LogicalResult attn::expandAll(RewriterBase &rewriter, Operation *root) {
  // An expansion may give operations that expand further.
  while (true) {
    SmallVector<ExpandOpInterface> pending;
    root->walk([&](ExpandOpInterface op) {
      if (!op.isCore())
        pending.push_back(op);
    });
    if (pending.empty())
      return success();
    for (ExpandOpInterface op : pending) {
      rewriter.setInsertionPoint(op);
      if (failed(op.expand(rewriter)))
        return failure();
    }
  }
}

namespace {
struct ExpandPass final : attn::impl::ExpandPassBase<ExpandPass> {
  using Base::Base;
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    if (failed(expandAll(rewriter, getOperation())))
      signalPassFailure();
  }
};
} // namespace

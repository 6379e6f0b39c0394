//===- Decompose.cpp - Calls each operation's own decomposition -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Expand/Passes.h"

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace mlir::attn {
#define GEN_PASS_DEF_DECOMPOSEPASS
#include "attn/Expand/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

LogicalResult attn::decomposeAll(RewriterBase &rewriter, Operation *root) {
  if (failed(expandAll(rewriter, root)))
    return failure();
  SmallVector<linalg::AggregatedOpInterface> pending;
  root->walk([&](linalg::AggregatedOpInterface op) {
    // Upstream operations such as linalg.softmax have the interface too.
    if (!isa_and_nonnull<AttnDialect>(op->getDialect()) ||
        !cast<DestinationStyleOpInterface>(op.getOperation())
             .hasPureTensorSemantics())
      return;
    pending.push_back(op);
  });
  for (linalg::AggregatedOpInterface op : pending) {
    rewriter.setInsertionPoint(op);
    FailureOr<SmallVector<Value>> results = op.decomposeOperation(rewriter);
    if (failed(results))
      return op->emitOpError()
             << "expects key and width dimensions that some operand holds "
                "whole, but they are all split";
    rewriter.replaceOp(op, *results);
  }
  return success();
}

namespace {
struct DecomposePass final : attn::impl::DecomposePassBase<DecomposePass> {
  using Base::Base;
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    if (failed(decomposeAll(rewriter, getOperation())))
      signalPassFailure();
  }
};
} // namespace

//===- ApproximateMath.cpp - Transcendental functions as polynomials ---------
//===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Passes.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace mlir::attn {
#define GEN_PASS_DEF_APPROXIMATEMATHPASS
#include "attn/Target/CPU/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

// Functions every target rounds or combines in one or few instructions.
static bool isCheap(Operation *op) {
  return isa<math::RoundEvenOp, math::FmaOp, math::SqrtOp, math::RsqrtOp,
             math::AbsFOp, math::AbsIOp, math::FloorOp, math::CeilOp,
             math::CopySignOp>(op);
}

namespace {
struct ApproximateMathPass final
    : public attn::impl::ApproximateMathPassBase<ApproximateMathPass> {
  using Base::Base;
  void runOnOperation() override {
    bool needed = false;
    getOperation().walk([&](Operation *op) {
      needed |=
          isa_and_nonnull<math::MathDialect>(op->getDialect()) && !isCheap(op);
    });
    if (!needed)
      return;
    RewritePatternSet patterns(&getContext());
    populateMathPolynomialApproximationPatterns(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace

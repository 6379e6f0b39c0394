//===- LowerTransfers.cpp - Vector transfers to loops of loads ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Passes.h"
#include "mlir/Conversion/VectorToSCF/VectorToSCF.h"

namespace mlir::attn {
#define GEN_PASS_DEF_LOWERTRANSFERSPASS
#include "attn/Target/CPU/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;

namespace {
struct LowerTransfersPass final
    : public attn::impl::LowerTransfersPassBase<LowerTransfersPass> {
  using Base::Base;
  void runOnOperation() override {
    SmallVector<Operation *> transfers;
    getOperation().walk(
        [&](VectorTransferOpInterface op) { transfers.push_back(op); });
    if (transfers.empty())
      return;
    RewritePatternSet patterns(&getContext());
    populateVectorToSCFConversionPatterns(patterns);
    GreedyRewriteConfig config;
    config.setStrictness(GreedyRewriteStrictness::ExistingAndNewOps);
    if (failed(applyOpPatternsGreedily(transfers, std::move(patterns), config)))
      signalPassFailure();
  }
};
} // namespace

//===- PrintMaskAnalysis.cpp - The mask analysis on standard output -------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Analysis/MaskAnalysis.h"
#include "attn/Analysis/Passes.h"
#include "attn/Dialect/Attn/IR/Attn.h"

namespace mlir::attn {
#define GEN_PASS_DEF_PRINTMASKANALYSISPASS
#include "attn/Analysis/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {
struct PrintMaskAnalysisPass final
    : attn::impl::PrintMaskAnalysisPassBase<PrintMaskAnalysisPass> {
  using Base::Base;
  void runOnOperation() override {
    getOperation()->walk([](AttentionOpInterface op) {
      Region &mask = op.getMaskRegion();
      if (mask.empty())
        return;
      llvm::outs() << "mask of " << op->getName() << " at " << op.getLoc()
                   << ": ";
      MaskAnalysis::compute(mask).print(llvm::outs());
    });
    markAllAnalysesPreserved();
  }
};
} // namespace

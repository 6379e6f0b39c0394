//===- VerifyPhase.cpp - What may remain at the end of a phase ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Pipelines/Passes.h"
#include "attn/Pipelines/Pipelines.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace mlir::attn {
#define GEN_PASS_DEF_VERIFYPHASEPASS
#include "attn/Pipelines/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

static bool hasTensor(Operation *op) {
  auto isTensor = [](Type type) { return isa<TensorType>(type); };
  return llvm::any_of(op->getOperandTypes(), isTensor) ||
         llvm::any_of(op->getResultTypes(), isTensor);
}

// Why `op` may not be there when `phase` has ended; empty when it may.
static StringRef getViolation(Operation *op, Phase phase) {
  if (phase >= Phase::Expand)
    if (auto expandable = dyn_cast<ExpandOpInterface>(op))
      if (!expandable.isCore())
        return "has not been expanded to core operations";
  if (phase >= Phase::Tile && isa<AttentionOp>(op))
    return "has not been tiled";
  if (phase >= Phase::Codegen) {
    if (isa_and_nonnull<AttnDialect>(op->getDialect()))
      return "has no code generated for it";
    if (hasTensor(op))
      return "still works on tensors";
  }
  if (phase >= Phase::Target && !isa<ModuleOp>(op) &&
      !isa_and_nonnull<LLVM::LLVMDialect>(op->getDialect()))
    return "has no lowering to the LLVM dialect";
  return {};
}

namespace {
struct VerifyPhasePass final
    : public attn::impl::VerifyPhasePassBase<VerifyPhasePass> {
  using Base::Base;
  void runOnOperation() override {
    std::optional<Phase> ended = getPhase(phase);
    if (!ended) {
      getOperation().emitError() << "unknown phase '" << phase << "'";
      return signalPassFailure();
    }
    getOperation().walk([&](Operation *op) {
      StringRef violation = getViolation(op, *ended);
      if (violation.empty())
        return;
      op->emitError() << "'" << op->getName() << "' " << violation
                      << " after phase '" << phase << "'";
      signalPassFailure();
    });
    markAllAnalysesPreserved();
  }
};
} // namespace

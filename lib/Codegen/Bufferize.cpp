//===- Bufferize.cpp - Gives every tensor a buffer ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Codegen/Passes.h"
#include "attn/Dialect/Attn/IR/Attn.h"
#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/IR/DstBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/Bufferization/Transforms/OneShotModuleBufferize.h"
#include "mlir/Dialect/Bufferization/Transforms/Transforms.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace mlir::attn {
#define GEN_PASS_DEF_BUFFERIZEPASS
#include "attn/Codegen/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::bufferization;

namespace {

/// Every attn operation writes its destinations and reads its inputs; some
/// also read what the destinations held.
template <typename OpTy, bool readsDestinations>
struct DestinationModel : public DstBufferizableOpInterfaceExternalModel<
                              DestinationModel<OpTy, readsDestinations>, OpTy> {
  bool bufferizesToMemoryRead(Operation *op, OpOperand &operand,
                              const AnalysisState &state) const {
    return readsDestinations ||
           !cast<DestinationStyleOpInterface>(op).isDpsInit(&operand);
  }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options,
                          BufferizationState &state) const {
    rewriter.setInsertionPoint(op);
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      if (!isa<TensorType>(operand.getType())) {
        operands.push_back(operand);
        continue;
      }
      FailureOr<Value> buffer = getBuffer(rewriter, operand, options, state);
      if (failed(buffer))
        return failure();
      operands.push_back(*buffer);
    }
    OperationState newState(op->getLoc(), op->getName(), operands, TypeRange(),
                            op->getAttrs());
    for (unsigned i = 0; i < op->getNumRegions(); ++i)
      newState.addRegion();
    Operation *buffered = rewriter.create(newState);
    for (auto [from, to] : llvm::zip(op->getRegions(), buffered->getRegions()))
      rewriter.inlineRegionBefore(from, to, to.end());
    SmallVector<Value> results;
    for (OpOperand &init :
         cast<DestinationStyleOpInterface>(buffered).getDpsInitsMutable())
      results.push_back(init.get());
    replaceOpWithBufferizedValues(rewriter, op, results);
    return success();
  }
};

} // namespace

void mlir::attn::registerBufferizableOpInterfaceExternalModels(
    DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, AttnDialect *) {
    OnlineAttentionOp::attachInterface<
        DestinationModel<OnlineAttentionOp, true>>(*context);
    PackOp::attachInterface<DestinationModel<PackOp, false>>(*context);
    NormalizeOp::attachInterface<DestinationModel<NormalizeOp, false>>(
        *context);
    MergeOp::attachInterface<DestinationModel<MergeOp, true>>(*context);
  });
}

static LogicalResult bufferizeModule(ModuleOp module) {
  OneShotBufferizationOptions options;
  options.bufferizeFunctionBoundaries = true;
  options.allowReturnAllocsFromLoops = true;
  options.functionArgTypeConverterFn =
      [](TensorLikeType type, Attribute, func::FuncOp,
         const BufferizationOptions &) -> BufferLikeType {
    return cast<BufferLikeType>(getBoundaryType(cast<RankedTensorType>(type)));
  };
  options.inferFunctionResultLayout = false;
  // Buffers without a known layout come from our own allocations.
  options.unknownTypeConverterFn = [](TensorType type, Attribute space,
                                      const BufferizationOptions &) {
    return getMemRefTypeWithStaticIdentityLayout(type, space);
  };
  IRRewriter rewriter(module.getContext());
  if (failed(eliminateEmptyTensors(rewriter, module)))
    return failure();
  BufferizationState state;
  if (failed(runOneShotModuleBufferize(module, options, state)))
    return failure();
  removeBufferizationAttributesInModule(module);
  return success();
}

namespace {
struct BufferizePass final
    : public attn::impl::BufferizePassBase<BufferizePass> {
  using Base::Base;
  void runOnOperation() override {
    if (failed(bufferizeModule(getOperation())))
      signalPassFailure();
  }
};
} // namespace

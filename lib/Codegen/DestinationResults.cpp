//===- DestinationResults.cpp - Results into the caller's buffers ---------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Codegen/Passes.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace mlir::attn {
#define GEN_PASS_DEF_DESTINATIONRESULTSPASS
#include "attn/Codegen/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

MemRefType mlir::attn::getBoundaryType(RankedTensorType type) {
  if (type.getRank() == 0)
    return MemRefType::get(
        {}, type.getElementType(),
        StridedLayoutAttr::get(type.getContext(), ShapedType::kDynamic, {}));
  SmallVector<int64_t> strides(type.getRank(), ShapedType::kDynamic);
  if (!strides.empty())
    strides.back() = 1;
  return MemRefType::get(
      type.getShape(), type.getElementType(),
      StridedLayoutAttr::get(type.getContext(), ShapedType::kDynamic, strides));
}

static LogicalResult useDestinations(func::FuncOp function) {
  for (Type type : function.getResultTypes())
    if (!isa<RankedTensorType>(type))
      return function.emitError()
             << "expects an entry function to return ranked tensors, but got "
             << type;
  if (!function.getBody().hasOneBlock())
    return function.emitError()
           << "expects an entry function to have 1 block, but got "
           << function.getBody().getBlocks().size();
  Block &body = function.getBody().front();
  auto yield = cast<func::ReturnOp>(body.getTerminator());
  OpBuilder b(yield);
  for (unsigned i = 0, e = function.getNumArguments(); i < e; ++i)
    if (isa<TensorType>(function.getArgument(i).getType()))
      function.setArgAttr(
          i, bufferization::BufferizationDialect::kWritableAttrName,
          b.getBoolAttr(false));
  SmallVector<Value> results(yield.getOperands());
  for (Value result : results) {
    MemRefType type = getBoundaryType(cast<RankedTensorType>(result.getType()));
    unsigned position = function.getNumArguments();
    if (failed(function.insertArgument(position, type, {}, result.getLoc())))
      return failure();
    auto write = bufferization::MaterializeInDestinationOp::create(
        b, yield.getLoc(), Type(), result, function.getArgument(position));
    write.setRestrict(true);
    write.setWritable(true);
  }
  func::ReturnOp::create(b, yield.getLoc());
  yield.erase();
  function.setFunctionType(FunctionType::get(
      function.getContext(), function.getFunctionType().getInputs(), {}));
  function.removeResAttrsAttr();
  return success();
}

namespace {
struct DestinationResultsPass final
    : public attn::impl::DestinationResultsPassBase<DestinationResultsPass> {
  using Base::Base;
  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function.isPublic() && !function.isDeclaration() &&
        function.getNumResults() > 0 && failed(useDestinations(function)))
      signalPassFailure();
  }
};
} // namespace

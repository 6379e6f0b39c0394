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

// A collapsed result would be computed in a buffer of its own and copied: the
// destination takes its shape instead, ahead of everything that may use it.
static void expandCollapsed(OpBuilder &b, Value &result, Value &destination) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(destination.getParentBlock());
  while (auto collapse = result.getDefiningOp<tensor::CollapseShapeOp>()) {
    Location loc = collapse.getLoc();
    auto shape = cast<RankedTensorType>(collapse.getSrc().getType()).getShape();
    SmallVector<ReassociationIndices> groups =
        collapse.getReassociationIndices();
    FailureOr<MemRefType> expanded = memref::ExpandShapeOp::computeExpandedType(
        cast<MemRefType>(destination.getType()), shape, groups);
    if (failed(expanded))
      return;
    SmallVector<OpFoldResult> sizes;
    for (auto [position, group] : llvm::enumerate(groups)) {
      for (int64_t dim : group) {
        if (!ShapedType::isDynamic(shape[dim])) {
          sizes.push_back(b.getIndexAttr(shape[dim]));
          continue;
        }
        if (group.size() > 1)
          return;
        sizes.push_back(
            memref::DimOp::create(b, loc, destination, position).getResult());
      }
    }
    destination = memref::ExpandShapeOp::create(b, loc, *expanded, destination,
                                                groups, sizes);
    b.setInsertionPointAfterValue(destination);
    result = collapse.getSrc();
  }
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
    Value destination = function.getArgument(position);
    expandCollapsed(b, result, destination);
    auto write = bufferization::MaterializeInDestinationOp::create(
        b, yield.getLoc(), Type(), result, destination);
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

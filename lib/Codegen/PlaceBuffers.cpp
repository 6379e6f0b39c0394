//===- PlaceBuffers.cpp - Scratch buffers into the frame of their task ----===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Codegen/Passes.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace mlir::attn {
#define GEN_PASS_DEF_PLACEBUFFERSPASS
#include "attn/Codegen/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

// Vector loads and stores of scratch buffers are aligned to a cache line.
static constexpr int64_t kAlignment = 64;

static int64_t getBytes(MemRefType type) {
  // Lists of rows hold indices, which have no width of their own.
  int64_t bits = type.getElementType().isIndex()
                     ? IndexType::kInternalStorageBitWidth
                     : type.getElementTypeBitWidth();
  return llvm::divideCeil(type.getNumElements() * bits, 8);
}

// Whether the allocation became part of the stack and so is no more.
static bool moveToFrame(memref::AllocOp alloc, scf::ForallOp task,
                        int64_t &stackBytes) {
  Block *frame = task.getBody();
  auto alignment =
      IntegerAttr::get(IntegerType::get(alloc.getContext(), 64), kAlignment);
  alloc.setAlignmentAttr(alignment);
  alloc->moveBefore(frame, frame->begin());
  int64_t bytes = llvm::alignTo(getBytes(alloc.getType()), kAlignment);
  if (bytes > stackBytes)
    return false;
  stackBytes -= bytes;
  OpBuilder b(alloc);
  auto local =
      memref::AllocaOp::create(b, alloc.getLoc(), alloc.getType(), alignment);
  alloc.replaceAllUsesWith(local.getResult());
  alloc.erase();
  return true;
}

// Whether the buffer or a view of it is handed on by a terminator.
static bool leavesBlock(Value buffer) {
  return llvm::any_of(buffer.getUsers(), [](Operation *user) {
    if (user->hasTrait<OpTrait::IsTerminator>())
      return true;
    return isa<ViewLikeOpInterface>(user) &&
           llvm::any_of(user->getResults(), leavesBlock);
  });
}

namespace {
struct PlaceBuffersPass final
    : public attn::impl::PlaceBuffersPassBase<PlaceBuffersPass> {
  using Base::Base;
  void runOnOperation() override {
    SmallVector<memref::AllocOp> allocs;
    getOperation().walk(
        [&](memref::AllocOp alloc) { allocs.push_back(alloc); });
    DenseMap<Operation *, int64_t> stackLeft;
    SmallVector<memref::AllocOp> onHeap;
    for (memref::AllocOp alloc : allocs) {
      auto task = alloc->getParentOfType<scf::ForallOp>();
      if (!task || !alloc.getType().hasStaticShape() || leavesBlock(alloc)) {
        onHeap.push_back(alloc);
        continue;
      }
      Operation *frame = task;
      int64_t &left = stackLeft.try_emplace(frame, maxStackBytes).first->second;
      if (!moveToFrame(alloc, task, left))
        onHeap.push_back(alloc);
    }
    for (memref::AllocOp alloc : onHeap) {
      bool freed = llvm::any_of(alloc->getUsers(), [](Operation *user) {
        return isa<memref::DeallocOp>(user);
      });
      if (freed || leavesBlock(alloc))
        continue;
      OpBuilder b(alloc->getBlock()->getTerminator());
      memref::DeallocOp::create(b, alloc.getLoc(), alloc);
    }
  }
};
} // namespace

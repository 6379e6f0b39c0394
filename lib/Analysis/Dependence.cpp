//===- Dependence.cpp - What a value of a mask depends on -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Dependence.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/SmallPtrSet.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::mask;

Dependence mask::dependenceOf(Value value, Region &mask) {
  Dependence result;
  bool *reads[] = {&result.onBatch, &result.onHead, &result.onRow,
                   &result.onKey};
  llvm::SmallPtrSet<Value, 16> seen;
  SmallVector<Value> worklist{value};
  while (!worklist.empty()) {
    Value next = worklist.pop_back_val();
    if (!seen.insert(next).second)
      continue;
    if (auto argument = dyn_cast<BlockArgument>(next)) {
      if (argument.getOwner() == &mask.front())
        *reads[argument.getArgNumber()] = true;
      continue;
    }
    Operation *op = next.getDefiningOp();
    if (mask.isAncestor(op->getParentRegion()))
      llvm::append_range(worklist, op->getOperands());
  }
  return result;
}

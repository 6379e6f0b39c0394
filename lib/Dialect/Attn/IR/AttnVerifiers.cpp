//===- AttnVerifiers.cpp - The numbered constraints of the operations -----===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

using namespace mlir;
using namespace mlir::attn;

LogicalResult attn::detail::verifyAttentionOp(AttentionOpInterface op) {
  return success();
}
LogicalResult AttentionOp::verifyRegions() { return success(); }
LogicalResult OnlineAttentionOp::verifyRegions() { return success(); }
LogicalResult MergeOp::verify() { return success(); }
LogicalResult PackOp::verify() { return success(); }
LogicalResult NormalizeOp::verify() { return success(); }

//===- TileOps.h - The steps around a tile as vector code -------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_CODEGEN_TILEOPS_H
#define ATTN_CODEGEN_TILEOPS_H

#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Target/CPU/TargetDescription.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace mlir::attn {

/// Emit the operation, which must be on buffers, before itself. The caller
/// erases it.
LogicalResult emitPack(OpBuilder &builder, PackOp op, const CPUTarget &target);
LogicalResult emitNormalize(OpBuilder &builder, NormalizeOp op,
                            const CPUTarget &target);

/// True for a fill of a contiguous buffer of whole vectors, which `emitFill`
/// serves; others are left to the upstream lowering.
bool canEmitFill(linalg::FillOp op, const CPUTarget &target);
void emitFill(OpBuilder &builder, linalg::FillOp op, const CPUTarget &target);

} // namespace mlir::attn

#endif // ATTN_CODEGEN_TILEOPS_H

//===- Passes.h - Tiles to buffers and vector code --------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_CODEGEN_PASSES_H
#define ATTN_CODEGEN_PASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::attn {

#define GEN_PASS_DECL
#include "attn/Codegen/Passes.h.inc"

/// Buffer semantics of the attn operations.
void registerBufferizableOpInterfaceExternalModels(DialectRegistry &registry);

/// The buffer type of a tensor at a function's boundary: any strides, the
/// innermost 1.
MemRefType getBoundaryType(RankedTensorType type);

#define GEN_PASS_REGISTRATION
#include "attn/Codegen/Passes.h.inc"

} // namespace mlir::attn

#endif // ATTN_CODEGEN_PASSES_H

//===- ModuleChecks.h -------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Limits on parsed modules, so that no later stage runs out of memory or stack.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_JIT_MODULECHECKS_H
#define ATTN_LIB_JIT_MODULECHECKS_H

#include "mlir/IR/BuiltinOps.h"

namespace attn {

/// Refuses deeply nested regions (bytecode is not scanned as text is).
llvm::LogicalResult checkNesting(mlir::ModuleOp module);

/// Refuses tensors of more than 2^40 elements and constants of more than 2^26
/// elements (a splat is short as text, but not as data), and sizes asked of
/// dimensions that do not exist.
llvm::LogicalResult checkSizes(mlir::ModuleOp module);

} // namespace attn

#endif // ATTN_LIB_JIT_MODULECHECKS_H

//===- Passes.h - Buffers and vectors to the LLVM dialect -------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TARGET_CPU_PASSES_H
#define ATTN_TARGET_CPU_PASSES_H

#include "attn/Target/CPU/TargetDescription.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::attn {

#define GEN_PASS_DECL
#include "attn/Target/CPU/Passes.h.inc"

/// Appends the passes that bring buffers and vectors to the LLVM dialect.
/// `hasBF16Conversion`: the target rounds to bf16 in one instruction.
void buildLowerToLLVM(OpPassManager &pm, bool hasBF16Conversion);

#define GEN_PASS_REGISTRATION
#include "attn/Target/CPU/Passes.h.inc"

} // namespace mlir::attn

#endif // ATTN_TARGET_CPU_PASSES_H

//===- SignatureBuilder.h ---------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads the boundary of a function off its IR.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_JIT_SIGNATUREBUILDER_H
#define ATTN_LIB_JIT_SIGNATUREBUILDER_H

#include "attn/JIT/Kernel.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace attn {

/// Argument names, types and result sizes. `source` is the text `function` was
/// parsed from; it holds the argument names. Reports what cannot cross the
/// boundary as errors on the function.
mlir::FailureOr<Signature> buildSignature(mlir::func::FuncOp function,
                                          std::string_view source);

/// Adds the relations between argument sizes that the operations of `function`
/// rely on.
void addConstraints(mlir::func::FuncOp function, Signature &signature);

/// What both need to see through operations.
void registerSignatureInterfaces(mlir::DialectRegistry &registry);

} // namespace attn

#endif // ATTN_LIB_JIT_SIGNATUREBUILDER_H

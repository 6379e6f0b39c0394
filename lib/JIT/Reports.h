//===- Reports.h ------------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Collects what MLIR and LLVM say during one compilation.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_JIT_REPORTS_H
#define ATTN_LIB_JIT_REPORTS_H

#include "attn/JIT/Diagnostic.h"

#include "mlir/IR/Diagnostics.h"

namespace llvm {
class LLVMContext;
} // namespace llvm

namespace attn {

class Reports {
public:
  explicit Reports(std::string fileName) : fileName(std::move(fileName)) {}

  /// Takes over diagnostics and remarks of `context` for its lifetime.
  void attach(mlir::MLIRContext &context);
  /// Takes over diagnostics; LLVM would end the process on an error.
  void attach(llvm::LLVMContext &context);

  void addError(std::string message, SourceLocation location = {});
  bool hasErrors() const;

  std::vector<Diagnostic> diagnostics;
  std::vector<Remark> remarks;

private:
  std::string fileName;
};

/// The first place in a source file that `location` mentions.
SourceLocation toSourceLocation(mlir::Location location);

} // namespace attn

#endif // ATTN_LIB_JIT_REPORTS_H

//===- Interpreter.h - Runs index and integer arithmetic --------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An evaluator of the operations that masks and their bounds are made of,
// independent of the analysis and of MLIR's folders.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TEST_ANALYSIS_UNIT_INTERPRETER_H
#define ATTN_TEST_ANALYSIS_UNIT_INTERPRETER_H

#include "mlir/IR/Block.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/DenseMap.h"
#include <vector>

namespace attn::test {

/// A straight-line program over 64-bit registers; narrower integers are kept
/// sign-extended.
class Interpreter {
public:
  /// The register of a value that the caller sets.
  int64_t &input(mlir::Value value);
  int64_t operator[](mlir::Value value) const;

  /// Appends the operations in [first, last). Aborts on an unknown one.
  void compile(mlir::Block::iterator first, mlir::Block::iterator last);
  void run();

private:
  struct Instruction {
    mlir::Operation *op;
    int kind;
    unsigned width;
    unsigned result;
    unsigned operands[3];
  };

  unsigned slot(mlir::Value value);
  int64_t execute(const Instruction &instruction) const;

  llvm::DenseMap<mlir::Value, unsigned> slots;
  std::vector<int64_t> registers;
  std::vector<Instruction> code;
};

} // namespace attn::test

#endif // ATTN_TEST_ANALYSIS_UNIT_INTERPRETER_H

//===- Interpreter.h - Runs index and integer code --------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An evaluator of the operations that masks, their bounds and the walks over
// their keys are made of, independent of the analysis and of MLIR's folders.
// It notices what memory would hide: reads outside a tensor, reads of entries
// nobody wrote, and loops that do not end.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TEST_ANALYSIS_UNIT_INTERPRETER_H
#define ATTN_TEST_ANALYSIS_UNIT_INTERPRETER_H

#include "mlir/IR/Block.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/DenseMap.h"
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace attn::test {

/// Values of a tensor in row-major order.
struct Tensor {
  llvm::SmallVector<int64_t, 4> shape;
  std::vector<int64_t> entries;

  int64_t size() const;
};

/// Programs over 64-bit registers, narrower integers being kept sign-extended,
/// and registers that hold tensors.
class Interpreter {
public:
  using ProgramId = unsigned;

  /// The register of a value that the caller sets.
  int64_t &input(mlir::Value value);
  void setTensor(mlir::Value value, Tensor tensor);
  int64_t operator[](mlir::Value value) const;

  /// Compiles the operations in [first, last) as a program of their own. Aborts
  /// on an unknown one.
  ProgramId compile(mlir::Block::iterator first, mlir::Block::iterator last);
  void run(ProgramId program);

  /// What went wrong in some run; empty if nothing did.
  llvm::StringRef getError() const { return error; }

private:
  struct Instruction {
    mlir::Operation *op;
    int kind;
    unsigned width;
    unsigned result;
    llvm::SmallVector<unsigned, 4> operands;
    llvm::SmallVector<ProgramId, 2> bodies;
  };
  using Slots = llvm::SmallVector<unsigned, 4>;

  unsigned slot(mlir::Value value);
  Slots slotsOf(mlir::ValueRange values);
  void fail(const char *what);
  void copy(unsigned from, unsigned to);
  void copy(mlir::ValueRange from, mlir::ValueRange to);
  int64_t valueOf(mlir::OpFoldResult value);
  llvm::SmallVector<int64_t, 4> valuesOf(llvm::ArrayRef<mlir::OpFoldResult>);
  /// A copy of a tensor that may be written.
  std::shared_ptr<Tensor> writable(mlir::Value value);

  int64_t execute(const Instruction &instruction) const;
  bool executeStructured(const Instruction &instruction);
  void executeFor(const Instruction &instruction);
  void executeWhile(const Instruction &instruction);
  void executeForall(const Instruction &instruction);
  void executeSlice(mlir::Operation *op);

  llvm::DenseMap<mlir::Value, unsigned> slots;
  std::vector<int64_t> registers;
  std::vector<std::shared_ptr<Tensor>> tensors;
  std::deque<std::vector<Instruction>> programs;
  int64_t numSteps = 0;
  std::string error;
};

} // namespace attn::test

#endif // ATTN_TEST_ANALYSIS_UNIT_INTERPRETER_H

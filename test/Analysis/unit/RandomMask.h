//===- RandomMask.h - Random mask predicates as IR --------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TEST_ANALYSIS_UNIT_RANDOMMASK_H
#define ATTN_TEST_ANALYSIS_UNIT_RANDOMMASK_H

#include "mlir/IR/Builders.h"
#include <random>

namespace attn::test {

/// Builds random predicates over the arguments b, h, i, j of a block and the
/// given symbols.
class RandomMask {
public:
  RandomMask(mlir::OpBuilder &builder, mlir::Block &block, unsigned seed)
      : builder(builder), loc(builder.getUnknownLoc()), block(block),
        random(seed) {}

  llvm::SmallVector<mlir::Value> indexSymbols;
  llvm::SmallVector<mlir::Value> boolSymbols;

  mlir::Value predicate(unsigned depth);
  int64_t uniform(int64_t first, int64_t last) {
    return std::uniform_int_distribution<int64_t>(first, last)(random);
  }
  mlir::Value constant(int64_t value);

private:
  mlir::Value comparison();
  mlir::Value typicalComparison();
  mlir::Value integer(unsigned depth);
  mlir::Value leaf();
  mlir::Value binary(unsigned depth);
  mlir::Value division(unsigned depth);
  mlir::Value unsignedDivision(mlir::Value a, int64_t amount);
  mlir::Value narrow(unsigned depth);
  mlir::Value affine(unsigned depth);
  template <typename Op, typename... Args> mlir::Value make(Args &&...args) {
    return Op::create(builder, loc, std::forward<Args>(args)...);
  }

  mlir::OpBuilder &builder;
  mlir::Location loc;
  mlir::Block &block;
  std::mt19937 random;
};

} // namespace attn::test

#endif // ATTN_TEST_ANALYSIS_UNIT_RANDOMMASK_H

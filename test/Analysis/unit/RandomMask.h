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

/// A tensor that masks read.
struct MaskTable {
  /// What the last index is: the row, the key, or anything, clamped.
  enum Reach { Rows, Keys, Anything };

  mlir::Value tensor; // of i32 or i1; of rank 2 if it is read at the batch too
  Reach reach;
};

/// Builds random predicates over the arguments b, h, i, j of a block, and the
/// given symbols and tables.
class RandomMask {
public:
  RandomMask(mlir::OpBuilder &builder, mlir::Block &block, unsigned seed)
      : builder(builder), loc(builder.getUnknownLoc()), block(block),
        random(seed) {}

  llvm::SmallVector<mlir::Value> indexSymbols;
  llvm::SmallVector<mlir::Value> boolSymbols;
  llvm::SmallVector<MaskTable> tables; // none: masks read no tables
  /// Read at the row and the key, or at quotients of them: clamped, in blocks
  /// of at least `kMinBlock`, and at each pair.
  static constexpr int64_t kMinBlock = 5;
  mlir::Value clampedTable, blockTable, pairTable;

  mlir::Value predicate(unsigned depth);
  int64_t uniform(int64_t first, int64_t last) {
    return std::uniform_int_distribution<int64_t>(first, last)(random);
  }
  mlir::Value constant(int64_t value);
  bool hasReadTable() const { return readsTable; }
  /// Lines of the last grid, and what lies in them.
  llvm::SmallVector<int64_t, 2> gridDivisors;

private:
  mlir::Value literal();
  mlir::Value compare(mlir::Value a, mlir::Value b);
  mlir::Value residues();
  mlir::Value grid();
  mlir::Value tableLiteral();
  mlir::Value blockLiteral();
  mlir::Value read(const MaskTable &table);
  mlir::Value readIndex(bool onKey);
  const MaskTable &pickTable(MaskTable::Reach reach, bool isBool);
  mlir::Value clamp(mlir::Value index, mlir::Value tensor, unsigned dim);
  mlir::Value map(mlir::AffineExpr expr, mlir::Value x, mlir::Value y);
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
  bool readsTable = false;
};

} // namespace attn::test

#endif // ATTN_TEST_ANALYSIS_UNIT_RANDOMMASK_H

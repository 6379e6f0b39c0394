//===- MaskSplit.cpp - How to split rows into axes ------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A mask that keeps a few residues of the key, or a patch around the query in a
// grid, is cheap only if the rows of a tile agree on them. The divisors that
// make them do so are those of the remainders the mask takes.
//
//===----------------------------------------------------------------------===//

#include "MaskFacts.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/SmallSet.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::mask;

/// The divisor and the base of a leaf x floordiv c where x is the variable, or
/// (variable floordiv base) and c a multiple of base.
static const Leaf *singleLeaf(const Sum *sum) {
  return sum->constant == 0 && sum->terms.size() == 1 &&
                 sum->terms[0].factor == 1
             ? sum->terms[0].leaf
             : nullptr;
}

/// c if the sum holds a term k * ((+-i -+ j + ..) mod c): the rows of a tile
/// keep different residues of the key unless their own are the same.
static int64_t residueDivisor(const Sum *sum) {
  for (const Term &term : sum->terms) {
    const Leaf *leaf = term.leaf;
    if (leaf->kind != LeafKind::FloorDiv || !leaf->onRow || !leaf->onKey ||
        term.factor % leaf->divisor != 0)
      continue;
    int64_t row = 0, key = 0;
    for (const Term &part : leaf->a->terms) {
      if (part.leaf->kind == LeafKind::Row)
        row = part.factor;
      else if (part.leaf->kind == LeafKind::Key)
        key = part.factor;
    }
    if (std::abs(row) == 1 && key == -row)
      return leaf->divisor;
  }
  return 0;
}

/// c if the sum holds k * ((j floordiv b) mod (c / b)), and reads the row.
static int64_t gridDivisor(const Sum *sum) {
  if (!sum->onRow)
    return 0;
  for (const Term &term : sum->terms) {
    const Leaf *leaf = term.leaf;
    if (leaf->kind != LeafKind::FloorDiv || leaf->onRow ||
        !singleLeaf(leaf->a) || singleLeaf(leaf->a)->kind != LeafKind::Key)
      continue;
    for (const Term &other : sum->terms) {
      const Leaf *inner = other.leaf;
      int64_t base = 0;
      if (inner->kind == LeafKind::Key)
        base = 1;
      else if (inner->kind == LeafKind::FloorDiv && inner != leaf &&
               !inner->onRow && singleLeaf(inner->a) &&
               singleLeaf(inner->a)->kind == LeafKind::Key)
        base = inner->divisor;
      if (base && leaf->divisor % base == 0 &&
          term.factor == -other.factor * (leaf->divisor / base))
        return leaf->divisor;
    }
  }
  return 0;
}

MaskAnalysis::RowSplit MaskAnalysis::suggestSplit() const {
  RowSplit split;
  ArrayRef<Conjunct> kept = facts->kept.conjuncts;
  if (kept.empty() || facts->kept.isSuperset ||
      facts->reader.pool.rowAxes().size() > 1)
    return split;
  // A conjunct that takes no remainder keeps keys near the row, or any: rows
  // far from each other would agree less than neighbours do.
  llvm::SmallSet<int64_t, 2> residues;
  SmallVector<int64_t, 2> divisors;
  bool inAll = true;
  for (const Conjunct &conjunct : kept) {
    int64_t residue = 0;
    bool inGrid = false;
    for (const Node *atom : conjunct.atoms) {
      if (atom->kind != NodeKind::Ge)
        continue;
      if (int64_t divisor = residueDivisor(atom->sum))
        residue = divisor;
      if (int64_t divisor = gridDivisor(atom->sum)) {
        inGrid = true;
        if (!llvm::is_contained(divisors, divisor))
          divisors.push_back(divisor);
      }
    }
    residues.insert(residue);
    inAll &= inGrid;
  }
  if (residues.size() == 1 && *residues.begin() > 1) {
    split.divisors = {*residues.begin()};
    split.isResidue = true;
    return split;
  }
  llvm::sort(divisors, std::greater<>());
  for (size_t i = 1; i < divisors.size(); ++i)
    inAll &= divisors[i - 1] % divisors[i] == 0;
  if (inAll && divisors.size() <= 2)
    split.divisors = divisors;
  return split;
}

bool MaskAnalysis::RowSplit::fits(int64_t numQueries) const {
  if (divisors.empty() || isResidue)
    return true;
  return !ShapedType::isDynamic(numQueries) && numQueries > 0 &&
         numQueries % divisors.front() == 0;
}

SmallVector<int64_t, 3> MaskAnalysis::RowSplit::getTile(int64_t numRows) const {
  SmallVector<int64_t, 3> tile(divisors.size() + 1, 1);
  if (divisors.empty() || isResidue) {
    tile.front() = numRows;
    return tile;
  }
  size_t axis = tile.size() - 1;
  for (int64_t rows = llvm::PowerOf2Ceil(numRows); rows > 1; rows /= 2) {
    tile[axis] *= 2;
    axis = axis == 0 ? tile.size() - 1 : axis - 1;
  }
  return tile;
}

int64_t MaskAnalysis::getRowBlock() const {
  int64_t block = 0;
  Value row = facts->region.getArgument(2);
  facts->region.walk([&](tensor::ExtractOp read) {
    for (Value index : read.getIndices()) {
      Operation *division = index.getDefiningOp();
      APInt divisor;
      if (division &&
          isa<arith::FloorDivSIOp, arith::DivSIOp, arith::DivUIOp>(division) &&
          division->getOperand(0) == row &&
          matchPattern(division->getOperand(1), m_ConstantInt(&divisor)) &&
          divisor.isStrictlyPositive())
        block = std::gcd(block, divisor.getSExtValue());
    }
  });
  return block;
}

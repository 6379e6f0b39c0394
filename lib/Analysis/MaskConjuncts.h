//===- MaskConjuncts.h - Masks as unions of key intervals -------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_ANALYSIS_MASKCONJUNCTS_H
#define ATTN_LIB_ANALYSIS_MASKCONJUNCTS_H

#include "MaskPredicate.h"
#include <vector>

namespace mlir::attn::mask {

/// One conjunct, solved for the key: a superset of the pairs it describes.
/// A pair satisfies it only if lower <= j < upper for all bounds, the row lies
/// within all row bounds, and the guards hold.
struct Conjunct {
  SmallVector<const Node *, 4> atoms;
  SmallVector<const Sum *, 2> keyLower; // inclusive, in i and symbols
  SmallVector<const Sum *, 2> keyUpper; // exclusive
  SmallVector<const Sum *, 1> rowLower; // inclusive, in symbols
  SmallVector<const Sum *, 1> rowUpper; // exclusive
  SmallVector<const Node *, 1> guards;  // Ge or Bool, in symbols alone
  /// Comparisons with the key or the row in more than one term: bounds cannot
  /// express them.
  unsigned numPeriodic = 0;
  unsigned numOpaque = 0;
};

/// A union of conjuncts: exactly the predicate, or a superset of it if the
/// exact union would have been too large.
struct Disjunction {
  std::vector<Conjunct> conjuncts;
  bool isSuperset = false;
};

Disjunction toDisjunction(PredicateReader &reader, const Node *predicate);

/// The conjunct of the given atoms.
Conjunct solveConjunct(PredicateReader &reader, ArrayRef<const Node *> atoms);

} // namespace mlir::attn::mask

#endif // ATTN_LIB_ANALYSIS_MASKCONJUNCTS_H

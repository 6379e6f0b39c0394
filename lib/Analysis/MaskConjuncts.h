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

/// Keys j with (j - phase) mod period < end - phase, where phase is unit times
/// the greatest of `lower` and end unit times the least of `upper`.
struct Stride {
  int64_t period;
  int64_t unit;
  SmallVector<const Sum *, 2> lower, upper; // in i and symbols
  /// What the key is taken modulo the period of: sign * key + offset.
  const Sum *offset;
  int64_t sign;
};

/// One conjunct, solved for the key: a superset of the pairs it describes.
/// A pair satisfies it only if lower <= j < upper for all bounds, the key lies
/// within all strides, the row lies within all row bounds, and the guards and
/// runs hold.
struct Conjunct {
  SmallVector<const Node *, 4> atoms;
  SmallVector<const Sum *, 2> keyLower; // inclusive, in i and symbols
  SmallVector<const Sum *, 2> keyUpper; // exclusive
  SmallVector<const Sum *, 1> rowLower; // inclusive, in symbols
  SmallVector<const Sum *, 1> rowUpper; // exclusive
  SmallVector<const Node *, 1> guards;  // on symbols, or on the row as a whole
  SmallVector<Stride, 1> strides;
  SmallVector<const Node *, 1> runs; // on the key and symbols alone
  /// Comparisons that are exact only when evaluated over the rows and keys of
  /// a block: those that read tables, or were not solved.
  SmallVector<const Node *, 1> probes;
  SmallVector<const Node *, 1> scans; // truth values read at row and key
  /// Comparisons that bounds of key and row do not express.
  unsigned numPeriodic = 0;
  unsigned numOpaque = 0;
  /// Some comparison of row and key is not expressed by bounds and strides, not
  /// even where tables are sorted.
  bool hasUnsolved = false;

  bool isInterval() const {
    return strides.empty() && runs.empty() && probes.empty() && scans.empty();
  }
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

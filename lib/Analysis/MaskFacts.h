//===- MaskFacts.h - What the analysis of one mask knows --------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_ANALYSIS_MASKFACTS_H
#define ATTN_LIB_ANALYSIS_MASKFACTS_H

#include "MaskConjuncts.h"
#include "attn/Analysis/MaskAnalysis.h"

namespace mlir::attn {

struct MaskAnalysis::Facts {
  Facts(Region &mask, ArrayRef<int64_t> divisors)
      : region(mask), reader(mask, divisors) {}

  Region &region;
  mask::PredicateReader reader; // owns all expressions
  const mask::Node *predicate = nullptr;
  mask::Disjunction kept;
  mask::Disjunction masked;
  /// For a union whose complement is too large: the complement of each kept
  /// conjunct, one atom a conjunct.
  std::vector<std::vector<mask::Conjunct>> maskedByConjunct;
};

} // namespace mlir::attn

#endif // ATTN_LIB_ANALYSIS_MASKFACTS_H

//===- Dependence.h - What a value of a mask depends on ---------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_ANALYSIS_DEPENDENCE_H
#define ATTN_LIB_ANALYSIS_DEPENDENCE_H

#include "mlir/IR/Region.h"

namespace mlir::attn::mask {

/// Which arguments (b, h, i, j) of a mask region a value is computed from.
struct Dependence {
  bool onBatch = false, onHead = false, onRow = false, onKey = false;
};

Dependence dependenceOf(Value value, Region &mask);

} // namespace mlir::attn::mask

#endif // ATTN_LIB_ANALYSIS_DEPENDENCE_H

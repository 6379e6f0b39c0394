//===- MaskText.h - Mask expressions in words -------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_ANALYSIS_MASKTEXT_H
#define ATTN_LIB_ANALYSIS_MASKTEXT_H

#include "attn/Analysis/MaskAnalysis.h"
#include <string>

namespace mlir::attn {

/// What a mask is made of: 1 arithmetic of row and key alone, 2 integers read
/// at them, 3 booleans only, 4 something that was not understood.
unsigned getMaskClass(Region &mask, const MaskAnalysis &analysis);

/// An operation of a mask region as an expression in b, h, i and j, such as
/// `sin(i * j)`; parts that lie too deep are left out.
std::string getMaskText(Operation *op);

} // namespace mlir::attn

#endif // ATTN_LIB_ANALYSIS_MASKTEXT_H

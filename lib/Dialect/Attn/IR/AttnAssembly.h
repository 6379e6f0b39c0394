//===- AttnAssembly.h - Clauses shared by the textual forms -----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_DIALECT_ATTN_IR_ATTNASSEMBLY_H
#define ATTN_LIB_DIALECT_ATTN_IR_ATTNASSEMBLY_H

#include "attn/Dialect/Attn/IR/Attn.h"

namespace mlir::attn {

/// `scale(0.125)` or `scale(%s : f32)`.
ParseResult
parseOptionalScale(OpAsmParser &parser,
                   std::optional<OpAsmParser::UnresolvedOperand> &operand,
                   Type &type, FloatAttr &value);
void printOptionalScale(OpAsmPrinter &printer, Operation *op, Value operand,
                        Type type, FloatAttr value);

/// True when `maps` is what absent maps mean.
bool hasDefaultMaps(Operation *op, ArrayAttr maps,
                    ArrayRef<AffineMap> defaults);

} // namespace mlir::attn

#endif // ATTN_LIB_DIALECT_ATTN_IR_ATTNASSEMBLY_H

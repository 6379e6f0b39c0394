//===- AttnMaps.h - How a map's result uses a loop dimension ----*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_DIALECT_ATTN_IR_ATTNMAPS_H
#define ATTN_LIB_DIALECT_ATTN_IR_ATTNMAPS_H

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/IR/AffineExpr.h"

#include <optional>

namespace mlir::attn {

/// The size of a loop dimension, built where it is dynamic; 1 where no operand
/// has it.
OpFoldResult getLoopDimSize(OpBuilder &builder, AttentionOpInterface op,
                            unsigned dim);
std::optional<int64_t> getStaticLoopDimSize(AttentionOpInterface op,
                                            unsigned dim);

/// Maps for the layout [B, H, rows, columns], [H, rows, columns] or
/// [rows, columns]: the first destination has value columns, the others are
/// rows only. Empty when the query's rank has no default.
SmallVector<AffineMap> buildDefaultMaps(AttentionOpInterface op);
SmallVector<AffineMap> getMaps(ArrayAttr maps);

/// The type logits are computed in.
FloatType computeTypeFor(Value query);

/// A map from (h, r, c) without its result c: where a row of it lies.
AffineMap dropColumns(AffineMap map);

/// Like mlir::clone, which neither takes an empty region nor tells an operand
/// from the same value used in a region.
Operation *cloneWith(OpBuilder &builder, Operation *op, TypeRange types,
                     ValueRange operands);

/// One result of an indexing map: a loop dimension, or one half of a dimension
/// split as (x floordiv c, x mod c).
struct DimUse {
  enum Kind { Whole, Quotient, Remainder };
  unsigned dim;
  Kind kind = Whole;
  int64_t divisor = 1;
};

inline std::optional<DimUse> getDimUse(AffineExpr expr) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return DimUse{dim.getPosition()};
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return std::nullopt;
  auto dim = dyn_cast<AffineDimExpr>(binary.getLHS());
  auto divisor = dyn_cast<AffineConstantExpr>(binary.getRHS());
  if (!dim || !divisor || divisor.getValue() < 2)
    return std::nullopt;
  if (expr.getKind() == AffineExprKind::FloorDiv)
    return DimUse{dim.getPosition(), DimUse::Quotient, divisor.getValue()};
  if (expr.getKind() == AffineExprKind::Mod)
    return DimUse{dim.getPosition(), DimUse::Remainder, divisor.getValue()};
  return std::nullopt;
}

} // namespace mlir::attn

#endif // ATTN_LIB_DIALECT_ATTN_IR_ATTNMAPS_H

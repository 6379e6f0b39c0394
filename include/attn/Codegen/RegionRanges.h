//===- RegionRanges.h - Which integers fit into 32 bits ---------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_CODEGEN_REGIONRANGES_H
#define ATTN_CODEGEN_REGIONRANGES_H

#include "mlir/IR/Region.h"
#include "llvm/ADT/DenseMap.h"
#include <optional>

namespace mlir::attn {

/// Ranges of the integers a score or mask region computes, given that the
/// positions b, h, i, j and sizes are below 2^30. Values of 64 bits whose range
/// is narrower can be computed in vectors of 32.
class RegionRanges {
public:
  explicit RegionRanges(Region *region) : region(region) {}

  /// True if a value of type index or i64 always fits into i32.
  bool isNarrow(Value value);

private:
  struct Range {
    int64_t min, max;
  };
  std::optional<Range> of(Value value);
  std::optional<Range> ofOp(Operation *op);

  Region *region;
  llvm::DenseMap<Value, std::optional<Range>> known;
};

} // namespace mlir::attn

#endif // ATTN_CODEGEN_REGIONRANGES_H

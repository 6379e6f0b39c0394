//===- IndexEmitter.h - Index arithmetic with known ranges ------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_ANALYSIS_INDEXEMITTER_H
#define ATTN_LIB_ANALYSIS_INDEXEMITTER_H

#include "MaskExpr.h"
#include "mlir/IR/Builders.h"

namespace mlir::attn::mask {

/// An index, not necessarily in the IR yet: constants have no value. The range
/// saves clips that cannot matter.
struct Index {
  Value value;
  Limits range;

  bool isConstant() const { return !value; }
};

/// An i1; `value` is null if `constant` says what it is.
struct Condition {
  Value value;
  bool constant = true;

  bool isAlways(bool expected) const { return !value && constant == expected; }
};

/// Emits index arithmetic, folding constants and what ranges decide, so that
/// nothing is created that a canonicaliser would remove.
class IndexEmitter {
public:
  IndexEmitter(OpBuilder &builder, Location loc) : builder(builder), loc(loc) {}

  static Index constant(int64_t value) { return {Value(), {value, value}}; }
  Index wrap(Value value, Limits range) const;
  Value materialize(const Index &index);
  Value materialize(const Condition &condition);

  Index add(const Index &a, const Index &b);
  Index sub(const Index &a, const Index &b);
  Index mul(const Index &a, int64_t factor);
  Index floorDiv(const Index &a, int64_t divisor);
  Index minimum(const Index &a, const Index &b);
  Index maximum(const Index &a, const Index &b);
  Index select(const Condition &c, const Index &a, const Index &b);

  Condition lessEqual(const Index &a, const Index &b);
  Condition both(const Condition &a, const Condition &b);
  Condition either(const Condition &a, const Condition &b);
  Condition negate(const Condition &a);

protected:
  OpBuilder &builder;
  Location loc;

private:
  DenseMap<int64_t, Value> constants;
};

} // namespace mlir::attn::mask

#endif // ATTN_LIB_ANALYSIS_INDEXEMITTER_H

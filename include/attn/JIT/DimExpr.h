//===- DimExpr.h ------------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sizes as expressions over argument sizes, evaluated at each call.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_JIT_DIMEXPR_H
#define ATTN_JIT_DIMEXPR_H

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace attn {

/// An integer expression in postfix order. Slots are numbered by Signature.
class DimExpr {
public:
  enum class Op : uint8_t { Constant, Slot, Add, Mul, FloorDiv, CeilDiv, Mod };
  struct Step {
    Op op;
    int64_t value; // of Constant and Slot
  };

  DimExpr() = default;
  static DimExpr constant(int64_t value) {
    return DimExpr({{Op::Constant, value}});
  }
  static DimExpr slot(unsigned index) { return DimExpr({{Op::Slot, index}}); }
  static DimExpr binary(Op op, const DimExpr &lhs, const DimExpr &rhs);

  std::optional<int64_t> asConstant() const;
  std::optional<unsigned> asSlot() const;
  std::span<const Step> getSteps() const { return steps; }

  /// Nothing on overflow or division by less than one.
  std::optional<int64_t> evaluate(std::span<const int64_t> slots) const;

  friend bool operator==(const DimExpr &lhs, const DimExpr &rhs);

private:
  explicit DimExpr(std::vector<Step> steps) : steps(std::move(steps)) {}
  std::vector<Step> steps;
};

/// A relation of sizes that keeps the code inside its buffers.
struct DimConstraint {
  /// `rhs` must equal `lhs`, or be at least as large.
  enum class Kind : uint8_t { Equal, AtLeast };
  Kind kind = Kind::Equal;
  DimExpr lhs, rhs;
  /// What asks for it, e.g. "attn.attention".
  std::string origin;
};

} // namespace attn

#endif // ATTN_JIT_DIMEXPR_H

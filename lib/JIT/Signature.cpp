//===- Signature.cpp ------------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/JIT/Kernel.h"

using namespace attn;

const char *attn::getName(DType type) {
  static const char *const names[] = {"f64", "f32", "f16", "bf16", "i64",
                                      "i32", "i16", "i8",  "i1",   "index"};
  return names[static_cast<unsigned>(type)];
}

unsigned attn::getByteSize(DType type) {
  static const uint8_t sizes[] = {8, 4, 2, 2, 8, 4, 2, 1, 1, 8};
  return sizes[static_cast<unsigned>(type)];
}

static unsigned countSlots(const ParameterInfo &argument) {
  return argument.isTensor ? argument.shape.size() : 1;
}

unsigned Signature::getNumSlots() const {
  unsigned count = 0;
  for (const ParameterInfo &argument : arguments)
    count += countSlots(argument);
  return count;
}

std::string Signature::describeSlot(unsigned slot) const {
  for (const ParameterInfo &argument : arguments) {
    if (slot < countSlots(argument))
      return (argument.isTensor ? "dimension " + std::to_string(slot) + " of '"
                                : std::string("'")) +
             argument.name + "'";
    slot -= countSlots(argument);
  }
  return "slot " + std::to_string(slot);
}

std::string Signature::describe(const DimExpr &expr) const {
  static const char *const operators[] = {
      "", "", " + ", " * ", " floordiv ", " ceildiv ", " mod "};
  std::vector<std::string> stack;
  for (const DimExpr::Step &step : expr.getSteps()) {
    if (step.op == DimExpr::Op::Constant) {
      stack.push_back(std::to_string(step.value));
    } else if (step.op == DimExpr::Op::Slot) {
      stack.push_back(describeSlot(step.value));
    } else {
      std::string rhs = std::move(stack.back());
      stack.pop_back();
      stack.back() = "(" + stack.back() +
                     operators[static_cast<unsigned>(step.op)] + rhs + ")";
    }
  }
  return stack.back();
}

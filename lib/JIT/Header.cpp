//===- Header.cpp ---------------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelParts.h"

using namespace attn;

std::string Kernel::getHeader() const {
  const std::string &name = parts->name;
  std::string guard = "ATTN_KERNEL_" + name + "_H";
  std::string text = "/* Kernel '" + name + "' for " + parts->options.target +
                     ".\n *\n * arguments[i] points to a scalar, or to a "
                     "memref descriptor:\n *   struct { T *allocated, "
                     "*aligned; int64_t offset, sizes[R], strides[R]; };\n"
                     " * Strides count elements, the innermost one is 1. "
                     "Sizes are not checked.\n *\n";
  size_t index = 0;
  auto describe = [&](const ParameterInfo &info, const char *role) {
    text += " * arguments[" + std::to_string(index++) + "]: " + role + " " +
            info.name + ", " + attn::getName(info.dtype);
    if (info.isTensor) {
      text += " [";
      for (size_t i = 0; i < info.shape.size(); ++i)
        text += (i ? ", " : "") + (info.shape[i] < 0
                                       ? std::string("?")
                                       : std::to_string(info.shape[i]));
      text += "]";
    }
    text += "\n";
  };
  for (const ParameterInfo &info : parts->signature.arguments)
    describe(info, "input");
  for (const ParameterInfo &info : parts->signature.results)
    describe(info, "output");
  text += " */\n#ifndef " + guard + "\n#define " + guard +
          "\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\nvoid " + name +
          "_packed(void **arguments);\n\n#ifdef __cplusplus\n}\n#endif\n\n"
          "#endif /* " +
          guard + " */\n";
  return text;
}

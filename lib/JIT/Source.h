//===- Source.h -------------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Refuses text that would exhaust memory or the parser's stack.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_JIT_SOURCE_H
#define ATTN_LIB_JIT_SOURCE_H

#include "attn/JIT/Diagnostic.h"

#include <optional>
#include <string_view>

namespace attn {

/// Nothing when `source` may be parsed, else the error. Bytecode is only
/// limited in size.
std::optional<Diagnostic> checkSource(std::string_view source,
                                      const std::string &fileName);

} // namespace attn

#endif // ATTN_LIB_JIT_SOURCE_H

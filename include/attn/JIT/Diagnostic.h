//===- Diagnostic.h ---------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the compiler says: errors with places, and remarks.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_JIT_DIAGNOSTIC_H
#define ATTN_JIT_DIAGNOSTIC_H

#include <string>
#include <utility>
#include <vector>

namespace attn {

struct SourceLocation {
  std::string file;
  /// 1-based; 0 where unknown.
  unsigned line = 0, column = 0;
};

struct Diagnostic {
  enum class Severity { Error, Warning, Remark, Note };
  Severity severity = Severity::Error;
  SourceLocation location;
  std::string message;
  std::vector<Diagnostic> notes;
};

const char *getName(Diagnostic::Severity severity);

/// What a pass did, or did not do and why.
struct Remark {
  enum class Kind { Passed, Missed, Failure, Analysis };
  Kind kind = Kind::Passed;
  std::string pass;
  std::string message;
  SourceLocation location;
  /// The remark's named values, in order.
  std::vector<std::pair<std::string, std::string>> fields;
};

const char *getName(Remark::Kind kind);

} // namespace attn

#endif // ATTN_JIT_DIAGNOSTIC_H

//===- Diagnostic.cpp -----------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/JIT/Diagnostic.h"

const char *attn::getName(Diagnostic::Severity severity) {
  switch (severity) {
  case Diagnostic::Severity::Error:
    return "error";
  case Diagnostic::Severity::Warning:
    return "warning";
  case Diagnostic::Severity::Remark:
    return "remark";
  case Diagnostic::Severity::Note:
    return "note";
  }
  return "error";
}

const char *attn::getName(Remark::Kind kind) {
  switch (kind) {
  case Remark::Kind::Passed:
    return "passed";
  case Remark::Kind::Missed:
    return "missed";
  case Remark::Kind::Failure:
    return "failure";
  case Remark::Kind::Analysis:
    return "analysis";
  }
  return "analysis";
}

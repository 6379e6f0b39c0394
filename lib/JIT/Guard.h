//===- Guard.h --------------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs compiler code so that its fatal errors end the compilation only.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_JIT_GUARD_H
#define ATTN_LIB_JIT_GUARD_H

#include "llvm/ADT/STLFunctionalExtras.h"

#include <optional>
#include <string>

namespace attn {

/// Runs `work` on a thread with a deep stack. Returns LLVM's message when it
/// stopped with a fatal error; what `work` had allocated is then lost.
std::optional<std::string> runGuarded(llvm::function_ref<void()> work);

} // namespace attn

#endif // ATTN_LIB_JIT_GUARD_H

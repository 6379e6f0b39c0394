//===- Host.h ---------------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Facts about this build and machine, free of LLVM types.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_JIT_HOST_H
#define ATTN_JIT_HOST_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace attn {

struct HostInfo {
  std::string cpu, triple, llvmVersion;
  /// Names of the features that are present.
  std::vector<std::string> features;
  unsigned vectorBits = 0, vectorRegisters = 0, fmaPerCycle = 0;
  int64_t l1Bytes = 0, l2Bytes = 0, l3Bytes = 0;
  bool hasFMA = false, hasAVX512 = false, hasBF16Dot = false, hasAMX = false;
};

HostInfo getHostInfo();

/// What `Options::target` may be.
std::vector<std::string> getKnownTargetNames();

/// Empty when `compile` accepts the target, else why not.
std::string checkTarget(std::string_view target);

} // namespace attn

#endif // ATTN_JIT_HOST_H

//===- HostCPU.h ------------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Facts about the running machine that LLVM does not report.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_TARGET_CPU_HOSTCPU_H
#define ATTN_LIB_TARGET_CPU_HOSTCPU_H

#include <cstdint>

namespace mlir::attn {

enum class CPUVendor { Other, Intel, AMD };

struct HostCPU {
  CPUVendor vendor = CPUVendor::Other;
  unsigned family = 0;
  unsigned model = 0;
  /// Data cache bytes seen by one core; 0 where unknown.
  int64_t l1Bytes = 0, l2Bytes = 0, l3Bytes = 0;
};

HostCPU readHostCPU();

} // namespace mlir::attn

#endif // ATTN_LIB_TARGET_CPU_HOSTCPU_H

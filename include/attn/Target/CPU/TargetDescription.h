//===- TargetDescription.h --------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What passes and the cost model know about the CPU they compile for.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TARGET_CPU_TARGETDESCRIPTION_H
#define ATTN_TARGET_CPU_TARGETDESCRIPTION_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/LogicalResult.h"
#include <cstdint>
#include <string>

namespace mlir::attn {

struct CPUTarget {
  std::string triple;
  /// LLVM's CPU name: steers instruction scheduling only.
  std::string cpu;
  /// Every feature, "+avx2,+fma,...": what may be executed.
  std::string features;
  unsigned vectorBits = 128;
  unsigned vectorRegisters = 16;
  int64_t l1Bytes = 0, l2Bytes = 0, l3Bytes = 0;
  /// Full-width fp32 FMA instructions started per cycle.
  unsigned fmaPerCycle = 1;
  bool hasFMA = false;
  bool hasAVX512 = false;
  /// vscalefps: x * 2^floor(y) in one instruction.
  bool hasScalef = false;
  /// vdpbf16ps exists and beats fp32 (AMD; on Intel it has half the rate).
  bool hasBF16Dot = false;
  /// AMX tiles with bf16.
  bool hasAMX = false;
  /// The code can run in this process.
  bool isHost = false;

  /// Lanes of one vector register for elements of `bits` bits.
  unsigned getLanes(unsigned bits) const { return vectorBits / bits; }
  bool isX86() const { return llvm::StringRef(triple).starts_with("x86_64"); }
};

/// Describes "host" or a named target such as "cpu:x86-64-v3". The host is
/// read from CPUID bits, never from its name. On failure `error` says why and
/// lists the known targets.
llvm::FailureOr<CPUTarget> describeTarget(llvm::StringRef spec,
                                          std::string &error);

/// The names `describeTarget` accepts.
llvm::SmallVector<llvm::StringRef> getKnownTargets();

} // namespace mlir::attn

#endif // ATTN_TARGET_CPU_TARGETDESCRIPTION_H

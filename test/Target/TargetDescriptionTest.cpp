//===- TargetDescriptionTest.cpp ------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// RUN: %unit/TargetDescriptionTest
//
// What named targets and the host come out as.

#include "attn/Target/CPU/TargetDescription.h"
#include "../Unit/Check.h"

using namespace mlir::attn;

static CPUTarget describe(llvm::StringRef spec) {
  std::string error;
  llvm::FailureOr<CPUTarget> target = describeTarget(spec, error);
  CHECK_EQ(error, "");
  CHECK(llvm::succeeded(target));
  return llvm::succeeded(target) ? *target : CPUTarget();
}

static bool has(const CPUTarget &target, llvm::StringRef feature) {
  llvm::SmallVector<llvm::StringRef> features;
  llvm::StringRef(target.features).split(features, ',');
  for (llvm::StringRef name : features)
    if (name == feature)
      return true;
  return false;
}

static void testNamed() {
  CPUTarget baseline = describe("cpu:x86-64");
  CHECK_EQ(baseline.vectorBits, 128u);
  CHECK_EQ(baseline.vectorRegisters, 16u);
  CHECK(!baseline.hasFMA);
  CHECK(has(baseline, "+sse2"));

  CPUTarget avx2 = describe("x86-64-v3");
  CHECK_EQ(avx2.vectorBits, 256u);
  CHECK_EQ(avx2.getLanes(32), 8u);
  CHECK_EQ(avx2.fmaPerCycle, 2u);
  CHECK(avx2.hasFMA && !avx2.hasAVX512 && !avx2.hasScalef);
  CHECK(has(avx2, "+avx2") && has(avx2, "+fma") && has(avx2, "+f16c"));

  CPUTarget zen4 = describe("cpu:znver4"), zen5 = describe("cpu:znver5");
  CHECK_EQ(zen4.vectorBits, 512u);
  CHECK_EQ(zen4.vectorRegisters, 32u);
  CHECK(zen4.hasBF16Dot && zen4.hasScalef && !zen4.hasAMX);
  CHECK_EQ(zen4.fmaPerCycle, 1u);
  CHECK_EQ(zen5.fmaPerCycle, 2u);

  // vdpbf16ps exists but runs at half the rate of fp32.
  CPUTarget sapphire = describe("cpu:sapphirerapids");
  CHECK(has(sapphire, "+avx512bf16") && !sapphire.hasBF16Dot);
  CHECK(sapphire.hasAMX);
  CHECK(!describe("cpu:skylake-avx512").hasAMX);

  CPUTarget arm = describe("cpu:aarch64");
  CHECK_EQ(arm.vectorBits, 128u);
  CHECK_EQ(arm.vectorRegisters, 32u);
  CHECK(arm.hasFMA && !arm.isX86() && has(arm, "+neon"));
}

static void testHost() {
  CPUTarget host = describe("host");
  CHECK(host.isHost);
  CHECK(host.l1Bytes >= 8 * 1024 && host.l2Bytes > host.l1Bytes);
  CHECK(!host.features.empty());
#if defined(__x86_64__)
  CHECK(host.isX86());
  CHECK(describe("cpu:x86-64").isHost);
  CHECK(!describe("cpu:aarch64").isHost);
  CHECK_EQ(host.hasAVX512, __builtin_cpu_supports("avx512f") &&
                               __builtin_cpu_supports("avx512bw") &&
                               __builtin_cpu_supports("avx512dq") &&
                               __builtin_cpu_supports("avx512vl"));
  CHECK_EQ(host.hasFMA, bool(__builtin_cpu_supports("fma")));
#endif
}

static void testUnknown() {
  std::string error;
  CHECK(llvm::failed(describeTarget("cpu:pentium", error)));
  CHECK(error.find("unknown target 'cpu:pentium', expected 'host' or one of "
                   "'cpu:x86-64'") == 0);
  CHECK(error.find("'cpu:aarch64'") != std::string::npos);
}

int main() {
  for (llvm::StringRef name : getKnownTargets())
    describe(name);
  testNamed();
  testHost();
  testUnknown();
  return finish();
}

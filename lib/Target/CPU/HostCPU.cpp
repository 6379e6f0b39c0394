//===- HostCPU.cpp --------------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "HostCPU.h"

#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

using namespace mlir::attn;

#if defined(__x86_64__)
/// Reads a deterministic cache leaf: 4 on Intel, 0x8000001D on AMD; both have
/// the same layout.
static void readCacheLeaf(unsigned leaf, HostCPU &host) {
  for (unsigned index = 0; index < 16; ++index) {
    unsigned eax, ebx, ecx, edx;
    if (!__get_cpuid_count(leaf, index, &eax, &ebx, &ecx, &edx))
      return;
    unsigned type = eax & 0x1f, level = (eax >> 5) & 7;
    if (type == 0)
      return;
    if (type == 2) // instructions
      continue;
    int64_t ways = (ebx >> 22) + 1, partitions = ((ebx >> 12) & 0x3ff) + 1;
    int64_t line = (ebx & 0xfff) + 1, sets = int64_t(ecx) + 1;
    int64_t bytes = ways * partitions * line * sets;
    if (level == 1)
      host.l1Bytes = bytes;
    else if (level == 2)
      host.l2Bytes = bytes;
    else if (level == 3)
      host.l3Bytes = bytes;
  }
}

static void readCPUID(HostCPU &host) {
  unsigned eax, ebx, ecx, edx;
  if (!__get_cpuid(0, &eax, &ebx, &ecx, &edx))
    return;
  if (ebx == signature_INTEL_ebx && ecx == signature_INTEL_ecx)
    host.vendor = CPUVendor::Intel;
  else if (ebx == signature_AMD_ebx && ecx == signature_AMD_ecx)
    host.vendor = CPUVendor::AMD;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx)) {
    host.family = (eax >> 8) & 0xf;
    host.model = (eax >> 4) & 0xf;
    if (host.family == 6 || host.family == 15)
      host.model |= ((eax >> 16) & 0xf) << 4;
    if (host.family == 15)
      host.family += (eax >> 20) & 0xff;
  }
  if (host.vendor != CPUVendor::AMD) {
    readCacheLeaf(4, host);
    return;
  }
  constexpr unsigned topologyExtensions = 1u << 22;
  if (__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) &&
      (ecx & topologyExtensions))
    readCacheLeaf(0x8000001D, host);
}
#endif

/// What the C library knows; 0 where it does not.
static int64_t configuredBytes(int name) {
  long bytes = sysconf(name);
  return bytes > 0 ? bytes : 0;
}

HostCPU mlir::attn::readHostCPU() {
  HostCPU host;
#if defined(__x86_64__)
  readCPUID(host);
#endif
  if (!host.l1Bytes)
    host.l1Bytes = configuredBytes(_SC_LEVEL1_DCACHE_SIZE);
  if (!host.l2Bytes)
    host.l2Bytes = configuredBytes(_SC_LEVEL2_CACHE_SIZE);
  if (!host.l3Bytes)
    host.l3Bytes = configuredBytes(_SC_LEVEL3_CACHE_SIZE);
  return host;
}

//===- TargetDescription.cpp ----------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/TargetDescription.h"
#include "HostCPU.h"
#include "Registration.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir::attn;
using llvm::StringRef;

namespace {

constexpr int64_t KiB = 1024, MiB = 1024 * KiB;
constexpr const char *x86Triple = "x86_64-unknown-linux-gnu";
constexpr const char *armTriple = "aarch64-unknown-linux-gnu";

/// What the feature list of a named target does not say.
struct NamedTarget {
  StringRef name;
  const char *triple;
  StringRef cpu;
  CPUVendor vendor;
  unsigned fmaPerCycle;
  int64_t l1Bytes, l2Bytes, l3Bytes;
};

const NamedTarget namedTargets[] = {
    {"x86-64", x86Triple, "x86-64", CPUVendor::Other, 1, 32 * KiB, 256 * KiB,
     8 * MiB},
    {"x86-64-v2", x86Triple, "x86-64-v2", CPUVendor::Other, 1, 32 * KiB,
     256 * KiB, 8 * MiB},
    {"x86-64-v3", x86Triple, "x86-64-v3", CPUVendor::Other, 2, 32 * KiB,
     512 * KiB, 16 * MiB},
    {"x86-64-v4", x86Triple, "x86-64-v4", CPUVendor::Other, 2, 32 * KiB,
     1 * MiB, 16 * MiB},
    {"haswell", x86Triple, "haswell", CPUVendor::Intel, 2, 32 * KiB, 256 * KiB,
     8 * MiB},
    {"skylake-avx512", x86Triple, "skylake-avx512", CPUVendor::Intel, 2,
     32 * KiB, 1 * MiB, 22 * MiB},
    {"sapphirerapids", x86Triple, "sapphirerapids", CPUVendor::Intel, 2,
     48 * KiB, 2 * MiB, 60 * MiB},
    {"znver4", x86Triple, "znver4", CPUVendor::AMD, 1, 32 * KiB, 1 * MiB,
     32 * MiB},
    {"znver5", x86Triple, "znver5", CPUVendor::AMD, 2, 48 * KiB, 1 * MiB,
     32 * MiB},
    {"aarch64", armTriple, "generic", CPUVendor::Other, 2, 32 * KiB, 1 * MiB,
     16 * MiB},
    {"neoverse-n1", armTriple, "neoverse-n1", CPUVendor::Other, 2, 64 * KiB,
     1 * MiB, 32 * MiB},
    {"neoverse-v2", armTriple, "neoverse-v2", CPUVendor::Other, 4, 64 * KiB,
     2 * MiB, 32 * MiB},
};

using FeatureSet = llvm::StringSet<>;

/// The features LLVM gives a named CPU.
FeatureSet featuresOf(const NamedTarget &named) {
  registerCPUTargets();
  FeatureSet features;
  std::string error;
  llvm::Triple triple(named.triple);
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return features;
  std::unique_ptr<llvm::MCSubtargetInfo> info(
      target->createMCSubtargetInfo(triple, named.cpu, ""));
  if (!info)
    return features;
  for (const llvm::SubtargetFeatureKV &feature :
       info->getEnabledProcessorFeatures())
    features.insert(feature.Key);
  return features;
}

std::string toFeatureString(const FeatureSet &features) {
  llvm::SmallVector<StringRef> names(features.keys());
  llvm::sort(names);
  std::string text;
  for (StringRef name : names)
    text += (text.empty() ? "+" : ",+") + name.str();
  return text;
}

/// Fills what follows from the instruction set.
void applyFeatures(CPUTarget &target, const FeatureSet &features,
                   CPUVendor vendor) {
  auto has = [&](StringRef name) { return features.contains(name); };
  if (!target.isX86()) {
    target.vectorBits = 128;
    target.vectorRegisters = 32;
    target.hasFMA = true;
    return;
  }
  target.hasFMA = has("fma");
  // The subset every AVX-512 CPU since Skylake has; masks and 256-bit forms
  // are part of what codegen relies on.
  target.hasAVX512 = has("avx512f") && has("avx512bw") && has("avx512dq") &&
                     has("avx512vl") && has("fma");
  target.hasScalef = target.hasAVX512;
  target.hasBF16Dot =
      target.hasAVX512 && has("avx512bf16") && vendor == CPUVendor::AMD;
  target.hasAMX = target.hasAVX512 && has("amx-tile") && has("amx-bf16");
  target.vectorBits = target.hasAVX512 ? 512 : has("avx2") ? 256 : 128;
  target.vectorRegisters = target.hasAVX512 ? 32 : 16;
}

/// Full-width FMA instructions per cycle. Intel's server cores have a second
/// 512-bit unit, its client cores do not; Zen 4 splits 512 bits in two.
unsigned hostFMAPerCycle(const CPUTarget &target, const HostCPU &host,
                         const FeatureSet &features) {
  if (!target.hasFMA)
    return 1;
  if (!target.hasAVX512)
    return 2;
  if (host.vendor == CPUVendor::AMD)
    return host.family >= 0x1A ? 2 : 1;
  bool skylakeOrIceLakeServer =
      host.family == 6 &&
      (host.model == 0x55 || host.model == 0x6A || host.model == 0x6C);
  bool later = features.contains("avx512bf16") || features.contains("amx-tile");
  return skylakeOrIceLakeServer || later ? 2 : 1;
}

CPUTarget describeHost() {
  CPUTarget target;
  // Relevant features only come out set when the OS saves their registers.
  FeatureSet features;
  for (auto &feature : llvm::sys::getHostCPUFeatures())
    if (feature.second)
      features.insert(feature.first());
  HostCPU host = readHostCPU();
  target.triple = llvm::sys::getProcessTriple();
  target.cpu = llvm::sys::getHostCPUName().str();
  if (target.cpu.empty() || target.cpu == "generic")
    target.cpu = target.isX86() ? "x86-64" : "generic";
  applyFeatures(target, features, host.vendor);
  // Naming a CPU switches on its features: those the bits deny are taken back.
  llvm::SmallVector<std::string> flags;
  for (auto &feature : llvm::sys::getHostCPUFeatures())
    flags.push_back((feature.second ? "+" : "-") + feature.first().str());
  // Sorted: the text is part of cache keys.
  llvm::sort(flags);
  target.features = llvm::join(flags, ",");
  target.fmaPerCycle = hostFMAPerCycle(target, host, features);
  target.l1Bytes = host.l1Bytes ? host.l1Bytes : 32 * KiB;
  target.l2Bytes = host.l2Bytes ? host.l2Bytes : 512 * KiB;
  target.l3Bytes = host.l3Bytes ? host.l3Bytes : 8 * MiB;
  target.isHost = true;
  return target;
}

const CPUTarget &getHost() {
  static const CPUTarget host = describeHost();
  return host;
}

/// Features whose instructions the backend picks by itself; others need an
/// intrinsic, or only tune.
bool isUsedByCodegen(StringRef feature) {
  for (StringRef prefix :
       {"adx", "aes",  "amx",   "avx",   "bmi",     "cx16",   "f16c",
        "fma", "gfni", "lzcnt", "movbe", "pclmul",  "popcnt", "sha",
        "sse", "ssse", "tbm",   "vaes",  "vpclmul", "xop"})
    if (feature.starts_with(prefix))
      return true;
  return false;
}

/// Whether everything the target may execute is there on this machine.
bool runsOnHost(const CPUTarget &target, const FeatureSet &features) {
  const CPUTarget &host = getHost();
  if (target.isX86() != host.isX86())
    return false;
  if (!target.isX86())
    return llvm::Triple(host.triple).isAArch64() && target.cpu == "generic";
  llvm::StringMap<bool> reported = llvm::sys::getHostCPUFeatures();
  return llvm::all_of(features.keys(), [&](StringRef name) {
    return !isUsedByCodegen(name) || reported.lookup(name);
  });
}

CPUTarget describeNamed(const NamedTarget &named) {
  CPUTarget target;
  FeatureSet features = featuresOf(named);
  target.triple = named.triple;
  target.cpu = named.cpu.str();
  target.features = toFeatureString(features);
  target.fmaPerCycle = named.fmaPerCycle;
  target.l1Bytes = named.l1Bytes;
  target.l2Bytes = named.l2Bytes;
  target.l3Bytes = named.l3Bytes;
  applyFeatures(target, features, named.vendor);
  target.isHost = runsOnHost(target, features);
  return target;
}

} // namespace

llvm::FailureOr<CPUTarget> mlir::attn::describeTarget(StringRef spec,
                                                      std::string &error) {
  StringRef name = spec;
  name.consume_front("cpu:");
  if (name == "host")
    return getHost();
  for (const NamedTarget &named : namedTargets)
    if (name == named.name)
      return describeNamed(named);
  error = "unknown target '" + spec.str() + "', expected 'host' or one of ";
  llvm::ListSeparator separator;
  for (const NamedTarget &named : namedTargets)
    error += StringRef(separator).str() + "'cpu:" + named.name.str() + "'";
  return llvm::failure();
}

llvm::SmallVector<StringRef> mlir::attn::getKnownTargets() {
  llvm::SmallVector<StringRef> names = {"host"};
  for (const NamedTarget &named : namedTargets)
    names.push_back(named.name);
  return names;
}

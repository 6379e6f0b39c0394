//===- Host.cpp -----------------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/JIT/Host.h"

#include "attn/Target/CPU/TargetDescription.h"
#include "llvm/Config/llvm-config.h"

attn::HostInfo attn::getHostInfo() {
  HostInfo info;
  std::string error;
  auto target = mlir::attn::describeTarget("host", error);
  if (llvm::failed(target))
    return info;
  info.cpu = target->cpu;
  info.triple = target->triple;
  info.llvmVersion = LLVM_VERSION_STRING;
  llvm::SmallVector<llvm::StringRef> features;
  llvm::StringRef(target->features).split(features, ',');
  for (llvm::StringRef feature : features)
    if (feature.consume_front("+"))
      info.features.push_back(feature.str());
  info.vectorBits = target->vectorBits;
  info.vectorRegisters = target->vectorRegisters;
  info.fmaPerCycle = target->fmaPerCycle;
  info.l1Bytes = target->l1Bytes;
  info.l2Bytes = target->l2Bytes;
  info.l3Bytes = target->l3Bytes;
  info.hasFMA = target->hasFMA;
  info.hasAVX512 = target->hasAVX512;
  info.hasBF16Dot = target->hasBF16Dot;
  info.hasAMX = target->hasAMX;
  return info;
}

std::vector<std::string> attn::getKnownTargetNames() {
  std::vector<std::string> names;
  for (llvm::StringRef name : mlir::attn::getKnownTargets())
    names.push_back((name == "host" ? "" : "cpu:") + name.str());
  return names;
}

std::string attn::checkTarget(std::string_view target) {
  std::string error;
  if (llvm::succeeded(mlir::attn::describeTarget(target, error)))
    return "";
  return error;
}

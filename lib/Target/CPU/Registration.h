//===- Registration.h -------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Registers the LLVM targets this project emits code for, once per process.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_TARGET_CPU_REGISTRATION_H
#define ATTN_LIB_TARGET_CPU_REGISTRATION_H

namespace mlir::attn {
void registerCPUTargets();
} // namespace mlir::attn

#endif // ATTN_LIB_TARGET_CPU_REGISTRATION_H

//===- MemrefCopy.h ---------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What MLIR's lowering of a strided `memref.copy` calls.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_RUNTIME_MEMREFCOPY_H
#define ATTN_RUNTIME_MEMREFCOPY_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct AttnUnrankedMemref {
  int64_t rank;
  void *descriptor;
};

/// Copies element by element; both have the same sizes and do not overlap.
void memrefCopy(int64_t elementBytes, const struct AttnUnrankedMemref *source,
                const struct AttnUnrankedMemref *target);

#ifdef __cplusplus
}
#endif

#endif // ATTN_RUNTIME_MEMREFCOPY_H

//===- MemrefCopy.cpp -----------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/MemrefCopy.h"

#include <string.h>

namespace {

/// A ranked descriptor: two pointers, the offset, then sizes and strides.
struct View {
  char *data;
  const int64_t *sizes, *strides;

  View(const AttnUnrankedMemref &memref, int64_t elementBytes) {
    char *const *pointers = static_cast<char *const *>(memref.descriptor);
    const int64_t *words = static_cast<const int64_t *>(memref.descriptor);
    data = pointers[1] + words[2] * elementBytes;
    sizes = words + 3;
    strides = sizes + memref.rank;
  }
};

void copyDims(int64_t elementBytes, int64_t rank, const int64_t *sizes,
              const char *source, const int64_t *sourceStrides, char *target,
              const int64_t *targetStrides) {
  if (rank == 0) {
    memcpy(target, source, elementBytes);
    return;
  }
  if (rank == 1 && sourceStrides[0] == 1 && targetStrides[0] == 1) {
    memcpy(target, source, sizes[0] * elementBytes);
    return;
  }
  for (int64_t i = 0; i < sizes[0]; ++i) {
    copyDims(elementBytes, rank - 1, sizes + 1, source, sourceStrides + 1,
             target, targetStrides + 1);
    source += sourceStrides[0] * elementBytes;
    target += targetStrides[0] * elementBytes;
  }
}

} // namespace

extern "C" void memrefCopy(int64_t elementBytes,
                           const AttnUnrankedMemref *source,
                           const AttnUnrankedMemref *target) {
  View from(*source, elementBytes), to(*target, elementBytes);
  for (int64_t i = 0; i < source->rank; ++i)
    if (from.sizes[i] == 0)
      return;
  copyDims(elementBytes, source->rank, from.sizes, from.data, from.strides,
           to.data, to.strides);
}

//===- ParallelFor.h --------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The one symbol compiled kernels need from their environment. Plain C, no
// dependency: the JIT binds it in process, and whoever links an ahead-of-time
// object may use this implementation or supply another.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_RUNTIME_PARALLELFOR_H
#define ATTN_RUNTIME_PARALLELFOR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Calls `body(index, context)` once for every index in [0, n), in any order
/// and on any thread, and returns when all calls have returned. Indices are
/// handed out one by one, in increasing order, to whichever thread is free. A
/// call from inside a body runs its indices serially.
void attn_parallel_for(int64_t n, void (*body)(int64_t index, void *context),
                       void *context);

/// Threads used from now on, the calling one included; n < 1 restores the
/// default: OMP_NUM_THREADS when set, else the affinity mask.
void attn_set_num_threads(int n);
int attn_get_num_threads(void);

/// "openmp (<library>)" or "pool": where threads come from. Decided at first
/// use: an OpenMP runtime already in the process is shared (two of them
/// compete for the cores), else libgomp.so.1 is loaded, else an own pool runs.
const char *attn_parallel_backend(void);

#ifdef __cplusplus
}
#endif

#endif // ATTN_RUNTIME_PARALLELFOR_H

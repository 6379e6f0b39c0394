//===- MachinePeak.h --------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What this machine can do at most, measured: the yardstick of benchmarks.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_RUNTIME_MACHINEPEAK_H
#define ATTN_RUNTIME_MACHINEPEAK_H

#include <cstddef>

namespace attn {

/// f32 operations a second (two for a fused multiply-add) of `threads` threads
/// that do nothing else for about `seconds` each, with the widest vectors that
/// are fastest here: the median over short intervals, summed over threads.
double measureFMAPeak(double seconds, int threads);

/// Bytes a second that `threads` threads read together from `bytes` bytes,
/// split between them and read again and again for about `seconds`: the median
/// pass, summed over threads. Zero when the memory cannot be had.
double measureReadBandwidth(size_t bytes, double seconds, int threads);

/// The instructions `measureFMAPeak` uses, e.g. "avx512f".
const char *getFMAPeakInstructions();

} // namespace attn

#endif // ATTN_RUNTIME_MACHINEPEAK_H

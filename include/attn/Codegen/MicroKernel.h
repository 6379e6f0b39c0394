//===- MicroKernel.h - Register tiles, transposes, reductions ---*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_CODEGEN_MICROKERNEL_H
#define ATTN_CODEGEN_MICROKERNEL_H

#include "attn/Codegen/KernelBuilder.h"

namespace mlir::attn {

/// How a register tile multiplies and accumulates.
enum class DotKind {
  Fma,       ///< one product per lane and step
  BF16Pairs, ///< vdpbf16ps: two bf16 products per f32 lane and step
};

/// A `rows` x `vectors` tile of accumulators kept in registers over a loop of
/// `depth` steps:
///   acc[r][v] += broadcast(scalar(k, r)) * vector(k, v)
/// `init` and the result are in row-major order. With a look-up, `scalar` is
/// given what it finds for the step instead of the step.
struct RegisterTile {
  unsigned rows, vectors;
  DotKind kind = DotKind::Fma;

  using ScalarOperand = llvm::function_ref<Value(Value k, unsigned row)>;
  using VectorOperand = llvm::function_ref<Value(Value k, unsigned vector)>;
  using Lookup = llvm::function_ref<Value(Value k)>;
  SmallVector<Value> multiply(KernelBuilder &k, Value depth, ValueRange init,
                              ScalarOperand scalar, VectorOperand vector,
                              Lookup lookup = nullptr) const;
};

/// Rows of a register tile `vectors` wide that fill, and do not spill, the
/// target's registers: 16 accumulators of 32 registers, 12 of 16.
unsigned getTileRows(const CPUTarget &target, unsigned vectors);

/// Transposes a square of vectors: as many as lanes.
SmallVector<Value> transpose(KernelBuilder &k, ValueRange rows);

/// The sums over lanes of as many vectors as lanes, one per lane.
Value reduceLanes(KernelBuilder &k, ValueRange vectors);

/// Two consecutive bf16 elements, repeated in every lane of a vector of pairs.
Value broadcastPair(KernelBuilder &k, Value memref, ValueRange indices);

} // namespace mlir::attn

#endif // ATTN_CODEGEN_MICROKERNEL_H

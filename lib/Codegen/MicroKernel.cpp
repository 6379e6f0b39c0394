//===- MicroKernel.cpp - Register tiles, transposes, reductions -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Codegen/MicroKernel.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mlir::attn;

unsigned mlir::attn::getTileRows(const CPUTarget &target, unsigned vectors) {
  unsigned accumulators = target.vectorRegisters >= 32 ? 16 : 12;
  return std::max(1u, accumulators / vectors);
}

SmallVector<Value> RegisterTile::multiply(KernelBuilder &k, Value depth,
                                          ValueRange init, ScalarOperand scalar,
                                          VectorOperand vector,
                                          Lookup lookup) const {
  auto addProducts = [&](Value iv, Value found, ValueRange carried) {
    SmallVector<Value> columns;
    for (unsigned v = 0; v < vectors; ++v)
      columns.push_back(vector(iv, v));
    SmallVector<Value> next(carried);
    for (unsigned r = 0; r < rows; ++r) {
      Value row = scalar(found, r);
      for (unsigned v = 0; v < vectors; ++v) {
        Value &accumulator = next[r * vectors + v];
        if (kind == DotKind::Fma) {
          accumulator = k.fma(row, columns[v], accumulator);
          continue;
        }
        accumulator =
            LLVM::CallIntrinsicOp::create(
                k.builder, k.loc, k.vectorType,
                k.builder.getStringAttr("llvm.x86.avx512bf16.dpbf16ps.512"),
                ValueRange{accumulator, row, columns[v]})
                .getResult(0);
      }
    }
    return next;
  };
  if (lookup)
    return k.loopAhead(depth, init, lookup, addProducts);
  return k.loop(k.index(0), depth, 1, init, [&](Value iv, ValueRange carried) {
    return addProducts(iv, iv, carried);
  });
}

// One stage of a transpose exchanges the off-diagonal blocks of size `stride`
// of two vectors: (a b; c d) -> (a c; b d) with a the low half of each block.
static std::pair<Value, Value> exchange(KernelBuilder &k, Value low, Value high,
                                        unsigned stride) {
  SmallVector<int64_t> first, second;
  for (unsigned lane = 0; lane < k.lanes; ++lane) {
    bool inLowBlock = (lane & stride) == 0;
    first.push_back(inLowBlock ? lane : k.lanes + lane - stride);
    second.push_back(inLowBlock ? lane + stride : k.lanes + lane);
  }
  Value a = vector::ShuffleOp::create(k.builder, k.loc, low, high, first);
  Value b = vector::ShuffleOp::create(k.builder, k.loc, low, high, second);
  return {a, b};
}

SmallVector<Value> mlir::attn::transpose(KernelBuilder &k, ValueRange rows) {
  assert(rows.size() == k.lanes && "a square of vectors");
  SmallVector<Value> result(rows);
  for (unsigned stride = 1; stride < k.lanes; stride *= 2)
    for (unsigned row = 0; row < k.lanes; ++row)
      if ((row & stride) == 0)
        std::tie(result[row], result[row + stride]) =
            exchange(k, result[row], result[row + stride], stride);
  return result;
}

Value mlir::attn::reduceLanes(KernelBuilder &k, ValueRange vectors) {
  assert(vectors.size() == k.lanes && "as many vectors as lanes");
  SmallVector<Value> partial(vectors);
  for (unsigned stride = 1; stride < k.lanes; stride *= 2) {
    SmallVector<Value> next;
    for (unsigned i = 0; i < partial.size(); i += 2) {
      auto [a, b] = exchange(k, partial[i], partial[i + 1], stride);
      next.push_back(k.add(a, b));
    }
    partial = std::move(next);
  }
  return partial.front();
}

Value mlir::attn::broadcastPair(KernelBuilder &k, Value memref,
                                ValueRange indices) {
  OpBuilder &b = k.builder;
  auto pair = VectorType::get({2}, b.getBF16Type());
  auto word = VectorType::get({1}, b.getI32Type());
  Value loaded = vector::LoadOp::create(b, k.loc, pair, memref, indices);
  Value bits = vector::BitCastOp::create(b, k.loc, word, loaded);
  Value scalar = vector::ExtractOp::create(b, k.loc, bits, int64_t(0));
  Value repeated = k.broadcast(scalar, k.vectorOf(b.getI32Type()));
  auto pairs = VectorType::get({int64_t(2 * k.lanes)}, b.getBF16Type());
  return vector::BitCastOp::create(b, k.loc, pairs, repeated);
}

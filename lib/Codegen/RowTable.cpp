//===- RowTable.cpp - Tables with a row per query -------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Codegen/RowTable.h"
#include "attn/Codegen/MicroKernel.h"
#include "attn/Codegen/OnlineStep.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mlir::attn;

bool RowTable::canHold(MemRefType table) {
  Type element = table.getElementType();
  // Truth values take a byte each in memory and a bit each in a vector.
  if (!element.isIntOrFloat() || element.getIntOrFloatBitWidth() < 8 ||
      element.getIntOrFloatBitWidth() > 64 ||
      !llvm::isPowerOf2_32(element.getIntOrFloatBitWidth()))
    return false;
  return table.getRank() >= 2 && table.isLastDimUnitStride();
}

RowTable::RowTable(KernelBuilder &k, Value flat, int64_t numLanes,
                   std::function<Value(Value)> position, bool isRun)
    : k(k), flat(flat), numLanes(numLanes), position(std::move(position)),
      isRun(isRun), element(cast<MemRefType>(flat.getType()).getElementType()) {
  side = std::min<int64_t>(kKeys, k.target.vectorBits /
                                      element.getIntOrFloatBitWidth());
  if (numLanes % side != 0)
    side = std::min<int64_t>(kKeys, k.lanes);
  rows = createScratch(k, {numLanes}, k.builder.getIndexType());
  block = createScratch(k, {kKeys, numLanes}, element);
}

void RowTable::setRows(unsigned group, Value distances) {
  k.store(distances, rows, {k.index(int64_t(group) * k.lanes)});
}

Value RowTable::load(Value key, unsigned group) {
  return k.load(block,
                {k.subIndex(key, start), k.index(int64_t(group) * k.lanes)},
                k.vectorOf(element));
}

void RowTable::prefetch(Value numKeys) {
  constexpr int64_t kLineBits = 512;
  Value first = position(k.index(0));
  int64_t perLine = kLineBits / element.getIntOrFloatBitWidth();
  k.loop(k.index(0), k.index(numLanes), 1, [&](Value lane) {
    Value row = k.addIndex(k.loadScalar(rows, {lane}), first);
    k.loop(k.index(0), numKeys, perLine, [&](Value key) {
      // Rows a power of two apart share few sets of the first cache.
      memref::PrefetchOp::create(k.builder, k.loc, flat,
                                 ValueRange{k.addIndex(row, key)},
                                 /*isWrite=*/false, /*localityHint=*/2,
                                 /*isDataCache=*/true);
    });
  });
}

void RowTable::read(Value first, Value numKeys) {
  // The last block ends at the last key, and so may begin ahead of `first`.
  start = k.maxIndex(k.minIndex(first, k.subIndex(numKeys, k.index(kKeys))),
                     k.index(0));
  scf::IfOp::create(
      k.builder, k.loc, emitIsRun(numKeys),
      [&](OpBuilder &, Location) {
        copyRun();
        scf::YieldOp::create(k.builder, k.loc);
      },
      [&](OpBuilder &, Location) {
        copyEach(first, numKeys);
        scf::YieldOp::create(k.builder, k.loc);
      });
}

// Whether the block's keys lie one behind the other.
Value RowTable::emitIsRun(Value numKeys) {
  OpBuilder &b = k.builder;
  Value enough = b.createOrFold<arith::CmpIOp>(k.loc, arith::CmpIPredicate::sge,
                                               numKeys, k.index(kKeys));
  if (isRun)
    return enough;
  auto check = scf::IfOp::create(
      b, k.loc, enough,
      [&](OpBuilder &, Location) {
        Value first = position(start);
        Value all = arith::ConstantOp::create(b, k.loc, b.getBoolAttr(true));
        for (int64_t key = 1; key < kKeys; ++key) {
          Value follows = arith::CmpIOp::create(
              b, k.loc, arith::CmpIPredicate::eq,
              position(k.addIndex(start, key)), k.addIndex(first, key));
          all = arith::AndIOp::create(b, k.loc, all, follows);
        }
        scf::YieldOp::create(b, k.loc, all);
      },
      [&](OpBuilder &, Location) {
        Value no = arith::ConstantOp::create(b, k.loc, b.getBoolAttr(false));
        scf::YieldOp::create(b, k.loc, no);
      });
  return check.getResult(0);
}

void RowTable::copyRun() {
  auto vector = VectorType::get({side}, element);
  Value first = position(start);
  k.loop(k.index(0), k.index(numLanes), side, [&](Value lane) {
    SmallVector<Value> distances;
    for (int64_t r = 0; r < side; ++r)
      distances.push_back(
          k.addIndex(k.loadScalar(rows, {k.addIndex(lane, r)}), first));
    k.loop(k.index(0), k.index(kKeys), side, [&](Value key) {
      SmallVector<Value> square;
      for (Value distance : distances)
        square.push_back(k.load(flat, {k.addIndex(distance, key)}, vector));
      for (auto [r, column] :
           llvm::enumerate(transposeSquare(std::move(square))))
        k.store(column, block, {k.addIndex(key, r), lane});
    });
  });
}

void RowTable::copyEach(Value first, Value numKeys) {
  Value end = k.minIndex(k.addIndex(first, kKeys), numKeys);
  k.loop(first, end, 1, [&](Value key) {
    Value at = position(key);
    Value row = k.subIndex(key, start);
    k.loop(k.index(0), k.index(numLanes), 1, [&](Value lane) {
      Value distance = k.loadScalar(rows, {lane});
      k.storeScalar(k.loadScalar(flat, {k.addIndex(distance, at)}), block,
                    {row, lane});
    });
  });
}

// Each round interleaves the first half of the vectors with the second: a
// single instruction where a vector is as long as a lane of shuffles, as one of
// bytes is.
SmallVector<Value> RowTable::transposeSquare(SmallVector<Value> square) {
  if (side == k.lanes && element.getIntOrFloatBitWidth() >= 32)
    return transpose(k, square);
  SmallVector<int64_t> low, high;
  for (int64_t i = 0; i < side; ++i) {
    low.push_back(i / 2 + (i % 2) * side);
    high.push_back(side / 2 + low.back());
  }
  auto shuffle = [&](Value a, Value b, ArrayRef<int64_t> mask) -> Value {
    return vector::ShuffleOp::create(k.builder, k.loc, a, b, mask);
  };
  for (int64_t round = 1; round < side; round *= 2) {
    SmallVector<Value> next;
    for (int64_t i = 0; i < side / 2; ++i)
      for (ArrayRef<int64_t> mask : {ArrayRef(low), ArrayRef(high)})
        next.push_back(shuffle(square[i], square[i + side / 2], mask));
    square = std::move(next);
  }
  return square;
}

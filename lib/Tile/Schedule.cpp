//===- Schedule.cpp - Tile sizes and layout from the cost model -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Tile/Schedule.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::attn;

// The extent of a loop dimension in an operand.
static int64_t getExtent(Value operand, AffineMap map, unsigned dim) {
  for (auto [position, expr] : llvm::enumerate(map.getResults()))
    if (expr.isFunctionOfDim(dim))
      return cast<ShapedType>(operand.getType()).getDimSize(position);
  return 1;
}

AttentionSizes mlir::attn::getStaticSizes(AttentionOp op) {
  SmallVector<AffineMap> maps = op.getRoleMaps();
  AttentionSizes sizes;
  sizes.numQueries = getExtent(op.getQuery(), maps[0], kQuery);
  sizes.numKeys = getExtent(op.getKey(), maps[1], kKey);
  sizes.width = getExtent(op.getQuery(), maps[0], kWidth);
  sizes.valueWidth = getExtent(op.getValue(), maps[2], kValueWidth);
  sizes.headsPerGroup = 1;
  for (AffineExpr expr : maps[1].getResults())
    if (auto division = dyn_cast<AffineBinaryOpExpr>(expr))
      if (auto divisor = dyn_cast<AffineConstantExpr>(division.getRHS()))
        sizes.headsPerGroup = divisor.getValue();
  return sizes;
}

int64_t mlir::attn::getMaxFeatureRows(const CPUTarget &target) {
  // Above half a vector of rows the query lanes waste less than the sums
  // across feature lanes cost.
  return std::max<int64_t>(4, target.getLanes(32) / 2);
}

// Vectors of queries per step. Two of 16 lanes and eight rows of keys keep as
// many accumulators as four and four, run as fast on long rows of keys (within
// 2 % at N = 1024 to 8192) and lose less at the edge of a mask (causal, N =
// 1024: 0.87 of the FMA peak instead of 0.85). bf16 pairs do twice the work per
// broadcast and gain from four.
static int64_t getQueryVectors(const CPUTarget &target, int64_t lanes,
                               bool pairs) {
  return target.vectorRegisters >= 32 && (lanes < 16 || pairs) ? 4 : 2;
}

static void chooseQueryBlock(Schedule &schedule, const AttentionSizes &sizes,
                             const CPUTarget &target, int64_t lanes,
                             const ScheduleRequest &request) {
  int64_t vectors = getQueryVectors(target, lanes, schedule.bf16Pairs);
  if (request.blockQueries > 0)
    vectors = llvm::divideCeil(request.blockQueries, lanes);
  else if (!ShapedType::isDynamic(sizes.numQueries))
    vectors = std::min<int64_t>(
        vectors, llvm::PowerOf2Ceil(std::max<int64_t>(
                     1, llvm::divideCeil(sizes.numQueries, lanes))));
  schedule.blockQueries = vectors * lanes;
}

// A tile across two rows of blocks sees the keys of both, and of a random block
// everything between them.
static void fitRowBlock(Schedule &schedule, int64_t lanes,
                        const ScheduleRequest &request, const MaskShape &mask) {
  if (mask.rowBlock == 0 || request.blockQueries > 0)
    return;
  while (mask.rowBlock % schedule.blockQueries != 0 &&
         schedule.blockQueries > lanes)
    schedule.blockQueries /= 2;
}

// Patches of a grid have few rows: fewer keys are seen by only some of them.
static void chooseRowTiles(Schedule &schedule, int64_t lanes,
                           const ScheduleRequest &request,
                           const MaskShape &mask) {
  if (mask.rows.divisors.empty())
    return;
  constexpr int64_t mostRows = 32;
  if (!mask.rows.isResidue) {
    int64_t rows = request.blockQueries > 0
                       ? request.blockQueries
                       : std::min(schedule.blockQueries, mostRows);
    schedule.blockQueries = llvm::PowerOf2Ceil(std::max(rows, lanes));
  }
  schedule.rowDivisors = mask.rows.divisors;
  schedule.rowTiles = mask.rows.getTile(schedule.blockQueries);
}

// Keys and values that exceed the second-level cache are read again for every
// query block: several blocks then share each key block.
static void chooseSharing(Schedule &schedule, const AttentionSizes &sizes,
                          const CPUTarget &target, int64_t elementBytes,
                          const ScheduleRequest &request,
                          const MaskShape &mask) {
  // Packed pairs of values are made once per key block: more blocks use them.
  int64_t sharedBlocks = schedule.bf16Pairs ? 8 : 4;
  // Lists of keys belong to one tile of rows.
  if (mask.isListed)
    return;
  if (request.blocksPerTask > 0) {
    schedule.blocksPerTask = request.blocksPerTask;
    return;
  }
  auto orTypical = [](int64_t size) {
    return ShapedType::isDynamic(size) ? 128 : size;
  };
  int64_t bytesPerKey = std::max<int64_t>(
      1, (orTypical(sizes.width) + orTypical(sizes.valueWidth)) * elementBytes);
  int64_t cache = target.l2Bytes > 0 ? target.l2Bytes : 1 << 20;
  int64_t limit = cache / bytesPerKey;
  bool manyQueries = ShapedType::isDynamic(sizes.numQueries) ||
                     sizes.numQueries >= 2 * schedule.blockQueries;
  // In a band, neighbouring query blocks see nearly the same few keys, which
  // then are in the cache without further ado.
  if (!manyQueries || mask.isBanded)
    return;
  bool packs = schedule.convertKeysAndValues || schedule.bf16Pairs;
  if (packs || ShapedType::isDynamic(sizes.numKeys) || sizes.numKeys > limit)
    schedule.blocksPerTask = sharedBlocks;
  if (!packs && ShapedType::isDynamic(sizes.numKeys))
    schedule.shareAboveKeys = limit;
}

Schedule mlir::attn::chooseSchedule(AttentionOp op, const CPUTarget &target,
                                    const ScheduleRequest &request,
                                    LaneKind lanes, const MaskShape &mask) {
  AttentionSizes sizes = getStaticSizes(op);
  FloatType computeType = op.getComputeType();
  Type element = cast<ShapedType>(op.getQuery().getType()).getElementType();
  int64_t vectorLanes = target.getLanes(computeType.getWidth());
  Schedule schedule;
  schedule.lanes = lanes;
  // Feature lanes read keys and values from memory: long blocks restart the
  // hardware's prefetching less often.
  int64_t blockKeys = lanes == LaneKind::Features ? 512 : 128;
  schedule.blockKeys = request.blockKeys > 0 ? request.blockKeys : blockKeys;
  llvm::raw_string_ostream reason(schedule.reason);
  if (lanes == LaneKind::Features) {
    int64_t perHead =
        std::max<int64_t>(1, getMaxFeatureRows(target) / sizes.headsPerGroup);
    if (request.blockQueries > 0)
      perHead = std::min(perHead, request.blockQueries);
    if (!ShapedType::isDynamic(sizes.numQueries))
      perHead = std::clamp<int64_t>(sizes.numQueries, 1, perHead);
    schedule.blockQueries = perHead;
    reason << "features in lanes: " << perHead * sizes.headsPerGroup
           << " rows (queries times heads of a group) of at most "
           << getMaxFeatureRows(target);
    return schedule;
  }
  bool isHalf = element.isF16() || element.isBF16();
  bool evenWidth = !ShapedType::isDynamic(sizes.width) && sizes.width % 2 == 0;
  schedule.bf16Pairs = element.isBF16() && target.hasBF16Dot &&
                       target.vectorBits == 512 && evenWidth;
  schedule.convertKeysAndValues = isHalf && !schedule.bf16Pairs;
  if (schedule.bf16Pairs && request.blockKeys == 0)
    schedule.blockKeys = 192;
  chooseQueryBlock(schedule, sizes, target, vectorLanes, request);
  schedule.listsKeys = mask.isListed;
  fitRowBlock(schedule, vectorLanes, request, mask);
  chooseRowTiles(schedule, vectorLanes, request, mask);
  chooseSharing(schedule, sizes, target, element.getIntOrFloatBitWidth() / 8,
                request, mask);
  reason << "queries in lanes: " << schedule.blockQueries / vectorLanes
         << " vectors of " << vectorLanes << ", " << target.vectorRegisters
         << " registers";
  if (!schedule.rowTiles.empty()) {
    reason << (mask.rows.isResidue ? "; rows of one residue modulo "
                                   : "; patches of ");
    if (mask.rows.isResidue)
      reason << mask.rows.divisors.front();
    else
      llvm::interleave(
          schedule.rowTiles, reason, [&](int64_t size) { reason << size; },
          "x");
  }
  if (mask.isListed)
    reason << "; keys in lists";
  if (schedule.blocksPerTask > 1)
    reason << "; " << schedule.blocksPerTask
           << " query blocks share a key block";
  if (schedule.blocksPerTask > 1 && !schedule.bf16Pairs &&
      !schedule.convertKeysAndValues)
    reason << ": keys and values of a head "
           << (schedule.shareAboveKeys ? "may exceed " : "exceed ")
           << "the second-level cache (" << target.l2Bytes / 1024 << " KiB)";
  if (schedule.bf16Pairs)
    reason << "; bf16 dot products";
  if (schedule.convertKeysAndValues)
    reason << "; keys and values converted per key block";
  return schedule;
}

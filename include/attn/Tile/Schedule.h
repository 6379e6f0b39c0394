//===- Schedule.h - Tile sizes and layout from the cost model ---*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TILE_SCHEDULE_H
#define ATTN_TILE_SCHEDULE_H

#include "attn/Analysis/MaskAnalysis.h"
#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Target/CPU/TargetDescription.h"
#include <string>

namespace mlir::attn {

/// What lies in the lanes of the kernel's vectors.
enum class LaneKind { Queries, Features };

/// How one attention is cut into tasks and steps.
struct Schedule {
  LaneKind lanes = LaneKind::Queries;
  /// Queries of one step; with feature lanes, of one head of a group.
  int64_t blockQueries = 0;
  /// Keys of one step.
  int64_t blockKeys = 0;
  /// Query blocks of a task that share each key block.
  int64_t blocksPerTask = 1;
  /// With an unknown number of keys: share only when keys and values of a head
  /// exceed this many keys. 0: always share.
  int64_t shareAboveKeys = 0;
  /// How the rows of a tile lie, when they do not follow each other: the
  /// divisors that split positions into axes, and the tile along each axis.
  SmallVector<int64_t, 2> rowDivisors;
  SmallVector<int64_t, 3> rowTiles;
  /// Keys are visited run by run and gathered into lists; otherwise they are
  /// one interval.
  bool listsKeys = false;
  /// bf16 dot products on packed pairs.
  bool bf16Pairs = false;
  /// Keys and values are converted to the compute type, once per key block.
  bool convertKeysAndValues = false;
  /// Why, in words, for the remark.
  std::string reason;
};

/// What a caller may fix; zero or Auto leaves the choice to the cost model.
struct ScheduleRequest {
  enum class Kind { Auto, Queries, Features };
  Kind kind = Kind::Auto;
  int64_t blockQueries = 0, blockKeys = 0, blocksPerTask = 0;
};

/// The static sizes the cost model looks at; kDynamic where unknown.
struct AttentionSizes {
  int64_t numQueries, numKeys, width, valueWidth, headsPerGroup;
};
AttentionSizes getStaticSizes(AttentionOp op);

/// Rows (queries times heads of a group) up to which the features go into the
/// lanes.
int64_t getMaxFeatureRows(const CPUTarget &target);

/// What the mask means for the schedule.
struct MaskShape {
  /// Each query sees keys around a position that moves with it.
  bool isBanded = false;
  /// The keys of a tile come in runs, which are listed.
  bool isListed = false;
  /// Rows that share the entries of a block table; 0: there is none.
  int64_t rowBlock = 0;
  /// How the rows are split into axes, if they are.
  MaskAnalysis::RowSplit rows;
};

/// The schedule for queries in the lanes, or for features.
Schedule chooseSchedule(AttentionOp op, const CPUTarget &target,
                        const ScheduleRequest &request, LaneKind lanes,
                        const MaskShape &mask);

} // namespace mlir::attn

#endif // ATTN_TILE_SCHEDULE_H

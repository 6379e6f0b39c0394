//===- Pipelines.cpp - The whole story, phase by phase --------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Pipelines/Pipelines.h"
#include "attn/Analysis/Passes.h"
#include "attn/Codegen/Passes.h"
#include "attn/Expand/Passes.h"
#include "attn/Pipelines/Passes.h"
#include "attn/Specialize/Passes.h"
#include "attn/Target/CPU/Passes.h"
#include "attn/Tile/Passes.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include <array>

using namespace mlir;
using namespace mlir::attn;

static constexpr std::array kPhases = {
    Phase::Input, Phase::Raise,   Phase::Expand, Phase::Specialize,
    Phase::Tile,  Phase::Codegen, Phase::Target};

ArrayRef<Phase> mlir::attn::getPhases() { return kPhases; }

StringRef mlir::attn::getPhaseName(Phase phase) {
  static constexpr StringLiteral names[] = {
      "input", "raise", "expand", "specialize", "tile", "codegen", "target"};
  return names[static_cast<unsigned>(phase)];
}

std::optional<Phase> mlir::attn::getPhase(StringRef name) {
  for (Phase phase : kPhases)
    if (getPhaseName(phase) == name)
      return phase;
  return std::nullopt;
}

static void buildExpand(OpPassManager &pm) {
  pm.addPass(createExpandPass());
  pm.addPass(createCanonicalizerPass());
}

static void buildSpecialize(OpPassManager &pm, const CompileOptions &options) {
  // The tiles of a mask are those of all heads.
  if (options.analysis.empty())
    pm.addNestedPass<func::FuncOp>(createSplitHeadsPass());
  pm.addPass(createCSEPass());
  if (options.analysis.empty())
    return;
  MaskTilesPassOptions tiles;
  tiles.blockQueries = options.blockQueries ? options.blockQueries : 64;
  tiles.blockKeys = options.blockKeys ? options.blockKeys : 64;
  tiles.splitRows = options.analysis == "mask-tiles-split";
  pm.addNestedPass<func::FuncOp>(createMaskTilesPass(tiles));
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

static void buildTile(OpPassManager &pm, const CompileOptions &options) {
  // An analysis has taken the attention's place.
  if (!options.analysis.empty())
    return;
  TileAttentionPassOptions tile;
  tile.target = options.target;
  tile.schedule = options.schedule;
  tile.blockQueries = options.blockQueries;
  tile.blockKeys = options.blockKeys;
  tile.blocksPerTask = options.blocksPerTask;
  pm.addNestedPass<func::FuncOp>(createTileAttentionPass(tile));
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

static void buildCodegen(OpPassManager &pm, const CompileOptions &options) {
  pm.addNestedPass<func::FuncOp>(createDestinationResultsPass());
  pm.addPass(createBufferizePass());
  // Copies of a buffer onto itself fold once equal views are one value.
  pm.addPass(createCSEPass());
  pm.addPass(createCanonicalizerPass());
  LowerTilesPassOptions lower;
  lower.target = options.target;
  pm.addNestedPass<func::FuncOp>(createLowerTilesPass(lower));
  pm.addNestedPass<func::FuncOp>(createPlaceBuffersPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

static void buildTarget(OpPassManager &pm, const CompileOptions &options) {
  pm.addPass(createOutlineTasksPass());
  // An unknown target has been reported by the tile phase.
  std::string error;
  FailureOr<CPUTarget> target = describeTarget(options.target, error);
  buildLowerToLLVM(pm, succeeded(target) && target->hasBF16Dot);
}

void mlir::attn::buildPhase(OpPassManager &pm, Phase phase,
                            const CompileOptions &options) {
  switch (phase) {
  case Phase::Input:
  case Phase::Raise:
    return;
  case Phase::Expand:
    buildExpand(pm);
    break;
  case Phase::Specialize:
    buildSpecialize(pm, options);
    break;
  case Phase::Tile:
    buildTile(pm, options);
    break;
  case Phase::Codegen:
    buildCodegen(pm, options);
    break;
  case Phase::Target:
    buildTarget(pm, options);
    break;
  }
  VerifyPhasePassOptions verify;
  verify.phase = getPhaseName(phase).str();
  pm.addPass(createVerifyPhasePass(verify));
}

void mlir::attn::buildPipeline(OpPassManager &pm, Phase last,
                               const CompileOptions &options) {
  for (Phase phase : kPhases)
    if (phase <= last)
      buildPhase(pm, phase, options);
}

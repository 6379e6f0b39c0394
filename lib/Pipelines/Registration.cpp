//===- Registration.cpp - Dialects, passes and pipelines ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Analysis/Passes.h"
#include "attn/Codegen/Passes.h"
#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Expand/Passes.h"
#include "attn/Pipelines/Passes.h"
#include "attn/Pipelines/Pipelines.h"
#include "attn/Specialize/Passes.h"
#include "attn/Target/CPU/Passes.h"
#include "attn/Tile/Passes.h"
#include "mlir/Dialect/Affine/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/Arith/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/Arith/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/Transforms/FuncBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Index/IR/IndexDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/Transforms/AllInterfaces.h"
#include "mlir/Dialect/MemRef/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/SCF/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/SCF/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/SubsetInsertionOpInterfaceImpl.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"

using namespace mlir;

void attn::registerDialects(DialectRegistry &registry) {
  registry.insert<affine::AffineDialect, arith::ArithDialect, AttnDialect,
                  bufferization::BufferizationDialect, cf::ControlFlowDialect,
                  func::FuncDialect, index::IndexDialect, linalg::LinalgDialect,
                  LLVM::LLVMDialect, math::MathDialect, memref::MemRefDialect,
                  scf::SCFDialect, tensor::TensorDialect, ub::UBDialect,
                  vector::VectorDialect>();
  affine::registerValueBoundsOpInterfaceExternalModels(registry);
  arith::registerBufferizableOpInterfaceExternalModels(registry);
  arith::registerValueBoundsOpInterfaceExternalModels(registry);
  attn::registerBufferizableOpInterfaceExternalModels(registry);
  bufferization::func_ext::registerBufferizableOpInterfaceExternalModels(
      registry);
  linalg::registerAllDialectInterfaceImplementations(registry);
  memref::registerValueBoundsOpInterfaceExternalModels(registry);
  scf::registerBufferizableOpInterfaceExternalModels(registry);
  scf::registerValueBoundsOpInterfaceExternalModels(registry);
  tensor::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerSubsetOpInterfaceExternalModels(registry);
  tensor::registerValueBoundsOpInterfaceExternalModels(registry);
  vector::registerBufferizableOpInterfaceExternalModels(registry);
}

namespace {
struct PipelineOptions : public PassPipelineOptions<PipelineOptions> {
  Option<std::string> phase{*this, "phase", llvm::cl::desc("last phase to run"),
                            llvm::cl::init("target")};
  Option<std::string> target{*this, "target",
                             llvm::cl::desc("host, cpu:x86-64-v3, ..."),
                             llvm::cl::init("host")};
  Option<std::string> schedule{
      *this, "schedule",
      llvm::cl::desc("auto, lanes-queries or lanes-features"),
      llvm::cl::init("auto")};
  Option<int64_t> blockQueries{*this, "block-queries",
                               llvm::cl::desc("queries per step"),
                               llvm::cl::init(0)};
  Option<int64_t> blockKeys{*this, "block-keys",
                            llvm::cl::desc("keys per step"), llvm::cl::init(0)};
  Option<int64_t> blocksPerTask{
      *this, "blocks-per-task",
      llvm::cl::desc("query blocks that share a key block"), llvm::cl::init(0)};

  Option<std::string> analysis{
      *this, "analysis",
      llvm::cl::desc("show tiles instead of attention: mask-tiles or "
                     "mask-tiles-split"),
      llvm::cl::init("")};

  attn::CompileOptions get() const {
    attn::CompileOptions options;
    options.target = target;
    options.schedule = schedule;
    options.blockQueries = blockQueries;
    options.blockKeys = blockKeys;
    options.blocksPerTask = blocksPerTask;
    options.analysis = analysis;
    return options;
  }
};
} // namespace

void attn::registerPasses() {
  registerAnalysisPasses();
  registerCodegenPasses();
  registerExpandPasses();
  registerSpecializePasses();
  registerPipelinesPasses();
  registerTargetCPUPasses();
  registerTilePasses();
  PassPipelineRegistration<PipelineOptions>(
      "attn-compile-to", "all phases up to the one given by phase=",
      [](OpPassManager &pm, const PipelineOptions &options) {
        StringRef analysis = options.analysis;
        if (!analysis.empty() && analysis != "mask-tiles" &&
            analysis != "mask-tiles-split")
          llvm::report_fatal_error("unknown analysis",
                                   /*gen_crash_diag=*/false);
        if (std::optional<Phase> last = getPhase(options.phase))
          buildPipeline(pm, *last, options.get());
        else
          llvm::report_fatal_error("unknown phase", /*gen_crash_diag=*/false);
      });
  for (Phase phase : getPhases()) {
    if (phase <= Phase::Raise)
      continue;
    StringRef name = getPhaseName(phase);
    // The registry keeps the strings' addresses.
    static std::array<std::string, 8> flags, texts;
    std::string &flag = flags[static_cast<unsigned>(phase)];
    std::string &text = texts[static_cast<unsigned>(phase)];
    flag = ("attn-" + name + "-pipeline").str();
    text = ("the passes of phase " + name).str();
    PassPipelineRegistration<PipelineOptions>(
        flag, text, [phase](OpPassManager &pm, const PipelineOptions &options) {
          buildPhase(pm, phase, options.get());
        });
  }
}

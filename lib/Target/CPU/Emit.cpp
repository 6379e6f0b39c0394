//===- Emit.cpp -----------------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Target/CPU/Emit.h"
#include "Registration.h"

#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/OptBisect.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/InstCombine/InstCombine.h"
#include "llvm/Transforms/Scalar/EarlyCSE.h"
#include "llvm/Transforms/Scalar/IndVarSimplify.h"
#include "llvm/Transforms/Scalar/LICM.h"
#include "llvm/Transforms/Scalar/LoopPassManager.h"
#include "llvm/Transforms/Scalar/LoopRotation.h"
#include "llvm/Transforms/Scalar/SROA.h"
#include "llvm/Transforms/Scalar/SimplifyCFG.h"

using namespace mlir::attn;

std::unique_ptr<llvm::TargetMachine>
mlir::attn::createTargetMachine(const CPUTarget &target, OptLevel level,
                                std::string &error) {
  registerCPUTargets();
  llvm::Triple triple(target.triple);
  const llvm::Target *backend =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!backend)
    return nullptr;
  llvm::CodeGenOptLevel codegen =
      level <= OptLevel::Light      ? llvm::CodeGenOptLevel::Less
      : level == OptLevel::Standard ? llvm::CodeGenOptLevel::Default
                                    : llvm::CodeGenOptLevel::Aggressive;
  std::unique_ptr<llvm::TargetMachine> machine(backend->createTargetMachine(
      triple, target.cpu, target.features, llvm::TargetOptions(),
      llvm::Reloc::PIC_, /*CM=*/std::nullopt, codegen));
  if (!machine)
    error = "LLVM cannot generate code for '" + target.triple + "'";
  return machine;
}

void mlir::attn::configureModule(llvm::Module &module, const CPUTarget &target,
                                 llvm::TargetMachine &machine) {
  module.setTargetTriple(machine.getTargetTriple());
  module.setDataLayout(machine.createDataLayout());
  module.setPICLevel(llvm::PICLevel::BigPIC);
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", target.cpu);
    function.addFnAttr("target-features", target.features);
    if (target.isX86())
      function.addFnAttr("prefer-vector-width",
                         std::to_string(target.vectorBits));
    // No exception crosses generated code, so no unwind tables are needed.
    function.addFnAttr(llvm::Attribute::NoUnwind);
  }
}

/// The passes that matter after MLIR has done vectorisation and blocking.
/// Measured on causal attention: rotation lets LICM hoist loads, and indvars,
/// which removes comparisons of loop counters, is worth 18 % of the run time;
/// the standard pipelines take four to seven times as long for 1 % more.
static llvm::FunctionPassManager buildLightPipeline() {
  llvm::FunctionPassManager fpm;
  fpm.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  fpm.addPass(llvm::EarlyCSEPass(/*UseMemorySSA=*/true));
  fpm.addPass(llvm::SimplifyCFGPass());
  fpm.addPass(llvm::InstCombinePass());
  llvm::LoopPassManager invariants;
  invariants.addPass(llvm::LoopRotatePass());
  invariants.addPass(llvm::LICMPass(llvm::LICMOptions()));
  fpm.addPass(llvm::createFunctionToLoopPassAdaptor(std::move(invariants),
                                                    /*UseMemorySSA=*/true));
  fpm.addPass(
      llvm::createFunctionToLoopPassAdaptor(llvm::IndVarSimplifyPass()));
  fpm.addPass(llvm::EarlyCSEPass(/*UseMemorySSA=*/true));
  return fpm;
}

namespace {
/// Keeps one pass of the backend from running.
class WithoutStrengthReduction final : public llvm::OptPassGate {
public:
  bool shouldRunPass(llvm::StringRef pass, llvm::StringRef) const override {
    return pass != "Loop Strength Reduction";
  }
  bool isEnabled() const override { return true; }
};
} // namespace

/// Loop strength reduction takes a third of code generation, and changes the
/// run time of MLIR's already simple address arithmetic by 1 % at most.
static void restrictBackend(llvm::LLVMContext &context, OptLevel level) {
  static WithoutStrengthReduction gate;
  if (level <= OptLevel::Light)
    context.setOptPassGate(gate);
}

void mlir::attn::optimizeModule(llvm::Module &module,
                                llvm::TargetMachine &machine, OptLevel level) {
  restrictBackend(module.getContext(), level);
  if (level == OptLevel::None)
    return;
  llvm::LoopAnalysisManager lam;
  llvm::FunctionAnalysisManager fam;
  llvm::CGSCCAnalysisManager cam;
  llvm::ModuleAnalysisManager mam;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(mam);
  builder.registerCGSCCAnalyses(cam);
  builder.registerFunctionAnalyses(fam);
  builder.registerLoopAnalyses(lam);
  builder.crossRegisterProxies(lam, fam, cam, mam);
  llvm::ModulePassManager mpm;
  if (level == OptLevel::Light)
    mpm.addPass(llvm::createModuleToFunctionPassAdaptor(buildLightPipeline()));
  else
    mpm = builder.buildPerModuleDefaultPipeline(
        level == OptLevel::Full ? llvm::OptimizationLevel::O3
                                : llvm::OptimizationLevel::O1);
  mpm.run(module, mam);
}

/// Runs the backend; false when the target has no such output.
static bool emit(llvm::Module &module, llvm::TargetMachine &machine,
                 llvm::CodeGenFileType type,
                 llvm::SmallVectorImpl<char> &output) {
  llvm::raw_svector_ostream stream(output);
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, stream, nullptr, type))
    return false;
  passes.run(module);
  return true;
}

std::unique_ptr<llvm::MemoryBuffer>
mlir::attn::emitObject(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::SmallVector<char, 0> output;
  if (!emit(module, machine, llvm::CodeGenFileType::ObjectFile, output))
    return nullptr;
  return std::make_unique<llvm::SmallVectorMemoryBuffer>(
      std::move(output), module.getModuleIdentifier(),
      /*RequiresNullTerminator=*/false);
}

std::string mlir::attn::emitAssembly(llvm::Module &module,
                                     llvm::TargetMachine &machine) {
  llvm::SmallVector<char, 0> output;
  if (!emit(module, machine, llvm::CodeGenFileType::AssemblyFile, output))
    return "";
  return std::string(output.begin(), output.end());
}

//===- Compilation.cpp ----------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Compilation.h"
#include "ModuleChecks.h"
#include "PackedEntry.h"
#include "Session.h"
#include "SignatureBuilder.h"

#include "attn/Pipelines/Pipelines.h"
#include "attn/Target/CPU/Emit.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Utils/Cloning.h"

#include <chrono>

using namespace mlir;
using mlir::attn::Phase;

namespace {

/// Milliseconds since the last reading.
class Stopwatch {
public:
  double lap() {
    auto now = std::chrono::steady_clock::now();
    double elapsed =
        std::chrono::duration<double, std::milli>(now - last).count();
    last = now;
    return elapsed;
  }

private:
  std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();
};

const DialectRegistry &getRegistry() {
  static const DialectRegistry registry = [] {
    DialectRegistry dialects;
    mlir::attn::registerDialects(dialects);
    ::attn::registerSignatureInterfaces(dialects);
    registerBuiltinDialectTranslation(dialects);
    registerLLVMDialectTranslation(dialects);
    return dialects;
  }();
  return registry;
}

class Compilation {
public:
  Compilation(std::string_view source, const ::attn::Options &options,
              ::attn::Reports &reports, ::attn::Listing *listing)
      : source(source), options(options), reports(reports), listing(listing),
        context(getRegistry(), MLIRContext::Threading::DISABLED),
        parts(std::make_unique<::attn::Kernel::Parts>()) {
    context.printOpOnDiagnostic(false);
    reports.attach(context);
    reports.attach(llvmContext);
  }

  std::unique_ptr<::attn::Kernel::Parts> run();

private:
  bool parse();
  bool selectEntry();
  bool lower();
  bool runPhase(Phase phase);
  bool replaceSignature();
  bool translate();
  bool emit();
  bool load();
  func::FuncOp getEntry() {
    return module->lookupSymbol<func::FuncOp>(parts->name);
  }
  bool fail(llvm::Error error) {
    reports.addError(llvm::toString(std::move(error)));
    return false;
  }
  mlir::attn::OptLevel getOptLevel() const {
    return options.optLevel < 0
               ? mlir::attn::OptLevel::Light
               : static_cast<mlir::attn::OptLevel>(options.optLevel);
  }

  std::string_view source;
  const ::attn::Options &options;
  ::attn::Reports &reports;
  ::attn::Listing *listing;
  mlir::attn::CPUTarget target;
  std::unique_ptr<llvm::TargetMachine> machine;
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  llvm::LLVMContext llvmContext;
  std::unique_ptr<llvm::Module> llvmModule;
  std::unique_ptr<::attn::Kernel::Parts> parts;
};

} // namespace

bool Compilation::parse() {
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(
      llvm::MemoryBuffer::getMemBufferCopy(source, options.fileName),
      llvm::SMLoc());
  ParserConfig config(&context, /*verifyAfterParse=*/false);
  module = parseSourceFile<ModuleOp>(sources, config);
  return module && succeeded(::attn::checkNesting(*module)) &&
         succeeded(mlir::verify(*module)) &&
         succeeded(::attn::checkSizes(*module));
}

/// Finds the function to compile and drops the ones it does not use.
bool Compilation::selectEntry() {
  SmallVector<func::FuncOp> candidates;
  for (func::FuncOp function : module->getOps<func::FuncOp>())
    if (function.isPublic() && !function.isDeclaration() &&
        (options.entry.empty() || function.getName() == options.entry))
      candidates.push_back(function);
  if (candidates.size() != 1) {
    InFlightDiagnostic error =
        module->emitError("expected ")
        << (options.entry.empty()
                ? std::string("one public function with a body, or the "
                              "'entry' option")
                : "a public function '" + options.entry + "' with a body")
        << ", but got " << candidates.size();
    for (func::FuncOp function : candidates)
      error.attachNote(function.getLoc())
          << "'" << function.getName() << "' is here";
    return false;
  }
  parts->name = candidates.front().getName().str();
  for (func::FuncOp function : module->getOps<func::FuncOp>())
    if (function != candidates.front() && !function.isDeclaration())
      function.setPrivate();
  auto signature = ::attn::buildSignature(candidates.front(), source);
  if (failed(signature))
    return false;
  parts->signature = std::move(*signature);
  return true;
}

/// An analysis takes the attention's place: its arguments are checked as those
/// of the attention were.
bool Compilation::replaceSignature() {
  auto signature = ::attn::buildSignature(getEntry(), source);
  if (failed(signature))
    return false;
  signature->constraints = std::move(parts->signature.constraints);
  parts->signature = std::move(*signature);
  return true;
}

bool Compilation::runPhase(Phase phase) {
  if (phase == Phase::Target)
    if (func::FuncOp entry = getEntry())
      entry->setAttr(LLVM::LLVMDialect::getEmitCWrapperAttrName(),
                     UnitAttr::get(&context));
  mlir::attn::CompileOptions compileOptions;
  compileOptions.target = options.target;
  compileOptions.blockQueries = options.blockQueries;
  compileOptions.blockKeys = options.blockKeys;
  compileOptions.schedule = options.schedule;
  compileOptions.blocksPerTask = options.blocksPerTask;
  compileOptions.analysis = options.analysis;
  PassManager manager(&context, ModuleOp::getOperationName());
  // The result is verified once, before translation.
  manager.enableVerifier(listing != nullptr);
  if (phase == Phase::Input)
    manager.addPass(createSymbolDCEPass());
  mlir::attn::buildPhase(manager, phase, compileOptions);
  if (failed(manager.run(*module))) {
    if (!reports.hasErrors())
      reports.addError("phase '" + mlir::attn::getPhaseName(phase).str() +
                       "' failed");
    return false;
  }
  if (phase == Phase::Expand)
    if (func::FuncOp entry = getEntry())
      ::attn::addConstraints(entry, parts->signature);
  if (phase == Phase::Specialize && !options.analysis.empty() &&
      !replaceSignature())
    return false;
  if (listing) {
    std::string text;
    llvm::raw_string_ostream stream(text);
    module->print(stream);
    listing->phases.emplace_back(mlir::attn::getPhaseName(phase).str(),
                                 std::move(text));
  }
  return true;
}

bool Compilation::lower() {
  for (Phase phase : mlir::attn::getPhases())
    if (!runPhase(phase))
      return false;
  return true;
}

bool Compilation::translate() {
  llvmModule = translateModuleToLLVMIR(*module, llvmContext, parts->name);
  if (!llvmModule) {
    if (!reports.hasErrors())
      reports.addError("the lowered module has no LLVM form");
    return false;
  }
  // Only the LLVM module is needed from here on.
  module = nullptr;
  unsigned numArguments =
      parts->signature.arguments.size() + parts->signature.results.size();
  if (llvm::Error error =
          ::attn::addPackedEntry(*llvmModule, parts->name, numArguments))
    return fail(std::move(error));
  mlir::attn::configureModule(*llvmModule, target, *machine);
  return true;
}

bool Compilation::emit() {
  if (listing) {
    llvm::raw_string_ostream stream(listing->llvm);
    llvmModule->print(stream, nullptr);
    listing->assembly = mlir::attn::emitAssembly(*llvmModule, *machine);
    return !reports.hasErrors();
  }
  std::unique_ptr<llvm::MemoryBuffer> object =
      mlir::attn::emitObject(*llvmModule, *machine);
  if (!object) {
    reports.addError("target '" + options.target + "' cannot write objects");
    return false;
  }
  parts->object = object->getBuffer().str();
  return !reports.hasErrors();
}

bool Compilation::load() {
  if (listing || !target.isHost)
    return true;
  auto loaded =
      ::attn::loadObject(llvm::MemoryBufferRef(parts->object, parts->name),
                         parts->name + "_packed", {options.gdb, options.perf});
  if (!loaded)
    return fail(loaded.takeError());
  parts->loaded = std::move(*loaded);
  return true;
}

std::unique_ptr<::attn::Kernel::Parts> Compilation::run() {
  Stopwatch total, watch;
  ::attn::Timings &timings = parts->timings;
  std::string error;
  auto described = mlir::attn::describeTarget(options.target, error);
  if (failed(described)) {
    reports.addError(error);
    return nullptr;
  }
  target = std::move(*described);
  machine = mlir::attn::createTargetMachine(target, getOptLevel(), error);
  if (!machine) {
    reports.addError(error);
    return nullptr;
  }
  if (!parse() || !selectEntry())
    return nullptr;
  timings.parse = watch.lap();
  if (!lower())
    return nullptr;
  timings.passes = watch.lap();
  if (!translate())
    return nullptr;
  timings.translate = watch.lap();
  mlir::attn::optimizeModule(*llvmModule, *machine, getOptLevel());
  timings.optimize = watch.lap();
  if (!emit())
    return nullptr;
  timings.codegen = watch.lap();
  if (!load())
    return nullptr;
  timings.link = watch.lap();
  timings.total = total.lap();
  return std::move(parts);
}

std::unique_ptr<::attn::Kernel::Parts>(::attn::runCompilation)(
    std::string_view source, const ::attn::Options &options,
    ::attn::Reports &reports, ::attn::Listing *listing) {
  return Compilation(source, options, reports, listing).run();
}

//===- OptMain.cpp - Runs passes and phases on attention IR ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Pipelines/Pipelines.h"
#include "attn/Tools/Main.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/StringSaver.h"

using namespace mlir;

static constexpr StringLiteral kDescription =
    R"(Runs passes on attention IR, upstream's and this project's.

  attn-opt f.mlir                                 parse, verify, print
  attn-opt f.mlir --attn-compile-to=tile          all phases up to tile
  attn-opt f.mlir --attn-compile-to="tile target=cpu:x86-64-v3"
  attn-opt f.mlir --attn-expand --attn-print-mask-analysis

Phases: input raise expand specialize tile codegen target
)";

// `--attn-compile-to=tile` is short for `--attn-compile-to=phase=tile`. An
// unknown phase is reported here, where it can be said which there are.
static bool expandShortOption(StringRef argument, std::string &expanded) {
  StringRef flag = "attn-compile-to=";
  size_t position = argument.find(flag);
  if (position > 2 || !argument.take_front(position).trim('-').empty())
    return true;
  StringRef value = argument.drop_front(position + flag.size());
  StringRef first = value.take_until([](char c) { return c == ' '; });
  if (first.contains('='))
    return true;
  if (!mlir::attn::getPhase(first)) {
    llvm::errs() << "attn-opt: unknown phase '" << first << "', expected one "
                 << "of";
    for (mlir::attn::Phase phase : mlir::attn::getPhases())
      llvm::errs() << ' ' << mlir::attn::getPhaseName(phase);
    llvm::errs() << '\n';
    return false;
  }
  expanded = ("--" + flag + "phase=" + value).str();
  return true;
}

int ::attn::optMain(int argc, char **argv) {
  std::vector<std::string> expanded(argc);
  std::vector<char *> arguments(argv, argv + argc);
  for (int i = 1; i < argc; ++i) {
    if (!expandShortOption(argv[i], expanded[i]))
      return 1;
    if (!expanded[i].empty())
      arguments[i] = expanded[i].data();
  }
  arguments.push_back(nullptr);

  DialectRegistry registry;
  registerAllDialects(registry);
  registerAllExtensions(registry);
  mlir::attn::registerDialects(registry);
  registerAllPasses();
  mlir::attn::registerPasses();
  return asMainReturnCode(
      MlirOptMain(argc, arguments.data(), kDescription, registry));
}

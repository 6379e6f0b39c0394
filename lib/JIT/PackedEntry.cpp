//===- PackedEntry.cpp ----------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PackedEntry.h"
#include "Symbols.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

using namespace llvm;

/// Refuses calls out of the kernel other than to the known functions.
static Error checkExternals(Module &module) {
  for (Function &function : module) {
    if (!function.isDeclaration() || function.isIntrinsic() ||
        function.use_empty() || attn::isAllowedSymbol(function.getName()))
      continue;
    return createStringError(
        "unknown external function '" + function.getName() +
        "', expected only the C math library, memory functions and "
        "'attn_parallel_for'");
  }
  for (GlobalVariable &variable : module.globals())
    if (variable.isDeclaration() && !variable.use_empty())
      return createStringError("unknown external variable '" +
                               variable.getName() + "'");
  return Error::success();
}

static void hideAllBut(Module &module, ArrayRef<Function *> visible) {
  for (GlobalValue &value : module.global_values())
    if (!value.isDeclaration() && !is_contained(visible, &value))
      value.setLinkage(GlobalValue::InternalLinkage);
}

Error attn::addPackedEntry(Module &module, StringRef entry,
                           unsigned numArguments) {
  Function *callee = module.getFunction(("_mlir_ciface_" + entry).str());
  if (!callee || callee->isDeclaration())
    return createStringError("no function '_mlir_ciface_" + entry +
                             "' after lowering");
  if (callee->arg_size() != numArguments ||
      !callee->getReturnType()->isVoidTy())
    return createStringError("expected '_mlir_ciface_" + entry + "' to take " +
                             Twine(numArguments) +
                             " arguments and return nothing, but got " +
                             Twine(callee->arg_size()) + " arguments");
  if (Error error = checkExternals(module))
    return error;

  LLVMContext &context = module.getContext();
  Type *pointer = PointerType::getUnqual(context);
  Function *packed = Function::Create(
      FunctionType::get(Type::getVoidTy(context), {pointer}, false),
      GlobalValue::ExternalLinkage, entry + "_packed", module);
  IRBuilder<> builder(BasicBlock::Create(context, "entry", packed));
  SmallVector<Value *> arguments;
  for (auto [index, argument] : enumerate(callee->args())) {
    Value *slot =
        builder.CreateConstInBoundsGEP1_64(pointer, packed->getArg(0), index);
    Value *value = builder.CreateLoad(pointer, slot);
    if (!argument.getType()->isPointerTy())
      value = builder.CreateLoad(argument.getType(), value);
    arguments.push_back(value);
  }
  builder.CreateCall(callee, arguments);
  builder.CreateRetVoid();
  hideAllBut(module, {packed, callee});
  return Error::success();
}

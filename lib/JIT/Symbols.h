//===- Symbols.h ------------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The functions outside a kernel that its code may call.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_LIB_JIT_SYMBOLS_H
#define ATTN_LIB_JIT_SYMBOLS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace attn {

struct ExternalSymbol {
  llvm::StringRef name;
  void *address;
};

llvm::ArrayRef<ExternalSymbol> getAllowedSymbols();
bool isAllowedSymbol(llvm::StringRef name);

} // namespace attn

#endif // ATTN_LIB_JIT_SYMBOLS_H

//===- Glibc.cpp ----------------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// LLVM's support library asks for arc4random, which glibc has since 2.36. An
// own definition lets the wheel run on 2.34.
//
//===----------------------------------------------------------------------===//

#include <cstdint>
#include <sys/random.h>

extern "C" uint32_t arc4random() noexcept {
  uint32_t value = 0;
  // Only makes names of temporary files unlikely to collide.
  (void)!getrandom(&value, sizeof(value), 0);
  return value;
}

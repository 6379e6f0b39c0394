//===- Check.h --------------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Checks for the unit tests: a failed one is printed and fails the program.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_TEST_UNIT_CHECK_H
#define ATTN_TEST_UNIT_CHECK_H

#include <atomic>
#include <iostream>

inline std::atomic<int> failures{0};

#define CHECK(CONDITION)                                                       \
  do {                                                                         \
    if (!(CONDITION)) {                                                        \
      failures += 1;                                                           \
      std::cerr << __FILE__ << ":" << __LINE__ << ": " #CONDITION "\n";        \
    }                                                                          \
  } while (false)

#define CHECK_EQ(GOT, EXPECTED)                                                \
  do {                                                                         \
    const auto &got = (GOT);                                                   \
    const auto &expected = (EXPECTED);                                         \
    if (!(got == expected)) {                                                  \
      failures += 1;                                                           \
      std::cerr << __FILE__ << ":" << __LINE__ << ": " #GOT ": expected "      \
                << expected << ", got " << got << "\n";                        \
    }                                                                          \
  } while (false)

inline int finish() {
  if (failures)
    std::cerr << failures << " checks failed\n";
  return failures ? 1 : 0;
}

#endif // ATTN_TEST_UNIT_CHECK_H

//===- ParallelForTest.cpp ------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// RUN: %unit/ParallelForTest
// RUN: env OMP_NUM_THREADS=3 %unit/ParallelForTest 3
//
// The parallel loop: every index once, any thread count, nested calls, results
// that do not depend on threads, use after fork.

#include "attn/Runtime/ParallelFor.h"
#include "../Unit/Check.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

struct Counts {
  std::vector<std::atomic<int>> calls;
  explicit Counts(size_t n) : calls(n) {}
  bool allEqual(int value) const {
    for (const auto &count : calls)
      if (count != value)
        return false;
    return true;
  }
};

void countCall(int64_t index, void *context) {
  static_cast<Counts *>(context)->calls[index] += 1;
}

void testEveryIndexOnce() {
  for (int threads : {1, 2, 3, 8, 2, 1}) {
    attn_set_num_threads(threads);
    CHECK_EQ(attn_get_num_threads(), threads);
    for (int n : {0, 1, 2, 7, 1000}) {
      Counts counts(n);
      for (int repeat = 0; repeat < 20; ++repeat)
        attn_parallel_for(n, countCall, &counts);
      CHECK(counts.allEqual(20));
    }
  }
  attn_parallel_for(-5, countCall, nullptr);
}

void testBitwiseEqual() {
  std::vector<float> results[3];
  int which = 0;
  for (int threads : {1, 2, 7}) {
    attn_set_num_threads(threads);
    std::vector<float> &out = results[which++];
    out.resize(5000);
    attn_parallel_for(
        out.size(),
        [](int64_t index, void *context) {
          float sum = 0;
          for (int k = 1; k < 50; ++k)
            sum += std::sin(float(index * k)) / float(k);
          static_cast<float *>(context)[index] = sum;
        },
        out.data());
  }
  size_t bytes = results[0].size() * sizeof(float);
  CHECK(!memcmp(results[0].data(), results[1].data(), bytes));
  CHECK(!memcmp(results[0].data(), results[2].data(), bytes));
}

void testNested() {
  attn_set_num_threads(4);
  Counts counts(64);
  attn_parallel_for(
      8,
      [](int64_t, void *context) { attn_parallel_for(64, countCall, context); },
      &counts);
  CHECK(counts.allEqual(8));
}

void testConcurrentCallers() {
  attn_set_num_threads(2);
  Counts counts(100);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i)
        attn_parallel_for(100, countCall, &counts);
    });
  for (std::thread &thread : threads)
    thread.join();
  CHECK(counts.allEqual(200));
}

void testFork() {
  attn_set_num_threads(2);
  Counts counts(100);
  attn_parallel_for(100, countCall, &counts);
  pid_t child = fork();
  if (child == 0) {
    alarm(20);
    for (int i = 0; i < 10; ++i)
      attn_parallel_for(100, countCall, &counts);
    bool pool = !strcmp(attn_parallel_backend(), "pool");
    // A grandchild forks from a process whose own pool has run.
    pid_t grandchild = fork();
    if (grandchild == 0) {
      alarm(20);
      attn_parallel_for(100, countCall, &counts);
      _exit(counts.allEqual(12) ? 0 : 1);
    }
    int status = 1;
    waitpid(grandchild, &status, 0);
    _exit(counts.allEqual(11) && pool && status == 0 ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  CHECK_EQ(status, 0);
  attn_parallel_for(100, countCall, &counts);
  CHECK(counts.allEqual(2));
}

} // namespace

int main(int argc, char **argv) {
  if (argc > 1)
    CHECK_EQ(attn_get_num_threads(), atoi(argv[1]));
  attn_set_num_threads(0);
  CHECK(attn_get_num_threads() >= 1);
  testEveryIndexOnce();
  testBitwiseEqual();
  testNested();
  testConcurrentCallers();
  testFork();
  return finish();
}

//===- Pool.cpp -----------------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Pool.h"

#include <atomic>
#include <climits>
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// pthreads and futexes instead of <thread>: an ahead-of-time object may be
// linked with this file into a program without the C++ library.

namespace {

constexpr int maxWorkers = 1023;
// Longer spinning steals the cores of other thread pools in the process.
constexpr int64_t spinNanoseconds = 100000;

pthread_mutex_t owner = PTHREAD_MUTEX_INITIALIZER;
// Written by the owner before `generation` is raised.
void (*currentWork)(void *);
void *currentArgument;
int participants;
int workers;

std::atomic<uint32_t> generation;
std::atomic<uint32_t> pending;
std::atomic<uint32_t> sleepers;
std::atomic<uint32_t> ownerSleeps;

void futexWait(std::atomic<uint32_t> &word, uint32_t value) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

void futexWakeAll(std::atomic<uint32_t> &word) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

int64_t now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Spins until `word` differs from `value`; false when that took too long.
bool spinWhileEqual(const std::atomic<uint32_t> &word, uint32_t value) {
  int64_t deadline = now() + spinNanoseconds;
  do {
    for (int i = 0; i < 64; ++i) {
      if (word.load(std::memory_order_acquire) != value)
        return true;
      relax();
    }
  } while (now() < deadline);
  return false;
}

void waitWhileEqual(std::atomic<uint32_t> &word, uint32_t value,
                    std::atomic<uint32_t> &waiting) {
  if (spinWhileEqual(word, value))
    return;
  // Announce, then look again: the other side changes the word before it
  // reads the announcement.
  waiting.fetch_add(1);
  while (word.load() == value)
    futexWait(word, value);
  waiting.fetch_sub(1);
}

struct WorkerStart {
  int index;
  uint32_t generation;
};
WorkerStart starts[maxWorkers];

void *workerMain(void *argument) {
  WorkerStart start = *static_cast<WorkerStart *>(argument);
  uint32_t seen = start.generation;
  for (;;) {
    waitWhileEqual(generation, seen, sleepers);
    // Every worker reports each generation, so none is ever skipped over.
    seen += 1;
    if (start.index < participants - 1)
      currentWork(currentArgument);
    if (pending.fetch_sub(1) == 1 && ownerSleeps.load())
      futexWakeAll(pending);
  }
  return nullptr;
}

void growTo(int count) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes))
    return;
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  while (workers < count && workers < maxWorkers) {
    starts[workers] = {workers, generation.load()};
    pthread_t thread;
    if (pthread_create(&thread, &attributes, workerMain, &starts[workers]))
      break;
    workers += 1;
  }
  pthread_attr_destroy(&attributes);
}

} // namespace

void attn::runtime::runOnPool(int threads, void (*work)(void *),
                              void *argument) {
  if (pthread_mutex_trylock(&owner)) {
    work(argument);
    return;
  }
  growTo(threads - 1);
  currentWork = work;
  currentArgument = argument;
  participants = threads;
  pending.store(workers);
  generation.fetch_add(1);
  if (sleepers.load())
    futexWakeAll(generation);
  work(argument);
  while (uint32_t left = pending.load())
    waitWhileEqual(pending, left, ownerSleeps);
  pthread_mutex_unlock(&owner);
}

void attn::runtime::forgetPoolAfterFork() {
  pthread_mutex_init(&owner, nullptr);
  workers = 0;
  pending.store(0);
  sleepers.store(0);
  ownerSleeps.store(0);
}

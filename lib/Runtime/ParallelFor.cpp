//===- ParallelFor.cpp ----------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/ParallelFor.h"
#include "Pool.h"

#include <atomic>
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

namespace {

using GompParallel = void (*)(void (*)(void *), void *, unsigned, unsigned);

pthread_once_t chosen = PTHREAD_ONCE_INIT;
GompParallel gompParallel;
bool forked;
char backendName[512] = "pool";

std::atomic<int> requestedThreads{0};
std::atomic<int> defaultThreads{0};
thread_local bool insideBody = false;

/// Keeps `library` as the backend when it has the entry point.
bool adopt(void *library, const char *name) {
  if (!library)
    return false;
  auto entry = reinterpret_cast<GompParallel>(dlsym(library, "GOMP_parallel"));
  if (!entry)
    return false;
  gompParallel = entry;
  snprintf(backendName, sizeof(backendName), "openmp (%s)", name);
  return true;
}

/// Wheels rename their copies (libgomp-<hash>.so.1), so look at what is loaded
/// instead of asking by name.
int adoptLoaded(dl_phdr_info *info, size_t, void *) {
  const char *path = info->dlpi_name;
  const char *slash = strrchr(path, '/');
  const char *name = slash ? slash + 1 : path;
  if (strncmp(name, "libgomp", 7) && strncmp(name, "libomp", 6) &&
      strncmp(name, "libiomp", 7))
    return 0;
  return adopt(dlopen(path, RTLD_LAZY | RTLD_NOLOAD), name);
}

void afterForkInChild() {
  // An OpenMP runtime would wait for threads that fork did not copy.
  forked = true;
  gompParallel = nullptr;
  strcpy(backendName, "pool");
  attn::runtime::forgetPoolAfterFork();
}

// At load time: others may use the OpenMP runtime, and fork, before we do.
__attribute__((constructor)) void watchForks() {
  pthread_atfork(nullptr, nullptr, afterForkInChild);
}

void choose() {
  if (forked)
    return;
  Dl_info info;
  void *global = dlsym(RTLD_DEFAULT, "GOMP_parallel");
  if (global && dladdr(global, &info) &&
      adopt(RTLD_DEFAULT, info.dli_fname ? info.dli_fname : "global"))
    return;
  static const char *const known[] = {"libgomp.so.1", "libomp.so.5",
                                      "libiomp5.so"};
  for (const char *name : known)
    if (adopt(dlopen(name, RTLD_LAZY | RTLD_NOLOAD), name))
      return;
  if (dl_iterate_phdr(adoptLoaded, nullptr))
    return;
  // By its bare name: a framework loaded later then reuses this copy.
  adopt(dlopen("libgomp.so.1", RTLD_LAZY), "libgomp.so.1");
}

int countDefaultThreads() {
  if (const char *text = getenv("OMP_NUM_THREADS")) {
    long count = strtol(text, nullptr, 10);
    if (count > 0 && count <= 65536)
      return static_cast<int>(count);
  }
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof(mask), &mask))
    return 1;
  int count = CPU_COUNT(&mask);
  return count > 0 ? count : 1;
}

struct Loop {
  int64_t count;
  void (*body)(int64_t, void *);
  void *context;
  std::atomic<int64_t> next;
};

void takePart(void *argument) {
  Loop &loop = *static_cast<Loop *>(argument);
  insideBody = true;
  for (;;) {
    int64_t index = loop.next.fetch_add(1, std::memory_order_relaxed);
    if (index >= loop.count)
      break;
    loop.body(index, loop.context);
  }
  insideBody = false;
}

} // namespace

extern "C" void attn_parallel_for(int64_t n, void (*body)(int64_t, void *),
                                  void *context) {
  int threads = attn_get_num_threads();
  if (n <= 1 || threads == 1 || insideBody) {
    for (int64_t i = 0; i < n; ++i)
      body(i, context);
    return;
  }
  pthread_once(&chosen, choose);
  Loop loop{n, body, context, {0}};
  // Always the whole team: libgomp ends and restarts threads when its size
  // changes from one region to the next.
  if (gompParallel)
    gompParallel(takePart, &loop, static_cast<unsigned>(threads), 0);
  else
    attn::runtime::runOnPool(threads, takePart, &loop);
}

extern "C" void attn_set_num_threads(int n) {
  requestedThreads.store(n < 1 ? 0 : n, std::memory_order_relaxed);
}

extern "C" int attn_get_num_threads(void) {
  if (int n = requestedThreads.load(std::memory_order_relaxed))
    return n;
  int n = defaultThreads.load(std::memory_order_relaxed);
  if (!n)
    defaultThreads.store(n = countDefaultThreads(), std::memory_order_relaxed);
  return n;
}

extern "C" const char *attn_parallel_backend(void) {
  pthread_once(&chosen, choose);
  return backendName;
}

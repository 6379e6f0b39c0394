//===- Guard.cpp ----------------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Guard.h"

#include "llvm/Support/ErrorHandling.h"

#include <csetjmp>
#include <mutex>
#include <pthread.h>

namespace {

struct Guarded {
  llvm::function_ref<void()> work;
  std::jmp_buf resume;
  // Plain memory: the handler may be out of it.
  char message[1024] = "";
  bool failed = false;
};

thread_local Guarded *current = nullptr;

/// LLVM aborts when this returns, so it leaves a guarded thread by a jump.
void onFatalError(void *, const char *reason, bool) {
  if (!current)
    return;
  snprintf(current->message, sizeof(current->message), "%s", reason);
  std::longjmp(current->resume, 1);
}

void *threadMain(void *argument) {
  auto *guarded = static_cast<Guarded *>(argument);
  current = guarded;
  if (setjmp(guarded->resume) == 0)
    guarded->work();
  else
    guarded->failed = true;
  current = nullptr;
  return nullptr;
}

/// Parser and passes recurse on the nesting of their input, so take much
/// address space; only touched pages cost memory.
bool startThread(pthread_t &thread, Guarded &guarded) {
  for (size_t bytes : {size_t(256) << 20, size_t(64) << 20, size_t(8) << 20}) {
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes))
      return false;
    pthread_attr_setstacksize(&attributes, bytes);
    int error = pthread_create(&thread, &attributes, threadMain, &guarded);
    pthread_attr_destroy(&attributes);
    if (!error)
      return true;
  }
  return false;
}

} // namespace

std::optional<std::string> attn::runGuarded(llvm::function_ref<void()> work) {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::install_fatal_error_handler(onFatalError);
    llvm::install_bad_alloc_error_handler(onFatalError);
  });
  Guarded guarded{work, {}};
  pthread_t thread;
  if (!startThread(thread, guarded))
    return "no thread could be started";
  pthread_join(thread, nullptr);
  if (!guarded.failed)
    return std::nullopt;
  return std::string(guarded.message);
}

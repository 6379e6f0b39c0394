//===- KernelCache.cpp ----------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "KernelCache.h"

using namespace attn;

static constexpr size_t maxEntries = 1024;

KernelCache &KernelCache::get() {
  // Never destroyed: callers may be static objects themselves.
  static auto *cache = new KernelCache;
  return *cache;
}

std::string KernelCache::makeKey(std::string_view source,
                                 const Options &options) {
  std::string key;
  // Lengths keep two fields from running into each other.
  auto add = [&key](std::string_view field) {
    key += std::to_string(field.size()) + ":" + std::string(field);
  };
  add(options.target);
  add(options.entry);
  add(options.fileName);
  add(options.schedule);
  add(options.analysis);
  for (int64_t number :
       {options.blockQueries, options.blockKeys, options.blocksPerTask,
        int64_t(options.optLevel), int64_t(options.gdb), int64_t(options.perf)})
    key += std::to_string(number) + ",";
  key += source;
  return key;
}

std::shared_ptr<const Kernel> KernelCache::find(const std::string &key) {
  std::lock_guard<std::mutex> guard(lock);
  auto found = index.find(key);
  if (found == index.end()) {
    info.misses += 1;
    return nullptr;
  }
  info.hits += 1;
  entries.splice(entries.begin(), entries, found->second);
  return found->second->kernel;
}

std::shared_ptr<const Kernel>
KernelCache::insert(const std::string &key,
                    std::shared_ptr<const Kernel> kernel) {
  // Dropped kernels are destroyed after the lock is released.
  std::shared_ptr<const Kernel> dropped;
  std::lock_guard<std::mutex> guard(lock);
  auto found = index.find(key);
  if (found != index.end())
    return found->second->kernel;
  entries.push_front({key, std::move(kernel)});
  index[entries.front().key] = entries.begin();
  if (entries.size() > maxEntries) {
    dropped = std::move(entries.back().kernel);
    index.erase(entries.back().key);
    entries.pop_back();
  }
  return entries.front().kernel;
}

CacheInfo KernelCache::getInfo() {
  std::lock_guard<std::mutex> guard(lock);
  CacheInfo result = info;
  result.entries = entries.size();
  return result;
}

void KernelCache::clear() {
  std::list<Entry> dropped;
  std::lock_guard<std::mutex> guard(lock);
  index.clear();
  dropped.swap(entries);
  info = {};
}

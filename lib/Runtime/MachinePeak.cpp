//===- MachinePeak.cpp ----------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Runtime/MachinePeak.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

double getSeconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

template <unsigned Bytes> struct Vector {
  using Float [[gnu::vector_size(Bytes)]] = float;
};

/// The instruction is written out so that no compiler fuses, widens or drops
/// it. Twelve chains hide the latency of two units of five cycles.
#define ATTN_FMA_LOOP(NAME, ATTRIBUTE, BYTES, CONSTRAINT, INSTRUCTION)         \
  ATTRIBUTE void NAME(int64_t steps) {                                         \
    using Float = Vector<BYTES>::Float;                                        \
    Float factor = {}, chain[12] = {};                                         \
    for (int64_t step = 0; step < steps; ++step) {                             \
      _Pragma("unroll") for (Float &value : chain) asm volatile(               \
          INSTRUCTION : "+" CONSTRAINT(value) : CONSTRAINT(factor));           \
    }                                                                          \
  }
constexpr int64_t numChains = 12;

struct Flavour {
  const char *name;
  void (*loop)(int64_t steps);
  int64_t lanes;
};

#if defined(__x86_64__)
ATTN_FMA_LOOP(runAVX512, [[gnu::target("avx512f")]], 64, "v",
              "vfmadd231ps %1, %1, %0")
ATTN_FMA_LOOP(runAVX2, [[gnu::target("avx2,fma")]], 32, "x",
              "vfmadd231ps %1, %1, %0")
ATTN_FMA_LOOP(runSSE2, , 16, "x", "mulps %1, %0\n\taddps %1, %0")
#elif defined(__aarch64__)
ATTN_FMA_LOOP(runNEON, , 16, "w", "fmla %0.4s, %1.4s, %1.4s")
#else
/// No instruction is known: what the compiler makes of it.
void runScalar(int64_t steps) {
  float factor = 0, chain[numChains] = {};
  for (int64_t step = 0; step < steps; ++step)
    for (float &value : chain) {
      value = value * factor + factor;
      asm volatile("" : "+m"(value));
    }
}
#endif

std::vector<Flavour> getFlavours() {
  std::vector<Flavour> flavours;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f"))
    flavours.push_back({"avx512f", runAVX512, 16});
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    flavours.push_back({"avx2+fma", runAVX2, 8});
  flavours.push_back({"sse2", runSSE2, 4});
#elif defined(__aarch64__)
  flavours.push_back({"neon", runNEON, 4});
#else
  flavours.push_back({"scalar", runScalar, 1});
#endif
  return flavours;
}

double getMedian(std::vector<double> &values) {
  if (values.empty())
    return 0;
  auto middle = values.begin() + values.size() / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Operations a second: the median of intervals short enough that few of them
/// are interrupted.
double measure(const Flavour &flavour, double seconds) {
  constexpr int64_t steps = 20000;
  constexpr double operations = 2.0 * steps * numChains;
  flavour.loop(steps);
  std::vector<double> rates;
  Clock::time_point start = Clock::now(), last = start;
  do {
    flavour.loop(steps);
    Clock::time_point now = Clock::now();
    rates.push_back(operations * flavour.lanes / getSeconds(now - last));
    last = now;
  } while (getSeconds(last - start) < seconds);
  return getMedian(rates);
}

const Flavour &getBest() {
  static const Flavour best = [] {
    std::vector<Flavour> flavours = getFlavours();
    std::vector<double> rates;
    for (const Flavour &flavour : flavours)
      rates.push_back(measure(flavour, 0.005));
    return flavours[std::max_element(rates.begin(), rates.end()) -
                    rates.begin()];
  }();
  return best;
}

/// Runs `work` once on each of `threads` threads and adds what they return.
template <typename Work> double sumOverThreads(int threads, Work work) {
  std::vector<double> results(std::max(threads, 1));
  std::vector<std::thread> others;
  for (size_t i = 1; i < results.size(); ++i)
    others.emplace_back([&, i] { results[i] = work(); });
  results[0] = work();
  for (std::thread &other : others)
    other.join();
  double sum = 0;
  for (double result : results)
    sum += result;
  return sum;
}

constexpr size_t lineBytes = 512;

/// Eight independent 64-byte chains: enough loads in flight for one core.
#define ATTN_READ_LOOP(NAME, ATTRIBUTE)                                        \
  ATTRIBUTE uint64_t NAME(const char *data, size_t bytes) {                    \
    using Words [[gnu::vector_size(64)]] = uint64_t;                           \
    Words sums[8] = {};                                                        \
    for (size_t at = 0; at < bytes; at += lineBytes) {                         \
      auto *line = reinterpret_cast<const Words *>(data + at);                 \
      _Pragma("unroll") for (int i = 0; i < 8; ++i) sums[i] ^= line[i];        \
    }                                                                          \
    uint64_t sum = 0;                                                          \
    for (Words &each : sums)                                                   \
      for (int i = 0; i < 8; ++i)                                              \
        sum ^= each[i];                                                        \
    return sum;                                                                \
  }

ATTN_READ_LOOP(readBaseline, )
#if defined(__x86_64__)
ATTN_READ_LOOP(readAVX2, [[gnu::target("avx2")]])
ATTN_READ_LOOP(readAVX512, [[gnu::target("avx512f")]])
#endif

uint64_t readAll(const char *data, size_t bytes) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f"))
    return readAVX512(data, bytes);
  if (__builtin_cpu_supports("avx2"))
    return readAVX2(data, bytes);
#endif
  return readBaseline(data, bytes);
}

double measureRead(size_t bytes, double seconds) {
  bytes = std::max(bytes / lineBytes, size_t(1)) * lineBytes;
  std::unique_ptr<char, decltype(&std::free)> memory(
      static_cast<char *>(std::aligned_alloc(lineBytes, bytes)), &std::free);
  if (!memory)
    return 0;
  // Written, so that no two pages are the same zero page.
  std::memset(memory.get(), 1, bytes);
  // A pass of a small buffer would take less than the clock resolves.
  size_t passes = std::max((size_t(1) << 20) / bytes, size_t(1));
  std::vector<double> rates;
  volatile uint64_t sink = 0;
  Clock::time_point start = Clock::now(), last = start;
  do {
    for (size_t pass = 0; pass < passes; ++pass) {
      sink = sink ^ readAll(memory.get(), bytes);
      // Equal passes must not become one.
      asm volatile("" ::: "memory");
    }
    Clock::time_point now = Clock::now();
    rates.push_back(double(bytes) * passes / getSeconds(now - last));
    last = now;
  } while (getSeconds(last - start) < seconds);
  return getMedian(rates);
}

} // namespace

double attn::measureFMAPeak(double seconds, int threads) {
  const Flavour &best = getBest();
  return sumOverThreads(threads, [&] { return measure(best, seconds); });
}

double attn::measureReadBandwidth(size_t bytes, double seconds, int threads) {
  size_t share = bytes / std::max(threads, 1);
  return sumOverThreads(threads, [&] { return measureRead(share, seconds); });
}

const char *attn::getFMAPeakInstructions() { return getBest().name; }

//===- Symbols.cpp --------------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Symbols.h"

#include "attn/Runtime/MemrefCopy.h"
#include "attn/Runtime/ParallelFor.h"
#include "llvm/ADT/StringMap.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>

using namespace attn;

// Conversions the backend calls on machines without the instructions. The
// half-precision ones come with the compiler's library.
#if defined(__x86_64__)
extern "C" {
float __extendhfsf2(_Float16);
_Float16 __truncsfhf2(float);
_Float16 __truncdfhf2(double);
}

/// Rounds to nearest even and keeps NaN a NaN.
static __bf16 truncateToBFloat(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value))
    bits |= 0x400000;
  else
    bits += 0x7fff + ((bits >> 16) & 1);
  return std::bit_cast<__bf16>(static_cast<uint16_t>(bits >> 16));
}

/// Rounds to odd first, so that the second rounding sees what was lost.
static __bf16 truncateDoubleToBFloat(double value) {
  float nearest = static_cast<float>(value);
  if (double(nearest) != value && !std::isnan(value) && !std::isinf(nearest)) {
    uint32_t bits = std::bit_cast<uint32_t>(nearest);
    if (std::fabs(double(nearest)) > std::fabs(value))
      bits -= 1;
    nearest = std::bit_cast<float>(bits | 1);
  }
  return truncateToBFloat(nearest);
}
#endif

#define ATTN_SYMBOL(NAME) {#NAME, reinterpret_cast<void *>(&::NAME)}
// The C++ header overloads these; the casts pick the C functions.
#define ATTN_MATH_1(NAME)                                                      \
  {#NAME, reinterpret_cast<void *>(static_cast<double (*)(double)>(&::NAME))}, \
  {                                                                            \
    #NAME "f",                                                                 \
        reinterpret_cast<void *>(static_cast<float (*)(float)>(&::NAME##f))    \
  }
#define ATTN_MATH_2(NAME)                                                      \
  {#NAME, reinterpret_cast<void *>(                                            \
              static_cast<double (*)(double, double)>(&::NAME))},              \
  {                                                                            \
    #NAME "f", reinterpret_cast<void *>(                                       \
                   static_cast<float (*)(float, float)>(&::NAME##f))           \
  }

llvm::ArrayRef<ExternalSymbol> attn::getAllowedSymbols() {
  static const ExternalSymbol symbols[] = {
      ATTN_SYMBOL(attn_parallel_for),
      ATTN_SYMBOL(memrefCopy),
      ATTN_SYMBOL(malloc),
      ATTN_SYMBOL(free),
      ATTN_SYMBOL(aligned_alloc),
      {"memcpy",
       reinterpret_cast<void *>(
           static_cast<void *(*)(void *, const void *, size_t)>(&::memcpy))},
      {"memmove",
       reinterpret_cast<void *>(
           static_cast<void *(*)(void *, const void *, size_t)>(&::memmove))},
      {"memset", reinterpret_cast<void *>(
                     static_cast<void *(*)(void *, int, size_t)>(&::memset))},
      ATTN_MATH_1(acos),
      ATTN_MATH_1(acosh),
      ATTN_MATH_1(asin),
      ATTN_MATH_1(asinh),
      ATTN_MATH_1(atan),
      ATTN_MATH_1(atanh),
      ATTN_MATH_1(cbrt),
      ATTN_MATH_1(ceil),
      ATTN_MATH_1(cos),
      ATTN_MATH_1(cosh),
      ATTN_MATH_1(erf),
      ATTN_MATH_1(erfc),
      ATTN_MATH_1(exp),
      ATTN_MATH_1(exp2),
      ATTN_MATH_1(expm1),
      ATTN_MATH_1(fabs),
      ATTN_MATH_1(floor),
      ATTN_MATH_1(log),
      ATTN_MATH_1(log10),
      ATTN_MATH_1(log1p),
      ATTN_MATH_1(log2),
      ATTN_MATH_1(nearbyint),
      ATTN_MATH_1(rint),
      ATTN_MATH_1(round),
      ATTN_MATH_1(roundeven),
      ATTN_MATH_1(sin),
      ATTN_MATH_1(sinh),
      ATTN_MATH_1(sqrt),
      ATTN_MATH_1(tan),
      ATTN_MATH_1(tanh),
      ATTN_MATH_1(trunc),
      ATTN_MATH_2(atan2),
      ATTN_MATH_2(copysign),
      ATTN_MATH_2(fmax),
      ATTN_MATH_2(fmin),
      ATTN_MATH_2(fmod),
      ATTN_MATH_2(pow),
      // What LLVM makes of the sine and cosine of one value.
      ATTN_SYMBOL(sincos),
      ATTN_SYMBOL(sincosf),
      {"fma", reinterpret_cast<void *>(
                  static_cast<double (*)(double, double, double)>(&::fma))},
      {"fmaf", reinterpret_cast<void *>(
                   static_cast<float (*)(float, float, float)>(&::fmaf))},
#if defined(__x86_64__)
      ATTN_SYMBOL(__extendhfsf2),
      ATTN_SYMBOL(__truncsfhf2),
      ATTN_SYMBOL(__truncdfhf2),
      {"__truncsfbf2", reinterpret_cast<void *>(&truncateToBFloat)},
      {"__truncdfbf2", reinterpret_cast<void *>(&truncateDoubleToBFloat)},
#endif
  };
  return symbols;
}

bool attn::isAllowedSymbol(llvm::StringRef name) {
  static const llvm::StringMap<bool> names = [] {
    llvm::StringMap<bool> map;
    for (const ExternalSymbol &symbol : getAllowedSymbols())
      map[symbol.name] = true;
    return map;
  }();
  return names.contains(name);
}

//===- DLPack.h -------------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The parts of the DLPack 1.x ABI that reading a CPU array takes.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_PYTHON_NATIVE_DLPACK_H
#define ATTN_PYTHON_NATIVE_DLPACK_H

#include <cstdint>

namespace attn::python::dlpack {

enum DeviceType : int32_t { CPU = 1, CUDAHost = 3 };
enum TypeCode : uint8_t { Int = 0, UInt = 1, Float = 2, BFloat = 4, Bool = 6 };
constexpr uint64_t readOnlyFlag = 1;

struct Tensor {
  void *data;
  int32_t deviceType, deviceId;
  int32_t rank;
  uint8_t code, bits;
  uint16_t lanes;
  int64_t *shape;
  /// Null for a compact row-major tensor.
  int64_t *strides;
  uint64_t byteOffset;
};

struct Version {
  uint32_t major, minor;
};

struct ManagedTensor {
  Tensor tensor;
  void *context;
  void (*deleter)(ManagedTensor *);
};

struct ManagedTensorVersioned {
  Version version;
  void *context;
  void (*deleter)(ManagedTensorVersioned *);
  uint64_t flags;
  Tensor tensor;
};

/// Found on array types as `__dlpack_c_exchange_api__`.
struct ExchangeAPI {
  Version version;
  ExchangeAPI *previous;
  void *allocate;
  void *fromPyObject;
  void *toPyObject;
  /// Fills a view that lives as long as the object; 0 on success.
  int (*viewPyObject)(void *object, Tensor *out);
  void *currentStream;
};

} // namespace attn::python::dlpack

#endif // ATTN_PYTHON_NATIVE_DLPACK_H

//===- Arrays.h -------------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reads arrays of any framework without copying them.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_PYTHON_NATIVE_ARRAYS_H
#define ATTN_PYTHON_NATIVE_ARRAYS_H

#include "attn/JIT/Kernel.h"

#include <nanobind/nanobind.h>

#include <string>

namespace attn::python {

/// One argument of a call, kept alive while this object lives. Shapes and
/// strides are copied: the interpreter runs other code during the call.
class ArrayView {
public:
  ArrayView() = default;
  ~ArrayView();
  ArrayView(const ArrayView &) = delete;
  ArrayView &operator=(const ArrayView &) = delete;

  /// Reads `object` as what `parameter` asks for. Returns an empty string, or
  /// the message of an argument error. No Python error is left set.
  std::string read(PyObject *object, const ParameterInfo &parameter);

  const TensorRef &getRef() const { return ref; }

private:
  std::string readScalar(PyObject *object, const ParameterInfo &parameter);
  std::string readArray(PyObject *object, const ParameterInfo &parameter);
  std::string readBuffer(PyObject *object);
  std::string readCapsule(PyObject *object);
  std::string readBFloat(PyObject *object);
  std::string readTensor(const void *tensor);
  bool reserve(int64_t rank);

  static constexpr int inlineRank = 6;

  TensorRef ref;
  PyObject *owner = nullptr;
  Py_buffer buffer = {};
  bool hasBuffer = false;
  int64_t inlineSizes[2 * inlineRank];
  int64_t *heapSizes = nullptr;
  alignas(8) char scalar[8] = {};
};

/// Whether a copy must stand in: the innermost stride is not 1, or elements are
/// misaligned. Sets a Python error and returns -1 for what is no array.
int needsCopy(PyObject *object);

} // namespace attn::python

#endif // ATTN_PYTHON_NATIVE_ARRAYS_H

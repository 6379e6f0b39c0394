//===- Arrays.cpp ---------------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Arrays.h"
#include "DLPack.h"

#include <bit>
#include <cstdlib>
#include <cstring>
#include <optional>

using namespace attn;
using namespace attn::python;

namespace {

/// Takes the pending Python error as text.
std::string takeError() {
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  std::string text = "unknown error";
  if (PyObject *string = value ? PyObject_Str(value) : nullptr) {
    if (const char *utf8 = PyUnicode_AsUTF8(string))
      text = utf8;
    Py_DECREF(string);
  }
  PyErr_Clear();
  Py_XDECREF(type);
  Py_XDECREF(value);
  Py_XDECREF(trace);
  return text;
}

/// The exchange table of a type, or null. Looked up once per type: the table
/// keeps a reference so that no other type takes the address.
const dlpack::ExchangeAPI *getExchange(PyTypeObject *type) {
  struct Known {
    PyTypeObject *type;
    const dlpack::ExchangeAPI *api;
  };
  static Known known[16];
  static unsigned count = 0;
  for (unsigned i = 0; i < count; ++i)
    if (known[i].type == type)
      return known[i].api;
  const dlpack::ExchangeAPI *api = nullptr;
  PyObject *capsule = PyObject_GetAttrString(reinterpret_cast<PyObject *>(type),
                                             "__dlpack_c_exchange_api__");
  if (capsule) {
    api = static_cast<const dlpack::ExchangeAPI *>(
        PyCapsule_GetPointer(capsule, "dlpack_exchange_api"));
    Py_DECREF(capsule);
    while (api && api->version.major > 1)
      api = api->previous;
  }
  PyErr_Clear();
  if (count < std::size(known)) {
    Py_INCREF(type);
    known[count++] = {type, api};
  }
  return api;
}

/// Element type of a buffer format in native byte order.
std::optional<DType> fromFormat(const char *format, Py_ssize_t bytes) {
  if (!format)
    return bytes == 1 ? std::optional(DType::I8) : std::nullopt;
  if (*format == '@' || *format == '=' || *format == '<')
    format += 1;
  if (format[0] == '\0' || format[1] != '\0')
    return std::nullopt;
  switch (*format) {
  case 'd':
    return DType::F64;
  case 'f':
    return DType::F32;
  case 'e':
    return DType::F16;
  case '?':
    return DType::I1;
  case 'b':
  case 'B':
    return DType::I8;
  case 'h':
  case 'H':
    return DType::I16;
  case 'i':
    return DType::I32;
  case 'l':
  case 'q':
    return bytes == 8 ? DType::I64 : DType::I32;
  default:
    return std::nullopt;
  }
}

std::optional<DType> fromDLPack(const dlpack::Tensor &tensor) {
  if (tensor.lanes != 1)
    return std::nullopt;
  switch (tensor.code) {
  case dlpack::Float:
    return tensor.bits == 64   ? std::optional(DType::F64)
           : tensor.bits == 32 ? std::optional(DType::F32)
           : tensor.bits == 16 ? std::optional(DType::F16)
                               : std::nullopt;
  case dlpack::BFloat:
    return tensor.bits == 16 ? std::optional(DType::BF16) : std::nullopt;
  case dlpack::Bool:
    return tensor.bits == 8 ? std::optional(DType::I1) : std::nullopt;
  case dlpack::Int:
    return tensor.bits == 64   ? std::optional(DType::I64)
           : tensor.bits == 32 ? std::optional(DType::I32)
           : tensor.bits == 16 ? std::optional(DType::I16)
           : tensor.bits == 8  ? std::optional(DType::I8)
                               : std::nullopt;
  case dlpack::UInt:
    // Bits only: 16 for half types, 8 for bytes.
    return tensor.bits == 16  ? std::optional(DType::I16)
           : tensor.bits == 8 ? std::optional(DType::I8)
                              : std::nullopt;
  default:
    return std::nullopt;
  }
}

uint16_t toBFloat(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if (value != value)
    return uint16_t((bits >> 16) | 0x40);
  return uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

template <typename T> void store(char *to, T value) {
  memcpy(to, &value, sizeof(value));
}

/// Whether `value` fits a signed integer of `bits` bits.
bool fits(long long value, unsigned bits) {
  return bits == 64 ||
         (value >= -(1LL << (bits - 1)) && value < (1LL << (bits - 1)));
}

} // namespace

ArrayView::~ArrayView() {
  if (hasBuffer)
    PyBuffer_Release(&buffer);
  Py_XDECREF(owner);
  free(heapSizes);
}

std::string ArrayView::read(PyObject *object, const ParameterInfo &parameter) {
  std::string problem = parameter.isTensor ? readArray(object, parameter)
                                           : readScalar(object, parameter);
  return problem.empty() ? "" : "argument '" + parameter.name + "' " + problem;
}

std::string ArrayView::readScalar(PyObject *object,
                                  const ParameterInfo &parameter) {
  DType type = parameter.dtype;
  ref = {scalar, type, /*readOnly=*/true, 0, nullptr, nullptr};
  bool isFloat = type == DType::F64 || type == DType::F32 ||
                 type == DType::F16 || type == DType::BF16;
  std::string expected =
      std::string("expects a number of type ") + getName(type);
  if (isFloat) {
    double value = PyFloat_AsDouble(object);
    if (value == -1.0 && PyErr_Occurred())
      return expected + ", but got " + Py_TYPE(object)->tp_name + " (" +
             takeError() + ")";
    if (type == DType::F64)
      store(scalar, value);
    else if (type == DType::F32)
      store(scalar, float(value));
    else if (type == DType::F16)
      store(scalar, static_cast<_Float16>(value));
    else
      store(scalar, toBFloat(float(value)));
    return "";
  }
  long long value = -1;
  if (PyObject *index = PyNumber_Index(object)) {
    value = PyLong_AsLongLong(index);
    Py_DECREF(index);
  }
  if (value == -1 && PyErr_Occurred())
    return expected + ", but got " + Py_TYPE(object)->tp_name + " (" +
           takeError() + ")";
  if (type == DType::I1 ? value != 0 && value != 1
                        : !fits(value, 8 * getByteSize(type)))
    return expected + ", but got " + std::to_string(value);
  store(scalar, value); // little-endian: narrower types read the low bytes
  return "";
}

std::string ArrayView::readArray(PyObject *object,
                                 const ParameterInfo &parameter) {
  if (const dlpack::ExchangeAPI *api = getExchange(Py_TYPE(object))) {
    dlpack::Tensor tensor;
    if (api->viewPyObject(object, &tensor))
      return "expects a CPU array, but got " +
             std::string(Py_TYPE(object)->tp_name) + " (" + takeError() + ")";
    Py_INCREF(object);
    owner = object;
    return readTensor(&tensor);
  }
  if (PyObject_CheckBuffer(object)) {
    if (!PyObject_GetBuffer(object, &buffer, PyBUF_STRIDES | PyBUF_FORMAT)) {
      hasBuffer = true;
      return readBuffer(object);
    }
    PyErr_Clear();
    if (parameter.dtype == DType::BF16)
      return readBFloat(object);
  }
  return readCapsule(object);
}

bool ArrayView::reserve(int64_t rank) {
  int64_t *sizes = inlineSizes;
  if (rank > inlineRank)
    sizes = heapSizes =
        static_cast<int64_t *>(malloc(2 * rank * sizeof(int64_t)));
  ref.rank = uint32_t(rank);
  ref.shape = sizes;
  ref.strides = sizes ? sizes + rank : nullptr;
  return sizes;
}

std::string ArrayView::readBuffer(PyObject *) {
  std::optional<DType> type = fromFormat(buffer.format, buffer.itemsize);
  if (!type)
    return std::string("expects f64, f32, f16, bf16, i64, i32, i16, i8 or i1 "
                       "elements, but got format '") +
           (buffer.format ? buffer.format : "") + "'";
  if (!reserve(buffer.ndim))
    return "expects a small rank, but got " + std::to_string(buffer.ndim);
  ref.data = buffer.buf;
  ref.dtype = *type;
  ref.readOnly = buffer.readonly;
  auto *sizes = const_cast<int64_t *>(ref.shape);
  // Some exporters (ctypes) leave strides out although asked for them.
  int64_t compact = 1;
  for (int i = buffer.ndim; i-- > 0;) {
    sizes[i] = buffer.shape[i];
    sizes[buffer.ndim + i] =
        buffer.strides ? buffer.strides[i] / buffer.itemsize : compact;
    if (buffer.strides && sizes[i] > 1 && buffer.strides[i] % buffer.itemsize)
      return "expects strides of whole elements, but got " +
             std::to_string(buffer.strides[i]) + " bytes";
    compact *= sizes[i];
  }
  return "";
}

/// ml_dtypes' arrays export no buffer, but a view of their bits does.
std::string ArrayView::readBFloat(PyObject *object) {
  PyObject *dtype = PyObject_GetAttrString(object, "dtype");
  PyObject *name = dtype ? PyObject_GetAttrString(dtype, "name") : nullptr;
  bool isBFloat = name && PyUnicode_Check(name) &&
                  !PyUnicode_CompareWithASCIIString(name, "bfloat16");
  Py_XDECREF(dtype);
  Py_XDECREF(name);
  PyErr_Clear();
  if (!isBFloat)
    return readCapsule(object);
  owner = PyObject_CallMethod(object, "view", "s", "uint16");
  if (!owner ||
      PyObject_GetBuffer(owner, &buffer, PyBUF_STRIDES | PyBUF_FORMAT))
    return "expects an array of bf16, but got one without a view (" +
           takeError() + ")";
  hasBuffer = true;
  std::string problem = readBuffer(owner);
  ref.dtype = DType::BF16;
  return problem;
}

std::string ArrayView::readCapsule(PyObject *object) {
  std::string typeName = Py_TYPE(object)->tp_name;
  PyObject *capsule = PyObject_CallMethod(object, "__dlpack__", nullptr);
  if (!capsule) {
    std::string reason = takeError();
    return "expects a CPU array (DLPack or the buffer protocol), but got " +
           typeName + " (" + reason + ")";
  }
  // Left unconsumed, the capsule frees the tensor when it dies: keep it.
  owner = capsule;
  if (PyCapsule_IsValid(capsule, "dltensor_versioned")) {
    auto *managed = static_cast<dlpack::ManagedTensorVersioned *>(
        PyCapsule_GetPointer(capsule, "dltensor_versioned"));
    if (managed->version.major > 1)
      return "expects DLPack 1, but got version " +
             std::to_string(managed->version.major);
    std::string problem = readTensor(&managed->tensor);
    ref.readOnly = managed->flags & dlpack::readOnlyFlag;
    return problem;
  }
  if (!PyCapsule_IsValid(capsule, "dltensor"))
    return "expects '__dlpack__' to return a DLPack capsule, but got " +
           std::string(Py_TYPE(capsule)->tp_name);
  auto *managed = static_cast<dlpack::ManagedTensor *>(
      PyCapsule_GetPointer(capsule, "dltensor"));
  return readTensor(&managed->tensor);
}

std::string ArrayView::readTensor(const void *pointer) {
  const auto &tensor = *static_cast<const dlpack::Tensor *>(pointer);
  if (tensor.deviceType != dlpack::CPU && tensor.deviceType != dlpack::CUDAHost)
    return "expects CPU memory, but got DLPack device type " +
           std::to_string(tensor.deviceType);
  std::optional<DType> type = fromDLPack(tensor);
  if (!type)
    return "expects f64, f32, f16, bf16, i64, i32, i16, i8 or i1 elements, "
           "but got DLPack type code " +
           std::to_string(tensor.code) + " of " + std::to_string(tensor.bits) +
           " bits";
  if (!reserve(tensor.rank))
    return "expects a small rank, but got " + std::to_string(tensor.rank);
  ref.data = static_cast<char *>(tensor.data) + tensor.byteOffset;
  ref.dtype = *type;
  ref.readOnly = false;
  auto *sizes = const_cast<int64_t *>(ref.shape);
  int64_t compact = 1;
  for (int i = tensor.rank; i-- > 0;) {
    sizes[i] = tensor.shape[i];
    sizes[tensor.rank + i] = tensor.strides ? tensor.strides[i] : compact;
    compact = static_cast<int64_t>(static_cast<uint64_t>(compact) *
                                   static_cast<uint64_t>(tensor.shape[i]));
  }
  return "";
}

int attn::python::needsCopy(PyObject *object) {
  ParameterInfo any;
  any.name = "array";
  any.dtype = DType::BF16; // lets ml_dtypes' arrays through as well
  ArrayView view;
  if (std::string problem = view.read(object, any); !problem.empty()) {
    PyErr_SetString(PyExc_TypeError, problem.c_str());
    return -1;
  }
  const TensorRef &ref = view.getRef();
  for (uint32_t i = 0; i < ref.rank; ++i)
    if (ref.shape[i] == 0)
      return 0;
  bool strided =
      ref.rank && ref.shape[ref.rank - 1] > 1 && ref.strides[ref.rank - 1] != 1;
  return strided ||
         reinterpret_cast<uintptr_t>(ref.data) % getByteSize(ref.dtype);
}

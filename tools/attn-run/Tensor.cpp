#include "Tensor.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/APInt.h"

#include <cstring>

using namespace attn;
using llvm::APFloat;

llvm::Error attn::makeError(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

Tensor::Tensor(DType dtype, llvm::ArrayRef<int64_t> sizes)
    : dtype(dtype), shape(sizes.begin(), sizes.end()), strides(sizes.size()) {
  numElements = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = numElements;
    numElements *= shape[i];
  }
  // Whole lines, at least one: an empty tensor still has an address.
  size_t bytes = (getNumBytes() / 64 + 1) * 64;
  data.reset(static_cast<char *>(std::aligned_alloc(64, bytes)));
  if (data)
    std::memset(data.get(), 0, bytes);
}

llvm::Expected<Tensor> Tensor::create(DType dtype,
                                      llvm::ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t size : shape) {
    if (size < 0)
      return makeError("expected sizes of at least 0, but got " +
                       llvm::Twine(size));
    if (__builtin_mul_overflow(count, std::max<int64_t>(size, 1), &count) ||
        count > INT64_C(1) << 40)
      return makeError("expected at most 2^40 elements");
  }
  Tensor tensor(dtype, shape);
  if (!tensor.data)
    return makeError("no memory for " + tensor.describe());
  return tensor;
}

template <typename T> static T load(const char *data, int64_t index) {
  T value;
  std::memcpy(&value, data + index * sizeof(T), sizeof(T));
  return value;
}

template <typename T> static void store(char *data, int64_t index, T value) {
  std::memcpy(data + index * sizeof(T), &value, sizeof(T));
}

static const llvm::fltSemantics &getSemantics(DType dtype) {
  return dtype == DType::F16 ? APFloat::IEEEhalf() : APFloat::BFloat();
}

double Tensor::get(int64_t index) const {
  switch (dtype) {
  case DType::F64:
    return load<double>(data.get(), index);
  case DType::F32:
    return load<float>(data.get(), index);
  case DType::F16:
  case DType::BF16: {
    llvm::APInt bits(16, load<uint16_t>(data.get(), index));
    APFloat value(getSemantics(dtype), bits);
    bool losesInfo;
    value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                  &losesInfo);
    return value.convertToDouble();
  }
  case DType::I64:
  case DType::Index:
    return static_cast<double>(load<int64_t>(data.get(), index));
  case DType::I32:
    return load<int32_t>(data.get(), index);
  case DType::I16:
    return load<int16_t>(data.get(), index);
  case DType::I8:
    return load<int8_t>(data.get(), index);
  case DType::I1:
    return load<uint8_t>(data.get(), index) != 0;
  }
  return 0;
}

void Tensor::set(int64_t index, double value) {
  switch (dtype) {
  case DType::F64:
    return store(data.get(), index, value);
  case DType::F32:
    return store(data.get(), index, static_cast<float>(value));
  case DType::F16:
  case DType::BF16: {
    APFloat rounded(value);
    bool losesInfo;
    rounded.convert(getSemantics(dtype), APFloat::rmNearestTiesToEven,
                    &losesInfo);
    return store<uint16_t>(data.get(), index,
                           rounded.bitcastToAPInt().getZExtValue());
  }
  case DType::I64:
  case DType::Index:
    return store(data.get(), index, static_cast<int64_t>(value));
  case DType::I32:
    return store(data.get(), index,
                 static_cast<int32_t>(static_cast<int64_t>(value)));
  case DType::I16:
    return store(data.get(), index,
                 static_cast<int16_t>(static_cast<int64_t>(value)));
  case DType::I8:
    return store(data.get(), index,
                 static_cast<int8_t>(static_cast<int64_t>(value)));
  case DType::I1:
    return store<uint8_t>(data.get(), index, value != 0);
  }
}

TensorRef Tensor::getRef(bool isTensor) {
  TensorRef ref;
  ref.data = data.get();
  ref.dtype = dtype;
  ref.rank = isTensor ? shape.size() : 0;
  ref.shape = shape.data();
  ref.strides = strides.data();
  return ref;
}

std::string Tensor::describe() const {
  std::string text;
  for (int64_t size : shape)
    text += std::to_string(size) + "x";
  return text + getName(dtype);
}

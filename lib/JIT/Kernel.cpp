//===- Kernel.cpp ---------------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/JIT/Kernel.h"
#include "KernelParts.h"

#include <array>
#include <cstring>

using namespace attn;

namespace {

constexpr int64_t maxElements = INT64_C(1) << 40;

/// Memory for the small arrays of one call: on the stack unless huge.
template <typename T, unsigned N> class Scratch {
public:
  explicit Scratch(size_t count) {
    if (count > N) {
      heap.resize(count);
      data = heap.data();
    }
  }
  T &operator[](size_t i) { return data[i]; }
  T *get() { return data; }

private:
  std::array<T, N> inlined;
  std::vector<T> heap;
  T *data = inlined.data();
};

struct ByteRange {
  uintptr_t begin = 0, end = 0;
  bool overlaps(const ByteRange &other) const {
    return begin < end && other.begin < other.end && begin < other.end &&
           other.begin < end;
  }
};

std::string quote(const ParameterInfo &info) {
  return "argument '" + info.name + "'";
}

std::string printShape(std::span<const int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") +
            (shape[i] < 0 ? std::string("?") : std::to_string(shape[i]));
  return text + "]";
}

/// The element types one array type may stand for: code sees only the bits.
bool isCompatible(DType expected, DType got) {
  if (expected == got)
    return true;
  return (expected == DType::Index && got == DType::I64) ||
         (expected == DType::I64 && got == DType::Index) ||
         ((expected == DType::BF16 || expected == DType::F16) &&
          got == DType::I16);
}

/// Checks the type, the rank and the static sizes.
std::string checkType(const ParameterInfo &info, const TensorRef &tensor) {
  if (!isCompatible(info.dtype, tensor.dtype))
    return quote(info) + " expects element type " + getName(info.dtype) +
           ", but got " + getName(tensor.dtype);
  if (!info.isTensor)
    return tensor.rank == 0 ? ""
                            : quote(info) + " expects a scalar, but got rank " +
                                  std::to_string(tensor.rank);
  std::span<const int64_t> shape(tensor.shape, tensor.rank);
  if (tensor.rank != info.shape.size())
    return quote(info) + " expects rank " + std::to_string(info.shape.size()) +
           ", but got shape " + printShape(shape);
  for (uint32_t i = 0; i < tensor.rank; ++i)
    if (info.shape[i] >= 0 && info.shape[i] != shape[i])
      return quote(info) + " expects shape " + printShape(info.shape) +
             ", but got " + printShape(shape);
  return "";
}

/// Checks sizes, strides and alignment, and finds the bytes the tensor spans.
std::string checkLayout(const ParameterInfo &info, const TensorRef &tensor,
                        ByteRange &range) {
  int64_t count = 1, lowest = 0, highest = 0;
  bool empty = false, tooBig = false;
  for (uint32_t i = 0; i < tensor.rank; ++i) {
    int64_t size = tensor.shape[i], extent = 0;
    if (size < 0)
      return quote(info) + " expects sizes of at least 0, but got " +
             printShape({tensor.shape, tensor.rank});
    empty |= size == 0;
    // Zero sizes must not hide what the other sizes multiply to.
    tooBig |= __builtin_mul_overflow(count, size ? size : 1, &count) ||
              count > maxElements;
    if (size > 1)
      tooBig |= __builtin_mul_overflow(size - 1, tensor.strides[i], &extent) ||
                __builtin_add_overflow(extent < 0 ? lowest : highest, extent,
                                       extent < 0 ? &lowest : &highest);
  }
  int64_t bytes = getByteSize(info.dtype), lowByte, highByte;
  tooBig |= __builtin_mul_overflow(lowest, bytes, &lowByte) ||
            __builtin_mul_overflow(highest, bytes, &highByte);
  if (tooBig)
    return quote(info) + " expects at most 2^40 elements, but got shape " +
           printShape({tensor.shape, tensor.rank});
  if (empty)
    return "";
  if (tensor.rank && tensor.shape[tensor.rank - 1] > 1 &&
      tensor.strides[tensor.rank - 1] != 1)
    return quote(info) + " expects innermost stride 1, but got " +
           std::to_string(tensor.strides[tensor.rank - 1]);
  uintptr_t address = reinterpret_cast<uintptr_t>(tensor.data);
  if (!address)
    return quote(info) + " expects memory, but got a null pointer";
  if (address % bytes)
    return quote(info) + " expects memory aligned to " + std::to_string(bytes) +
           " bytes, but got address modulo that " +
           std::to_string(address % bytes);
  range = {address + lowByte, address + highByte + bytes};
  return "";
}

/// Whether two elements may share memory. Strides are taken in increasing
/// order; each must step over everything the smaller ones reach.
bool overlapsItself(const TensorRef &tensor) {
  Scratch<uint32_t, 16> order(tensor.rank);
  uint32_t used = 0;
  auto stride = [&](uint32_t i) {
    int64_t s = tensor.strides[i];
    return s < 0 ? -s : s;
  };
  for (uint32_t i = 0; i < tensor.rank; ++i) {
    if (tensor.shape[i] <= 1)
      continue;
    uint32_t at = used++;
    for (; at > 0 && stride(order[at - 1]) > stride(i); --at)
      order[at] = order[at - 1];
    order[at] = i;
  }
  int64_t reach = 0;
  for (uint32_t k = 0; k < used; ++k) {
    uint32_t i = order[k];
    if (stride(i) <= reach)
      return true;
    reach += stride(i) * (tensor.shape[i] - 1);
  }
  return false;
}

/// Copies sizes and scalar values into the slots of `signature`.
void fillSlots(const Signature &signature, std::span<const TensorRef> inputs,
               int64_t *slots) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const TensorRef &input = inputs[i];
    if (signature.arguments[i].isTensor) {
      for (uint32_t d = 0; d < input.rank; ++d)
        *slots++ = input.shape[d];
      continue;
    }
    int64_t value = 0;
    DType type = signature.arguments[i].dtype;
    if (type == DType::I64 || type == DType::Index)
      memcpy(&value, input.data, sizeof(value));
    else if (type == DType::I32)
      value = *static_cast<const int32_t *>(input.data);
    *slots++ = value;
  }
}

std::string checkConstraints(const Signature &signature,
                             std::span<const int64_t> slots) {
  for (const DimConstraint &constraint : signature.constraints) {
    std::optional<int64_t> lhs = constraint.lhs.evaluate(slots);
    std::optional<int64_t> rhs = constraint.rhs.evaluate(slots);
    bool equal = constraint.kind == DimConstraint::Kind::Equal;
    if (lhs && rhs && (equal ? *lhs == *rhs : *lhs <= *rhs))
      continue;
    auto value = [](std::optional<int64_t> v) {
      return v ? std::to_string(*v) : std::string("an overflow");
    };
    return "expected " + signature.describe(constraint.rhs) +
           (equal ? " to equal " : " to be at least ") +
           signature.describe(constraint.lhs) + " (" + value(lhs) +
           "), but got " + value(rhs);
  }
  return "";
}

std::string countError(const char *what, size_t expected, size_t got) {
  return "expected " + std::to_string(expected) + " " + what + ", but got " +
         std::to_string(got);
}

/// Writes one memref descriptor; returns the words it took.
size_t writeDescriptor(const TensorRef &tensor, int64_t *words) {
  words[0] = words[1] = reinterpret_cast<intptr_t>(tensor.data);
  words[2] = 0;
  memcpy(words + 3, tensor.shape, tensor.rank * sizeof(int64_t));
  memcpy(words + 3 + tensor.rank, tensor.strides,
         tensor.rank * sizeof(int64_t));
  return 3 + 2 * size_t(tensor.rank);
}

} // namespace

Kernel::Kernel(Parts parts)
    : parts(std::make_unique<const Parts>(std::move(parts))) {}
Kernel::~Kernel() = default;

const std::string &Kernel::getName() const { return parts->name; }
const std::string &Kernel::getTarget() const { return parts->options.target; }
const Signature &Kernel::getSignature() const { return parts->signature; }
const Timings &Kernel::getTimings() const { return parts->timings; }
const std::vector<Remark> &Kernel::getRemarks() const { return parts->remarks; }
const std::vector<Diagnostic> &Kernel::getWarnings() const {
  return parts->warnings;
}
bool Kernel::isRunnable() const { return parts->loaded != nullptr; }
std::string_view Kernel::getObject() const { return parts->object; }

const Listing &Kernel::getListing() const {
  std::call_once(listingOnce, [this] {
    makeListing(parts->source, parts->options, listing);
  });
  return listing;
}

static std::string checkInputs(const Signature &signature,
                               std::span<const TensorRef> inputs) {
  if (inputs.size() != signature.arguments.size())
    return countError("arguments", signature.arguments.size(), inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i)
    if (std::string error = checkType(signature.arguments[i], inputs[i]);
        !error.empty())
      return error;
  return "";
}

static std::string evaluateResultDims(const Signature &signature,
                                      std::span<const int64_t> slots,
                                      int64_t *dims) {
  for (const DimExpr &expr : signature.resultDims) {
    std::optional<int64_t> value = expr.evaluate(slots);
    if (!value || *value < 0)
      return "expected a result size of at least 0 from " +
             signature.describe(expr) + ", but got " +
             (value ? std::to_string(*value) : "an overflow");
    *dims++ = *value;
  }
  return "";
}

std::string Kernel::inferResultShapes(std::span<const TensorRef> inputs,
                                      std::vector<int64_t> &dims) const {
  const Signature &signature = parts->signature;
  if (std::string error = checkInputs(signature, inputs); !error.empty())
    return error;
  Scratch<int64_t, 64> slots(signature.getNumSlots());
  fillSlots(signature, inputs, slots.get());
  std::span<const int64_t> values(slots.get(), signature.getNumSlots());
  if (std::string error = checkConstraints(signature, values); !error.empty())
    return error;
  dims.resize(signature.resultDims.size());
  return evaluateResultDims(signature, values, dims.data());
}

/// Checks one output against its computed sizes and against all inputs.
static std::string checkOutput(const Signature &signature,
                               const ParameterInfo &info,
                               const TensorRef &output, const int64_t *dims,
                               std::span<const ByteRange> others,
                               ByteRange &range) {
  if (std::string error = checkType(info, output); !error.empty())
    return error;
  for (uint32_t d = 0; d < output.rank; ++d)
    if (output.shape[d] != dims[d])
      return quote(info) + " expects shape " + printShape({dims, output.rank}) +
             ", but got " + printShape({output.shape, output.rank});
  if (output.readOnly)
    return quote(info) + " expects writable memory, but got a read-only array";
  if (std::string error = checkLayout(info, output, range); !error.empty())
    return error;
  if (range.begin < range.end && overlapsItself(output))
    return quote(info) + " expects distinct elements, but got strides " +
           printShape({output.strides, output.rank}) + " that overlap";
  for (size_t i = 0; i < others.size(); ++i) {
    if (!range.overlaps(others[i]))
      continue;
    size_t numArguments = signature.arguments.size();
    const ParameterInfo &other = i < numArguments
                                     ? signature.arguments[i]
                                     : signature.results[i - numArguments];
    return quote(info) + " expects memory of its own, but got memory shared " +
           "with " + quote(other);
  }
  return "";
}

namespace {

/// Builds the argument list of one call while checking layouts.
class CallFrame {
public:
  CallFrame(const Signature &signature, std::span<const TensorRef> inputs,
            std::span<const TensorRef> outputs)
      : signature(signature), inputs(inputs), outputs(outputs),
        ranges(inputs.size() + outputs.size()),
        pointers(inputs.size() + outputs.size()),
        descriptors(countWords(inputs) + countWords(outputs)),
        next(descriptors.get()) {}

  std::string addInputs() {
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!signature.arguments[i].isTensor) {
        pointers[i] = inputs[i].data;
        continue;
      }
      if (std::string error =
              checkLayout(signature.arguments[i], inputs[i], ranges[i]);
          !error.empty())
        return error;
      addDescriptor(i, inputs[i]);
    }
    return "";
  }

  std::string addOutputs(const int64_t *dims) {
    for (size_t i = 0; i < outputs.size(); ++i) {
      size_t at = inputs.size() + i;
      if (std::string error =
              checkOutput(signature, signature.results[i], outputs[i], dims,
                          {ranges.get(), at}, ranges[at]);
          !error.empty())
        return error;
      dims += outputs[i].rank;
      addDescriptor(at, outputs[i]);
    }
    return "";
  }

  void **getPointers() { return pointers.get(); }

private:
  static size_t countWords(std::span<const TensorRef> tensors) {
    size_t words = 0;
    for (const TensorRef &tensor : tensors)
      words += 3 + 2 * size_t(tensor.rank);
    return words;
  }

  void addDescriptor(size_t at, const TensorRef &tensor) {
    pointers[at] = next;
    next += writeDescriptor(tensor, next);
  }

  const Signature &signature;
  std::span<const TensorRef> inputs, outputs;
  Scratch<ByteRange, 16> ranges;
  Scratch<void *, 16> pointers;
  Scratch<int64_t, 192> descriptors;
  int64_t *next;
};

} // namespace

std::string Kernel::call(std::span<const TensorRef> inputs,
                         std::span<const TensorRef> outputs) const {
  const Signature &signature = parts->signature;
  if (!parts->loaded)
    return "expected a kernel for this machine, but got one compiled for '" +
           parts->options.target + "'";
  if (std::string error = checkInputs(signature, inputs); !error.empty())
    return error;
  if (outputs.size() != signature.results.size())
    return countError("outputs", signature.results.size(), outputs.size());
  unsigned numSlots = signature.getNumSlots();
  Scratch<int64_t, 64> slots(numSlots);
  fillSlots(signature, inputs, slots.get());
  std::span<const int64_t> values(slots.get(), numSlots);
  if (std::string error = checkConstraints(signature, values); !error.empty())
    return error;
  Scratch<int64_t, 16> dims(signature.resultDims.size());
  if (std::string error = evaluateResultDims(signature, values, dims.get());
      !error.empty())
    return error;
  CallFrame frame(signature, inputs, outputs);
  if (std::string error = frame.addInputs(); !error.empty())
    return error;
  if (std::string error = frame.addOutputs(dims.get()); !error.empty())
    return error;
  parts->loaded->entry(frame.getPointers());
  return "";
}

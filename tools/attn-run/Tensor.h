// Owned arrays of attn-run: made from sizes, random numbers or .npy files.
#ifndef ATTN_TOOLS_RUN_TENSOR_H
#define ATTN_TOOLS_RUN_TENSOR_H

#include "attn/JIT/Kernel.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace attn {

/// Row-major elements of one type.
class Tensor {
public:
  Tensor(DType dtype, llvm::ArrayRef<int64_t> shape);

  /// Nothing but an error when the element count or the memory overflows.
  static llvm::Expected<Tensor> create(DType dtype,
                                       llvm::ArrayRef<int64_t> shape);

  DType getDType() const { return dtype; }
  llvm::ArrayRef<int64_t> getShape() const { return shape; }
  int64_t getNumElements() const { return numElements; }
  char *getData() { return data.get(); }
  const char *getData() const { return data.get(); }
  size_t getNumBytes() const { return numElements * getByteSize(dtype); }
  bool isFloat() const { return dtype <= DType::BF16; }

  /// Element as the nearest double; integers beyond 2^53 are rounded.
  double get(int64_t index) const;
  /// Rounds to the element type; integers wrap.
  void set(int64_t index, double value);

  /// As an argument. `isTensor` false: the one element is a scalar.
  TensorRef getRef(bool isTensor = true);

  /// "1x8x128x64xf32"
  std::string describe() const;

private:
  struct Free {
    void operator()(char *pointer) const { std::free(pointer); }
  };
  DType dtype;
  std::vector<int64_t> shape, strides;
  int64_t numElements = 0;
  std::unique_ptr<char, Free> data;
};

llvm::Error makeError(const llvm::Twine &message);

/// Reads an array of a NumPy file. `expected` says what 16-bit patterns (u2,
/// V2) stand for.
llvm::Expected<Tensor> readNpy(llvm::StringRef path, DType expected);

llvm::Error writeNpy(llvm::StringRef path, const Tensor &tensor);

} // namespace attn

#endif // ATTN_TOOLS_RUN_TENSOR_H

//===- Kernel.h -------------------------------------------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A compiled kernel: its signature, and calls with every check that memory
// safety needs. No MLIR or LLVM type appears here.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_JIT_KERNEL_H
#define ATTN_JIT_KERNEL_H

#include "attn/JIT/Diagnostic.h"
#include "attn/JIT/DimExpr.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace attn {

enum class DType : uint8_t {
  F64,
  F32,
  F16,
  BF16,
  I64,
  I32,
  I16,
  I8,
  I1,
  Index
};

/// "f32", "bf16", ...
const char *getName(DType type);
/// Bytes of one element in memory.
unsigned getByteSize(DType type);

/// One argument of a call. Strides count elements. A scalar is a rank-0
/// reference to its value.
struct TensorRef {
  void *data = nullptr;
  DType dtype = DType::F32;
  bool readOnly = false;
  uint32_t rank = 0;
  const int64_t *shape = nullptr;
  const int64_t *strides = nullptr;
};

/// What one argument or result must be.
struct ParameterInfo {
  std::string name;
  DType dtype = DType::F32;
  bool isTensor = true;
  /// -1 where the size is free.
  std::vector<int64_t> shape;
};

/// Everything about a function's boundary, free of compiler data structures.
struct Signature {
  std::vector<ParameterInfo> arguments;
  std::vector<ParameterInfo> results;
  /// One expression per result dimension, results one after the other, over
  /// the argument slots.
  std::vector<DimExpr> resultDims;
  std::vector<DimConstraint> constraints;

  /// Slots: one per dimension of a tensor argument, one per scalar argument.
  unsigned getNumSlots() const;
  /// "dimension 2 of 'key'", or "'n'" for a scalar.
  std::string describeSlot(unsigned slot) const;
  /// The expression in those words.
  std::string describe(const DimExpr &expr) const;
};

struct Timings {
  double parse = 0, passes = 0, translate = 0, optimize = 0, codegen = 0,
         link = 0, total = 0;
};

/// Text of the stages, filled when first asked for.
struct Listing {
  std::vector<std::pair<std::string, std::string>> phases;
  std::string llvm;
  std::string assembly;
  /// Why the text could not be made, else empty.
  std::string error;
};

class LoadedObject;

/// Immutable and safe to share between threads.
class Kernel {
public:
  struct Parts;
  explicit Kernel(Parts parts);
  ~Kernel();
  Kernel(const Kernel &) = delete;
  Kernel &operator=(const Kernel &) = delete;

  const std::string &getName() const;
  const std::string &getTarget() const;
  const Signature &getSignature() const;
  const Timings &getTimings() const;
  const std::vector<Remark> &getRemarks() const;
  /// Warnings of the compilation.
  const std::vector<Diagnostic> &getWarnings() const;
  /// Whether the code can run in this process.
  bool isRunnable() const;
  /// A relocatable object with `<name>_packed` and `_mlir_ciface_<name>`.
  std::string_view getObject() const;
  /// A C header to go with the object.
  std::string getHeader() const;
  /// Compiles once more, keeping the text of every stage.
  const Listing &getListing() const;

  /// Result sizes for `inputs`, of which only shapes (and integer scalars) are
  /// read: one entry per result dimension, results one after the other.
  /// Returns an empty string, or what is wrong with the inputs.
  std::string inferResultShapes(std::span<const TensorRef> inputs,
                                std::vector<int64_t> &dims) const;

  /// Checks everything, then runs. Returns an empty string, or a message that
  /// names the argument, what was expected and what was got.
  std::string call(std::span<const TensorRef> inputs,
                   std::span<const TensorRef> outputs) const;

private:
  std::unique_ptr<const Parts> parts;
  mutable std::once_flag listingOnce;
  mutable Listing listing;
};

} // namespace attn

#endif // ATTN_JIT_KERNEL_H

// Judging results: the deviation from a reference against what is allowed.
#ifndef ATTN_TOOLS_RUN_COMPARE_H
#define ATTN_TOOLS_RUN_COMPARE_H

#include "Tensor.h"
#include "attn/JIT/Compiler.h"

namespace attn {

/// `allowed = 2 * (deviation of the unfused lowering) + floor`.
struct Judgement {
  double error = 0, unfusedError = 0, floor = 0;
  /// Elements where exactly one of result and reference is finite, or which
  /// are infinities of different sign.
  int64_t misplaced = 0;

  double getAllowed() const { return 2 * unfusedError + floor; }
  /// Written so that NaN fails.
  bool isPassed() const { return misplaced == 0 && error <= getAllowed(); }
};

/// `unfused` and `wide` are the results of the unfused lowering in the
/// source's types and in f64. All have the same shape but for `reference`.
llvm::Expected<Judgement> judge(const Tensor &result, const Tensor &reference,
                                const Tensor &unfused, const Tensor &wide);

/// Results of the unfused lowering for `inputs`, in the source's own types or,
/// with `widen`, in f64 throughout.
llvm::Expected<std::vector<Tensor>> runUnfused(llvm::StringRef source,
                                               const Options &options,
                                               std::vector<Tensor> &inputs,
                                               bool widen);

/// Makes the results' tensors and calls the kernel.
llvm::Expected<std::vector<Tensor>>
allocateResults(const Kernel &kernel, std::vector<Tensor> &inputs);
llvm::Error callKernel(const Kernel &kernel, std::vector<Tensor> &inputs,
                       std::vector<Tensor> &results);

} // namespace attn

#endif // ATTN_TOOLS_RUN_COMPARE_H

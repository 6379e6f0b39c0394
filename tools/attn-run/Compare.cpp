#include "Compare.h"
#include "Unfused.h"

#include <cmath>

using namespace attn;
using llvm::Error;
using llvm::Expected;

static std::vector<TensorRef> getRefs(std::vector<Tensor> &tensors,
                                      const std::vector<ParameterInfo> &infos) {
  std::vector<TensorRef> refs;
  for (size_t i = 0; i < tensors.size(); ++i)
    refs.push_back(tensors[i].getRef(infos[i].isTensor));
  return refs;
}

Expected<std::vector<Tensor>>
attn::allocateResults(const Kernel &kernel, std::vector<Tensor> &inputs) {
  const Signature &signature = kernel.getSignature();
  std::vector<int64_t> dims;
  std::string error =
      kernel.inferResultShapes(getRefs(inputs, signature.arguments), dims);
  if (!error.empty())
    return makeError(error);
  std::vector<Tensor> results;
  size_t first = 0;
  for (const ParameterInfo &info : signature.results) {
    Expected<Tensor> result = Tensor::create(
        info.dtype, llvm::ArrayRef(dims).slice(first, info.shape.size()));
    if (!result)
      return result.takeError();
    first += info.shape.size();
    results.push_back(std::move(*result));
  }
  return results;
}

Error attn::callKernel(const Kernel &kernel, std::vector<Tensor> &inputs,
                       std::vector<Tensor> &results) {
  const Signature &signature = kernel.getSignature();
  std::string error = kernel.call(getRefs(inputs, signature.arguments),
                                  getRefs(results, signature.results));
  return error.empty() ? Error::success() : makeError(error);
}

/// Copies of `inputs` as f64 where they are floating-point numbers.
static Expected<std::vector<Tensor>>
widenInputs(const std::vector<Tensor> &inputs) {
  std::vector<Tensor> wide;
  for (const Tensor &input : inputs) {
    Expected<Tensor> copy = Tensor::create(
        input.isFloat() ? DType::F64 : input.getDType(), input.getShape());
    if (!copy)
      return copy.takeError();
    if (input.isFloat())
      for (int64_t i = 0; i < input.getNumElements(); ++i)
        copy->set(i, input.get(i));
    else
      std::copy_n(input.getData(), input.getNumBytes(), copy->getData());
    wide.push_back(std::move(*copy));
  }
  return wide;
}

Expected<std::vector<Tensor>> attn::runUnfused(llvm::StringRef source,
                                               const Options &options,
                                               std::vector<Tensor> &inputs,
                                               bool widen) {
  Expected<std::string> text = makeUnfused(source, options.fileName, widen);
  if (!text)
    return text.takeError();
  Options plain;
  plain.fileName = options.fileName;
  plain.entry = options.entry;
  plain.cache = false;
  CompileResult compiled = compile(*text, plain);
  if (!compiled.kernel)
    return makeError("the unfused form does not compile: " +
                     (compiled.diagnostics.empty()
                          ? std::string("no message")
                          : compiled.diagnostics.front().message));
  std::vector<Tensor> wide;
  if (widen) {
    Expected<std::vector<Tensor>> copies = widenInputs(inputs);
    if (!copies)
      return copies.takeError();
    wide = std::move(*copies);
  }
  std::vector<Tensor> &arguments = widen ? wide : inputs;
  auto results = allocateResults(*compiled.kernel, arguments);
  if (!results)
    return results.takeError();
  if (Error error = callKernel(*compiled.kernel, arguments, *results))
    return std::move(error);
  return results;
}

/// The rounding a correct kernel may always show, by element type.
static double getFloor(DType dtype, double largest) {
  switch (dtype) {
  case DType::F64:
    return 1e-13 * largest;
  case DType::F32:
    return 1e-6 * largest;
  case DType::F16:
    return 1e-3;
  case DType::BF16:
    return 8e-3;
  default:
    return 0;
  }
}

Expected<Judgement> attn::judge(const Tensor &result, const Tensor &reference,
                                const Tensor &unfused, const Tensor &wide) {
  if (result.getShape() != reference.getShape())
    return makeError("the result is " + result.describe() +
                     ", but the reference is " + reference.describe());
  Judgement judgement;
  double largest = 0;
  for (int64_t i = 0; i < result.getNumElements(); ++i) {
    double exact = reference.get(i), got = result.get(i);
    if (!std::isfinite(exact) || !std::isfinite(got)) {
      bool same = std::isnan(exact) ? std::isnan(got) : exact == got;
      judgement.misplaced += !same;
      continue;
    }
    largest = std::max(largest, std::abs(exact));
    judgement.error = std::max(judgement.error, std::abs(got - exact));
    double plain = std::abs(unfused.get(i) - wide.get(i));
    if (std::isfinite(plain))
      judgement.unfusedError = std::max(judgement.unfusedError, plain);
  }
  judgement.floor = getFloor(result.getDType(), largest);
  return judgement;
}

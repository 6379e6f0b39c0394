// The arguments of the call: from files, given values, or random numbers.
#ifndef ATTN_TOOLS_RUN_INPUTS_H
#define ATTN_TOOLS_RUN_INPUTS_H

#include "Tensor.h"

namespace attn {

/// As written on the command line; `ARG` is an argument's name or number.
struct InputOptions {
  std::vector<std::string> files;  ///< ARG=file.npy
  std::vector<std::string> values; ///< ARG=value
  std::vector<std::string> ranges; ///< ARG=low:high
  std::vector<std::string> shapes; ///< 1x8x128x64, one per tensor argument
  std::vector<std::string> shape;  ///< ARG=1x8x128x64
  std::vector<std::string> dims;   ///< ARG:dim=size
  uint64_t seed = 0;
};

/// One tensor per argument; a scalar is a tensor of rank 0.
llvm::Expected<std::vector<Tensor>> makeInputs(const Signature &signature,
                                               const InputOptions &options);

} // namespace attn

#endif // ATTN_TOOLS_RUN_INPUTS_H

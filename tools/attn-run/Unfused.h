// The same module written without fusion, and what it costs.
#ifndef ATTN_TOOLS_RUN_UNFUSED_H
#define ATTN_TOOLS_RUN_UNFUSED_H

#include "attn/JIT/Kernel.h"
#include "llvm/Support/Error.h"

namespace attn {

/// `source` with every attention operation replaced by its definition
/// (attn-decompose). With `widen`, every floating-point type is f64 first.
llvm::Expected<std::string> makeUnfused(llvm::StringRef source,
                                        llvm::StringRef fileName, bool widen);

/// Operations of the attention in function `entry` for arguments of these
/// sizes: 2 * (D + E) for each pair the mask keeps. Nothing when the mask's
/// pairs cannot be counted.
std::optional<double> countOperations(llvm::StringRef source,
                                      llvm::StringRef entry,
                                      llvm::ArrayRef<TensorRef> arguments);

} // namespace attn

#endif // ATTN_TOOLS_RUN_UNFUSED_H

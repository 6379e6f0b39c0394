#ifndef ATTN_PIPELINES_PASSES
#define ATTN_PIPELINES_PASSES

include "mlir/Pass/PassBase.td"

def VerifyPhasePass : Pass<"attn-verify-phase", "::mlir::ModuleOp"> {
  let summary = "Checks what may remain at the end of a phase";
  let description = [{
    Every phase ends with this check of its contract: which operations may
    still be there. A violation is reported at the operation, so that a case no
    pass handles ends with a message and not with wrong code.

    | phase | may not remain |
    |---|---|
    | expand, specialize | score and mask attributes, named operations |
    | tile | `attn.attention` |
    | codegen | tensors, attn operations |
    | target | anything outside the LLVM dialect |

    Never changes the IR.

    Exactness: bitwise
  }];
  let options = [Option<"phase", "phase", "std::string", "\"target\"",
                        "the phase that just ended">];
}

#endif // ATTN_PIPELINES_PASSES

#ifndef ATTN_EXPAND_PASSES
#define ATTN_EXPAND_PASSES

include "mlir/Pass/PassBase.td"

def ExpandPass : Pass<"attn-expand"> {
  let summary = "Write named operations and attributes as core operations";
  let description = [{
    Calls the expansion of every operation that has one (`ExpandOpInterface`)
    until only core operations are left: `attn.attention` whose scores and
    masks are regions, and upstream dialects. It never names an operation or
    an attribute; new ones bring their expansion along.

    Before:

    ```mlir
    %out = attn.attention ins(%query, %key, %value : ...) outs(%init : ...)
      masks(#attn.causal) -> tensor<8x16x64xf32>
    ```

    After:

    ```mlir
    %out = attn.attention ins(%query, %key, %value : ...) outs(%init : ...)
      mask {
      ^bb0(%b: index, %h: index, %i: index, %j: index):
        %keep = arith.cmpi sle, %j, %i : index
        attn.yield %keep : i1
      } -> tensor<8x16x64xf32>
    ```

    Exactness: bitwise
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
    "::mlir::memref::MemRefDialect", "::mlir::tensor::TensorDialect"
  ];
}

#endif // ATTN_EXPAND_PASSES

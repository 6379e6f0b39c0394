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
    func.func @causal(%query: tensor<16x64xf32>) -> tensor<16x64xf32> {
      %out = attn.attention
        ins(%query, %query, %query : tensor<16x64xf32>, tensor<16x64xf32>,
            tensor<16x64xf32>)
        outs(%query : tensor<16x64xf32>) masks(#attn.causal)
        -> tensor<16x64xf32>
      return %out : tensor<16x64xf32>
    }
    ```

    After:

    ```mlir
    func.func @causal(%query: tensor<16x64xf32>) -> tensor<16x64xf32> {
      %out = attn.attention
        ins(%query, %query, %query : tensor<16x64xf32>, tensor<16x64xf32>,
            tensor<16x64xf32>)
        outs(%query : tensor<16x64xf32>)
        mask {
        ^bb0(%b: index, %h: index, %i: index, %j: index):
          %keep = arith.cmpi sle, %j, %i : index
          attn.yield %keep : i1
        }
        -> tensor<16x64xf32>
      return %out : tensor<16x64xf32>
    }
    ```

    Exactness: bitwise
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
    "::mlir::memref::MemRefDialect", "::mlir::tensor::TensorDialect"
  ];
}

def DecomposePass : Pass<"attn-decompose"> {
  let summary = "Write core operations as their unfused definition";
  let description = [{
    Replaces every `attn` operation on tensors by the definition in its
    description, one `linalg.generic` a step: logits, maximum, weights, sum,
    weighted values. All of the logits exist at once, so this is the slow and
    simple lowering that the others are compared with. Operations with scores
    or masks left to expand are expanded first; operations on buffers are left
    alone.

    Before:

    ```mlir
    func.func @plain(%query: tensor<16x64xf32>, %key: tensor<32x64xf32>)
        -> tensor<16x64xf32> {
      %out = attn.attention
        ins(%query, %key, %key : tensor<16x64xf32>, tensor<32x64xf32>,
            tensor<32x64xf32>)
        outs(%query : tensor<16x64xf32>) -> tensor<16x64xf32>
      return %out : tensor<16x64xf32>
    }
    ```

    After, without the maps and bodies:

    ```
    %dots = linalg.generic ins(%query, %key) outs(%zeros)
    %logits = linalg.generic outs(%dots)
    %max = linalg.generic ins(%logits) outs(%lowest)
    %weights = linalg.generic ins(%max) outs(%logits)
    %sum = linalg.generic ins(%weights) outs(%zero)
    %acc = linalg.generic ins(%weights, %key) outs(%zeros)
    %out = linalg.generic ins(%acc, %sum) outs(%query)
    ```

    Exactness: reassociates
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::tensor::TensorDialect"
  ];
}

#endif // ATTN_EXPAND_PASSES

#ifndef ATTN_SPECIALIZE_PASSES
#define ATTN_SPECIALIZE_PASSES

include "mlir/Pass/PassBase.td"

def SplitHeadsPass : Pass<"attn-split-heads", "::mlir::func::FuncOp"> {
  let summary = "Give heads with masks of their own an operation of their own";
  let description = [{
    Where the mask depends on the head through constants alone, the heads are
    cut into ranges with the same mask, and each range becomes an operation on
    slices of query, key, value and results (views, no copies). What is known of
    a range's mask then holds for all its heads: a dilation per head becomes one
    dilation, heads without a mask lose it. Nothing happens when the number of
    heads is not known, when there would be more than `max-ranges` of them, or
    when heads that share keys and values would be parted.

    Before:

    ```mlir
    func.func @f(%q: tensor<4x64x16xf32>, %k: tensor<4x64x16xf32>)
        -> tensor<4x64x16xf32> {
      %two = arith.constant 2 : index
      %init = tensor.empty() : tensor<4x64x16xf32>
      %out = attn.attention
        ins(%q, %k, %k : tensor<4x64x16xf32>, tensor<4x64x16xf32>,
            tensor<4x64x16xf32>)
        outs(%init : tensor<4x64x16xf32>)
        mask {
        ^bb0(%b: index, %h: index, %i: index, %j: index):
          %open = arith.cmpi slt, %h, %two : index
          %causal = arith.cmpi sle, %j, %i : index
          %keep = arith.ori %open, %causal : i1
          attn.yield %keep : i1
        } -> tensor<4x64x16xf32>
      return %out : tensor<4x64x16xf32>
    }
    ```

    After: heads 0 and 1 have no mask, heads 2 and 3 are causal, and their
    results are put together with `tensor.insert_slice`.

    Exactness: exact; every head computes what it did.
  }];
  let options = [
    Option<"maxRanges", "max-ranges", "int64_t", /*default=*/"8",
           "The most ranges of heads an operation is split into">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect"];
}

#endif // ATTN_SPECIALIZE_PASSES

#ifndef ATTN_ANALYSIS_PASSES
#define ATTN_ANALYSIS_PASSES

include "mlir/Pass/PassBase.td"

def PrintMaskAnalysisPass : Pass<"attn-print-mask-analysis"> {
  let summary = "Print what the compiler knows about every mask region";
  let description = [{
    Prints `MaskAnalysis` of each operation with a mask region to standard
    output: the union of key intervals that holds every kept pair, the union
    that holds every masked pair, the symbols in them, and the operations that
    were not understood. It never changes the IR, and does not look at mask
    attributes: run `attn-expand` first.

    Before:

    ```mlir
    func.func @f(%query: tensor<8x16xf32>, %key: tensor<8x16xf32>,
                 %value: tensor<8x16xf32>, %init: tensor<8x16xf32>)
        -> tensor<8x16xf32> {
      %out = attn.attention
        ins(%query, %key, %value
            : tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>)
        outs(%init : tensor<8x16xf32>)
        mask {
        ^bb0(%b: index, %h: index, %i: index, %j: index):
          %keep = arith.cmpi sle, %j, %i : index
          attn.yield %keep : i1
        }
        -> tensor<8x16xf32>
      return %out : tensor<8x16xf32>
    }
    ```

    Printed:

    ```
    mask of attn.attention at loc("causal.mlir":4:10): exact, trend growing
      kept: j in [0, i + 1)
      masked: j in [i + 1, numKeys)
    ```

    Exactness: bitwise
  }];
}

#endif // ATTN_ANALYSIS_PASSES

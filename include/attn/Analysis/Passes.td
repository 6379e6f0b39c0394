#ifndef ATTN_ANALYSIS_PASSES
#define ATTN_ANALYSIS_PASSES

include "mlir/Pass/PassBase.td"

def PrintMaskAnalysisPass : Pass<"attn-print-mask-analysis"> {
  let summary = "Print what the compiler knows about every mask region";
  let description = [{
    Prints `MaskAnalysis` of each operation with a mask region to standard
    output: the union of key intervals that holds every kept pair, the union
    that holds every masked pair, the symbols in them, and the operations that
    were not understood. Where sizes and symbols are constants and the walk over
    all tiles is short, also the number of tiles by class. It never changes the
    IR, and does not look at mask attributes: run `attn-expand` first.

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
      tiles of 64 x 64: 0 full, 1 partial, 0 empty
    ```

    Exactness: bitwise
  }];
  let dependentDialects = ["arith::ArithDialect"];
}

def MaskTilesPass : Pass<"attn-mask-tiles", "::mlir::func::FuncOp"> {
  let summary = "Turn attention into a function that shows the mask's tiles";
  let description = [{
    Rewrites a function that holds one `attn.attention` into one that walks over
    the keys as the loops of the tile phase do, by the same analysis, and counts
    them instead of computing with them. The function takes two arguments more,
    the batch element and the head, and returns

    - for each tile of rows and each block of keys: the number of keys visited,
      how many of these lie in runs of which every pair is kept, the first key
      visited, and one past the last (all 0 where no key is visited);
    - for each tile the number of its rows.

    Tiles are rows that follow each other or, with `split-rows`, rows as the
    tile phase chooses them for the mask: of one residue, or patches of a grid.
    Remarks name the mask's class, and what the analysis did not understand.

    Functions without attention stay as they are. It does not look at mask
    attributes: run `attn-expand` first. No pair is ever evaluated.

    Before:

    ```mlir
    func.func @f(%query: tensor<256x16xf32>, %key: tensor<256x16xf32>,
                 %value: tensor<256x16xf32>, %init: tensor<256x16xf32>)
        -> tensor<256x16xf32> {
      %out = attn.attention
        ins(%query, %key, %value
            : tensor<256x16xf32>, tensor<256x16xf32>, tensor<256x16xf32>)
        outs(%init : tensor<256x16xf32>)
        mask {
        ^bb0(%b: index, %h: index, %i: index, %j: index):
          %keep = arith.cmpi sle, %j, %i : index
          attn.yield %keep : i1
        }
        -> tensor<256x16xf32>
      return %out : tensor<256x16xf32>
    }
    ```

    After:

    ```
    func.func @f(%query: tensor<256x16xf32>, %key: tensor<256x16xf32>,
                 %value: tensor<256x16xf32>, %init: tensor<256x16xf32>,
                 %batch: index, %head: index)
        -> (tensor<4x4x4xi32>, tensor<4xi32>) {
      %tiles:2 = scf.forall (%t) in (4) shared_outs(%map = .., %rows = ..) {
        %line = scf.while (%x = %first, ..) {
          // While there are keys:
        } do {
          // The run of keys from %x on, counted in the blocks it touches.
        }
        scf.forall.in_parallel {
          tensor.parallel_insert_slice %line into %map[%t, 0, 0] ..
          tensor.parallel_insert_slice %count into %rows[%t] ..
        }
      }
      return %tiles#0, %tiles#1 : tensor<4x4x4xi32>, tensor<4xi32>
    }
    ```

    Exactness: bitwise
  }];
  let options = [
    Option<"blockQueries", "block-queries", "int64_t", "64", "rows per tile">,
    Option<"blockKeys", "block-keys", "int64_t", "64", "keys per block">,
    Option<"splitRows", "split-rows", "bool", "false",
           "tiles of rows as the tile phase chooses them">,
  ];
  let dependentDialects = [
    "affine::AffineDialect", "arith::ArithDialect", "scf::SCFDialect",
    "tensor::TensorDialect", "vector::VectorDialect"
  ];
}

#endif // ATTN_ANALYSIS_PASSES

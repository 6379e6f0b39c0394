#ifndef ATTN_TILE_PASSES
#define ATTN_TILE_PASSES

include "mlir/Pass/PassBase.td"

def TileAttentionPass : Pass<"attn-tile-attention", "::mlir::func::FuncOp"> {
  let summary = "Cuts attention into tasks and online steps";
  let description = [{
    Rewrites every `attn.attention` on tensors into an `scf.forall` over batch,
    head and query block, with a loop over key blocks that carries the online
    state through `attn.online_attention`. The key loop runs over the keys the
    mask analysis leaves: blocks without a kept pair do not appear, blocks
    whose pairs are all kept carry no mask code. Layouts, tile sizes and the
    order of tasks come from the target description and the cost model.

    Where a mask keeps several runs of keys, or single keys, `scf.while` walks
    from run to run and lists their positions until a block is full; the step
    reads keys and values through the list (`key_rows`). What the mask reads at
    the keys alone is scanned once, before the tasks. A mask that keeps residues
    of the key gets tiles of queries with one residue, `stride` apart; one that
    looks at the lines of a grid gets patches of it, when the number of queries
    is known to be whole lines. Keys behind a `key_rows` region (pages) are read
    where they lie.

    Applies to operations whose attributes have been expanded. It never
    creates a tensor with both a query and a key dimension of the whole
    problem.

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

    After:

    ```
    %out = scf.forall (%b, %h, %t) in (1, 8, %tasks) shared_outs(%o = %empty) {
      %packed = attn.pack ins(%query_block) outs(...) ...
      %state:3 = scf.for %block = %c0 to %blocks step %c1 iter_args(...) {
        %next:3 = scf.if %full {
          attn.online_attention ...
        } else {
          attn.online_attention ... mask {...}
        }
      }
      %rows = attn.normalize ins(%state#0, %state#1, %state#2) outs(...) ...
    }
    ```

    Exactness: reassociates
  }];
  let options = [
    Option<"target", "target", "std::string", "\"host\"",
           "CPU to choose the schedule for: host, cpu:x86-64-v3, ...">,
    Option<"blockQueries", "block-queries", "int64_t", "0",
           "queries per step; 0: by the cost model">,
    Option<"blockKeys", "block-keys", "int64_t", "0",
           "keys per step; 0: by the cost model">,
    Option<"blocksPerTask", "blocks-per-task", "int64_t", "0",
           "query blocks that share a key block; 0: by the cost model">,
    Option<"schedule", "schedule", "std::string", "\"auto\"",
           "auto, lanes-queries or lanes-features">,
  ];
  let dependentDialects = [
    "affine::AffineDialect", "arith::ArithDialect", "linalg::LinalgDialect",
    "scf::SCFDialect", "tensor::TensorDialect", "vector::VectorDialect"
  ];
}

#endif // ATTN_TILE_PASSES

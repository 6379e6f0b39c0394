#ifndef ATTN_NAMED_OPS
#define ATTN_NAMED_OPS

// Kinds of attention that have a name. Each writes itself as core operations.

include "attn/Dialect/Attn/IR/AttnOps.td"

//===----------------------------------------------------------------------===//
// attn.longformer
//===----------------------------------------------------------------------===//

def Attn_LongformerOp : Attn_DestinationOp<"longformer", [
    DeclareOpInterfaceMethods<AttentionOpInterface>,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>,
    DeclareOpInterfaceMethods<ExpandOpInterface>
  ]> {
  let summary = "A window, global keys, and global rows with own projections";
  let description = [{
    Rows that are global attend to all keys, through a second query, key and
    value; the others to the keys within a distance and to the global ones.

    ```
    o_i = attention(query_i, key, value) over j with |i - j| <= window or
          is_global[b, j], where not is_global[b, i]
    o_i = attention(global_query_i, global_key, global_value) over all j,
          where is_global[b, i]
    ```

    Shapes, `scale`, the score and the mask region and `indexing_maps` (of
    query, key, value and output) are those of `attn.attention`, and hold for
    both kinds of rows. `is_global` is a tensor [L] or [B, L] of i1 or of
    integers, of which all but 0 are true. It expands to two `attn.attention`
    and a choice between their rows.

    Constraints: those of `attn.attention` where they apply, and
    - C1: global query, key and value have the element type and the static
      sizes of query, key and value
    - C2: `is_global` is [L], or [B, L] where the query has b; static sizes
      agree, and L = S
    - C3: the window is 0 or more
    - C4: `scale` is either an attribute or an operand of the compute type

    Numerics: those of `attn.attention`.

    ```mlir
    func.func @document(%query: tensor<1x12x?x64xf32>,
                        %key: tensor<1x12x?x64xf32>,
                        %value: tensor<1x12x?x64xf32>,
                        %global_query: tensor<1x12x?x64xf32>,
                        %global_key: tensor<1x12x?x64xf32>,
                        %global_value: tensor<1x12x?x64xf32>,
                        %is_global: tensor<?xi1>,
                        %init: tensor<1x12x?x64xf32>) -> tensor<1x12x?x64xf32> {
      %out = attn.longformer
        ins(%query, %key, %value, %global_query, %global_key, %global_value,
            %is_global : tensor<1x12x?x64xf32>, tensor<1x12x?x64xf32>,
            tensor<1x12x?x64xf32>, tensor<1x12x?x64xf32>,
            tensor<1x12x?x64xf32>, tensor<1x12x?x64xf32>, tensor<?xi1>)
        outs(%init : tensor<1x12x?x64xf32>)
        window(256)
        -> tensor<1x12x?x64xf32>
      return %out : tensor<1x12x?x64xf32>
    }
    ```
  }];
  let arguments = (ins
    AnyRankedTensor:$query, AnyRankedTensor:$key, AnyRankedTensor:$value,
    AnyRankedTensor:$global_query, AnyRankedTensor:$global_key,
    AnyRankedTensor:$global_value, AnyRankedTensor:$is_global,
    Optional<AnyFloat>:$scale, AnyRankedTensor:$output,
    I64Attr:$window, OptionalAttr<F64Attr>:$scale_value,
    OptionalAttr<AffineMapArrayAttr>:$indexing_maps);
  let regions = (region AnyRegion:$score, AnyRegion:$mask);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let hasCustomAssemblyFormat = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable();
    /// The default indexing maps for these operands.
    ::llvm::SmallVector<::mlir::AffineMap> getDefaultMaps();
  }];
}

#endif // ATTN_NAMED_OPS

// Grouped-query attention over any batch and length: 8 query heads share 2
// key heads, the queries are the last ones of the sequence, and the logits are
// soft-capped.
func.func @causal(%query: tensor<?x8x?x64xf32>, %key: tensor<?x2x?x64xf32>,
                  %value: tensor<?x2x?x64xf32>) -> tensor<?x8x?x64xf32> {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %batch = tensor.dim %query, %c0 : tensor<?x8x?x64xf32>
  %length = tensor.dim %query, %c2 : tensor<?x8x?x64xf32>
  %init = tensor.empty(%batch, %length) : tensor<?x8x?x64xf32>
  %out = attn.attention
    ins(%query, %key, %value : tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>,
        tensor<?x2x?x64xf32>)
    outs(%init : tensor<?x8x?x64xf32>)
    scores(#attn.softcap<3.0e+01>)
    masks(#attn.causal<bottom_right>)
    -> tensor<?x8x?x64xf32>
  return %out : tensor<?x8x?x64xf32>
}

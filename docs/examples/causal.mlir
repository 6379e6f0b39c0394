// 8 query heads share 2 key heads, the queries are the last ones of a sequence
// of any length, and the logits are soft-capped.
func.func @causal(%query: tensor<8x1024x64xf32>, %key: tensor<2x?x64xf32>,
                  %value: tensor<2x?x64xf32>) -> tensor<8x1024x64xf32> {
  %init = tensor.empty() : tensor<8x1024x64xf32>
  %out = attn.attention
    ins(%query, %key, %value : tensor<8x1024x64xf32>, tensor<2x?x64xf32>,
        tensor<2x?x64xf32>)
    outs(%init : tensor<8x1024x64xf32>)
    scores(#attn.softcap<3.0e+01>)
    masks(#attn.causal<bottom_right>)
    -> tensor<8x1024x64xf32>
  return %out : tensor<8x1024x64xf32>
}

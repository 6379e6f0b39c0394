// Equal document ids, and keys up to i.
func.func @attention(%q: tensor<4096x64xf32>, %k: tensor<4096x64xf32>,
                     %v: tensor<4096x64xf32>, %ids: tensor<4096xi32>) -> tensor<4096x64xf32> {
  %init = tensor.empty() : tensor<4096x64xf32>
  %out = attn.attention
    ins(%q, %k, %v : tensor<4096x64xf32>, tensor<4096x64xf32>, tensor<4096x64xf32>)
    outs(%init : tensor<4096x64xf32>)
    masks(#attn.documents(%ids : tensor<4096xi32>), #attn.causal)
    -> tensor<4096x64xf32>
  return %out : tensor<4096x64xf32>
}

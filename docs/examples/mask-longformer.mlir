// A window of 256 on both sides, and global tokens.
func.func @attention(%q: tensor<4096x64xf32>, %k: tensor<4096x64xf32>,
                     %v: tensor<4096x64xf32>,
                     %global: tensor<4096xi8>) -> tensor<4096x64xf32> {
  %init = tensor.empty() : tensor<4096x64xf32>
  %out = attn.attention
    ins(%q, %k, %v : tensor<4096x64xf32>, tensor<4096x64xf32>, tensor<4096x64xf32>)
    outs(%init : tensor<4096x64xf32>)
    masks(#attn.longformer<256>(%global : tensor<4096xi8>))
    -> tensor<4096x64xf32>
  return %out : tensor<4096x64xf32>
}

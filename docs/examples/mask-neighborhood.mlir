// 13 x 13 keys around the query in a grid of 64 x 64.
func.func @attention(%q: tensor<4096x64xf32>, %k: tensor<4096x64xf32>,
                     %v: tensor<4096x64xf32>) -> tensor<4096x64xf32> {
  %init = tensor.empty() : tensor<4096x64xf32>
  %out = attn.attention
    ins(%q, %k, %v : tensor<4096x64xf32>, tensor<4096x64xf32>, tensor<4096x64xf32>)
    outs(%init : tensor<4096x64xf32>)
    masks(#attn.neighborhood<shape = [64, 64], window = [13, 13]>)
    -> tensor<4096x64xf32>
  return %out : tensor<4096x64xf32>
}

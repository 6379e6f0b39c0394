// RUN: attn-opt %s | attn-opt | FileCheck %s

// CHECK-LABEL: @masks
//       CHECK:   masks(#attn.causal, #attn.causal<bottom_right>, #attn.causal<offset = 3>, #attn.causal<bottom_right, offset = -2>
//  CHECK-SAME:   #attn.causal(%{{[^ ]+}} : tensor<?xi32>), #attn.causal<offset = 1>(%{{[^ ]+}} : index)
//  CHECK-SAME:   #attn.window, #attn.window<left = 255, right = 0>, #attn.window<right = 4, offset = 2>(%{{[^ ]+}} : tensor<?xi32>)
//  CHECK-SAME:   #attn.prefix<4>, #attn.prefix(%{{[^ ]+}} : tensor<?xi32>), #attn.key_lengths(%{{[^ ]+}} : tensor<?xi32>))
func.func @masks(%query: tensor<?x8x?x64xf32>, %lengths: tensor<?xi32>,
                 %offset: index) -> tensor<?x8x?x64xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>,
        tensor<?x8x?x64xf32>)
    outs(%query : tensor<?x8x?x64xf32>)
    masks(#attn.causal<top_left>, #attn.causal<bottom_right>,
          #attn.causal<offset = 3>, #attn.causal<offset = -2, bottom_right>,
          #attn.causal(%lengths : tensor<?xi32>),
          #attn.causal<offset = 1>(%offset : index), #attn.window<left = -1>,
          #attn.window<left = 255, right = 0>,
          #attn.window<right = 4, offset = 2>(%lengths : tensor<?xi32>),
          #attn.prefix<4>, #attn.prefix(%lengths : tensor<?xi32>),
          #attn.key_lengths(%lengths : tensor<?xi32>))
    -> tensor<?x8x?x64xf32>
  return %out : tensor<?x8x?x64xf32>
}

// CHECK-LABEL: @scores
//       CHECK:   scores(#attn.softcap<3.000000e+01>, #attn.alibi, #attn.alibi(%{{.+}} : tensor<8xf32>), #attn.bias(%{{.+}} : tensor<8x1x?xbf16>), #attn.bias(%{{.+}} : f32))
func.func @scores(%query: tensor<?x8x?x64xf32>, %slopes: tensor<8xf32>,
                  %bias: tensor<8x1x?xbf16>, %shift: f32)
    -> tensor<?x8x?x64xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<?x8x?x64xf32>, tensor<?x8x?x64xf32>,
        tensor<?x8x?x64xf32>)
    outs(%query : tensor<?x8x?x64xf32>)
    scores(#attn.softcap<30.0>, #attn.alibi,
           #attn.alibi(%slopes : tensor<8xf32>),
           #attn.bias(%bias : tensor<8x1x?xbf16>), #attn.bias(%shift : f32))
    -> tensor<?x8x?x64xf32>
  return %out : tensor<?x8x?x64xf32>
}

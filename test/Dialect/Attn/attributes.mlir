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

// CHECK-LABEL: @sparse_masks
//       CHECK:   masks(#attn.dilated<window = 512, step = 4>, #attn.dilated<window = 9, steps = [1, 1, 4, 4]>, #attn.segments<16>
//  CHECK-SAME:   #attn.neighborhood<shape = [8, 8], window = [3, 5]>, #attn.neighborhood<shape = [4, 16], window = [1, 3], dilation = [1, 2]>
//  CHECK-SAME:   #attn.documents(%{{[^ ]+}} : tensor<64xi32>), #attn.documents(%{{[^ ]+}}, %{{[^ ]+}} : tensor<2x?xi32>, tensor<64xi32>)
//  CHECK-SAME:   #attn.global_tokens(%{{[^ ]+}} : tensor<64xi1>), #attn.global_tokens<symmetric = false>(%{{[^ ]+}} : tensor<64xi1>)
//  CHECK-SAME:   #attn.longformer<4>(%{{[^ ]+}} : tensor<64xi1>)
//  CHECK-SAME:   #attn.blocks<block_q = 16, block_kv = 8>(%{{[^ ]+}} : tensor<1x4x?xi8>)
//  CHECK-SAME:   #attn.bigbird<block = 8>(%{{[^ ]+}} : tensor<8x3xi64>), #attn.bigbird<block = 8, window_blocks = 0, global_blocks = 2>(%{{[^ ]+}} : tensor<?x?x1xi32>))
func.func @sparse_masks(%query: tensor<2x4x64x8xf32>, %ids: tensor<64xi32>,
                        %more: tensor<2x?xi32>, %is_global: tensor<64xi1>,
                        %blocks: tensor<1x4x?xi8>, %table: tensor<8x3xi64>,
                        %tables: tensor<?x?x1xi32>) -> tensor<2x4x64x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x4x64x8xf32>, tensor<2x4x64x8xf32>,
        tensor<2x4x64x8xf32>)
    outs(%query : tensor<2x4x64x8xf32>)
    masks(#attn.dilated<step = 4, window = 512>,
          #attn.dilated<window = 9, steps = [1, 1, 4, 4]>, #attn.segments<16>,
          #attn.neighborhood<shape = [8, 8], window = [3, 5]>,
          #attn.neighborhood<shape = [4, 16], window = [1, 3],
                             dilation = [1, 2]>,
          #attn.documents(%ids : tensor<64xi32>),
          #attn.documents(%more, %ids : tensor<2x?xi32>, tensor<64xi32>),
          #attn.global_tokens<symmetric = true>(%is_global : tensor<64xi1>),
          #attn.global_tokens<symmetric = false>(%is_global : tensor<64xi1>),
          #attn.longformer<4>(%is_global : tensor<64xi1>),
          #attn.blocks<block_q = 16, block_kv = 8>(%blocks : tensor<1x4x?xi8>),
          #attn.bigbird<block = 8>(%table : tensor<8x3xi64>),
          #attn.bigbird<block = 8, window_blocks = 0, global_blocks = 2>(
            %tables : tensor<?x?x1xi32>))
    -> tensor<2x4x64x8xf32>
  return %out : tensor<2x4x64x8xf32>
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

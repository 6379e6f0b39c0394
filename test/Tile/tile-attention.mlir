// RUN: attn-opt %s -attn-tile-attention="target=cpu:x86-64-v4 block-queries=64 block-keys=128" -canonicalize -cse -split-input-file | FileCheck %s
// RUN: attn-opt %s -attn-tile-attention=target=cpu:x86-64-v3 -canonicalize -cse -split-input-file | FileCheck %s --check-prefix=V3
// RUN: attn-opt %s -attn-tile-attention="target=cpu:x86-64-v4 block-queries=32 block-keys=16" -canonicalize -cse -split-input-file | FileCheck %s --check-prefix=BLOCKS

// One task per batch, head and query block; the state is carried over the key
// blocks, which are read in place.

// CHECK-LABEL: func.func @dense
// CHECK-SAME: %[[Q:.*]]: tensor<2x8x256x64xf32>, %[[K:.*]]: tensor<2x8x512x64xf32>, %[[V:.*]]: tensor<2x8x512x32xf32>
// CHECK: scf.forall (%[[B:.*]], %[[H:.*]], %[[T:.*]]) in (2, 8, 4) shared_outs(%[[OUT:.*]] = %{{.*}})
// CHECK: %[[QUERY:.*]] = attn.pack ins(%{{.*}} : tensor<{{.*}}x64xf32>) outs(%{{.*}} : tensor<64x64xf32>) scale(0.180{{.*}})
// CHECK: linalg.fill
// CHECK: %[[STATE:.*]]:3 = scf.for
// CHECK: %[[KEY:.*]] = tensor.extract_slice %[[K]]
// CHECK: %[[VALUE:.*]] = tensor.extract_slice %[[V]]
// CHECK: attn.online_attention ins(%[[QUERY]], %[[KEY]], %[[VALUE]]
// CHECK-NOT: scf.if
// CHECK: attn.normalize ins(%[[STATE]]#0, %[[STATE]]#1, %[[STATE]]#2
// CHECK: tensor.parallel_insert_slice %{{.*}} into %[[OUT]]

// 256-bit vectors: two of 8 queries.
// V3-LABEL: func.func @dense
// V3: scf.forall {{.*}} in (2, 8, 16)

// BLOCKS-LABEL: func.func @dense
// BLOCKS: scf.forall {{.*}} in (2, 8, 8)
// BLOCKS: scf.for %{{.*}} = %c0 to %c512 step %c16
func.func @dense(%q: tensor<2x8x256x64xf32>, %k: tensor<2x8x512x64xf32>,
                 %v: tensor<2x8x512x32xf32>) -> tensor<2x8x256x32xf32> {
  %init = tensor.empty() : tensor<2x8x256x32xf32>
  %out = attn.attention
    ins(%q, %k, %v : tensor<2x8x256x64xf32>, tensor<2x8x512x64xf32>,
        tensor<2x8x512x32xf32>)
    outs(%init : tensor<2x8x256x32xf32>) -> tensor<2x8x256x32xf32>
  return %out : tensor<2x8x256x32xf32>
}

// -----

// Tails: the last blocks have fewer rows, and no slice leaves its tensor.

// CHECK-LABEL: func.func @tails
// CHECK: scf.forall {{.*}} in (2)
// CHECK: %[[ROWS:.*]] = affine.min
// CHECK: tensor.extract_slice %{{.*}}[%{{.*}}, 0] [%[[ROWS]], 40] [1, 1]
// CHECK: scf.for
// CHECK: %[[KEYS:.*]] = affine.min
// CHECK: tensor.extract_slice %{{.*}}[%{{.*}}, 0] [%[[KEYS]], 40] [1, 1]
// CHECK: attn.online_attention
func.func @tails(%q: tensor<65x40xf32>, %k: tensor<257x40xf32>,
                 %v: tensor<257x40xf32>) -> tensor<65x40xf32> {
  %init = tensor.empty() : tensor<65x40xf32>
  %out = attn.attention
    ins(%q, %k, %v : tensor<65x40xf32>, tensor<257x40xf32>, tensor<257x40xf32>)
    outs(%init : tensor<65x40xf32>) -> tensor<65x40xf32>
  return %out : tensor<65x40xf32>
}

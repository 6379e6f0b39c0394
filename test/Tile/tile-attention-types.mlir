// RUN: attn-opt %s -attn-tile-attention="target=cpu:znver4 block-queries=64 block-keys=128 blocks-per-task=1" -canonicalize -cse | FileCheck %s --check-prefixes=CHECK,PAIRS
// RUN: attn-opt %s -attn-tile-attention="target=cpu:sapphirerapids block-queries=64 block-keys=128 blocks-per-task=1" -canonicalize -cse | FileCheck %s --check-prefixes=CHECK,WIDE

// bf16 where its dot product pays: pairs along the width and along the keys,
// and the scale stays out of the rounded queries. Elsewhere in f32.

// CHECK-LABEL: func.func @bf16
// PAIRS: attn.pack ins(%{{.*}} : tensor<64x64xbf16>) outs(%{{.*}} : tensor<32x64x2xbf16>) maps
// PAIRS: attn.pack {{.*}}xbf16>) outs(%{{.*}} : tensor<{{.*}}x64x2xbf16>)
// PAIRS: attn.online_attention {{.*}}
// WIDE: attn.pack ins(%{{.*}} : tensor<64x64xbf16>) outs(%{{.*}} : tensor<64x64xf32>) scale(0.180{{.*}})
// WIDE: attn.pack {{.*}}xbf16>) outs(%{{.*}}xf32>)
// WIDE: attn.pack {{.*}}xbf16>) outs(%{{.*}}xf32>)
// WIDE: attn.online_attention
// CHECK: attn.normalize {{.*}}xbf16>)
func.func @bf16(%q: tensor<64x64xbf16>, %k: tensor<512x64xbf16>,
                %v: tensor<512x64xbf16>) -> tensor<64x64xbf16> {
  %init = tensor.empty() : tensor<64x64xbf16>
  %out = attn.attention
    ins(%q, %k, %v : tensor<64x64xbf16>, tensor<512x64xbf16>,
        tensor<512x64xbf16>)
    outs(%init : tensor<64x64xbf16>) -> tensor<64x64xbf16>
  return %out : tensor<64x64xbf16>
}

// f16 is converted once per key block.

// CHECK-LABEL: func.func @f16
// CHECK: attn.pack {{.*}}xf16>) outs(%{{.*}}xf32>)
// CHECK: attn.pack {{.*}}xf16>) outs(%{{.*}}xf32>)
// CHECK: attn.pack {{.*}}xf16>) outs(%{{.*}}xf32>)
// CHECK: attn.online_attention
func.func @f16(%q: tensor<64x64xf16>, %k: tensor<512x64xf16>,
               %v: tensor<512x64xf16>) -> tensor<64x64xf16> {
  %init = tensor.empty() : tensor<64x64xf16>
  %out = attn.attention
    ins(%q, %k, %v : tensor<64x64xf16>, tensor<512x64xf16>, tensor<512x64xf16>)
    outs(%init : tensor<64x64xf16>) -> tensor<64x64xf16>
  return %out : tensor<64x64xf16>
}

// Sinks start the maximum, and the sum at 1; the log-sum-exp has a map of its
// own where the output's heads come after its rows.

// CHECK-LABEL: func.func @sinks
// CHECK-DAG: %[[ONE:.*]] = arith.constant 1.000000e+00 : f32
// CHECK-DAG: %[[LOG2E:.*]] = arith.constant 1.44269{{.*}} : f32
// CHECK: %[[SINK:.*]] = tensor.extract %{{.*}}[%{{.*}}] : tensor<4xf32>
// CHECK: %[[LOGIT:.*]] = arith.mulf %[[SINK]], %[[LOG2E]]
// CHECK: linalg.fill ins(%[[LOGIT]]
// CHECK: linalg.fill ins(%[[ONE]]
// CHECK: attn.normalize
// CHECK-SAME: outs(%{{.*}}, %{{.*}} : tensor<64x64xf32>, tensor<64xf32>)
func.func @sinks(%q: tensor<1x64x4x64xf32>, %k: tensor<1x64x4x64xf32>,
                 %v: tensor<1x64x4x64xf32>, %sinks: tensor<4xf32>)
    -> (tensor<1x64x4x64xf32>, tensor<1x4x64xf32>) {
  %init = tensor.empty() : tensor<1x64x4x64xf32>
  %lse = tensor.empty() : tensor<1x4x64xf32>
  %out:2 = attn.attention
    ins(%q, %k, %v : tensor<1x64x4x64xf32>, tensor<1x64x4x64xf32>,
        tensor<1x64x4x64xf32>)
    outs(%init, %lse : tensor<1x64x4x64xf32>, tensor<1x4x64xf32>)
    sinks(%sinks : tensor<4xf32>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (b, m, h, d)>,
      affine_map<(b, h, m, n, d, e) -> (b, n, h, d)>,
      affine_map<(b, h, m, n, d, e) -> (b, n, h, e)>,
      affine_map<(b, h, m, n, d, e) -> (b, m, h, e)>,
      affine_map<(b, h, m, n, d, e) -> (b, h, m)>]}
    -> tensor<1x64x4x64xf32>, tensor<1x4x64xf32>
  return %out#0, %out#1 : tensor<1x64x4x64xf32>, tensor<1x4x64xf32>
}

// Few queries, with their heads before and after the rows.

// CHECK-LABEL: func.func @few
// CHECK: attn.normalize
// CHECK-SAME: maps([#{{.*}}, #{{.*}}, #{{.*}}])
func.func @few(%q: tensor<1x2x4x64xf32>, %k: tensor<1x64x1x64xf32>,
               %v: tensor<1x64x1x64xf32>)
    -> (tensor<1x2x4x64xf32>, tensor<1x4x2xf32>) {
  %init = tensor.empty() : tensor<1x2x4x64xf32>
  %lse = tensor.empty() : tensor<1x4x2xf32>
  %out:2 = attn.attention
    ins(%q, %k, %v : tensor<1x2x4x64xf32>, tensor<1x64x1x64xf32>,
        tensor<1x64x1x64xf32>)
    outs(%init, %lse : tensor<1x2x4x64xf32>, tensor<1x4x2xf32>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (b, m, h, d)>,
      affine_map<(b, h, m, n, d, e) -> (b, n, h floordiv 4, d)>,
      affine_map<(b, h, m, n, d, e) -> (b, n, h floordiv 4, e)>,
      affine_map<(b, h, m, n, d, e) -> (b, m, h, e)>,
      affine_map<(b, h, m, n, d, e) -> (b, h, m)>]}
    -> tensor<1x2x4x64xf32>, tensor<1x4x2xf32>
  return %out#0, %out#1 : tensor<1x2x4x64xf32>, tensor<1x4x2xf32>
}

// RUN: attn-opt %s -attn-expand -attn-tile-attention="target=cpu:x86-64-v4 block-queries=64 block-keys=128" -remark-format=emitRemark -remarks-filter-passed='.*' -remarks-filter-missed='.*' -o /dev/null 2>&1 | FileCheck %s

// CHECK: mask understood: key blocks without a kept pair are skipped, full ones carry no mask code
// CHECK: Schedule {{.*}}tiled into blocks of {{.*}}=64{{.*}} queries x {{.*}}=128{{.*}} keys{{.*}}queries in lanes: 4 vectors of 16, 32 registers
func.func @causal(%q: tensor<1024x64xf32>, %k: tensor<1024x64xf32>,
                  %v: tensor<1024x64xf32>) -> tensor<1024x64xf32> {
  %init = tensor.empty() : tensor<1024x64xf32>
  %out = attn.attention
    ins(%q, %k, %v : tensor<1024x64xf32>, tensor<1024x64xf32>,
        tensor<1024x64xf32>)
    outs(%init : tensor<1024x64xf32>) masks(#attn.causal) -> tensor<1024x64xf32>
  return %out : tensor<1024x64xf32>
}

// CHECK: [Missed] MaskAnalysis {{.*}}mask is evaluated element by element where it depends on {{.*}}arith.muli{{.*}}: not an affine comparison of query and key index
// CHECK: Schedule {{.*}}tiled into blocks of {{.*}}=2{{.*}} queries{{.*}}features in lanes: 2 rows
func.func @opaque(%q: tensor<2x64xf32>, %k: tensor<128x64xf32>,
                  %v: tensor<128x64xf32>) -> tensor<2x64xf32> {
  %init = tensor.empty() : tensor<2x64xf32>
  %out = attn.attention
    ins(%q, %k, %v : tensor<2x64xf32>, tensor<128x64xf32>, tensor<128x64xf32>)
    outs(%init : tensor<2x64xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %seven = arith.constant 7 : index
      %product = arith.muli %i, %j : index
      %keep = arith.cmpi sgt, %product, %seven : index
      attn.yield %keep : i1
    } -> tensor<2x64xf32>
  return %out : tensor<2x64xf32>
}

// RUN: attn-opt %s -attn-expand -attn-tile-attention="target=cpu:x86-64-v4 block-queries=64 block-keys=64" -canonicalize -cse | FileCheck %s

// The loop covers the blocks with a kept pair; those all kept run without the
// mask, and no tensor holds a whole row of logits.

// CHECK-LABEL: func.func @causal
// CHECK-NOT: x1024x1024x
// CHECK: scf.forall (%[[H:.*]], %[[T:.*]]) in (4, 16)
// CHECK-NOT: x1024x1024x
// CHECK: attn.pack
// CHECK: scf.for
// CHECK-NOT: x1024x1024x
// CHECK: %{{.*}}:3 = scf.if
// CHECK: attn.online_attention
// CHECK-NOT: mask
// CHECK: } else {
// CHECK: attn.online_attention
// CHECK-SAME: origin
// CHECK: mask {
// CHECK: arith.cmpi sle
// CHECK: attn.normalize
// CHECK-NOT: x1024x1024x
// CHECK: scf.forall.in_parallel
func.func @causal(%q: tensor<1x4x1024x64xf32>, %k: tensor<1x4x1024x64xf32>,
                  %v: tensor<1x4x1024x64xf32>) -> tensor<1x4x1024x64xf32> {
  %init = tensor.empty() : tensor<1x4x1024x64xf32>
  %out = attn.attention
    ins(%q, %k, %v : tensor<1x4x1024x64xf32>, tensor<1x4x1024x64xf32>,
        tensor<1x4x1024x64xf32>)
    outs(%init : tensor<1x4x1024x64xf32>)
    masks(#attn.causal) -> tensor<1x4x1024x64xf32>
  return %out : tensor<1x4x1024x64xf32>
}

// -----

// A mask nothing is known of: every block is there and carries it.

// CHECK-LABEL: func.func @opaque
// CHECK: scf.for
// CHECK-NOT: scf.if
// CHECK: attn.online_attention
// CHECK: mask {
// CHECK: arith.muli
func.func @opaque(%q: tensor<64x64xf32>, %k: tensor<128x64xf32>,
                  %v: tensor<128x64xf32>) -> tensor<64x64xf32> {
  %init = tensor.empty() : tensor<64x64xf32>
  %out = attn.attention
    ins(%q, %k, %v : tensor<64x64xf32>, tensor<128x64xf32>, tensor<128x64xf32>)
    outs(%init : tensor<64x64xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %seven = arith.constant 7 : index
      %three = arith.constant 3 : index
      %product = arith.muli %i, %j : index
      %rest = arith.remui %product, %seven : index
      %keep = arith.cmpi ult, %rest, %three : index
      attn.yield %keep : i1
    } -> tensor<64x64xf32>
  return %out : tensor<64x64xf32>
}

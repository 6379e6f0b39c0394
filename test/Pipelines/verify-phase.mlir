// RUN: attn-opt %s -attn-verify-phase=phase=input -attn-verify-phase=phase=expand -attn-verify-phase=phase=specialize | FileCheck %s

// What a phase may leave, it leaves unchanged.

// CHECK: attn.attention
func.func @core(%q: tensor<64x64xf32>, %k: tensor<128x64xf32>,
                %v: tensor<128x64xf32>, %init: tensor<64x64xf32>)
    -> tensor<64x64xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<64x64xf32>, tensor<128x64xf32>, tensor<128x64xf32>)
    outs(%init : tensor<64x64xf32>) -> tensor<64x64xf32>
  return %out : tensor<64x64xf32>
}

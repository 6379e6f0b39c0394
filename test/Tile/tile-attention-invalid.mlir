// RUN: attn-opt %s -attn-tile-attention=target=cpu:x86-64-v4 -split-input-file -verify-diagnostics
// RUN: not attn-opt %s -attn-expand -attn-tile-attention=schedule=lanes-heads 2>&1 | FileCheck %s --check-prefix=SCHEDULE
// RUN: not attn-opt %s -attn-expand -attn-tile-attention=block-queries=1000000 2>&1 | FileCheck %s --check-prefix=SIZE
// RUN: not attn-opt %s -attn-expand -attn-tile-attention=target=cpu:z80 2>&1 | FileCheck %s --check-prefix=TARGET

// SCHEDULE: error: unknown schedule 'lanes-heads', expected auto, lanes-queries or lanes-features
// SIZE: error: expects option 'block-queries' to be between 0 and 512, but got 1000000
// TARGET: error: unknown target 'cpu:z80', expected 'host' or one of 'cpu:x86-64'

func.func @named_mask(%q: tensor<64x64xf32>, %k: tensor<128x64xf32>,
                      %v: tensor<128x64xf32>) -> tensor<64x64xf32> {
  %init = tensor.empty() : tensor<64x64xf32>
  // expected-error @below {{'attn.attention' op expects mask and score attributes to be expanded before tiling (run attn-expand)}}
  %out = attn.attention
    ins(%q, %k, %v : tensor<64x64xf32>, tensor<128x64xf32>, tensor<128x64xf32>)
    outs(%init : tensor<64x64xf32>) masks(#attn.causal) -> tensor<64x64xf32>
  return %out : tensor<64x64xf32>
}

// -----

func.func @named_score(%q: tensor<64x64xf32>, %k: tensor<128x64xf32>,
                       %v: tensor<128x64xf32>) -> tensor<64x64xf32> {
  %init = tensor.empty() : tensor<64x64xf32>
  // expected-error @below {{expects mask and score attributes to be expanded before tiling (run attn-expand)}}
  %out = attn.attention
    ins(%q, %k, %v : tensor<64x64xf32>, tensor<128x64xf32>, tensor<128x64xf32>)
    outs(%init : tensor<64x64xf32>) scores(#attn.softcap<3.0e+01>)
    -> tensor<64x64xf32>
  return %out : tensor<64x64xf32>
}

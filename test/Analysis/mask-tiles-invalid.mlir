// RUN: attn-opt %s -attn-mask-tiles -split-input-file -verify-diagnostics
// RUN: not attn-opt %s -attn-mask-tiles=block-queries=0 -split-input-file 2>&1 | FileCheck %s --check-prefix=ROWS
// RUN: not attn-opt %s -attn-mask-tiles=block-keys=-3 -split-input-file 2>&1 | FileCheck %s --check-prefix=KEYS
// RUN: not attn-opt %s -attn-compile-to="analysis=mask" 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: unknown analysis
// ROWS: error: expects option 'block-queries' to be between 1 and 2^30, but got 0
// KEYS: error: expects option 'block-keys' to be between 1 and 2^30, but got -3

func.func @named_mask(%q: tensor<64x64xf32>, %k: tensor<128x64xf32>,
                      %v: tensor<128x64xf32>) -> tensor<64x64xf32> {
  %init = tensor.empty() : tensor<64x64xf32>
  // expected-error @below {{'attn.attention' op expects mask attributes to be expanded before their tiles are shown (run attn-expand)}}
  %out = attn.attention
    ins(%q, %k, %v : tensor<64x64xf32>, tensor<128x64xf32>, tensor<128x64xf32>)
    outs(%init : tensor<64x64xf32>) masks(#attn.causal) -> tensor<64x64xf32>
  return %out : tensor<64x64xf32>
}

// -----

// expected-error @below {{'func.func' op expects 1 'attn.attention' to show the tiles of, but got 2}}
func.func @two(%q: tensor<64x64xf32>, %k: tensor<64x64xf32>,
               %v: tensor<64x64xf32>) -> tensor<64x64xf32> {
  %init = tensor.empty() : tensor<64x64xf32>
  %x = attn.attention
    ins(%q, %k, %v : tensor<64x64xf32>, tensor<64x64xf32>, tensor<64x64xf32>)
    outs(%init : tensor<64x64xf32>) -> tensor<64x64xf32>
  %out = attn.attention
    ins(%x, %k, %v : tensor<64x64xf32>, tensor<64x64xf32>, tensor<64x64xf32>)
    outs(%init : tensor<64x64xf32>) -> tensor<64x64xf32>
  return %out : tensor<64x64xf32>
}

// -----

func.func @nested(%q: tensor<64x64xf32>, %k: tensor<64x64xf32>,
                  %v: tensor<64x64xf32>, %some: i1) -> tensor<64x64xf32> {
  %init = tensor.empty() : tensor<64x64xf32>
  %out = scf.if %some -> tensor<64x64xf32> {
    // expected-error @below {{'attn.attention' op expects to stand in the one block of a function to show the tiles of its mask}}
    %x = attn.attention
      ins(%q, %k, %v : tensor<64x64xf32>, tensor<64x64xf32>, tensor<64x64xf32>)
      outs(%init : tensor<64x64xf32>) -> tensor<64x64xf32>
    scf.yield %x : tensor<64x64xf32>
  } else {
    scf.yield %init : tensor<64x64xf32>
  }
  return %out : tensor<64x64xf32>
}

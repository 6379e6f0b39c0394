// RUN: attn-opt %s -attn-verify-phase=phase=expand -split-input-file -verify-diagnostics
// RUN: not attn-opt %s -attn-verify-phase=phase=tile -split-input-file 2>&1 | FileCheck %s --check-prefix=TILE
// RUN: not attn-opt %s -attn-verify-phase=phase=codegen -split-input-file 2>&1 | FileCheck %s --check-prefix=CODEGEN
// RUN: not attn-opt %s -attn-verify-phase=phase=target -split-input-file 2>&1 | FileCheck %s --check-prefix=TARGET
// RUN: not attn-opt %s -attn-verify-phase=phase=bogus -split-input-file 2>&1 | FileCheck %s --check-prefix=PHASE

// TILE: error: 'attn.attention' has not been expanded to core operations after phase 'tile'
// TILE: error: 'attn.attention' has not been tiled after phase 'tile'
// CODEGEN: error: 'attn.pack' has no code generated for it after phase 'codegen'
// CODEGEN: error: 'tensor.dim' still works on tensors after phase 'codegen'
// TARGET: error: 'func.func' has no lowering to the LLVM dialect after phase 'target'
// PHASE: error: unknown phase 'bogus'

func.func @named(%q: tensor<64x64xf32>, %k: tensor<128x64xf32>,
                 %v: tensor<128x64xf32>, %init: tensor<64x64xf32>)
    -> tensor<64x64xf32> {
  // expected-error @below {{'attn.attention' has not been expanded to core operations after phase 'expand'}}
  %out = attn.attention
    ins(%q, %k, %v : tensor<64x64xf32>, tensor<128x64xf32>, tensor<128x64xf32>)
    outs(%init : tensor<64x64xf32>) masks(#attn.causal) -> tensor<64x64xf32>
  return %out : tensor<64x64xf32>
}

// -----

func.func @core(%q: tensor<64x64xf32>, %k: tensor<128x64xf32>,
                %v: tensor<128x64xf32>, %init: tensor<64x64xf32>)
    -> tensor<64x64xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<64x64xf32>, tensor<128x64xf32>, tensor<128x64xf32>)
    outs(%init : tensor<64x64xf32>) -> tensor<64x64xf32>
  return %out : tensor<64x64xf32>
}

// -----

func.func @tile(%x: memref<?x64xf32>, %out: memref<64x64xf32>) {
  attn.pack ins(%x : memref<?x64xf32>) outs(%out : memref<64x64xf32>)
    maps([affine_map<(h, r, c) -> (r, c)>, affine_map<(h, r, c) -> (c, r)>])
  return
}

// -----

func.func @tensors(%x: tensor<?xf32>) -> index {
  %c0 = arith.constant 0 : index
  %size = tensor.dim %x, %c0 : tensor<?xf32>
  return %size : index
}

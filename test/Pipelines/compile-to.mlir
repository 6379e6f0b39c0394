// RUN: attn-opt %s -attn-compile-to="phase=input target=cpu:x86-64-v4" | FileCheck %s --check-prefix=INPUT
// RUN: attn-opt %s -attn-compile-to="phase=expand target=cpu:x86-64-v4" | FileCheck %s --check-prefix=EXPAND
// RUN: attn-opt %s -attn-compile-to="phase=tile target=cpu:x86-64-v4" | FileCheck %s --check-prefix=TILE
// RUN: attn-opt %s -attn-compile-to="phase=codegen target=cpu:x86-64-v4" | FileCheck %s --check-prefix=CODEGEN
// RUN: attn-opt %s -attn-compile-to="phase=target target=cpu:x86-64-v4" | FileCheck %s --check-prefix=TARGET
// RUN: attn-opt %s -attn-expand-pipeline -attn-specialize-pipeline -attn-tile-pipeline="target=cpu:x86-64-v4" -attn-codegen-pipeline="target=cpu:x86-64-v4" -attn-target-pipeline="target=cpu:x86-64-v4" | FileCheck %s --check-prefix=TARGET
// RUN: not attn-opt %s -attn-compile-to=phase=bogus 2>&1 | FileCheck %s --check-prefix=BOGUS

// INPUT: attn.attention {{.*}} masks(#attn.causal)
// EXPAND-NOT: #attn.causal
// EXPAND: attn.attention
// EXPAND: mask {
// TILE-NOT: attn.attention
// TILE: scf.forall
// TILE: attn.online_attention
// CODEGEN-NOT: tensor<
// CODEGEN-NOT: attn.
// CODEGEN: scf.forall
// CODEGEN: vector.fma
// TARGET-NOT: memref
// TARGET: llvm.func @attn_parallel_for
// TARGET: llvm.func @causal(
// BOGUS: unknown phase
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

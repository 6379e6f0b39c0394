// RUN: attn-opt %s -attn-tile-attention=target=cpu:x86-64-v4 -canonicalize -cse | FileCheck %s
// RUN: attn-opt %s -attn-tile-attention="target=cpu:x86-64-v4 schedule=lanes-queries" -canonicalize -cse | FileCheck %s --check-prefix=QUERIES
// RUN: attn-opt %s -attn-tile-attention="target=cpu:x86-64-v4 schedule=lanes-features" -canonicalize -cse | FileCheck %s --check-prefix=FEATURES

// How many queries there are is known at run time: both schedules, one of them
// without tasks. The heads of a group share a pass over keys and values where
// features are in the lanes.

// CHECK-LABEL: func.func @grouped
// CHECK: %[[FEW:.*]] = arith.cmpi sle
// CHECK: %[[ROUND:.*]] = scf.forall
// CHECK: attn.online_attention
// CHECK: scf.forall {{.*}} shared_outs(%{{.*}} = %[[ROUND]])
// CHECK: attn.online_attention
// CHECK-NOT: scf.forall (

// QUERIES-LABEL: func.func @grouped
// QUERIES: scf.forall (%{{.*}}, %[[H:.*]], %{{.*}}) in (%{{.*}}, 8, %{{.*}})
// QUERIES: affine.apply {{.*}}(%[[H]])
// QUERIES: attn.online_attention
// QUERIES-NOT: scf.forall (

// FEATURES-LABEL: func.func @grouped
// FEATURES: scf.forall (%{{.*}}, %{{.*}}, %{{.*}}) in (%{{.*}}, 2, %{{.*}})
// FEATURES: attn.pack {{.*}} outs(%{{.*}} : tensor<4x2x64xf32>)
// FEATURES: attn.online_attention
// FEATURES-NOT: scf.forall (
func.func @grouped(%q: tensor<?x8x?x64xf32>, %k: tensor<?x2x?x64xf32>,
                   %v: tensor<?x2x?x64xf32>, %init: tensor<?x8x?x64xf32>)
    -> tensor<?x8x?x64xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>,
        tensor<?x2x?x64xf32>)
    outs(%init : tensor<?x8x?x64xf32>) -> tensor<?x8x?x64xf32>
  return %out : tensor<?x8x?x64xf32>
}

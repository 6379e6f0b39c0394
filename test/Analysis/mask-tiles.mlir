// RUN: attn-opt %s -attn-expand -attn-mask-tiles="block-queries=64 block-keys=32" -canonicalize -cse | FileCheck %s
// RUN: attn-opt %s -attn-expand -attn-mask-tiles="block-queries=32 split-rows" -canonicalize -cse | FileCheck %s --check-prefix=SPLIT
// RUN: attn-opt %s -attn-compile-to="phase=target analysis=mask-tiles" | FileCheck %s --check-prefix=TARGET

// Tiles of rows run beside each other; the walk goes from run to run, and each
// run marks the blocks of keys that it touches. No pair is evaluated, and the
// attention is gone.
// CHECK-LABEL: func.func @causal(
// CHECK-SAME:    %{{.*}}: index, %{{.*}}: index) -> (tensor<4x8x4xi32>, tensor<4xi32>)
// CHECK-NOT:     attn.attention
// CHECK:         scf.forall (%[[TILE:.*]]) in (4)
// CHECK:           %[[CLEAR:.*]] = scf.for {{.*}} iter_args
// CHECK:           %[[LINE:.*]]:2 = scf.while ({{.*}}, %{{.*}} = %[[CLEAR]])
// CHECK:             arith.cmpi slt
// CHECK:             scf.condition
// CHECK:           } do {
// CHECK:             scf.for
// CHECK-COUNT-4:       tensor.insert
// CHECK:           tensor.parallel_insert_slice %[[LINE]]#1 into %{{.*}}[%[[TILE]], 0, 0] [1, 8, 4]
// CHECK:           tensor.parallel_insert_slice %{{.*}} into %{{.*}}[%[[TILE]]] [1] [1]
// SPLIT-LABEL: func.func @causal(
// SPLIT:         scf.forall (%{{.*}}) in (8)
// TARGET-LABEL: llvm.func @causal
func.func @causal(%q: tensor<256x16xf32>, %k: tensor<256x16xf32>,
                  %v: tensor<256x16xf32>) -> tensor<256x16xf32> {
  %init = tensor.empty() : tensor<256x16xf32>
  %out = attn.attention
    ins(%q, %k, %v : tensor<256x16xf32>, tensor<256x16xf32>, tensor<256x16xf32>)
    outs(%init : tensor<256x16xf32>) masks(#attn.causal) -> tensor<256x16xf32>
  return %out : tensor<256x16xf32>
}

// Sizes may be known at run time only; both results' sizes follow from them.
// CHECK-LABEL: func.func @documents(
// CHECK-SAME:    -> (tensor<?x?x4xi32>, tensor<?xi32>)
// The ids are scanned once, before the tiles.
// CHECK:         scf.forall
// CHECK:         scf.forall (%{{.*}}) in (%{{.*}}) shared_outs(%{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}) -> (tensor<?x?x4xi32>, tensor<?xi32>)
func.func @documents(%q: tensor<2x4x?x16xf32>, %k: tensor<2x4x?x16xf32>,
                     %v: tensor<2x4x?x16xf32>, %o: tensor<2x4x?x16xf32>,
                     %ids: tensor<2x?xi32>) -> tensor<2x4x?x16xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<2x4x?x16xf32>, tensor<2x4x?x16xf32>,
        tensor<2x4x?x16xf32>)
    outs(%o : tensor<2x4x?x16xf32>)
    masks(#attn.documents(%ids : tensor<2x?xi32>)) -> tensor<2x4x?x16xf32>
  return %out : tensor<2x4x?x16xf32>
}

// Rows of one residue modulo 8: 8 times ceil(256 / 8 / 32) tiles.
// CHECK-LABEL: func.func @dilated(
// CHECK-SAME:    -> (tensor<4x8x4xi32>, tensor<4xi32>)
// SPLIT-LABEL: func.func @dilated(
// SPLIT-SAME:    -> (tensor<8x4x4xi32>, tensor<8xi32>)
func.func @dilated(%q: tensor<256x16xf32>, %k: tensor<256x16xf32>,
                   %v: tensor<256x16xf32>) -> tensor<256x16xf32> {
  %init = tensor.empty() : tensor<256x16xf32>
  %out = attn.attention
    ins(%q, %k, %v : tensor<256x16xf32>, tensor<256x16xf32>, tensor<256x16xf32>)
    outs(%init : tensor<256x16xf32>)
    masks(#attn.dilated<window = 64, step = 8>) -> tensor<256x16xf32>
  return %out : tensor<256x16xf32>
}

// Patches of 4 x 8 in a grid of 16 x 16: 4 * 2 tiles.
// SPLIT-LABEL: func.func @neighborhood(
// SPLIT-SAME:    -> (tensor<8x4x4xi32>, tensor<8xi32>)
func.func @neighborhood(%q: tensor<256x16xf32>, %k: tensor<256x16xf32>,
                        %v: tensor<256x16xf32>) -> tensor<256x16xf32> {
  %init = tensor.empty() : tensor<256x16xf32>
  %out = attn.attention
    ins(%q, %k, %v : tensor<256x16xf32>, tensor<256x16xf32>, tensor<256x16xf32>)
    outs(%init : tensor<256x16xf32>)
    masks(#attn.neighborhood<shape = [16, 16], window = [5, 5]>)
    -> tensor<256x16xf32>
  return %out : tensor<256x16xf32>
}

// Without a mask every key is visited.
// CHECK-LABEL: func.func @no_mask(
// CHECK-SAME:    -> (tensor<4x8x4xi32>, tensor<4xi32>)
// CHECK-NOT:     attn.attention
func.func @no_mask(%q: tensor<256x16xf32>, %k: tensor<256x16xf32>,
                   %v: tensor<256x16xf32>) -> tensor<256x16xf32> {
  %init = tensor.empty() : tensor<256x16xf32>
  %out = attn.attention
    ins(%q, %k, %v : tensor<256x16xf32>, tensor<256x16xf32>, tensor<256x16xf32>)
    outs(%init : tensor<256x16xf32>) -> tensor<256x16xf32>
  return %out : tensor<256x16xf32>
}

// Functions without attention stay.
// CHECK-LABEL: func.func @other(%{{.*}}: tensor<4xf32>) -> tensor<4xf32>
func.func @other(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

// RUN: attn-opt %s --attn-expand --split-input-file | FileCheck %s

// Ordinary rows in the destination, global rows beside it, then the choice.
// CHECK-LABEL: @longformer
//  CHECK-SAME:   (%[[Q:[^:]+]]: tensor<2x4x?x8xf32>, %[[K:[^:]+]]: tensor<2x4x?x8xf32>, %[[V:[^:]+]]: tensor<2x4x?x8xf32>,
//  CHECK-SAME:    %[[GQ:[^:]+]]: tensor<2x4x?x8xf32>, %[[GK:[^:]+]]: tensor<2x4x?x8xf32>, %[[GV:[^:]+]]: tensor<2x4x?x8xf32>,
//  CHECK-SAME:    %[[FLAGS:[^:]+]]: tensor<2x?xi8>, %[[INIT:[^:]+]]: tensor<2x4x?x8xf32>)
//       CHECK:   %[[ORDINARY:.+]] = attn.attention ins(%[[Q]], %[[K]], %[[V]] : {{.+}}) outs(%[[INIT]] : {{.+}}) scale(2.500000e-01) mask {
//       CHECK:   ^bb0(%[[B:.+]]: index, %{{.+}}: index, %[[I:.+]]: index, %[[J:.+]]: index):
//       CHECK:     %[[NEAR:.+]] = arith.andi
//       CHECK:     %[[FLAG:.+]] = tensor.extract %[[FLAGS]][%[[B]], %[[J]]]
//       CHECK:     %[[GLOBAL_KEY:.+]] = arith.cmpi ne, %[[FLAG]], %c0_i8
//       CHECK:     %[[KEEP:.+]] = arith.ori %[[NEAR]], %[[GLOBAL_KEY]] : i1
//       CHECK:     attn.yield %[[KEEP]]
//       CHECK:   %[[EMPTY:.+]] = tensor.empty(%{{.+}}) : tensor<2x4x?x8xf32>
//       CHECK:   %[[GLOBAL:.+]] = attn.attention ins(%[[GQ]], %[[GK]], %[[GV]] : {{.+}}) outs(%[[EMPTY]] : {{.+}}) scale(2.500000e-01) mask {
//       CHECK:   ^bb0(%[[B:.+]]: index, %{{.+}}: index, %[[I:.+]]: index, %{{.+}}: index):
//  CHECK-NEXT:     %[[FLAG:.+]] = tensor.extract %[[FLAGS]][%[[B]], %[[I]]]
//       CHECK:     %[[KEEP:.+]] = arith.cmpi ne, %[[FLAG]], %c0_i8
//  CHECK-NEXT:     attn.yield %[[KEEP]]
//       CHECK:   %[[OUT:.+]] = linalg.generic
//  CHECK-SAME:     ins(%[[GLOBAL]], %[[FLAGS]] : tensor<2x4x?x8xf32>, tensor<2x?xi8>) outs(%[[ORDINARY]] : tensor<2x4x?x8xf32>)
//       CHECK:     arith.select
//       CHECK:   return %[[OUT]]
func.func @longformer(%query: tensor<2x4x?x8xf32>, %key: tensor<2x4x?x8xf32>,
                      %value: tensor<2x4x?x8xf32>,
                      %global_query: tensor<2x4x?x8xf32>,
                      %global_key: tensor<2x4x?x8xf32>,
                      %global_value: tensor<2x4x?x8xf32>,
                      %is_global: tensor<2x?xi8>, %init: tensor<2x4x?x8xf32>)
    -> tensor<2x4x?x8xf32> {
  %out = attn.longformer
    ins(%query, %key, %value, %global_query, %global_key, %global_value,
        %is_global : tensor<2x4x?x8xf32>, tensor<2x4x?x8xf32>,
        tensor<2x4x?x8xf32>, tensor<2x4x?x8xf32>, tensor<2x4x?x8xf32>,
        tensor<2x4x?x8xf32>, tensor<2x?xi8>)
    outs(%init : tensor<2x4x?x8xf32>) scale(0.25) window(3)
    -> tensor<2x4x?x8xf32>
  return %out : tensor<2x4x?x8xf32>
}

// -----

// The flags follow the layout; regions hold for both kinds of rows.
// CHECK-DAG:   #[[OUTPUT:.+]] = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-DAG:   #[[FLAGS:.+]] = affine_map<(d0, d1, d2) -> (d0)>
// CHECK-LABEL: @regions
//       CHECK:   attn.attention
//       CHECK:     score {
//       CHECK:       arith.negf
//       CHECK:     } mask {
//       CHECK:       %[[OWN:.+]] = arith.cmpi ne
//       CHECK:       %[[KIND:.+]] = arith.ori
//       CHECK:       %[[KEEP:.+]] = arith.andi %[[OWN]], %[[KIND]] : i1
//       CHECK:       attn.yield %[[KEEP]]
//       CHECK:     } attributes {indexing_maps
//       CHECK:   attn.attention
//       CHECK:     score {
//       CHECK:       arith.negf
//       CHECK:     } mask {
//       CHECK:       %[[OWN:.+]] = arith.cmpi ne
//       CHECK:       %[[KIND:.+]] = tensor.extract
//       CHECK:       arith.andi %[[OWN]], %[[KIND]] : i1
//       CHECK:   linalg.generic {indexing_maps = [#[[OUTPUT]], #[[FLAGS]], #[[OUTPUT]]]
func.func @regions(%query: tensor<8x4x16xf32>, %flags: tensor<8xi1>)
    -> tensor<8x4x16xf32> {
  %out = attn.longformer
    ins(%query, %query, %query, %query, %query, %query, %flags
      : tensor<8x4x16xf32>, tensor<8x4x16xf32>, tensor<8x4x16xf32>,
        tensor<8x4x16xf32>, tensor<8x4x16xf32>, tensor<8x4x16xf32>,
        tensor<8xi1>)
    outs(%query : tensor<8x4x16xf32>) window(1)
    score {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      %t = arith.negf %s : f32
      attn.yield %t : f32
    }
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %keep = arith.cmpi ne, %i, %j : index
      attn.yield %keep : i1
    }
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (m, h, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, h, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, h, e)>,
      affine_map<(b, h, m, n, d, e) -> (m, h, e)>]}
    -> tensor<8x4x16xf32>
  return %out : tensor<8x4x16xf32>
}

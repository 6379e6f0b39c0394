// RUN: attn-opt %s --attn-expand --transform-interpreter --canonicalize --cse --split-input-file | FileCheck %s

// Tiles of b, h and m: a head's tile lies inside one group of the keys, and
// the regions still see positions in the whole problem.
//   CHECK-DAG: #[[TWO_HEADS:.+]] = affine_map<(d0) -> (d0 * 2)>
//   CHECK-DAG: #[[ROWS:.+]] = affine_map<(d0) -> (d0 * 16)>
//   CHECK-DAG: #[[GROUP:.+]] = affine_map<(d0) -> (d0 floordiv 2)>
// CHECK-LABEL: @rows
//  CHECK-SAME:   (%[[QUERY:.+]]: tensor<2x8x64x16xf32>, %[[KEY:.+]]: tensor<2x2x32x16xf32>,
//       CHECK:   scf.forall (%[[B:.+]], %[[X:.+]], %[[Y:.+]]) in (2, 4, 4)
//   CHECK-DAG:     %[[H:.+]] = affine.apply #[[TWO_HEADS]](%[[X]])
//   CHECK-DAG:     %[[M:.+]] = affine.apply #[[ROWS]](%[[Y]])
//   CHECK-DAG:     %[[G:.+]] = affine.apply #[[GROUP]](%[[X]])
//   CHECK-DAG:     %[[Q:.+]] = tensor.extract_slice %[[QUERY]][%[[B]], %[[H]], %[[M]], 0] [1, 2, 16, 16]
//   CHECK-DAG:     %[[K:.+]] = tensor.extract_slice %[[KEY]][%[[B]], %[[G]], 0, 0] [1, 1, 32, 16]
//       CHECK:     attn.attention ins(%[[Q]], %[[K]], %{{.+}} : tensor<1x2x16x16xf32>, tensor<1x1x32x16xf32>, tensor<1x1x32x16xf32>)
//  CHECK-SAME:       sinks(%{{.+}} : tensor<2xf32>) mask {
//  CHECK-NEXT:     ^bb0(%{{.+}}: index, %{{.+}}: index, %[[I:.+]]: index, %[[J:.+]]: index):
//  CHECK-NEXT:       %[[ROW:.+]] = arith.addi %[[I]], %[[M]] : index
//  CHECK-NEXT:       %[[KEEP:.+]] = arith.cmpi sle, %[[J]], %[[ROW]] : index
//  CHECK-NEXT:       attn.yield %[[KEEP]] : i1
//  CHECK-NEXT:     } -> tensor<1x2x16x16xf32>, tensor<1x2x16xf32>
func.func @rows(%query: tensor<2x8x64x16xf32>, %key: tensor<2x2x32x16xf32>,
                %lse: tensor<2x8x64xf32>, %sinks: tensor<8xf32>)
    -> (tensor<2x8x64x16xf32>, tensor<2x8x64xf32>) {
  %out:2 = attn.attention
    ins(%query, %key, %key : tensor<2x8x64x16xf32>, tensor<2x2x32x16xf32>,
        tensor<2x2x32x16xf32>)
    outs(%query, %lse : tensor<2x8x64x16xf32>, tensor<2x8x64xf32>)
    sinks(%sinks : tensor<8xf32>) masks(#attn.causal)
    -> tensor<2x8x64x16xf32>, tensor<2x8x64xf32>
  return %out#0, %out#1 : tensor<2x8x64x16xf32>, tensor<2x8x64xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(
      %root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["attn.attention"]} in %root
      : (!transform.any_op) -> !transform.any_op
    %tile, %loop = transform.structured.tile_using_forall %op
      tile_sizes [1, 2, 16]
      : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// The rows of keys are looked up by the position in the whole problem; heads
// of key and value are cut, their rows are not.
// CHECK-LABEL: @paged
//  CHECK-SAME:   (%{{[^:]+}}: tensor<2x4x8x16xf32>, %[[KEY:[^:]+]]: tensor<?x2x16xf32>, {{.*}}, %[[KEYS:[^:]+]]: index)
//       CHECK:   scf.forall (%[[B:.+]], %{{.+}}) in (2, 2)
//       CHECK:     tensor.extract_slice %[[KEY]][0, %{{.+}}, 0] [%{{.+}}, 1, 16]
//       CHECK:     attn.attention {{.+}} key_rows(%[[KEYS]] : index) {
//  CHECK-NEXT:     ^bb0(%[[LOCAL:.+]]: index, %{{.+}}: index, %[[J:.+]]: index):
//  CHECK-NEXT:       %[[SEQUENCE:.+]] = arith.addi %[[LOCAL]], %[[B]]
//       CHECK:       arith.divui %[[J]]
//       CHECK:       tensor.extract %{{.+}}[%[[SEQUENCE]], %
func.func @paged(%query: tensor<2x4x8x16xf32>, %key: tensor<?x2x16xf32>,
                 %value: tensor<?x2x16xf32>, %table: tensor<2x?xi32>,
                 %keys: index) -> tensor<2x4x8x16xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<2x4x8x16xf32>, tensor<?x2x16xf32>,
        tensor<?x2x16xf32>)
    outs(%query : tensor<2x4x8x16xf32>)

    key_rows(%keys : index)
    {
    ^bb0(%b: index, %h: index, %j: index):
      %size = arith.constant 16 : index
      %number = arith.divui %j, %size : index
      %place = arith.remui %j, %size : index
      %entry = tensor.extract %table[%b, %number] : tensor<2x?xi32>
      %page = arith.index_cast %entry : i32 to index
      %first = arith.muli %page, %size : index
      %row = arith.addi %first, %place : index
      attn.yield %row : index
    }
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (b, h, m, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, h floordiv 2, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, h floordiv 2, e)>,
      affine_map<(b, h, m, n, d, e) -> (b, h, m, e)>]}
    -> tensor<2x4x8x16xf32>
  return %out : tensor<2x4x8x16xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(
      %root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["attn.attention"]} in %root
      : (!transform.any_op) -> !transform.any_op
    %tile, %loop = transform.structured.tile_using_forall %op
      tile_sizes [1, 2]
      : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// A tile of several whole groups keeps the map; value columns may be tiled
// when there is no log-sum-exp.
// CHECK-LABEL: @groups_and_columns
//       CHECK:   scf.for
//       CHECK:     scf.for
//       CHECK:       attn.attention ins({{.+}} : tensor<4x?x16xf32>, tensor<2x?x16xf32>, tensor<2x?x8xf32>) outs(%{{.+}} : tensor<4x?x8xf32>) -> tensor<4x?x8xf32>
func.func @groups_and_columns(%query: tensor<8x?x16xf32>,
                              %key: tensor<4x?x16xf32>)
    -> tensor<8x?x16xf32> {
  %out = attn.attention
    ins(%query, %key, %key : tensor<8x?x16xf32>, tensor<4x?x16xf32>,
        tensor<4x?x16xf32>)
    outs(%query : tensor<8x?x16xf32>) -> tensor<8x?x16xf32>
  return %out : tensor<8x?x16xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(
      %root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["attn.attention"]} in %root
      : (!transform.any_op) -> !transform.any_op
    %tile, %loops:2 = transform.structured.tile_using_for %op
      tile_sizes [0, 4, 0, 0, 0, 8]
      : (!transform.any_op)
      -> (!transform.any_op, !transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// A tile of the result pulls the operation into the consumer's loop.
// CHECK-LABEL: @fused
//       CHECK:   scf.forall
//       CHECK:     %[[TILE:.+]] = attn.attention
//       CHECK:     linalg.exp ins(%[[TILE]] : tensor<16x8xf32>)
func.func @fused(%query: tensor<64x8xf32>, %key: tensor<?x8xf32>)
    -> tensor<64x8xf32> {
  %attended = attn.attention
    ins(%query, %key, %key : tensor<64x8xf32>, tensor<?x8xf32>,
        tensor<?x8xf32>)
    outs(%query : tensor<64x8xf32>) -> tensor<64x8xf32>
  %out = linalg.exp ins(%attended : tensor<64x8xf32>)
    outs(%query : tensor<64x8xf32>) -> tensor<64x8xf32>
  return %out : tensor<64x8xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(
      %root: !transform.any_op {transform.readonly}) {
    %consumer = transform.structured.match ops{["linalg.exp"]} in %root
      : (!transform.any_op) -> !transform.any_op
    %producer = transform.structured.match ops{["attn.attention"]} in %root
      : (!transform.any_op) -> !transform.any_op
    %tile, %loop = transform.structured.tile_using_forall %consumer
      tile_sizes [16]
      : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    %fused, %new = transform.structured.fuse_into_containing_op %producer
      into %loop
      : (!transform.any_op, !transform.any_op)
      -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

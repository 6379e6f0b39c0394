// RUN: attn-opt %s --transform-interpreter --canonicalize --cse --split-input-file | FileCheck %s

// The state is carried along the keys; the offsets go into the origin.
// CHECK-LABEL: @keys
//  CHECK-SAME:   (%[[QUERY:.+]]: tensor<64x8xf32>, %[[KEY:.+]]: tensor<?x8xf32>, %[[ACC:.+]]: tensor<64x8xf32>, %[[MAX:.+]]: tensor<64xf32>, %[[SUM:.+]]: tensor<64xf32>)
//   CHECK-DAG:   %[[ZERO:.+]] = arith.constant 0 : index
//       CHECK:   scf.for %[[N:.+]] = %{{.+}} iter_args(%[[A:.+]] = %[[ACC]], %[[M:.+]] = %[[MAX]], %[[S:.+]] = %[[SUM]])
//       CHECK:     %[[K:.+]] = tensor.extract_slice %[[KEY]][%[[N]], 0]
//       CHECK:     attn.online_attention ins(%[[QUERY]], %[[K]], %{{.+}}) outs(%[[A]], %[[M]], %[[S]] :
//  CHECK-SAME:       logit_scale(2.000000e+00) origin(%[[ZERO]], %[[ZERO]], %[[ZERO]], %[[N]]) mask
//       CHECK:     scf.yield
func.func @keys(%query: tensor<64x8xf32>, %key: tensor<?x8xf32>,
                %acc: tensor<64x8xf32>, %max: tensor<64xf32>,
                %sum: tensor<64xf32>) -> tensor<64x8xf32> {
  %state:3 = attn.online_attention
    ins(%query, %key, %key : tensor<64x8xf32>, tensor<?x8xf32>,
        tensor<?x8xf32>)
    outs(%acc, %max, %sum : tensor<64x8xf32>, tensor<64xf32>, tensor<64xf32>)
    logit_scale(2.0)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %keep = arith.cmpi sle, %j, %i : index
      attn.yield %keep : i1
    }
    -> tensor<64x8xf32>, tensor<64xf32>, tensor<64xf32>
  return %state#0 : tensor<64x8xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(
      %root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["attn.online_attention"]} in %root
      : (!transform.any_op) -> !transform.any_op
    %tile, %loop = transform.structured.tile_using_for %op
      tile_sizes [0, 0, 0, 16]
      : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// Of a list the tile takes a part; keys and values may lie anywhere and stay
// whole.
// CHECK-LABEL: @listed
//  CHECK-SAME:   (%[[QUERY:.+]]: tensor<64x8xf32>, %[[KEY:.+]]: tensor<100x8xf32>, %{{.+}}: tensor<64xf32>, %[[LIST:.+]]: tensor<?xindex>)
//       CHECK:   %[[SIZE:.+]] = tensor.dim %[[LIST]]
//       CHECK:   scf.for %[[N:.+]] = %{{.+}} to %[[SIZE]]
//       CHECK:     %[[PART:.+]] = tensor.extract_slice %[[LIST]][%[[N]]]
//       CHECK:     attn.online_attention ins(%[[QUERY]], %[[KEY]], %[[KEY]] :
//  CHECK-SAME:       origin(%{{.+}}, %{{.+}}, %{{.+}}, %[[N]]) key_rows(%[[PART]] : tensor<?xindex>)
func.func @listed(%query: tensor<64x8xf32>, %key: tensor<100x8xf32>,
                  %max: tensor<64xf32>, %list: tensor<?xindex>)
    -> tensor<64x8xf32> {
  %state:3 = attn.online_attention
    ins(%query, %key, %key : tensor<64x8xf32>, tensor<100x8xf32>,
        tensor<100x8xf32>)
    outs(%query, %max, %max : tensor<64x8xf32>, tensor<64xf32>, tensor<64xf32>)
    key_rows(%list : tensor<?xindex>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %n: index):
      %j = tensor.extract %list[%n] : tensor<?xindex>
      %keep = arith.cmpi sle, %j, %i : index
      attn.yield %keep : i1
    }
    -> tensor<64x8xf32>, tensor<64xf32>, tensor<64xf32>
  return %state#0 : tensor<64x8xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(
      %root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["attn.online_attention"]} in %root
      : (!transform.any_op) -> !transform.any_op
    %tile, %loop = transform.structured.tile_using_for %op
      tile_sizes [0, 0, 0, 16]
      : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// Offsets are added to an origin; a tile has as many valid rows as are left,
// and one past them repeats the last.
//   CHECK-DAG: #[[SHIFT:.+]] = affine_map<(d0)[s0] -> (s0 - 1, d0 * 16)>
//   CHECK-DAG: #[[MOVED:.+]] = affine_map<(d0)[s0] -> (d0 + s0)>
// CHECK-LABEL: @rows
//  CHECK-SAME:   %[[I:[^:]+]]: index, %[[J:[^:]+]]: index, %[[ROWS:[^:]+]]: index)
//       CHECK:   scf.forall (%{{.+}}) in (4)
//   CHECK-DAG:     %[[STEP:.+]] = affine.min #[[SHIFT]](%{{.+}})[%[[ROWS]]]
//   CHECK-DAG:     %[[LEFT:.+]] = affine.min #{{.+}}(%[[STEP]])[%[[ROWS]]]
//   CHECK-DAG:     %[[ORIGIN:.+]] = affine.apply #[[MOVED]](%[[STEP]])[%[[I]]]
//       CHECK:     attn.online_attention {{.*}} origin(%{{.+}}, %{{.+}}, %[[ORIGIN]], %[[J]]) rows(%[[LEFT]])
func.func @rows(%query: tensor<64x8xf32>, %max: tensor<64xf32>, %i: index,
                %j: index, %rows: index) -> tensor<64x8xf32> {
  %zero = arith.constant 0 : index
  %state:3 = attn.online_attention
    ins(%query, %query, %query : tensor<64x8xf32>, tensor<64x8xf32>,
        tensor<64x8xf32>)
    outs(%query, %max, %max : tensor<64x8xf32>, tensor<64xf32>, tensor<64xf32>)
    origin(%zero, %zero, %i, %j) rows(%rows)
    -> tensor<64x8xf32>, tensor<64xf32>, tensor<64xf32>
  return %state#0 : tensor<64x8xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(
      %root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["attn.online_attention"]} in %root
      : (!transform.any_op) -> !transform.any_op
    %tile, %loop = transform.structured.tile_using_forall %op
      tile_sizes [0, 0, 16]
      : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// Each part of the keys has a state that starts empty; attn.merge joins them
// to the one given.
// CHECK-LABEL: @split_keys
//  CHECK-SAME:   %[[ACC:[^:]+]]: tensor<64x8xf32>, %[[MAX:[^:]+]]: tensor<64xf32>, %[[SUM:[^:]+]]: tensor<64xf32>)
//   CHECK-DAG:   %[[LOWEST:.+]] = arith.constant 0xFF800000 : f32
//   CHECK-DAG:   %[[EMPTY:.+]] = linalg.fill ins(%[[LOWEST]] : f32) {{.*}} -> tensor<4x64xf32>
//       CHECK:   %[[PARTS:.+]]:3 = scf.forall (%[[PART:.+]]) in (4) shared_outs(%[[A:.+]] = %{{.+}}, %{{.+}} = %[[EMPTY]], %{{.+}} = %{{.+}})
//       CHECK:     tensor.extract_slice %[[A]][%[[PART]], 0, 0] [1, 64, 8]
//       CHECK:     attn.online_attention
//       CHECK:     tensor.parallel_insert_slice %{{.+}} into %[[A]][%[[PART]], 0, 0]
//       CHECK:   scf.for %[[I:.+]] = {{.*}} iter_args(%[[A2:.+]] = %[[ACC]], %[[M2:.+]] = %[[MAX]], %[[S2:.+]] = %[[SUM]])
//       CHECK:     %[[OWN:.+]] = tensor.extract_slice %[[PARTS]]#0[%[[I]], 0, 0]
//       CHECK:     attn.merge ins(%[[OWN]], {{.*}} outs(%[[A2]], %[[M2]], %[[S2]] :
func.func @split_keys(%query: tensor<64x8xf32>, %key: tensor<?x8xf32>,
                      %acc: tensor<64x8xf32>, %max: tensor<64xf32>,
                      %sum: tensor<64xf32>) -> tensor<64x8xf32> {
  %state:3 = attn.online_attention
    ins(%query, %key, %key : tensor<64x8xf32>, tensor<?x8xf32>,
        tensor<?x8xf32>)
    outs(%acc, %max, %sum : tensor<64x8xf32>, tensor<64xf32>, tensor<64xf32>)
    -> tensor<64x8xf32>, tensor<64xf32>, tensor<64xf32>
  return %state#0 : tensor<64x8xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(
      %root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["attn.online_attention"]} in %root
      : (!transform.any_op) -> !transform.any_op
    %fills:3, %part, %merge, %loop =
      transform.structured.tile_reduction_using_forall %op
      reduction_dims = [3] by num_threads = [0, 0, 0, 4]
      tile_sizes = [0, 0, 0, 16]
      : (!transform.any_op)
      -> (!transform.any_op, !transform.any_op, !transform.any_op,
          !transform.any_op, !transform.any_op, !transform.any_op)
    transform.yield
  }
}

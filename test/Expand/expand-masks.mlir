// RUN: attn-opt %s --attn-expand --split-input-file | FileCheck %s

// CHECK-LABEL: @dilated
//       CHECK:   ^bb0(%{{.+}}: index, %{{.+}}: index, %[[I:.+]]: index, %[[J:.+]]: index):
//       CHECK:     %[[NEAR:.+]] = arith.andi
//       CHECK:     %[[DISTANCE:.+]] = arith.subi %[[I]], %[[J]] : index
//       CHECK:     %[[STEP:.+]] = arith.constant 3 : index
//       CHECK:     %[[REST:.+]] = arith.remsi %[[DISTANCE]], %[[STEP]] : index
//       CHECK:     %[[WHOLE:.+]] = arith.cmpi eq, %[[REST]], %{{.+}} : index
//       CHECK:     %[[KEEP:.+]] = arith.andi %[[NEAR]], %[[WHOLE]] : i1
//       CHECK:     attn.yield %[[KEEP]] : i1
func.func @dilated(%query: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<8x8xf32>, tensor<8x8xf32>,
        tensor<8x8xf32>)
    outs(%query : tensor<8x8xf32>) masks(#attn.dilated<window = 6, step = 3>)
    -> tensor<8x8xf32>
  return %out : tensor<8x8xf32>
}

// -----

// A step of 1 divides nothing.
// CHECK-LABEL: @dilated_by_one
//   CHECK-NOT:   arith.remsi
//       CHECK:   attn.yield
func.func @dilated_by_one(%query: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<8x8xf32>, tensor<8x8xf32>,
        tensor<8x8xf32>)
    outs(%query : tensor<8x8xf32>) masks(#attn.dilated<window = 6, step = 1>)
    -> tensor<8x8xf32>
  return %out : tensor<8x8xf32>
}

// -----

// Each step is one case, chosen by the head.
// CHECK-LABEL: @dilated_by_head
//       CHECK:   %[[STEPS:.+]] = arith.constant dense<[1, 3, 1, 3]> : tensor<4xi64>
//       CHECK:   ^bb0(%{{.+}}: index, %[[H:.+]]: index, %{{.+}}: index, %{{.+}}: index):
//       CHECK:     %[[OWN:.+]] = tensor.extract %[[STEPS]][%[[H]]]
//       CHECK:     %[[STEP:.+]] = arith.index_cast %[[OWN]] : i64 to index
//       CHECK:     %[[ONE:.+]] = arith.cmpi eq, %[[STEP]], %c1
//       CHECK:     %[[THREE:.+]] = arith.cmpi eq, %[[STEP]], %c3
//       CHECK:     arith.remsi %{{.+}}, %c3
//       CHECK:     %[[THIRD:.+]] = arith.andi %[[THREE]], %{{.+}} : i1
//       CHECK:     arith.ori %[[ONE]], %[[THIRD]] : i1
func.func @dilated_by_head(%query: tensor<4x8x8xf32>) -> tensor<4x8x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x8x8xf32>, tensor<4x8x8xf32>,
        tensor<4x8x8xf32>)
    outs(%query : tensor<4x8x8xf32>)
    masks(#attn.dilated<window = 6, steps = [1, 3, 1, 3]>)
    -> tensor<4x8x8xf32>
  return %out : tensor<4x8x8xf32>
}

// -----

// CHECK-LABEL: @segments
//       CHECK:   ^bb0(%{{.+}}: index, %{{.+}}: index, %[[I:.+]]: index, %[[J:.+]]: index):
//       CHECK:     %[[ROW:.+]] = arith.floordivsi %[[I]], %c4
//       CHECK:     %[[COLUMN:.+]] = arith.floordivsi %[[J]], %c4
//       CHECK:     arith.cmpi eq, %[[ROW]], %[[COLUMN]] : index
func.func @segments(%query: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<8x8xf32>, tensor<8x8xf32>,
        tensor<8x8xf32>)
    outs(%query : tensor<8x8xf32>) masks(#attn.segments<4>)
    -> tensor<8x8xf32>
  return %out : tensor<8x8xf32>
}

// -----

// The window starts at x - 1, moved to where it fits: [0, 5 - 3].
// CHECK-LABEL: @neighborhood
//       CHECK:   ^bb0(%{{.+}}: index, %{{.+}}: index, %[[I:.+]]: index, %[[J:.+]]: index):
//       CHECK:     %[[ROW_OF_I:.+]] = arith.floordivsi %[[I]], %c5
//       CHECK:     %[[START_OF_I:.+]] = arith.muli %[[ROW_OF_I]], %c5
//       CHECK:     %[[X:.+]] = arith.subi %[[I]], %[[START_OF_I]] : index
//       CHECK:     %[[Y:.+]] = arith.subi %[[J]], %{{.+}} : index
//       CHECK:     %[[LEFT:.+]] = arith.addi %[[X]], %c-1
//       CHECK:     %[[INSIDE:.+]] = arith.maxsi %[[LEFT]], %c0
//       CHECK:     %[[FIRST:.+]] = arith.minsi %[[INSIDE]], %c2
//       CHECK:     arith.cmpi sge, %[[Y]], %[[FIRST]] : index
//       CHECK:     %[[LAST:.+]] = arith.addi %[[FIRST]], %c2
//       CHECK:     arith.cmpi sle, %[[Y]], %[[LAST]] : index
//       CHECK:     %[[ROW:.+]] = arith.floordivsi %[[I]], %c5
//       CHECK:     arith.addi %[[ROW]], %c-2
func.func @neighborhood(%query: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<?x8xf32>, tensor<?x8xf32>,
        tensor<?x8xf32>)
    outs(%query : tensor<?x8xf32>)
    masks(#attn.neighborhood<shape = [6, 5], window = [5, 3]>)
    -> tensor<?x8xf32>
  return %out : tensor<?x8xf32>
}

// -----

// Seven tokens of step 2 are four and three: the last start depends on x.
// CHECK-LABEL: @neighborhood_dilated
//       CHECK:   ^bb0(%{{.+}}: index, %{{.+}}: index, %[[I:.+]]: index, %[[J:.+]]: index):
//       CHECK:     %[[EVEN:.+]] = arith.muli %{{.+}}, %c2
//       CHECK:     %[[RESIDUE:.+]] = arith.subi %[[I]], %[[EVEN]] : index
//       CHECK:     %[[OTHER:.+]] = arith.subi %[[J]], %{{.+}} : index
//       CHECK:     %[[SAME:.+]] = arith.cmpi eq, %[[RESIDUE]], %[[OTHER]]
//       CHECK:     %[[REST:.+]] = arith.subi %c6{{.*}}, %[[RESIDUE]]
//       CHECK:     %[[COUNT:.+]] = arith.floordivsi %[[REST]], %c2
//       CHECK:     %[[LAST:.+]] = arith.addi %[[COUNT]], %c-2
//       CHECK:     arith.minsi %{{.+}}, %[[LAST]]
//       CHECK:     %[[INSIDE:.+]] = arith.andi
//       CHECK:     arith.andi %[[SAME]], %[[INSIDE]] : i1
func.func @neighborhood_dilated(%query: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<?x8xf32>, tensor<?x8xf32>,
        tensor<?x8xf32>)
    outs(%query : tensor<?x8xf32>)
    masks(#attn.neighborhood<shape = [7], window = [3], dilation = [2]>)
    -> tensor<?x8xf32>
  return %out : tensor<?x8xf32>
}

// -----

// Windows that cover their axes leave nothing to compare.
// CHECK-LABEL: @whole_neighborhood
//       CHECK:   %[[KEEP:.+]] = arith.constant true
//       CHECK:   attn.yield %[[KEEP]]
func.func @whole_neighborhood(%query: tensor<15x8xf32>) -> tensor<15x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<15x8xf32>, tensor<15x8xf32>,
        tensor<15x8xf32>)
    outs(%query : tensor<15x8xf32>)
    masks(#attn.neighborhood<shape = [3, 5], window = [3, 5]>)
    -> tensor<15x8xf32>
  return %out : tensor<15x8xf32>
}

// -----

// CHECK-LABEL: @documents
//  CHECK-SAME:   %[[IDS:[^:]+]]: tensor<2x?xi32>, %[[KEY_IDS:[^:]+]]: tensor<?xi32>)
//       CHECK:   ^bb0(%[[B:.+]]: index, %{{.+}}: index, %[[I:.+]]: index, %[[J:.+]]: index):
//  CHECK-NEXT:     %[[OWN:.+]] = tensor.extract %[[IDS]][%[[B]], %[[I]]]
//  CHECK-NEXT:     %[[OTHER:.+]] = tensor.extract %[[KEY_IDS]][%[[J]]]
//  CHECK-NEXT:     %[[KEEP:.+]] = arith.cmpi eq, %[[OWN]], %[[OTHER]] : i32
//  CHECK-NEXT:     attn.yield %[[KEEP]] : i1
func.func @documents(%query: tensor<2x4x?x8xf32>, %ids: tensor<2x?xi32>,
                     %key_ids: tensor<?xi32>) -> tensor<2x4x?x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x4x?x8xf32>, tensor<2x4x?x8xf32>,
        tensor<2x4x?x8xf32>)
    outs(%query : tensor<2x4x?x8xf32>)
    masks(#attn.documents(%ids, %key_ids : tensor<2x?xi32>, tensor<?xi32>))
    -> tensor<2x4x?x8xf32>
  return %out : tensor<2x4x?x8xf32>
}

// -----

// CHECK-LABEL: @longformer
//  CHECK-SAME:   %[[GLOBAL:[^:]+]]: tensor<?xi1>)
//       CHECK:   ^bb0(%{{.+}}: index, %{{.+}}: index, %[[I:.+]]: index, %[[J:.+]]: index):
//       CHECK:     %[[NEAR:.+]] = arith.andi
//       CHECK:     %[[KEY:.+]] = tensor.extract %[[GLOBAL]][%[[J]]]
//       CHECK:     %[[QUERY:.+]] = tensor.extract %[[GLOBAL]][%[[I]]]
//       CHECK:     %[[ANY:.+]] = arith.ori %[[QUERY]], %[[KEY]] : i1
//       CHECK:     %[[KEEP:.+]] = arith.ori %[[NEAR]], %[[ANY]] : i1
//       CHECK:     attn.yield %[[KEEP]] : i1
func.func @longformer(%query: tensor<?x8xf32>, %is_global: tensor<?xi1>)
    -> tensor<?x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<?x8xf32>, tensor<?x8xf32>,
        tensor<?x8xf32>)
    outs(%query : tensor<?x8xf32>)
    masks(#attn.longformer<4>(%is_global : tensor<?xi1>))
    -> tensor<?x8xf32>
  return %out : tensor<?x8xf32>
}

// -----

// Bytes are true where they are not 0; queries do not matter.
// CHECK-LABEL: @global_keys
//       CHECK:   ^bb0(%{{.+}}: index, %{{.+}}: index, %{{.+}}: index, %[[J:.+]]: index):
//  CHECK-NEXT:     %[[OWN:.+]] = tensor.extract %{{.+}}[%[[J]]] : tensor<?xi8>
//       CHECK:     %[[KEEP:.+]] = arith.cmpi ne, %[[OWN]], %c0_i8 : i8
//       CHECK:     attn.yield %[[KEEP]] : i1
func.func @global_keys(%query: tensor<?x8xf32>, %is_global: tensor<?xi8>)
    -> tensor<?x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<?x8xf32>, tensor<?x8xf32>,
        tensor<?x8xf32>)
    outs(%query : tensor<?x8xf32>)
    masks(#attn.global_tokens<symmetric = false>(%is_global : tensor<?xi8>))
    -> tensor<?x8xf32>
  return %out : tensor<?x8xf32>
}

// -----

// A dimension of size 1 is broadcast.
// CHECK-LABEL: @blocks
//       CHECK:   ^bb0(%{{.+}}: index, %[[H:.+]]: index, %[[I:.+]]: index, %[[J:.+]]: index):
//       CHECK:     %[[ROW:.+]] = arith.floordivsi %[[I]], %c16
//       CHECK:     %[[COLUMN:.+]] = arith.floordivsi %[[J]], %c8
//       CHECK:     %[[KEEP:.+]] = tensor.extract %{{.+}}[%c0, %[[H]], %[[ROW]], %[[COLUMN]]]
//       CHECK:     attn.yield %[[KEEP]] : i1
func.func @blocks(%query: tensor<2x4x?x8xf32>, %table: tensor<1x?x?x?xi1>)
    -> tensor<2x4x?x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x4x?x8xf32>, tensor<2x4x?x8xf32>,
        tensor<2x4x?x8xf32>)
    outs(%query : tensor<2x4x?x8xf32>)
    masks(#attn.blocks<block_q = 16, block_kv = 8>(%table : tensor<1x?x?x?xi1>))
    -> tensor<2x4x?x8xf32>
  return %out : tensor<2x4x?x8xf32>
}

// -----

// Eight blocks: a window of one, the first and the seventh, and the table's.
// CHECK-LABEL: @bigbird
//  CHECK-SAME:   %[[TABLE:[^:]+]]: tensor<4x8x2xi32>)
//       CHECK:   ^bb0(%{{.+}}: index, %[[H:.+]]: index, %[[I:.+]]: index, %[[J:.+]]: index):
//       CHECK:     %[[ROW:.+]] = arith.floordivsi %[[I]], %c8
//       CHECK:     %[[COLUMN:.+]] = arith.floordivsi %[[J]], %c8
//       CHECK:     arith.cmpi slt, %[[ROW]], %c1
//       CHECK:     arith.cmpi sgt, %[[ROW]], %c6
//       CHECK:     arith.cmpi slt, %[[COLUMN]], %c1
//       CHECK:     arith.cmpi sgt, %[[COLUMN]], %c6
//       CHECK:     %[[FIRST:.+]] = tensor.extract %[[TABLE]][%[[H]], %[[ROW]], %c0{{.*}}]
//       CHECK:     %[[PICKED:.+]] = arith.index_cast %[[FIRST]] : i32 to index
//       CHECK:     arith.cmpi eq, %[[PICKED]], %[[COLUMN]] : index
//       CHECK:     tensor.extract %[[TABLE]][%[[H]], %[[ROW]], %c1{{.*}}]
func.func @bigbird(%query: tensor<2x4x64x8xf32>, %table: tensor<4x8x2xi32>)
    -> tensor<2x4x64x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x4x64x8xf32>, tensor<2x4x64x8xf32>,
        tensor<2x4x64x8xf32>)
    outs(%query : tensor<2x4x64x8xf32>)
    masks(#attn.bigbird<block = 8>(%table : tensor<4x8x2xi32>))
    -> tensor<2x4x64x8xf32>
  return %out : tensor<2x4x64x8xf32>
}

// -----

// Without blocks at the ends nothing asks for the sizes.
// CHECK-LABEL: @bigbird_without_ends
//   CHECK-NOT:   tensor.dim
//       CHECK:   attn.attention
//   CHECK-NOT:   arith.cmpi slt
//       CHECK:   attn.yield
func.func @bigbird_without_ends(%query: tensor<?x8xf32>, %table: tensor<?x1xi64>)
    -> tensor<?x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<?x8xf32>, tensor<?x8xf32>,
        tensor<?x8xf32>)
    outs(%query : tensor<?x8xf32>)
    masks(#attn.bigbird<block = 8, global_blocks = 0>(%table : tensor<?x1xi64>))
    -> tensor<?x8xf32>
  return %out : tensor<?x8xf32>
}

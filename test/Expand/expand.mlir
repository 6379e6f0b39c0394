// RUN: attn-opt %s --attn-expand --split-input-file | FileCheck %s

// One comparison, nothing else.
// CHECK-LABEL: @causal
//       CHECK:   attn.attention {{.*}} mask {
//  CHECK-NEXT:   ^bb0(%{{.+}}: index, %{{.+}}: index, %[[I:.+]]: index, %[[J:.+]]: index):
//  CHECK-NEXT:     %[[KEEP:.+]] = arith.cmpi sle, %[[J]], %[[I]] : index
//  CHECK-NEXT:     attn.yield %[[KEEP]] : i1
//  CHECK-NEXT:   } ->
func.func @causal(%query: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query : tensor<4x8xf32>) masks(#attn.causal) -> tensor<4x8xf32>
  return %out : tensor<4x8xf32>
}

// -----

// S - L and the offset are one constant when static.
// CHECK-LABEL: @bottom_right_static
//       CHECK:   ^bb0(%{{.+}}: index, %{{.+}}: index, %[[I:.+]]: index, %[[J:.+]]: index):
//  CHECK-NEXT:     %[[OFFSET:.+]] = arith.constant 13 : index
//  CHECK-NEXT:     %[[LAST:.+]] = arith.addi %[[I]], %[[OFFSET]] : index
//  CHECK-NEXT:     arith.cmpi sle, %[[J]], %[[LAST]] : index
func.func @bottom_right_static(%query: tensor<6x8xf32>, %key: tensor<16x8xf32>)
    -> tensor<6x8xf32> {
  %out = attn.attention
    ins(%query, %key, %key : tensor<6x8xf32>, tensor<16x8xf32>,
        tensor<16x8xf32>)
    outs(%query : tensor<6x8xf32>) masks(#attn.causal<bottom_right, offset = 3>)
    -> tensor<6x8xf32>
  return %out : tensor<6x8xf32>
}

// -----

// Sizes are asked for outside the region.
// CHECK-LABEL: @bottom_right_dynamic
//  CHECK-SAME:   (%[[QUERY:.+]]: tensor<?x8xf32>, %[[KEY:.+]]: tensor<?x8xf32>)
//   CHECK-DAG:   %[[L:.+]] = tensor.dim %[[QUERY]]
//   CHECK-DAG:   %[[S:.+]] = tensor.dim %[[KEY]]
//       CHECK:   attn.attention
//       CHECK:   ^bb0(%{{.+}}: index, %{{.+}}: index, %[[I:.+]]: index, %[[J:.+]]: index):
//  CHECK-NEXT:     %[[MORE:.+]] = arith.subi %[[S]], %[[L]] : index
//  CHECK-NEXT:     %[[LAST:.+]] = arith.addi %[[I]], %[[MORE]] : index
//  CHECK-NEXT:     arith.cmpi sle, %[[J]], %[[LAST]] : index
func.func @bottom_right_dynamic(%query: tensor<?x8xf32>,
                                %key: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %out = attn.attention
    ins(%query, %key, %key : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>)
    outs(%query : tensor<?x8xf32>) masks(#attn.causal<bottom_right>)
    -> tensor<?x8xf32>
  return %out : tensor<?x8xf32>
}

// -----

// Keys are counted where they lie anywhere, not rows.
// CHECK-LABEL: @bottom_right_key_rows
//  CHECK-SAME:   %[[KEYS:[^:]+]]: index)
//       CHECK:   attn.attention
//       CHECK:     %[[MORE:.+]] = arith.subi %[[KEYS]], %{{.+}} : index
//       CHECK:   key_rows(%[[KEYS]] : index)
func.func @bottom_right_key_rows(%query: tensor<?x8xf32>,
                                 %key: tensor<?x8xf32>, %keys: index)
    -> tensor<?x8xf32> {
  %out = attn.attention
    ins(%query, %key, %key : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>)
    outs(%query : tensor<?x8xf32>) masks(#attn.causal<bottom_right>)
    key_rows(%keys : index) {
    ^bb0(%b: index, %h: index, %j: index):
      %two = arith.constant 2 : index
      %row = arith.muli %j, %two : index
      attn.yield %row : index
    }
    -> tensor<?x8xf32>
  return %out : tensor<?x8xf32>
}

// -----

// CHECK-LABEL: @offset_of_batch
//  CHECK-SAME:   %[[OFFSETS:[^:]+]]: tensor<2xi32>)
//       CHECK:   ^bb0(%[[B:.+]]: index, %{{.+}}: index, %[[I:.+]]: index, %[[J:.+]]: index):
//       CHECK:     %[[OWN:.+]] = tensor.extract %[[OFFSETS]][%[[B]]] : tensor<2xi32>
//       CHECK:     %[[OFFSET:.+]] = arith.index_cast %[[OWN]] : i32 to index
//       CHECK:     %[[LAST:.+]] = arith.addi %[[I]], %[[OFFSET]] : index
//       CHECK:     arith.cmpi sle, %[[J]], %[[LAST]] : index
func.func @offset_of_batch(%query: tensor<2x8x4x8xf32>,
                           %offsets: tensor<2xi32>) -> tensor<2x8x4x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.causal(%offsets : tensor<2xi32>)) -> tensor<2x8x4x8xf32>
  return %out : tensor<2x8x4x8xf32>
}

// -----

// CHECK-LABEL: @window
//   CHECK-DAG:   %[[FIRST_OFFSET:.+]] = arith.constant -3 : index
//   CHECK-DAG:   %[[FIRST:.+]] = arith.addi %[[I:.+]], %[[FIRST_OFFSET]]
//   CHECK-DAG:   %[[AFTER:.+]] = arith.cmpi sge, %[[J:.+]], %[[FIRST]]
//   CHECK-DAG:   %[[BEFORE:.+]] = arith.cmpi sle, %[[J]], %[[I]] : index
//       CHECK:   arith.andi %[[AFTER]], %[[BEFORE]] : i1
func.func @window(%query: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query : tensor<4x8xf32>) masks(#attn.window<left = 3, right = 0>)
    -> tensor<4x8xf32>
  return %out : tensor<4x8xf32>
}

// -----

// An unbounded window leaves nothing behind beside another mask.
// CHECK-LABEL: @unbounded_window
//       CHECK:   mask {
//  CHECK-NEXT:   ^bb0
//  CHECK-NEXT:     %[[LENGTH:.+]] = arith.constant 4 : index
//  CHECK-NEXT:     %[[KEEP:.+]] = arith.cmpi slt, %{{.+}}, %[[LENGTH]] : index
//  CHECK-NEXT:     attn.yield %[[KEEP]] : i1
func.func @unbounded_window(%query: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<8x8xf32>, tensor<8x8xf32>,
        tensor<8x8xf32>)
    outs(%query : tensor<8x8xf32>) masks(#attn.window, #attn.prefix<4>)
    -> tensor<8x8xf32>
  return %out : tensor<8x8xf32>
}

// -----

// Attributes come before the region; both must keep a pair.
// CHECK-LABEL: @with_region
//   CHECK-NOT:   masks(
//       CHECK:   %[[NEAR:.+]] = arith.cmpi sle
//       CHECK:   %[[VALID:.+]] = arith.cmpi slt
//       CHECK:   %[[BOTH:.+]] = arith.andi %[[NEAR]], %[[VALID]] : i1
//       CHECK:   %[[OWN:.+]] = arith.cmpi ne
//       CHECK:   %[[ALL:.+]] = arith.andi %[[BOTH]], %[[OWN]] : i1
//       CHECK:   attn.yield %[[ALL]] : i1
func.func @with_region(%query: tensor<1x1x4x8xf32>, %lengths: tensor<1xi64>)
    -> tensor<1x1x4x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<1x1x4x8xf32>, tensor<1x1x4x8xf32>,
        tensor<1x1x4x8xf32>)
    outs(%query : tensor<1x1x4x8xf32>)
    masks(#attn.causal, #attn.key_lengths(%lengths : tensor<1xi64>))
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %keep = arith.cmpi ne, %j, %i : index
      attn.yield %keep : i1
    }
    -> tensor<1x1x4x8xf32>
  return %out : tensor<1x1x4x8xf32>
}

// -----

// From left to right, then the region.
// CHECK-LABEL: @scores
//  CHECK-SAME:   %[[BIAS:[^:]+]]: tensor<6x1x4xbf16>)
//       CHECK:   %[[SLOPES:.+]] = arith.constant dense<[2.500000e-01, 6.250000e-02, 1.562500e-02, 3.906250e-03, 5.000000e-01, 1.250000e-01]> : tensor<6xf32>
//       CHECK:   ^bb0(%[[S:.+]]: f32, %{{.+}}: index, %[[H:.+]]: index, %[[I:.+]]: index, %[[J:.+]]: index):
//       CHECK:     math.tanh
//       CHECK:     %[[CAPPED:.+]] = arith.mulf
//       CHECK:     %[[SLOPE:.+]] = tensor.extract %[[SLOPES]][%[[H]]]
//       CHECK:     arith.subi %[[I]], %[[J]] : index
//       CHECK:     %[[SLOPED:.+]] = arith.subf %[[CAPPED]], %{{.+}} : f32
//       CHECK:     %[[ZERO:.+]] = arith.constant 0 : index
//       CHECK:     %[[OWN:.+]] = tensor.extract %[[BIAS]][%[[H]], %[[ZERO]], %[[J]]]
//       CHECK:     %[[WIDE:.+]] = arith.extf %[[OWN]] : bf16 to f32
//       CHECK:     %[[BIASED:.+]] = arith.addf %[[SLOPED]], %[[WIDE]] : f32
//       CHECK:     %[[LAST:.+]] = arith.negf %[[BIASED]] : f32
//       CHECK:     attn.yield %[[LAST]] : f32
func.func @scores(%query: tensor<2x6x4x8xbf16>, %bias: tensor<6x1x4xbf16>)
    -> tensor<2x6x4x8xbf16> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x6x4x8xbf16>, tensor<2x6x4x8xbf16>,
        tensor<2x6x4x8xbf16>)
    outs(%query : tensor<2x6x4x8xbf16>)
    scores(#attn.softcap<30.0>, #attn.alibi,
           #attn.bias(%bias : tensor<6x1x4xbf16>))
    score {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      %t = arith.negf %s : f32
      attn.yield %t : f32
    }
    -> tensor<2x6x4x8xbf16>
  return %out : tensor<2x6x4x8xbf16>
}

// -----

// With slopes of their own, the heads may be dynamic.
// CHECK-LABEL: @alibi_slopes
//  CHECK-SAME:   %[[SLOPES:[^:]+]]: tensor<?xf32>)
//       CHECK:   tensor.extract %[[SLOPES]]
func.func @alibi_slopes(%query: tensor<?x4x8xf32>, %slopes: tensor<?xf32>)
    -> tensor<?x4x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<?x4x8xf32>, tensor<?x4x8xf32>,
        tensor<?x4x8xf32>)
    outs(%query : tensor<?x4x8xf32>)
    scores(#attn.alibi(%slopes : tensor<?xf32>)) -> tensor<?x4x8xf32>
  return %out : tensor<?x4x8xf32>
}

// -----

// Nothing to expand: nothing changes.
// CHECK-LABEL: @negative_core
//  CHECK-NEXT:   attn.attention {{.*}} outs(%{{.+}} : tensor<4x8xf32>) -> tensor<4x8xf32>
func.func @negative_core(%query: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query : tensor<4x8xf32>) -> tensor<4x8xf32>
  return %out : tensor<4x8xf32>
}

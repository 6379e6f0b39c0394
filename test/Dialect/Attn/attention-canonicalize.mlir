// RUN: attn-opt %s --canonicalize --split-input-file | FileCheck %s

// CHECK-LABEL: @constant_scale
//       CHECK:   attn.attention {{.*}} scale(2.500000e-01) ->
func.func @constant_scale(%query: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %scale = arith.constant 2.5e-01 : f32
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query : tensor<4x8xf32>) scale(%scale : f32) -> tensor<4x8xf32>
  return %out : tensor<4x8xf32>
}

// -----

// 1/sqrt(128), rounded to f32 as the compute type is.
// CHECK-LABEL: @default_scale
//   CHECK-NOT:   scale
//       CHECK:   return
func.func @default_scale(%query: tensor<4x128xbf16>) -> tensor<4x128xbf16> {
  %scale = arith.constant 0.0883883461 : f32
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x128xbf16>, tensor<4x128xbf16>,
        tensor<4x128xbf16>)
    outs(%query : tensor<4x128xbf16>) scale(%scale : f32) -> tensor<4x128xbf16>
  return %out : tensor<4x128xbf16>
}

// -----

// The width decides which scale is the default.
// CHECK-LABEL: @negative_dynamic_width
//       CHECK:   scale(1.250000e-01)
func.func @negative_dynamic_width(%query: tensor<4x?xf32>) -> tensor<4x?xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x?xf32>, tensor<4x?xf32>,
        tensor<4x?xf32>)
    outs(%query : tensor<4x?xf32>) scale(0.125) -> tensor<4x?xf32>
  return %out : tensor<4x?xf32>
}

// -----

// CHECK-LABEL: @true_mask
//   CHECK-NOT:   mask
//       CHECK:   return
func.func @true_mask(%query: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query : tensor<4x8xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %true = arith.constant true
      attn.yield %true : i1
    }
    -> tensor<4x8xf32>
  return %out : tensor<4x8xf32>
}

// -----

// CHECK-LABEL: @identity_score
//   CHECK-NOT:   score
//       CHECK:   return
func.func @identity_score(%query: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query : tensor<4x8xf32>)
    score {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      attn.yield %s : f32
    }
    -> tensor<4x8xf32>
  return %out : tensor<4x8xf32>
}

// -----

// The operands of a dropped mask go with it.
// CHECK-LABEL: @unbounded_window
//  CHECK-SAME:   (%{{.+}}: tensor<2x8x4x8xf32>, %[[LENGTHS:.+]]: tensor<2xi32>)
//       CHECK:   masks(#attn.causal, #attn.key_lengths(%[[LENGTHS]] : tensor<2xi32>)) ->
func.func @unbounded_window(%query: tensor<2x8x4x8xf32>,
                            %lengths: tensor<2xi32>) -> tensor<2x8x4x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.causal, #attn.window(%lengths : tensor<2xi32>),
          #attn.key_lengths(%lengths : tensor<2xi32>), #attn.window)
    -> tensor<2x8x4x8xf32>
  return %out : tensor<2x8x4x8xf32>
}

// -----

// CHECK-LABEL: @no_keys
//  CHECK-SAME:   (%{{.+}}, %{{.+}}, %[[INIT:.+]]: tensor<4x8xf32>, %[[LSE:.+]]: tensor<4xf32>)
//   CHECK-DAG:   %[[ZERO:.+]] = arith.constant 0.000000e+00 : f32
//   CHECK-DAG:   %[[LOWEST:.+]] = arith.constant 0xFF800000 : f32
//   CHECK-DAG:   %[[OUT:.+]] = linalg.fill ins(%[[ZERO]] : f32) outs(%[[INIT]]
//   CHECK-DAG:   %[[SUMS:.+]] = linalg.fill ins(%[[LOWEST]] : f32) outs(%[[LSE]]
//       CHECK:   return %[[OUT]], %[[SUMS]]
func.func @no_keys(%query: tensor<4x8xf32>, %key: tensor<0x8xf32>,
                   %init: tensor<4x8xf32>, %lse: tensor<4xf32>)
    -> (tensor<4x8xf32>, tensor<4xf32>) {
  %out:2 = attn.attention
    ins(%query, %key, %key : tensor<4x8xf32>, tensor<0x8xf32>, tensor<0x8xf32>)
    outs(%init, %lse : tensor<4x8xf32>, tensor<4xf32>)
    -> tensor<4x8xf32>, tensor<4xf32>
  return %out#0, %out#1 : tensor<4x8xf32>, tensor<4xf32>
}

// -----

// What is left of the normaliser is the sink.
// CHECK-LABEL: @no_keys_sinks
//  CHECK-SAME:   %[[SINKS:[^:]+]]: tensor<2xf32>
//       CHECK:   linalg.fill
//       CHECK:   linalg.generic {{.*}} ins(%[[SINKS]] : tensor<2xf32>)
//   CHECK-NOT:   attn.attention
func.func @no_keys_sinks(%query: tensor<2x4x8xf32>, %key: tensor<2x0x8xf32>,
                         %lse: tensor<2x4xf32>, %sinks: tensor<2xf32>)
    -> (tensor<2x4x8xf32>, tensor<2x4xf32>) {
  %out:2 = attn.attention
    ins(%query, %key, %key : tensor<2x4x8xf32>, tensor<2x0x8xf32>,
        tensor<2x0x8xf32>)
    outs(%query, %lse : tensor<2x4x8xf32>, tensor<2x4xf32>)
    sinks(%sinks : tensor<2xf32>) -> tensor<2x4x8xf32>, tensor<2x4xf32>
  return %out#0, %out#1 : tensor<2x4x8xf32>, tensor<2x4xf32>
}

// -----

// CHECK-LABEL: @false_mask
//   CHECK-NOT:   attn.attention
//       CHECK:   linalg.fill
func.func @false_mask(%query: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query : tensor<4x8xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %false = arith.constant false
      attn.yield %false : i1
    }
    -> tensor<4x8xf32>
  return %out : tensor<4x8xf32>
}

// -----

// CHECK-LABEL: @no_queries
//  CHECK-SAME:   %[[QUERY:.+]]: tensor<0x8xf32>
//  CHECK-NEXT:   return %[[QUERY]]
func.func @no_queries(%query: tensor<0x8xf32>, %key: tensor<4x8xf32>)
    -> tensor<0x8xf32> {
  %out = attn.attention
    ins(%query, %key, %key : tensor<0x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query : tensor<0x8xf32>) -> tensor<0x8xf32>
  return %out : tensor<0x8xf32>
}

// -----

// Buffers must be written, whatever the keys.
// CHECK-LABEL: @negative_buffers
//       CHECK:   attn.attention
func.func @negative_buffers(%query: memref<4x8xf32>, %key: memref<0x8xf32>) {
  attn.attention
    ins(%query, %key, %key : memref<4x8xf32>, memref<0x8xf32>, memref<0x8xf32>)
    outs(%query : memref<4x8xf32>)
  return
}

// -----

// Static sizes reach the operation through casts, with regions or without.
// CHECK-LABEL: @casts
//  CHECK-SAME:   (%[[QUERY:.+]]: tensor<4x8xf32>)
//       CHECK:   %[[OUT:.+]] = attn.attention ins(%[[QUERY]], %[[QUERY]], %[[QUERY]] : {{.*}} outs(%[[QUERY]] : tensor<4x8xf32>) -> tensor<4x8xf32>
//       CHECK:   tensor.cast %[[OUT]] : tensor<4x8xf32> to tensor<?x8xf32>
func.func @casts(%query: tensor<4x8xf32>) -> tensor<?x8xf32> {
  %cast = tensor.cast %query : tensor<4x8xf32> to tensor<?x8xf32>
  %out = attn.attention
    ins(%cast, %cast, %cast : tensor<?x8xf32>, tensor<?x8xf32>,
        tensor<?x8xf32>)
    outs(%cast : tensor<?x8xf32>) -> tensor<?x8xf32>
  return %out : tensor<?x8xf32>
}

// -----

// Without width all logits are 0: those of one zero, whatever the scale.
// CHECK-LABEL: @no_width
//   CHECK-DAG:   %[[QUERY:.+]] = linalg.fill {{.*}} -> tensor<4x1xf32>
//   CHECK-DAG:   %[[KEY:.+]] = linalg.fill {{.*}} -> tensor<?x1xf32>
//       CHECK:   attn.attention ins(%[[QUERY]], %[[KEY]], %{{.+}} : {{.*}} outs(%{{.+}} : tensor<4x8xf32>) ->
func.func @no_width(%query: tensor<4x0xf32>, %key: tensor<?x0xf32>,
                    %value: tensor<?x8xf32>, %init: tensor<4x8xf32>,
                    %scale: f32) -> tensor<4x8xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<4x0xf32>, tensor<?x0xf32>,
        tensor<?x8xf32>)
    outs(%init : tensor<4x8xf32>) scale(%scale : f32) -> tensor<4x8xf32>
  return %out : tensor<4x8xf32>
}

// -----

// The log-sum-exp does not depend on the values.
// CHECK-LABEL: @no_value_width
//  CHECK-SAME:   %[[INIT:[^:]+]]: tensor<4x0xf32>, %{{[^:]+}}: tensor<4xf32>)
//       CHECK:   %[[OUT:.+]]:2 = attn.attention {{.*}} -> tensor<4x1xf32>, tensor<4xf32>
//       CHECK:   return %[[INIT]], %[[OUT]]#1
func.func @no_value_width(%query: tensor<4x8xf32>, %value: tensor<4x0xf32>,
                          %init: tensor<4x0xf32>, %lse: tensor<4xf32>)
    -> (tensor<4x0xf32>, tensor<4xf32>) {
  %out:2 = attn.attention
    ins(%query, %query, %value : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x0xf32>)
    outs(%init, %lse : tensor<4x0xf32>, tensor<4xf32>)
    -> tensor<4x0xf32>, tensor<4xf32>
  return %out#0, %out#1 : tensor<4x0xf32>, tensor<4xf32>
}

// -----

// As many keys as there are rows, each in its own.
// CHECK-LABEL: @identity_key_rows
//   CHECK-NOT:   key_rows
//       CHECK:   return
func.func @identity_key_rows(%query: tensor<4x8xf32>, %key: tensor<?x8xf32>,
                             %value: tensor<6x8xf32>) -> tensor<4x8xf32> {
  %zero = arith.constant 0 : index
  %six = arith.constant 6 : index
  %keys = tensor.dim %key, %zero : tensor<?x8xf32>
  %all = attn.attention
    ins(%query, %key, %key : tensor<4x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>)
    outs(%query : tensor<4x8xf32>)
    key_rows(%keys : index) {
    ^bb0(%b: index, %h: index, %j: index):
      attn.yield %j : index
    }
    -> tensor<4x8xf32>
  %out = attn.attention
    ins(%all, %value, %value : tensor<4x8xf32>, tensor<6x8xf32>,
        tensor<6x8xf32>)
    outs(%query : tensor<4x8xf32>)
    key_rows(%six : index) {
    ^bb0(%b: index, %h: index, %j: index):
      attn.yield %j : index
    }
    -> tensor<4x8xf32>
  return %out : tensor<4x8xf32>
}

// -----

// CHECK-LABEL: @fewer_keys
//       CHECK:   key_rows
func.func @fewer_keys(%query: tensor<4x8xf32>, %keys: index)
    -> tensor<4x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query : tensor<4x8xf32>)
    key_rows(%keys : index) {
    ^bb0(%b: index, %h: index, %j: index):
      attn.yield %j : index
    }
    -> tensor<4x8xf32>
  return %out : tensor<4x8xf32>
}

// -----

// No key is attended to, however many rows there are.
// CHECK-LABEL: @no_key
//   CHECK-NOT:   attn.attention
//       CHECK:   linalg.fill
func.func @no_key(%query: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %none = arith.constant 0 : index
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query : tensor<4x8xf32>)
    key_rows(%none : index) {
    ^bb0(%b: index, %h: index, %j: index):
      attn.yield %j : index
    }
    -> tensor<4x8xf32>
  return %out : tensor<4x8xf32>
}

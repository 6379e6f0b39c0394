// RUN: attn-opt %s --canonicalize | FileCheck %s

// CHECK-LABEL: @zero_origin
//   CHECK-NOT:   origin
//       CHECK:   return
func.func @zero_origin(%query: tensor<4x8xf32>, %max: tensor<4xf32>)
    -> tensor<4x8xf32> {
  %zero = arith.constant 0 : index
  %state:3 = attn.online_attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query, %max, %max : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    origin(%zero, %zero, %zero, %zero)
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return %state#0 : tensor<4x8xf32>
}

// CHECK-LABEL: @true_mask
//   CHECK-NOT:   mask
//   CHECK-NOT:   score
//       CHECK:   return
func.func @true_mask(%query: tensor<4x8xf32>, %max: tensor<4xf32>)
    -> tensor<4x8xf32> {
  %state:3 = attn.online_attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query, %max, %max : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    score {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      attn.yield %s : f32
    }
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %true = arith.constant true
      attn.yield %true : i1
    }
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return %state#0 : tensor<4x8xf32>
}

// A step without keys leaves the state as it is.
// CHECK-LABEL: @no_keys
//  CHECK-SAME:   %[[ACC:[^:]+]]: tensor<4x8xf32>, %[[MAX:[^:]+]]: tensor<4xf32>, %[[SUM:[^:]+]]: tensor<4xf32>)
//  CHECK-NEXT:   return %[[ACC]], %[[MAX]], %[[SUM]]
func.func @no_keys(%query: tensor<4x8xf32>, %key: tensor<0x8xf32>,
                   %acc: tensor<4x8xf32>, %max: tensor<4xf32>,
                   %sum: tensor<4xf32>)
    -> (tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>) {
  %state:3 = attn.online_attention
    ins(%query, %key, %key : tensor<4x8xf32>, tensor<0x8xf32>, tensor<0x8xf32>)
    outs(%acc, %max, %sum : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return %state#0, %state#1, %state#2
    : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
}

// An empty list: a step without keys, whatever key and value hold.
// CHECK-LABEL: @empty_list
//  CHECK-SAME:   (%[[QUERY:[^:]+]]: tensor<4x8xf32>
//   CHECK-NOT:   attn.online_attention
//       CHECK:   return %[[QUERY]]
func.func @empty_list(%query: tensor<4x8xf32>, %max: tensor<4xf32>,
                      %list: tensor<0xindex>) -> tensor<4x8xf32> {
  %state:3 = attn.online_attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query, %max, %max : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    key_rows(%list : tensor<0xindex>)
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return %state#0 : tensor<4x8xf32>
}

// The cast that hides the list's size is taken away, in the mask it stays.
// CHECK-LABEL: @list_cast
//  CHECK-SAME:   %[[LIST:[^:]+]]: tensor<6xindex>
//       CHECK:   attn.online_attention {{.+}} key_rows(%[[LIST]] : tensor<6xindex>)
func.func @list_cast(%query: tensor<4x8xf32>, %max: tensor<4xf32>,
                     %list: tensor<6xindex>) -> tensor<4x8xf32> {
  %cast = tensor.cast %list : tensor<6xindex> to tensor<?xindex>
  %state:3 = attn.online_attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query, %max, %max : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    key_rows(%cast : tensor<?xindex>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %n: index):
      %j = tensor.extract %cast[%n] : tensor<?xindex>
      %keep = arith.cmpi sle, %j, %i : index
      attn.yield %keep : i1
    }
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return %state#0 : tensor<4x8xf32>
}

// RUN: attn-opt %s | attn-opt | FileCheck %s
// RUN: attn-opt %s --mlir-print-op-generic | attn-opt | FileCheck %s
// RUN: attn-opt %s --emit-bytecode | attn-opt | FileCheck %s

// The default scale is not printed.
// CHECK-LABEL: @plain
//       CHECK:   %{{.+}}:3 = attn.online_attention ins({{.+}}) outs({{.+}} : tensor<4x64x80xf32>, tensor<4x64xf32>, tensor<4x64xf32>) -> tensor<4x64x80xf32>, tensor<4x64xf32>, tensor<4x64xf32>
func.func @plain(%query: tensor<4x64x64xf32>, %key: tensor<2x?x64xf32>,
                 %value: tensor<2x?x80xf32>, %acc: tensor<4x64x80xf32>,
                 %max: tensor<4x64xf32>, %sum: tensor<4x64xf32>)
    -> tensor<4x64x80xf32> {
  %state:3 = attn.online_attention
    ins(%query, %key, %value : tensor<4x64x64xf32>, tensor<2x?x64xf32>,
        tensor<2x?x80xf32>)
    outs(%acc, %max, %sum : tensor<4x64x80xf32>, tensor<4x64xf32>,
         tensor<4x64xf32>)
    logit_scale(1.0)
    -> tensor<4x64x80xf32>, tensor<4x64xf32>, tensor<4x64xf32>
  return %state#0 : tensor<4x64x80xf32>
}

// CHECK-LABEL: @all_clauses
//  CHECK-SAME:   %[[I:[^:]+]]: index, %[[ROWS:[^:]+]]: index)
//       CHECK:   %[[ZERO:.+]] = arith.constant 0
//       CHECK:   logit_scale(1.4426950408889634)
//  CHECK-SAME:     origin(%[[ZERO]], %[[ZERO]], %[[I]], %[[ZERO]]) rows(%[[ROWS]])
//  CHECK-SAME:     score {
//       CHECK:       attn.yield %{{.+}} : f32
//       CHECK:     } mask {
//       CHECK:       attn.yield %{{.+}} : i1
//       CHECK:     } attributes {note} ->
func.func @all_clauses(%query: tensor<64x64xbf16>, %key: tensor<?x64xf16>,
                       %value: tensor<?x64xf32>, %acc: tensor<64x64xf32>,
                       %max: tensor<64xf32>, %sum: tensor<64xf32>, %i: index,
                       %rows: index) -> tensor<64x64xf32> {
  %zero = arith.constant 0 : index
  %state:3 = attn.online_attention
    ins(%query, %key, %value : tensor<64x64xbf16>, tensor<?x64xf16>,
        tensor<?x64xf32>)
    outs(%acc, %max, %sum : tensor<64x64xf32>, tensor<64xf32>, tensor<64xf32>)
    logit_scale(1.4426950408889634)
    origin(%zero, %zero, %i, %zero) rows(%rows)
    score {
    ^bb0(%s: f32, %b: index, %h: index, %row: index, %column: index):
      attn.yield %s : f32
    }
    mask {
    ^bb0(%b: index, %h: index, %row: index, %column: index):
      %keep = arith.cmpi sle, %column, %row : index
      attn.yield %keep : i1
    }
    attributes {note}
    -> tensor<64x64xf32>, tensor<64xf32>, tensor<64xf32>
  return %state#0 : tensor<64x64xf32>
}

// Queries and accumulator transposed, values in pairs of keys, on buffers.
// CHECK-LABEL: @packed
//       CHECK:   attn.online_attention {{.+}} attributes {indexing_maps = [{{.+}}]}{{$}}
func.func @packed(%query: memref<80x64xf32>, %key: memref<33x80xbf16>,
                  %value: memref<17x64x2xbf16>, %acc: memref<64x64xf32>,
                  %max: memref<64xf32>, %sum: memref<64xf32>) {
  attn.online_attention
    ins(%query, %key, %value : memref<80x64xf32>, memref<33x80xbf16>,
        memref<17x64x2xbf16>)
    outs(%acc, %max, %sum : memref<64x64xf32>, memref<64xf32>, memref<64xf32>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (d, m)>,
      affine_map<(b, h, m, n, d, e) -> (n, d)>,
      affine_map<(b, h, m, n, d, e) -> (n floordiv 2, e, n mod 2)>,
      affine_map<(b, h, m, n, d, e) -> (e, m)>,
      affine_map<(b, h, m, n, d, e) -> (m)>,
      affine_map<(b, h, m, n, d, e) -> (m)>]}
  return
}

// Keys anywhere, of key and value with any number of rows.
// CHECK-LABEL: @listed
//       CHECK:   attn.online_attention {{.+}} rows(%{{.+}}) key_rows(%{{.+}} : tensor<?xindex>) ->
//       CHECK:   attn.online_attention {{.+}} key_rows(%{{.+}} : tensor<?xindex>) mask {
func.func @listed(%query: tensor<4x8xf32>, %key: tensor<100x8xf32>,
                  %max: tensor<4xf32>, %list: tensor<?xindex>, %rows: index)
    -> tensor<4x8xf32> {
  %state:3 = attn.online_attention
    ins(%query, %key, %key : tensor<4x8xf32>, tensor<100x8xf32>,
        tensor<100x8xf32>)
    outs(%query, %max, %max : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    rows(%rows) key_rows(%list : tensor<?xindex>)
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  %masked:3 = attn.online_attention
    ins(%query, %key, %key : tensor<4x8xf32>, tensor<100x8xf32>,
        tensor<100x8xf32>)
    outs(%state#0, %state#1, %state#2 : tensor<4x8xf32>, tensor<4xf32>,
         tensor<4xf32>)
    key_rows(%list : tensor<?xindex>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %n: index):
      %j = tensor.extract %list[%n] : tensor<?xindex>
      %keep = arith.cmpi sle, %j, %i : index
      attn.yield %keep : i1
    }
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return %masked#0 : tensor<4x8xf32>
}

// RUN: attn-opt %s | attn-opt | FileCheck %s
// RUN: attn-opt %s --mlir-print-op-generic | attn-opt | FileCheck %s
// RUN: attn-opt %s --emit-bytecode | attn-opt | FileCheck %s

// Nothing optional: not even maps for grouped heads.
// CHECK-LABEL: @plain
//  CHECK-SAME:   (%[[Q:.+]]: tensor<?x8x?x64xf32>, %[[K:.+]]: tensor<?x2x?x64xf32>, %[[V:.+]]: tensor<?x2x?x80xf32>, %[[INIT:.+]]: tensor<?x8x?x80xf32>)
//       CHECK:   attn.attention ins(%[[Q]], %[[K]], %[[V]] : tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>, tensor<?x2x?x80xf32>) outs(%[[INIT]] : tensor<?x8x?x80xf32>) -> tensor<?x8x?x80xf32>
func.func @plain(%query: tensor<?x8x?x64xf32>, %key: tensor<?x2x?x64xf32>,
                 %value: tensor<?x2x?x80xf32>, %init: tensor<?x8x?x80xf32>)
    -> tensor<?x8x?x80xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<?x8x?x64xf32>, tensor<?x2x?x64xf32>,
        tensor<?x2x?x80xf32>)
    outs(%init : tensor<?x8x?x80xf32>) -> tensor<?x8x?x80xf32>
  return %out : tensor<?x8x?x80xf32>
}

// Every clause at once, in order.
// CHECK-LABEL: @all_clauses
//       CHECK:   %{{.+}}:2 = attn.attention
//  CHECK-SAME:     scale(2.500000e-01) sinks(%{{.+}} : tensor<4xf32>)
//  CHECK-SAME:     scores(#attn.softcap<3.000000e+01>, #attn.alibi, #attn.bias(%{{.+}} : tensor<8x16xf32>))
//  CHECK-SAME:     masks(#attn.causal, #attn.key_lengths(%{{.+}} : tensor<2xi32>))
//  CHECK-SAME:     score {
//  CHECK-NEXT:     ^bb0(%[[S:.+]]: f32, %{{.+}}: index, %{{.+}}: index, %{{.+}}: index, %{{.+}}: index):
//  CHECK-NEXT:       attn.yield %[[S]] : f32
//       CHECK:     } mask {
//  CHECK-NEXT:     ^bb0(%{{.+}}: index, %{{.+}}: index, %[[I:.+]]: index, %[[J:.+]]: index):
//  CHECK-NEXT:       %[[KEEP:.+]] = arith.cmpi ne, %[[J]], %[[I]] : index
//  CHECK-NEXT:       attn.yield %[[KEEP]] : i1
//       CHECK:     } attributes {note = "kept"} -> tensor<2x4x8x64xf32>, tensor<2x4x8xf32>
func.func @all_clauses(%query: tensor<2x4x8x64xf32>,
                       %key: tensor<2x4x16x64xf32>,
                       %init: tensor<2x4x8x64xf32>, %lse: tensor<2x4x8xf32>,
                       %sinks: tensor<4xf32>, %bias: tensor<8x16xf32>,
                       %lengths: tensor<2xi32>)
    -> (tensor<2x4x8x64xf32>, tensor<2x4x8xf32>) {
  %out:2 = attn.attention
    ins(%query, %key, %key : tensor<2x4x8x64xf32>, tensor<2x4x16x64xf32>,
        tensor<2x4x16x64xf32>)
    outs(%init, %lse : tensor<2x4x8x64xf32>, tensor<2x4x8xf32>)
    scale(0.25) sinks(%sinks : tensor<4xf32>)
    scores(#attn.softcap<30.0>, #attn.alibi,
           #attn.bias(%bias : tensor<8x16xf32>))
    masks(#attn.causal, #attn.key_lengths(%lengths : tensor<2xi32>))
    score {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      attn.yield %s : f32
    }
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %keep = arith.cmpi ne, %j, %i : index
      attn.yield %keep : i1
    }
    attributes {note = "kept"}
    -> tensor<2x4x8x64xf32>, tensor<2x4x8xf32>
  return %out#0, %out#1 : tensor<2x4x8x64xf32>, tensor<2x4x8xf32>
}

// CHECK-LABEL: @scale_operand
//  CHECK-SAME:   %[[SCALE:[^:]+]]: f64
//       CHECK:   scale(%[[SCALE]] : f64)
func.func @scale_operand(%query: tensor<4x8xf64>, %scale: f64)
    -> tensor<4x8xf64> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x8xf64>, tensor<4x8xf64>,
        tensor<4x8xf64>)
    outs(%query : tensor<4x8xf64>) scale(%scale : f64) -> tensor<4x8xf64>
  return %out : tensor<4x8xf64>
}

// Maps equal to the default are not printed.
// CHECK-LABEL: @default_maps
//   CHECK-NOT:   indexing_maps
//       CHECK:   return
func.func @default_maps(%query: tensor<6x4x8xf16>, %key: tensor<2x4x8xf16>)
    -> tensor<6x4x8xf16> {
  %out = attn.attention
    ins(%query, %key, %key : tensor<6x4x8xf16>, tensor<2x4x8xf16>,
        tensor<2x4x8xf16>)
    outs(%query : tensor<6x4x8xf16>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (h, m, d)>,
      affine_map<(b, h, m, n, d, e) -> (h floordiv 3, n, d)>,
      affine_map<(b, h, m, n, d, e) -> (h floordiv 3, n, e)>,
      affine_map<(b, h, m, n, d, e) -> (h, m, e)>]}
    -> tensor<6x4x8xf16>
  return %out : tensor<6x4x8xf16>
}

// [B, L, H, D], keys transposed.
// CHECK-LABEL: @other_layout
//       CHECK:   attributes {indexing_maps = [
func.func @other_layout(%query: tensor<?x?x6x8xbf16>,
                        %key: tensor<?x2x8x?xbf16>,
                        %value: tensor<?x?x2x8xbf16>) -> tensor<?x?x6x8xbf16> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<?x?x6x8xbf16>, tensor<?x2x8x?xbf16>,
        tensor<?x?x2x8xbf16>)
    outs(%query : tensor<?x?x6x8xbf16>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (b, m, h, d)>,
      affine_map<(b, h, m, n, d, e) -> (b, h floordiv 3, d, n)>,
      affine_map<(b, h, m, n, d, e) -> (b, n, h floordiv 3, e)>,
      affine_map<(b, h, m, n, d, e) -> (b, m, h, e)>]}
    -> tensor<?x?x6x8xbf16>
  return %out : tensor<?x?x6x8xbf16>
}

// Destinations that are buffers have no result.
// CHECK-LABEL: @buffers
//       CHECK:   attn.attention ins({{.+}} : memref<4x8xf32>, memref<?x8xf32, strided<[?, 1]>>, memref<?x8xf32>) outs(%{{.+}} : memref<4x8xf32>){{$}}
func.func @buffers(%query: memref<4x8xf32>,
                   %key: memref<?x8xf32, strided<[?, 1]>>,
                   %value: memref<?x8xf32>, %out: memref<4x8xf32>) {
  attn.attention
    ins(%query, %key, %value : memref<4x8xf32>,
        memref<?x8xf32, strided<[?, 1]>>, memref<?x8xf32>)
    outs(%out : memref<4x8xf32>)
  return
}

// Keys in pages, which all sequences share.
// CHECK-LABEL: @paged
//  CHECK-SAME:   %[[KEYS:[^:]+]]: index)
//       CHECK:   attn.attention {{.+}} masks(#attn.causal<bottom_right>) key_rows(%[[KEYS]] : index) {
//       CHECK:     ^bb0(%{{.+}}: index, %{{.+}}: index, %{{.+}}: index):
//       CHECK:     attn.yield %{{.+}} : index
//       CHECK:   } attributes {indexing_maps =
func.func @paged(%query: tensor<2x4x8x16xf32>, %key: tensor<?x2x16xf32>,
                 %value: tensor<?x2x16xf32>, %table: tensor<2x?xi32>,
                 %keys: index) -> tensor<2x4x8x16xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<2x4x8x16xf32>, tensor<?x2x16xf32>,
        tensor<?x2x16xf32>)
    outs(%query : tensor<2x4x8x16xf32>)
    masks(#attn.causal<bottom_right>)
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

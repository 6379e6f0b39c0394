// RUN: attn-opt %s --attn-decompose --split-input-file | FileCheck %s
// RUN: attn-opt %s --attn-decompose --canonicalize --split-input-file --empty-tensor-to-alloc-tensor --one-shot-bufferize=bufferize-function-boundaries=true --convert-linalg-to-loops | FileCheck %s --check-prefix=LOOPS

// LOOPS-NOT: linalg.
// LOOPS-NOT: tensor<

// The definition, a step an operation. The mask is applied to the logits after
// the score, a weight that is 0 hides its value, an empty row gives 0.
// CHECK-LABEL: @attention
//  CHECK-SAME:   (%[[QUERY:.+]]: tensor<?x8x?x64xbf16>, %[[KEY:.+]]: tensor<?x2x?x64xbf16>, %[[VALUE:.+]]: tensor<?x2x?x80xbf16>, %[[INIT:.+]]: tensor<?x8x?x80xbf16>, %[[LSE:.+]]: tensor<?x8x?xf32>)
//       CHECK:   %[[DOTS:.+]] = linalg.generic {{.*}} ins(%[[QUERY]], %[[KEY]] :
//       CHECK:     arith.extf
//       CHECK:   %[[LOGITS:.+]] = linalg.generic {{.*}} outs(%[[DOTS]] :
//   CHECK-DAG:     linalg.index 2
//   CHECK-DAG:     linalg.index 3
//       CHECK:     arith.select %{{.+}}, %{{.+}}, %[[MASKED:.+]] : f32
//       CHECK:   %[[MAX:.+]] = linalg.generic {{.*}} ins(%[[LOGITS]] :
//       CHECK:     arith.maximumf
//       CHECK:   %[[WEIGHTS:.+]] = linalg.generic {{.*}} ins(%[[MAX]] : {{.*}} outs(%[[LOGITS]] :
//       CHECK:     math.exp
//       CHECK:   %[[SUM:.+]] = linalg.generic {{.*}} ins(%[[WEIGHTS]] :
//       CHECK:   %[[ACC:.+]] = linalg.generic {{.*}} ins(%[[WEIGHTS]], %[[VALUE]] :
//       CHECK:     arith.select
//       CHECK:   %[[OUT:.+]] = linalg.generic {{.*}} ins(%[[ACC]], %[[SUM]] : {{.*}} outs(%[[INIT]] :
//       CHECK:     arith.divf
//       CHECK:     arith.select
//       CHECK:     arith.truncf
//       CHECK:   %[[SUMS:.+]] = linalg.generic {{.*}} ins(%[[MAX]], %[[SUM]] : {{.*}} outs(%[[LSE]] :
//       CHECK:     math.log
//       CHECK:   return %[[OUT]], %[[SUMS]]
func.func @attention(%query: tensor<?x8x?x64xbf16>,
                     %key: tensor<?x2x?x64xbf16>,
                     %value: tensor<?x2x?x80xbf16>,
                     %init: tensor<?x8x?x80xbf16>, %lse: tensor<?x8x?xf32>)
    -> (tensor<?x8x?x80xbf16>, tensor<?x8x?xf32>) {
  %out:2 = attn.attention
    ins(%query, %key, %value : tensor<?x8x?x64xbf16>, tensor<?x2x?x64xbf16>,
        tensor<?x2x?x80xbf16>)
    outs(%init, %lse : tensor<?x8x?x80xbf16>, tensor<?x8x?xf32>)
    masks(#attn.causal)
    -> tensor<?x8x?x80xbf16>, tensor<?x8x?xf32>
  return %out#0, %out#1 : tensor<?x8x?x80xbf16>, tensor<?x8x?xf32>
}

// -----

// A sink starts the maximum and the sum.
// CHECK-LABEL: @sinks
//  CHECK-SAME:   %[[SINKS:[^:]+]]: tensor<2xf32>
//       CHECK:   %[[FIRST:.+]] = linalg.generic {{.*}} ins(%[[SINKS]] :
//       CHECK:   %[[MAX:.+]] = linalg.generic {{.*}} outs(%[[FIRST]] :
//       CHECK:     arith.maximumf
//       CHECK:   linalg.generic {{.*}} ins(%[[SINKS]] : {{.*}} outs(%[[MAX]] :
//       CHECK:     math.exp
func.func @sinks(%query: tensor<2x4x8xf32>, %sinks: tensor<2xf32>)
    -> tensor<2x4x8xf32> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x4x8xf32>, tensor<2x4x8xf32>,
        tensor<2x4x8xf32>)
    outs(%query : tensor<2x4x8xf32>) sinks(%sinks : tensor<2xf32>)
    -> tensor<2x4x8xf32>
  return %out : tensor<2x4x8xf32>
}

// -----

// 1/sqrt of a width known at run time only.
// CHECK-LABEL: @dynamic_width
//       CHECK:   %[[WIDTH:.+]] = tensor.dim
//       CHECK:   arith.maxsi %[[WIDTH]]
//       CHECK:   %[[ROOT:.+]] = math.sqrt
//       CHECK:   arith.divf %{{.+}}, %[[ROOT]] : f64
func.func @dynamic_width(%query: tensor<4x?xf64>) -> tensor<4x?xf64> {
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x?xf64>, tensor<4x?xf64>,
        tensor<4x?xf64>)
    outs(%query : tensor<4x?xf64>) -> tensor<4x?xf64>
  return %out : tensor<4x?xf64>
}

// -----

// Base 2; rows past the valid ones see the last valid one's index.
// CHECK-LABEL: @online
//  CHECK-SAME:   %[[ORIGIN:[^:]+]]: index, %[[ROWS:[^:]+]]: index)
//       CHECK:   linalg.index 0
//       CHECK:   %[[LAST:.+]] = arith.subi %[[ROWS]]
//       CHECK:   %[[ROW:.+]] = arith.minsi %{{.+}}, %[[LAST]]
//       CHECK:   arith.addi %[[ROW]], %[[ORIGIN]] : index
//       CHECK:   math.exp2
//       CHECK:   return
func.func @online(%query: tensor<4x8xf32>, %max: tensor<4xf32>,
                  %origin: index, %rows: index) -> tensor<4x8xf32> {
  %zero = arith.constant 0 : index
  %state:3 = attn.online_attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query, %max, %max : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    origin(%zero, %zero, %origin, %zero) rows(%rows)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %keep = arith.cmpi sle, %j, %i : index
      attn.yield %keep : i1
    }
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return %state#0 : tensor<4x8xf32>
}

// -----

// CHECK-LABEL: @merge
// CHECK-COUNT-5: linalg.generic
//   CHECK-NOT:   attn.merge
//       CHECK:   return
func.func @merge(%acc: tensor<4x8xf32>, %max: tensor<4xf32>,
                 %sum: tensor<4xf32>) -> tensor<4x8xf32> {
  %state:3 = attn.merge
    ins(%acc, %max, %sum : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    outs(%acc, %max, %sum : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return %state#0 : tensor<4x8xf32>
}

// -----

// Only as many rows of the state as the output has.
// CHECK-LABEL: @normalize
//  CHECK-SAME:   (%[[ACC:.+]]: tensor<64x128xf32>, {{.*}}, %[[INIT:.+]]: tensor<?x64xbf16>)
//       CHECK:   %[[ROWS:.+]] = tensor.dim %[[INIT]]
//       CHECK:   tensor.extract_slice %[[ACC]][0, 0] [64, %[[ROWS]]] [1, 1]
//       CHECK:   linalg.generic {{.*}} outs(%[[INIT]] :
func.func @normalize(%acc: tensor<64x128xf32>, %max: tensor<128xf32>,
                     %sum: tensor<128xf32>, %init: tensor<?x64xbf16>)
    -> tensor<?x64xbf16> {
  %out = attn.normalize
    ins(%acc, %max, %sum : tensor<64x128xf32>, tensor<128xf32>,
        tensor<128xf32>)
    outs(%init : tensor<?x64xbf16>)
    maps([affine_map<(h, r, c) -> (c, r)>, affine_map<(h, r, c) -> (r, c)>])
    -> tensor<?x64xbf16>
  return %out : tensor<?x64xbf16>
}

// -----

// The axes of a grid are loops; the state has a row for each of its points.
//       CHECK: #[[STATE:.+]] = affine_map<(d0, d1, d2) -> (d0, d1 * 4 + d2)>
// CHECK-LABEL: @normalize_grid
//       CHECK:   linalg.generic {indexing_maps = [#[[STATE]],
func.func @normalize_grid(%acc: tensor<64x32xf32>, %max: tensor<32xf32>,
                          %sum: tensor<32xf32>, %init: tensor<?x3x64xf32>,
                          %lse: tensor<?x3xf32>)
    -> (tensor<?x3x64xf32>, tensor<?x3xf32>) {
  %out:2 = attn.normalize
    ins(%acc, %max, %sum : tensor<64x32xf32>, tensor<32xf32>, tensor<32xf32>)
    outs(%init, %lse : tensor<?x3x64xf32>, tensor<?x3xf32>)
    maps([affine_map<(h, r, c) -> (c, r)>,
          affine_map<(h, r, c) -> (r floordiv 4, r mod 4, c)>,
          affine_map<(h, r, c) -> (r floordiv 4, r mod 4)>])
    -> tensor<?x3x64xf32>, tensor<?x3xf32>
  return %out#0, %out#1 : tensor<?x3x64xf32>, tensor<?x3xf32>
}

// -----

// Of a cache in pages, too: for each sequence and head.
// CHECK-LABEL: @paged
//  CHECK-SAME:   (%[[QUERY:[^:]+]]: tensor<2x4x8x16xf32>, %[[KEY:[^:]+]]: tensor<?x2x16xf32>, %{{.+}}, %[[TABLE:[^:]+]]: tensor<2x?xi32>, %{{.+}}: index)
//       CHECK:   %[[KEYS:.+]] = linalg.generic
//       CHECK:     %[[B:.+]] = linalg.index 0
//       CHECK:     tensor.extract %[[TABLE]][%[[B]], %
//       CHECK:     %[[ROW:.+]] = arith.addi
//       CHECK:     tensor.extract %[[KEY]][%[[ROW]], %
//       CHECK:   -> tensor<2x4x?x16xf32>
//       CHECK:   linalg.generic {{.*}} ins(%[[QUERY]], %[[KEYS]] :
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

// -----

// Keys and values are brought together first.
// CHECK-LABEL: @listed
//  CHECK-SAME:   %[[KEY:[^:]+]]: tensor<100x8xf32>, %{{[^:]+}}: tensor<4xf32>, %[[LIST:[^:]+]]: tensor<6xindex>)
//       CHECK:   %[[KEYS:.+]] = linalg.generic
//       CHECK:     %[[ROW:.+]] = tensor.extract %[[LIST]]
//       CHECK:     tensor.extract %[[KEY]][%[[ROW]], %{{.+}}]
//       CHECK:   -> tensor<6x8xf32>
//       CHECK:   linalg.generic {{.*}} ins(%{{.+}}, %[[KEYS]] :
func.func @listed(%query: tensor<4x8xf32>, %key: tensor<100x8xf32>,
                  %max: tensor<4xf32>, %list: tensor<6xindex>)
    -> tensor<4x8xf32> {
  %state:3 = attn.online_attention
    ins(%query, %key, %key : tensor<4x8xf32>, tensor<100x8xf32>,
        tensor<100x8xf32>)
    outs(%query, %max, %max : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    key_rows(%list : tensor<6xindex>)
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return %state#0 : tensor<4x8xf32>
}

// -----

// An element of a patch past the edge of the image is the edge's.
// CHECK-LABEL: @pack_grid
//  CHECK-SAME:   (%[[TILE:.+]]: tensor<?x3x5xf32>, %
//       CHECK:     %[[Y:.+]] = affine.apply #{{.+}}(%[[ROW:.+]])
//       CHECK:     %[[LAST:.+]] = arith.minsi %[[Y]], %
//       CHECK:     %[[X:.+]] = affine.apply #{{.+}}(%[[ROW]])
//       CHECK:     tensor.extract %[[TILE]][%[[LAST]], %{{.+}}, %{{.+}}]
func.func @pack_grid(%tile: tensor<?x3x5xf32>, %init: tensor<5x16xf32>)
    -> tensor<5x16xf32> {
  %packed = attn.pack ins(%tile : tensor<?x3x5xf32>)
    outs(%init : tensor<5x16xf32>)
    maps([affine_map<(h, r, c) -> (r floordiv 4, r mod 4, c)>,
          affine_map<(h, r, c) -> (c, r)>])
    -> tensor<5x16xf32>
  return %packed : tensor<5x16xf32>
}

// -----

// CHECK-LABEL: @pack_gather
//  CHECK-SAME:   (%[[TILE:.+]]: tensor<?x5xf32>, %{{.+}}: tensor<8x5xf32>, %[[LIST:.+]]: tensor<?xindex>)
//       CHECK:   tensor.dim %[[LIST]]
//       CHECK:     %[[ROW:.+]] = tensor.extract %[[LIST]]
//       CHECK:     tensor.extract %[[TILE]][%[[ROW]], %{{.+}}]
func.func @pack_gather(%tile: tensor<?x5xf32>, %init: tensor<8x5xf32>,
                       %list: tensor<?xindex>) -> tensor<8x5xf32> {
  %packed = attn.pack ins(%tile : tensor<?x5xf32>)
    outs(%init : tensor<8x5xf32>) gather(%list : tensor<?xindex>)
    maps([affine_map<(h, r, c) -> (r, c)>, affine_map<(h, r, c) -> (r, c)>])
    -> tensor<8x5xf32>
  return %packed : tensor<8x5xf32>
}

// -----

// Rows past the source repeat its last one, columns past it are zero.
// CHECK-LABEL: @pack
//  CHECK-SAME:   (%[[TILE:.+]]: tensor<?x5xbf16>, %[[INIT:.+]]: tensor<8x6xf32>, %[[SCALE:.+]]: f32)
//       CHECK:   %[[ROWS:.+]] = tensor.dim %[[TILE]]
//       CHECK:   linalg.generic {{.*}} outs(%[[INIT]] :
//       CHECK:     %[[LAST:.+]] = arith.subi %[[ROWS]]
//       CHECK:     %[[ROW:.+]] = arith.minsi %{{.+}}, %[[LAST]]
//       CHECK:     tensor.extract %[[TILE]][%[[ROW]], %{{.+}}]
//       CHECK:     arith.extf
//       CHECK:     arith.mulf %{{.+}}, %[[SCALE]]
//       CHECK:     arith.select
func.func @pack(%tile: tensor<?x5xbf16>, %init: tensor<8x6xf32>, %scale: f32)
    -> tensor<8x6xf32> {
  %packed = attn.pack ins(%tile : tensor<?x5xbf16>)
    outs(%init : tensor<8x6xf32>) scale(%scale : f32)
    maps([affine_map<(h, r, c) -> (r, c)>, affine_map<(h, r, c) -> (c, r)>])
    -> tensor<8x6xf32>
  return %packed : tensor<8x6xf32>
}

// LOOPS-NOT: linalg.
// LOOPS-NOT: tensor<

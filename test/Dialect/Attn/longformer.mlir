// RUN: attn-opt %s | attn-opt | FileCheck %s

// CHECK-LABEL: @layouts
//       CHECK:   attn.longformer ins(%{{.+}} : tensor<2x4x?x8xf32>, tensor<2x2x?x8xf32>, tensor<2x2x?x16xf32>, {{.+}}, tensor<2x?xi1>) outs(%{{.+}} : tensor<2x4x?x16xf32>) window(3) -> tensor<2x4x?x16xf32>
//       CHECK:   attn.longformer ins(%{{.+}}) outs(%{{.+}} : tensor<8x4x16xbf16>) scale(2.500000e-01) window(0) attributes {indexing_maps = [{{.+}}]} -> tensor<8x4x16xbf16>
func.func @layouts(%query: tensor<2x4x?x8xf32>, %key: tensor<2x2x?x8xf32>,
                   %value: tensor<2x2x?x16xf32>, %is_global: tensor<2x?xi1>,
                   %init: tensor<2x4x?x16xf32>, %rows: tensor<8x4x16xbf16>,
                   %flags: tensor<8xi8>)
    -> (tensor<2x4x?x16xf32>, tensor<8x4x16xbf16>) {
  %heads = attn.longformer
    ins(%query, %key, %value, %query, %key, %value, %is_global
      : tensor<2x4x?x8xf32>, tensor<2x2x?x8xf32>, tensor<2x2x?x16xf32>,
        tensor<2x4x?x8xf32>, tensor<2x2x?x8xf32>, tensor<2x2x?x16xf32>,
        tensor<2x?xi1>)
    outs(%init : tensor<2x4x?x16xf32>) window(3) -> tensor<2x4x?x16xf32>
  %tokens = attn.longformer
    ins(%rows, %rows, %rows, %rows, %rows, %rows, %flags
      : tensor<8x4x16xbf16>, tensor<8x4x16xbf16>, tensor<8x4x16xbf16>,
        tensor<8x4x16xbf16>, tensor<8x4x16xbf16>, tensor<8x4x16xbf16>,
        tensor<8xi8>)
    outs(%rows : tensor<8x4x16xbf16>) scale(0.25) window(0)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (m, h, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, h, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, h, e)>,
      affine_map<(b, h, m, n, d, e) -> (m, h, e)>]}
    -> tensor<8x4x16xbf16>
  return %heads, %tokens : tensor<2x4x?x16xf32>, tensor<8x4x16xbf16>
}

// CHECK-LABEL: @regions
//       CHECK:   attn.longformer ins(%{{.+}}) outs(%{{.+}} : tensor<8x4xf64>) scale(%{{.+}} : f64) window(2) score {
//       CHECK:   ^bb0(%{{.*}}: f64, %{{.+}}: index, %{{.+}}: index, %{{.+}}: index, %{{.+}}: index):
//       CHECK:   } mask {
//       CHECK:   ^bb0(%{{.+}}: index, %{{.+}}: index, %{{.+}}: index, %{{.+}}: index):
//       CHECK:   } -> tensor<8x4xf64>
func.func @regions(%query: tensor<8x4xf64>, %flags: tensor<8xi32>, %scale: f64)
    -> tensor<8x4xf64> {
  %out = attn.longformer
    ins(%query, %query, %query, %query, %query, %query, %flags
      : tensor<8x4xf64>, tensor<8x4xf64>, tensor<8x4xf64>, tensor<8x4xf64>,
        tensor<8x4xf64>, tensor<8x4xf64>, tensor<8xi32>)
    outs(%query : tensor<8x4xf64>) scale(%scale : f64) window(2)
    score {
    ^bb0(%s: f64, %b: index, %h: index, %i: index, %j: index):
      %t = arith.negf %s : f64
      attn.yield %t : f64
    }
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %keep = arith.cmpi ne, %i, %j : index
      attn.yield %keep : i1
    }
    -> tensor<8x4xf64>
  return %out : tensor<8x4xf64>
}

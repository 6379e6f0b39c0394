// RUN: attn-opt %s | attn-opt | FileCheck %s
// RUN: attn-opt %s --mlir-print-op-generic | attn-opt | FileCheck %s

// CHECK-LABEL: @transposed
//       CHECK:   attn.pack ins(%{{.+}} : tensor<?x80xbf16>) outs(%{{.+}} : tensor<80x64xf32>) scale(1.250000e-01) maps([{{.+}}]) -> tensor<80x64xf32>
func.func @transposed(%query: tensor<?x80xbf16>, %init: tensor<80x64xf32>)
    -> tensor<80x64xf32> {
  %packed = attn.pack ins(%query : tensor<?x80xbf16>)
    outs(%init : tensor<80x64xf32>) scale(0.125)
    maps([affine_map<(h, r, c) -> (r, c)>, affine_map<(h, r, c) -> (c, r)>])
    -> tensor<80x64xf32>
  return %packed : tensor<80x64xf32>
}

// CHECK-LABEL: @scale_operand
//       CHECK:   scale(%{{.+}} : f32) maps
func.func @scale_operand(%query: tensor<2x?x80xf32>, %init: tensor<80x64xf32>,
                         %scale: f32) -> tensor<80x64xf32> {
  %packed = attn.pack ins(%query : tensor<2x?x80xf32>)
    outs(%init : tensor<80x64xf32>) scale(%scale : f32)
    maps([affine_map<(h, r, c) -> (h, r, c)>, affine_map<(h, r, c) -> (c, r)>])
    -> tensor<80x64xf32>
  return %packed : tensor<80x64xf32>
}

// Pairs of rows, on buffers, unscaled.
// CHECK-LABEL: @pairs
//       CHECK:   attn.pack ins(%{{.+}} : memref<33x64xbf16>) outs(%{{.+}} : memref<17x64x2xbf16>) maps([{{.+}}]){{$}}
func.func @pairs(%value: memref<33x64xbf16>, %packed: memref<17x64x2xbf16>) {
  attn.pack ins(%value : memref<33x64xbf16>)
    outs(%packed : memref<17x64x2xbf16>)
    maps([affine_map<(h, r, c) -> (r, c)>,
          affine_map<(h, r, c) -> (r floordiv 2, c, r mod 2)>])
  return
}

// The rows of a patch, along three axes, the edge of the image inside.
// CHECK-LABEL: @grid
//       CHECK:   attn.pack ins(%{{.+}} : tensor<?x3x2x80xf32>) outs(%{{.+}} : tensor<80x64xf32>) maps
func.func @grid(%query: tensor<?x3x2x80xf32>, %init: tensor<80x64xf32>)
    -> tensor<80x64xf32> {
  %packed = attn.pack ins(%query : tensor<?x3x2x80xf32>)
    outs(%init : tensor<80x64xf32>)
    maps([affine_map<(h, r, c) -> (r floordiv 8, (r floordiv 2) mod 4, r mod 2, c)>,
          affine_map<(h, r, c) -> (c, r)>])
    -> tensor<80x64xf32>
  return %packed : tensor<80x64xf32>
}

// CHECK-LABEL: @gather
//       CHECK:   attn.pack {{.+}} gather(%{{.+}} : tensor<?xindex>) scale(%{{.+}} : f32) maps
func.func @gather(%key: tensor<?x80xf16>, %init: tensor<32x80xf32>,
                  %list: tensor<?xindex>, %scale: f32) -> tensor<32x80xf32> {
  %packed = attn.pack ins(%key : tensor<?x80xf16>)
    outs(%init : tensor<32x80xf32>) gather(%list : tensor<?xindex>)
    scale(%scale : f32)
    maps([affine_map<(h, r, c) -> (r, c)>, affine_map<(h, r, c) -> (r, c)>])
    -> tensor<32x80xf32>
  return %packed : tensor<32x80xf32>
}

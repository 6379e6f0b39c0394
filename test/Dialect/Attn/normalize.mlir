// RUN: attn-opt %s | attn-opt | FileCheck %s
// RUN: attn-opt %s --mlir-print-op-generic | attn-opt | FileCheck %s

// CHECK-LABEL: @default_maps
//       CHECK:   attn.normalize ins({{.+}} : tensor<8x4xf32>, tensor<8xf32>, tensor<8xf32>) outs(%{{.+}} : tensor<8x4xbf16>) -> tensor<8x4xbf16>
func.func @default_maps(%acc: tensor<8x4xf32>, %max: tensor<8xf32>,
                        %sum: tensor<8xf32>, %init: tensor<8x4xbf16>)
    -> tensor<8x4xbf16> {
  %out = attn.normalize
    ins(%acc, %max, %sum : tensor<8x4xf32>, tensor<8xf32>, tensor<8xf32>)
    outs(%init : tensor<8x4xbf16>) -> tensor<8x4xbf16>
  return %out : tensor<8x4xbf16>
}

// CHECK-LABEL: @transposed
//       CHECK:   %{{.+}}:2 = attn.normalize ins({{.+}}) outs({{.+}} : tensor<?x64xbf16>, tensor<?xf32>) maps([{{.+}}]) -> tensor<?x64xbf16>, tensor<?xf32>
func.func @transposed(%acc: tensor<64x128xf32>, %max: tensor<128xf32>,
                      %sum: tensor<128xf32>, %init: tensor<?x64xbf16>,
                      %lse: tensor<?xf32>)
    -> (tensor<?x64xbf16>, tensor<?xf32>) {
  %out:2 = attn.normalize
    ins(%acc, %max, %sum : tensor<64x128xf32>, tensor<128xf32>,
        tensor<128xf32>)
    outs(%init, %lse : tensor<?x64xbf16>, tensor<?xf32>)
    maps([affine_map<(h, r, c) -> (c, r)>, affine_map<(h, r, c) -> (r, c)>])
    -> tensor<?x64xbf16>, tensor<?xf32>
  return %out#0, %out#1 : tensor<?x64xbf16>, tensor<?xf32>
}

// CHECK-LABEL: @buffers
//       CHECK:   attn.normalize ins({{.+}}) outs(%{{.+}} : memref<8x4xf32>){{$}}
func.func @buffers(%acc: memref<8x4xf32>, %max: memref<8xf32>,
                   %sum: memref<8xf32>, %out: memref<8x4xf32>) {
  attn.normalize
    ins(%acc, %max, %sum : memref<8x4xf32>, memref<8xf32>, memref<8xf32>)
    outs(%out : memref<8x4xf32>)
  return
}

// The rows of the log-sum-exp in another order than the output's.
// CHECK-LABEL: @lse_layout
//       CHECK:   attn.normalize {{.+}} maps([{{#[^,]+, #[^,]+, #[^,]+}}])
func.func @lse_layout(%acc: tensor<2x8x4xf32>, %max: tensor<2x8xf32>,
                      %init: tensor<8x2x4xf32>)
    -> (tensor<8x2x4xf32>, tensor<2x8xf32>) {
  %out:2 = attn.normalize
    ins(%acc, %max, %max : tensor<2x8x4xf32>, tensor<2x8xf32>,
        tensor<2x8xf32>)
    outs(%init, %max : tensor<8x2x4xf32>, tensor<2x8xf32>)
    maps([affine_map<(h, r, c) -> (h, r, c)>,
          affine_map<(h, r, c) -> (r, h, c)>, affine_map<(h, r, c) -> (h, r)>])
    -> tensor<8x2x4xf32>, tensor<2x8xf32>
  return %out#0, %out#1 : tensor<8x2x4xf32>, tensor<2x8xf32>
}

// The rows of a patch.
// CHECK-LABEL: @grid
//       CHECK:   attn.normalize {{.+}} outs({{.+}} : tensor<?x4x64xf32>, tensor<4x?xf32>) maps
func.func @grid(%acc: tensor<64x32xf32>, %max: tensor<32xf32>,
                %init: tensor<?x4x64xf32>, %lse: tensor<4x?xf32>)
    -> (tensor<?x4x64xf32>, tensor<4x?xf32>) {
  %out:2 = attn.normalize
    ins(%acc, %max, %max : tensor<64x32xf32>, tensor<32xf32>, tensor<32xf32>)
    outs(%init, %lse : tensor<?x4x64xf32>, tensor<4x?xf32>)
    maps([affine_map<(h, r, c) -> (c, r)>,
          affine_map<(h, r, c) -> (r floordiv 4, r mod 4, c)>,
          affine_map<(h, r, c) -> (r mod 4, r floordiv 4)>])
    -> tensor<?x4x64xf32>, tensor<4x?xf32>
  return %out#0, %out#1 : tensor<?x4x64xf32>, tensor<4x?xf32>
}

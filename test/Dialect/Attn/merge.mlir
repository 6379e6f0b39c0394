// RUN: attn-opt %s | attn-opt | FileCheck %s
// RUN: attn-opt %s --mlir-print-op-generic | attn-opt | FileCheck %s

// CHECK-LABEL: @tensors
//       CHECK:   %{{.+}}:3 = attn.merge ins({{.+}} : tensor<2x8x64xf32>, tensor<2x8xf32>, tensor<2x8xf32>) outs({{.+}} : tensor<2x8x64xf32>, tensor<2x8xf32>, tensor<2x8xf32>) -> tensor<2x8x64xf32>, tensor<2x8xf32>, tensor<2x8xf32>
func.func @tensors(%acc1: tensor<2x8x64xf32>, %max1: tensor<2x8xf32>,
                   %sum1: tensor<2x8xf32>, %acc2: tensor<2x8x64xf32>,
                   %max2: tensor<2x8xf32>, %sum2: tensor<2x8xf32>)
    -> tensor<2x8x64xf32> {
  %state:3 = attn.merge
    ins(%acc1, %max1, %sum1 : tensor<2x8x64xf32>, tensor<2x8xf32>,
        tensor<2x8xf32>)
    outs(%acc2, %max2, %sum2 : tensor<2x8x64xf32>, tensor<2x8xf32>,
         tensor<2x8xf32>)
    -> tensor<2x8x64xf32>, tensor<2x8xf32>, tensor<2x8xf32>
  return %state#0 : tensor<2x8x64xf32>
}

// CHECK-LABEL: @buffers
//       CHECK:   attn.merge ins({{.+}}) outs({{.+}} : memref<?x?xf64>, memref<?xf64>, memref<?xf64>){{$}}
func.func @buffers(%acc: memref<?x?xf64>, %max: memref<?xf64>,
                   %sum: memref<?xf64>) {
  attn.merge ins(%acc, %max, %sum : memref<?x?xf64>, memref<?xf64>,
                 memref<?xf64>)
    outs(%acc, %max, %sum : memref<?x?xf64>, memref<?xf64>, memref<?xf64>)
  return
}

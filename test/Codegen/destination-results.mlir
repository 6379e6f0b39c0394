// RUN: attn-opt %s -attn-destination-results | FileCheck %s

// CHECK-LABEL: func.func @two(
// CHECK-SAME: %{{.*}}: tensor<?x64xf32> {bufferization.writable = false}
// CHECK-SAME: %{{.*}}: f32,
// CHECK-SAME: %[[X:[^ ]+]]: memref<?x64xf32, strided<[?, 1], offset: ?>>
// CHECK-SAME: %[[Y:[^ ]+]]: memref<?xf64, strided<[1], offset: ?>>) {
// CHECK: bufferization.materialize_in_destination %{{.*}} in restrict writable %[[X]]
// CHECK: bufferization.materialize_in_destination %{{.*}} in restrict writable %[[Y]]
// CHECK: return{{$}}
func.func @two(%x: tensor<?x64xf32>, %s: f32, %y: tensor<?xf64>)
    -> (tensor<?x64xf32>, tensor<?xf64>) {
  return %x, %y : tensor<?x64xf32>, tensor<?xf64>
}

// CHECK-LABEL: func.func @scalar(
// CHECK-SAME: memref<f32, strided<[], offset: ?>>
func.func @scalar(%x: tensor<f32>) -> tensor<f32> {
  return %x : tensor<f32>
}

// CHECK-LABEL: func.func private @helper(%{{.*}}: tensor<?xf32>) -> tensor<?xf32>
func.func private @helper(%x: tensor<?xf32>) -> tensor<?xf32> {
  return %x : tensor<?xf32>
}

// CHECK-LABEL: func.func private @declared() -> tensor<4xf32>
func.func private @declared() -> tensor<4xf32>

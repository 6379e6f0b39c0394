// RUN: attn-opt %s --attn-lower-transfers | FileCheck %s

// Rows are read one by one.

// CHECK-LABEL: func @read
// CHECK: scf.for
// CHECK: vector.transfer_read {{.*}} vector<8xf32>
func.func @read(%m: memref<?x?xf32>, %i: index) -> vector<4x8xf32> {
  %pad = arith.constant 0.0 : f32
  %v = vector.transfer_read %m[%i, %i], %pad : memref<?x?xf32>, vector<4x8xf32>
  return %v : vector<4x8xf32>
}

// Nothing but transfers is touched: not even what folds.

// CHECK-LABEL: func @negative_other
// CHECK: arith.addf
// CHECK-NEXT: return
func.func @negative_other(%x: f32) -> f32 {
  %unused = arith.addf %x, %x : f32
  return %x : f32
}

// RUN: attn-opt %s -attn-approximate-math | FileCheck %s

// CHECK-LABEL: func.func @vectors
// CHECK-NOT: math.tanh
// CHECK-NOT: math.exp
// CHECK: math.fma {{.*}} : vector<16xf32>
// CHECK: math.sqrt
func.func @vectors(%x: vector<16xf32>) -> vector<16xf32> {
  %a = math.tanh %x : vector<16xf32>
  %b = math.exp %a : vector<16xf32>
  %c = math.sqrt %b : vector<16xf32>
  return %c : vector<16xf32>
}

// f64 has no polynomial: a call of the math library.

// CHECK-LABEL: func.func @double
// CHECK: math.tanh {{.*}} : vector<8xf64>
func.func @double(%x: vector<8xf64>) -> vector<8xf64> {
  %a = math.tanh %x : vector<8xf64>
  return %a : vector<8xf64>
}

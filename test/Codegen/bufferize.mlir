// RUN: attn-opt %s -attn-destination-results -attn-bufferize -cse -canonicalize | FileCheck %s

// The result is computed in the caller's buffer, from the caller's buffers.

// CHECK-LABEL: func.func @pack(
// CHECK-SAME: %[[X:.*]]: memref<?x64xf32, strided<[?, 1], offset: ?>>
// CHECK-SAME: %[[OUT:.*]]: memref<64x64xf32, strided<[?, 1], offset: ?>>
// CHECK-NOT: memref.alloc
// CHECK: attn.pack ins(%[[X]] : {{.*}}) outs(%[[OUT]] : {{.*}}) scale(2.0{{.*}})
// CHECK-NOT: memref.copy
// CHECK: return{{$}}
func.func @pack(%x: tensor<?x64xf32>) -> tensor<64x64xf32> {
  %init = tensor.empty() : tensor<64x64xf32>
  %out = attn.pack ins(%x : tensor<?x64xf32>) outs(%init : tensor<64x64xf32>)
    scale(2.0e+00)
    maps([affine_map<(h, r, c) -> (r, c)>, affine_map<(h, r, c) -> (c, r)>])
    -> tensor<64x64xf32>
  return %out : tensor<64x64xf32>
}

// A whole kernel: nothing is left to copy.

// CHECK-LABEL: func.func @unchanged_input(
// CHECK: memref.copy
// CHECK: return{{$}}
func.func @unchanged_input(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  return %x : tensor<?x64xf32>
}

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

// A list of keys is a buffer, filled in place; a mask reads what it holds at
// the time of the step.

// CHECK-LABEL: func.func @key_list(
// CHECK: %[[LIST:.*]] = memref.alloc() {{.*}} : memref<8xindex>
// CHECK: scf.for %[[FIRST:.*]] =
// CHECK-NOT: memref.alloc
// CHECK: scf.for
// CHECK: memref.store %{{.*}}, %[[LIST]][
// CHECK-NOT: memref.copy
// CHECK: attn.online_attention {{.*}} key_rows(%[[LIST]] : memref<8xindex>) mask {
// CHECK: memref.load %[[LIST]]
// CHECK-NOT: memref.copy %[[LIST]],
// CHECK: return{{$}}
func.func @key_list(%q: tensor<4x8xf32>, %k: tensor<64x8xf32>,
                    %acc: tensor<4x8xf32>, %max: tensor<4xf32>,
                    %sum: tensor<4xf32>)
    -> (tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %c64 = arith.constant 64 : index
  %empty = tensor.empty() : tensor<8xindex>
  %all:4 = scf.for %first = %c0 to %c64 step %c8
      iter_args(%a = %acc, %m = %max, %s = %sum, %old = %empty)
      -> (tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>, tensor<8xindex>) {
    %list = scf.for %n = %c0 to %c8 step %c1 iter_args(%before = %old)
        -> tensor<8xindex> {
      %row = arith.addi %first, %n : index
      %after = tensor.insert %row into %before[%n] : tensor<8xindex>
      scf.yield %after : tensor<8xindex>
    }
    %state:3 = attn.online_attention
      ins(%q, %k, %k : tensor<4x8xf32>, tensor<64x8xf32>, tensor<64x8xf32>)
      outs(%a, %m, %s : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
      key_rows(%list : tensor<8xindex>)
      mask {
      ^bb0(%b: index, %h: index, %i: index, %n: index):
        %j = tensor.extract %list[%n] : tensor<8xindex>
        %keep = arith.cmpi sle, %j, %i : index
        attn.yield %keep : i1
      }
      -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
    scf.yield %state#0, %state#1, %state#2, %list
      : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>, tensor<8xindex>
  }
  return %all#0, %all#1, %all#2
    : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
}

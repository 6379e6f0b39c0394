// RUN: attn-opt %s -attn-lower-tiles=target=cpu:x86-64-v4 -split-input-file | FileCheck %s
// RUN: attn-opt %s -attn-lower-tiles=target=cpu:x86-64-v3 -split-input-file | FileCheck %s --check-prefix=V3
// RUN: attn-opt %s -attn-lower-tiles=target=cpu:x86-64 -split-input-file | FileCheck %s --check-prefix=BASE

// Accumulators of a register tile stay in registers; 2^x is a polynomial.

// CHECK-LABEL: func.func @step
// CHECK-NOT: attn.
// CHECK: scf.for {{.*}} -> (vector<16xf32>, vector<16xf32>
// CHECK: vector.fma {{.*}} : vector<16xf32>
// CHECK-NOT: math.exp
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.mask.scalef.ps.512"
// CHECK-NOT: attn.

// V3-LABEL: func.func @step
// V3: vector.fma {{.*}} : vector<8xf32>
// V3-NOT: math.exp
// V3: arith.shli {{.*}} : vector<8xi32>

// Without the instruction there is no vector.fma: a call for each lane.
// BASE-LABEL: func.func @step
// BASE-NOT: vector.fma
// BASE: arith.mulf {{.*}} : vector<4xf32>
func.func @step(%q: memref<64x32xf32>, %k: memref<128x64xf32>,
                %v: memref<128x64xf32>, %acc: memref<64x32xf32>,
                %max: memref<32xf32>, %sum: memref<32xf32>) {
  attn.online_attention
    ins(%q, %k, %v : memref<64x32xf32>, memref<128x64xf32>, memref<128x64xf32>)
    outs(%acc, %max, %sum : memref<64x32xf32>, memref<32xf32>, memref<32xf32>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (d, m)>,
      affine_map<(b, h, m, n, d, e) -> (n, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, e)>,
      affine_map<(b, h, m, n, d, e) -> (e, m)>,
      affine_map<(b, h, m, n, d, e) -> (m)>,
      affine_map<(b, h, m, n, d, e) -> (m)>]}
  return
}

// -----

// Operations of a region become vectors; affine ones as arithmetic, and those
// without a form on vectors lane by lane.

// CHECK-LABEL: func.func @regions
// CHECK-NOT: affine.apply
// CHECK: index.add
// CHECK: vector.from_elements {{.*}} : vector<16xindex>
// CHECK: arith.cmpi sle, {{.*}} : vector<16xindex>
// CHECK: arith.select
// V3-LABEL: func.func @regions
// BASE-LABEL: func.func @regions
func.func @regions(%q: memref<64x32xf32>, %k: memref<128x64xf32>,
                   %v: memref<128x64xf32>, %acc: memref<64x32xf32>,
                   %max: memref<32xf32>, %sum: memref<32xf32>) {
  attn.online_attention
    ins(%q, %k, %v : memref<64x32xf32>, memref<128x64xf32>, memref<128x64xf32>)
    outs(%acc, %max, %sum : memref<64x32xf32>, memref<32xf32>, memref<32xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %twice = affine.apply affine_map<(i) -> (2 * i)>(%i)
      %last = index.add %twice, %h
      %keep = arith.cmpi sle, %j, %last : index
      attn.yield %keep : i1
    }
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (d, m)>,
      affine_map<(b, h, m, n, d, e) -> (n, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, e)>,
      affine_map<(b, h, m, n, d, e) -> (e, m)>,
      affine_map<(b, h, m, n, d, e) -> (m)>,
      affine_map<(b, h, m, n, d, e) -> (m)>]}
  return
}

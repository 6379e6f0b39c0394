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
// CHECK: arith.cmpi sle, {{.*}} : vector<16xi{{.*}}>
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

// -----

// Keys through a list: a row of a register tile is looked up once for all
// steps, a row of values once for all columns and one step ahead, a position
// once for all queries, and what is tested for being finite are listed rows
// only.

// CHECK-LABEL: func.func @listed
// CHECK-SAME: %[[Q:[^:]+]]: {{[^,]+}}, %[[K:[^:]+]]: {{[^,]+}}, %[[V:[^:]+]]: {{[^,]+}}, {{.*}} %[[LIST:[^:]+]]: memref<48xindex>
// CHECK: %[[ROW:.*]] = memref.load %[[LIST]]
// CHECK: scf.for
// CHECK: memref.load %[[K]][%[[ROW]], %
// CHECK: memref.load %[[LIST]]
// CHECK: arith.cmpi sle, {{.*}} : vector<16xi{{.*}}>
// CHECK-NOT: memref.load %[[LIST]]
// CHECK: arith.cmpi sle, {{.*}} : vector<16xi{{.*}}>
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.mask.scalef.ps.512"
// CHECK: %[[TESTED:.*]] = memref.load %[[LIST]]
// CHECK: vector.load %[[V]][%[[TESTED]], %
// CHECK: scf.if
// CHECK: %[[COLUMNS:.*]] = memref.subview %[[V]]
// CHECK: %[[FIRST:.*]] = scf.if
// CHECK: memref.load %[[LIST]]
// CHECK: scf.for {{.*}} %[[STEP:[^ ,]*]] = %[[FIRST]]) ->
// CHECK: %[[NEXT:.*]] = memref.load %[[LIST]]
// CHECK: memref.load %[[COLUMNS]][%[[STEP]], %
// CHECK-NOT: memref.load %[[LIST]]
// CHECK: memref.load %[[COLUMNS]][%[[STEP]], %
// CHECK: scf.yield {{.*}}, %[[NEXT]] :
// CHECK: } else {
// CHECK: %[[GUARDED:.*]] = memref.load %[[LIST]]
// CHECK: memref.load %[[V]][%[[GUARDED]], %
// V3-LABEL: func.func @listed
// BASE-LABEL: func.func @listed
func.func @listed(%q: memref<64x32xf32>, %k: memref<?x64xf32>,
                  %v: memref<?x64xf32>, %acc: memref<64x32xf32>,
                  %max: memref<32xf32>, %sum: memref<32xf32>,
                  %list: memref<48xindex>) {
  attn.online_attention
    ins(%q, %k, %v : memref<64x32xf32>, memref<?x64xf32>, memref<?x64xf32>)
    outs(%acc, %max, %sum : memref<64x32xf32>, memref<32xf32>, memref<32xf32>)
    key_rows(%list : memref<48xindex>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %n: index):
      %j = memref.load %list[%n] : memref<48xindex>
      %keep = arith.cmpi sle, %j, %i : index
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

// -----

// With the features in the lanes, too; what is asked for early is looked up,
// and guessed beyond the list.
// The positions of a vector of keys are gathered.

// CHECK-LABEL: func.func @listed_features
// CHECK-SAME: %[[LIST:[^:]+]]: memref<48xindex>
// CHECK: %[[ROW:.*]] = memref.load %[[LIST]]
// CHECK: %[[LISTED:.*]] = memref.load %[[LIST]]
// CHECK: %[[AHEAD:.*]] = arith.addi %[[LISTED]], %
// CHECK: vector.load %{{.*}}[%[[ROW]], %{{.*}}] : memref<?x64xf16>, vector<16xf16>
// CHECK: memref.prefetch %{{.*}}[%[[AHEAD]], %
// CHECK: vector.gather {{.*}} into vector<16xindex>
// V3-LABEL: func.func @listed_features
// BASE-LABEL: func.func @listed_features
func.func @listed_features(%q: memref<2x1x64xf32>, %k: memref<?x64xf16>,
                           %max: memref<2x1xf32>, %list: memref<48xindex>) {
  attn.online_attention
    ins(%q, %k, %k : memref<2x1x64xf32>, memref<?x64xf16>, memref<?x64xf16>)
    outs(%q, %max, %max : memref<2x1x64xf32>, memref<2x1xf32>, memref<2x1xf32>)
    key_rows(%list : memref<48xindex>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %n: index):
      %j = memref.load %list[%n] : memref<48xindex>
      %keep = arith.cmpi sle, %j, %i : index
      attn.yield %keep : i1
    }
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (h, m, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, e)>,
      affine_map<(b, h, m, n, d, e) -> (h, m, e)>,
      affine_map<(b, h, m, n, d, e) -> (h, m)>,
      affine_map<(b, h, m, n, d, e) -> (h, m)>]}
  return
}

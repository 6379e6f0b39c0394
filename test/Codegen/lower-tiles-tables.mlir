// RUN: attn-opt %s -attn-lower-tiles=target=cpu:x86-64-v4 -split-input-file | FileCheck %s

// A table with a row per query is read along its rows, 16 keys at a time, and
// transposed: then each key is a vector of queries. Memory is asked for ahead
// of the products.

// CHECK-LABEL: func.func @bytes(
// CHECK-DAG: %[[BLOCK:.*]] = memref.alloc() {{.*}} : memref<16x32xi8>
// CHECK-DAG: %[[ROWS:.*]] = memref.alloc() {{.*}} : memref<32xindex>
// CHECK: memref.prefetch {{.*}} : memref<?xi8, strided<[1], offset: ?>>
// CHECK: vector.fma
// CHECK: scf.if
// CHECK: scf.for
// CHECK-COUNT-16: vector.load {{.*}} : memref<?xi8, strided<[1], offset: ?>>, vector<16xi8>
// CHECK-COUNT-64: vector.shuffle {{.*}} : vector<16xi8>, vector<16xi8>
// CHECK-COUNT-16: vector.store {{.*}}, %[[BLOCK]]{{.*}} : memref<16x32xi8>, vector<16xi8>
// Keys that are too few for a square, or lie apart: one by one.
// CHECK: } else {
// CHECK: %[[ROW:.*]] = memref.load %[[ROWS]]
// CHECK: memref.load {{.*}} : memref<?xi8, strided<[1], offset: ?>>
// CHECK: memref.store {{.*}}, %[[BLOCK]]
// CHECK: scf.for
// CHECK: %[[ENTRIES:.*]] = vector.load %[[BLOCK]]{{.*}} : memref<16x32xi8>, vector<16xi8>
// CHECK: arith.cmpi ne, %[[ENTRIES]], %{{.*}} : vector<16xi8>
func.func @bytes(%q: memref<64x32xf32>, %k: memref<?x64xf32>,
                 %v: memref<?x64xf32>, %acc: memref<64x32xf32>,
                 %max: memref<32xf32>, %sum: memref<32xf32>, %count: index,
                 %table: memref<?x?xi8, strided<[?, 1], offset: ?>>) {
  %keys = affine.min affine_map<()[s] -> (s, 128)>()[%count]
  %key = memref.subview %k[0, 0] [%keys, 64] [1, 1]
      : memref<?x64xf32> to memref<?x64xf32, strided<[64, 1]>>
  %value = memref.subview %v[0, 0] [%keys, 64] [1, 1]
      : memref<?x64xf32> to memref<?x64xf32, strided<[64, 1]>>
  attn.online_attention
    ins(%q, %key, %value : memref<64x32xf32>,
        memref<?x64xf32, strided<[64, 1]>>, memref<?x64xf32, strided<[64, 1]>>)
    outs(%acc, %max, %sum : memref<64x32xf32>, memref<32xf32>, memref<32xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %zero = arith.constant 0 : i8
      %entry = memref.load %table[%i, %j]
          : memref<?x?xi8, strided<[?, 1], offset: ?>>
      %keep = arith.cmpi ne, %entry, %zero : i8
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

// Where the keys come from a list, their positions are looked up once, and
// squares of them are transposed that lie one behind the other.

// CHECK-LABEL: func.func @listed_bias(
// CHECK-SAME:    %[[LIST:[^:]*]]: memref<48xindex>
// CHECK-DAG: %[[BLOCK:.*]] = memref.alloc() {{.*}} : memref<16x32xf32>
// CHECK-DAG: %[[POSITIONS:.*]] = memref.alloc() {{.*}} : memref<48xindex>
// CHECK: scf.for
// CHECK-NEXT: %[[POSITION:.*]] = memref.load %[[LIST]]
// CHECK-NEXT: memref.store %[[POSITION]], %[[POSITIONS]]
// CHECK: %[[FIRST:.*]] = memref.load %[[POSITIONS]]
// CHECK: memref.load %[[POSITIONS]]
// CHECK: arith.cmpi eq
// CHECK: vector.shuffle {{.*}} : vector<16xf32>, vector<16xf32>
// CHECK-NOT: vector.gather
// CHECK: vector.load %[[BLOCK]]{{.*}} : memref<16x32xf32>, vector<16xf32>
func.func @listed_bias(%list: memref<48xindex>, %q: memref<64x32xf32>,
                       %k: memref<?x64xf32>, %v: memref<?x64xf32>,
                       %acc: memref<64x32xf32>, %max: memref<32xf32>,
                       %sum: memref<32xf32>, %bias: memref<?x?xf32>) {
  attn.online_attention
    ins(%q, %k, %v : memref<64x32xf32>, memref<?x64xf32>, memref<?x64xf32>)
    outs(%acc, %max, %sum : memref<64x32xf32>, memref<32xf32>, memref<32xf32>)
    key_rows(%list : memref<48xindex>)
    score {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %n: index):
      %j = memref.load %list[%n] : memref<48xindex>
      %add = memref.load %bias[%i, %j] : memref<?x?xf32>
      %t = arith.addf %s, %add : f32
      attn.yield %t : f32
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

// Truth values of a bit each are no bytes to shuffle, and a column per query
// is no row: one load per lane.

// CHECK-LABEL: func.func @per_lane(
// CHECK-NOT: vector.shuffle
// CHECK: vector.from_elements {{.*}} : vector<16xi1>
// CHECK: vector.from_elements {{.*}} : vector<16xi8>
// CHECK-NOT: vector.shuffle
func.func @per_lane(%q: memref<64x32xf32>, %k: memref<64x64xf32>,
                    %v: memref<64x64xf32>, %acc: memref<64x32xf32>,
                    %max: memref<32xf32>, %sum: memref<32xf32>,
                    %bits: memref<?x?xi1>, %turned: memref<?x?xi8>) {
  attn.online_attention
    ins(%q, %k, %v : memref<64x32xf32>, memref<64x64xf32>, memref<64x64xf32>)
    outs(%acc, %max, %sum : memref<64x32xf32>, memref<32xf32>, memref<32xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %zero = arith.constant 0 : i8
      %bit = memref.load %bits[%i, %j] : memref<?x?xi1>
      %entry = memref.load %turned[%j, %i] : memref<?x?xi8>
      %keep = arith.cmpi ne, %entry, %zero : i8
      %both = arith.andi %bit, %keep : i1
      attn.yield %both : i1
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

// The scan of a table asks for what it reads two runs later.

// CHECK-LABEL: func.func @scan(
// CHECK-SAME:    %[[TABLE:.*]]: memref<?x?xi8>, %[[ROW:.*]]: index, %[[KEY:.*]]: index)
// CHECK: %[[AHEAD:.*]] = arith.addi %[[KEY]], %c128
// CHECK: memref.prefetch %[[TABLE]][%[[ROW]], %[[AHEAD]]], read, locality<2>, data
// CHECK: vector.transfer_read %[[TABLE]][%[[ROW]], %[[KEY]]]
func.func @scan(%table: memref<?x?xi8>, %row: index, %key: index)
    -> vector<32xi8> {
  %zero = arith.constant 0 : i8
  %entries = vector.transfer_read %table[%row, %key], %zero {in_bounds = [true]}
      : memref<?x?xi8>, vector<32xi8>
  return %entries : vector<32xi8>
}

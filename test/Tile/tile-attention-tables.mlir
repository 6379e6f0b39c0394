// RUN: attn-opt %s -attn-tile-attention="target=cpu:x86-64-v4 schedule=lanes-queries" -canonicalize -cse -split-input-file | FileCheck %s

// A mask with an entry per pair is scanned in runs of 64 keys: row by row until
// some entry is true and some is not, whole vectors where the run is as long as
// one; the last of them ends at the run's last key.

// CHECK-LABEL: func.func @entries(
// CHECK-SAME:    %[[TABLE:[^:]*]]: tensor<?x?xi8>)
// CHECK: arith.muli %{{.*}}, %c64
// CHECK: %[[LENGTH:.*]] = arith.subi %[[END:.*]], %[[FIRST:.*]] : index
// CHECK-NEXT: %[[LONG:.*]] = arith.cmpi sge, %[[LENGTH]], %c32
// CHECK: scf.if %[[LONG]] -> (i1, i1) {
// CHECK:   scf.while
// CHECK:     %[[LAST:.*]] = arith.addi %{{.*}}, %c-31
// CHECK:     scf.for %[[KEY:.*]] = %[[FIRST]] to %[[END]] step %c32 {{.*}} -> (vector<32xi1>, vector<32xi1>)
// CHECK:       %[[AT:.*]] = arith.minsi %[[KEY]], %[[LAST]]
// CHECK:       vector.transfer_read %[[TABLE]][%{{.*}}, %[[AT]]], %{{.*}} {in_bounds = [true]} : tensor<?x?xi8>, vector<32xi8>
// CHECK:       arith.cmpi ne, %{{.*}} : vector<32xi8>
// CHECK:     vector.reduction <or>
// CHECK:     vector.reduction <and>
// CHECK: } else {
// CHECK:   tensor.extract %[[TABLE]]
func.func @entries(%q: tensor<1x1x?x64xf32>, %k: tensor<1x1x?x64xf32>,
                   %o: tensor<1x1x?x64xf32>, %table: tensor<?x?xi8>)
    -> tensor<1x1x?x64xf32> {
  %r = attn.attention
    ins(%q, %k, %k : tensor<1x1x?x64xf32>, tensor<1x1x?x64xf32>,
                     tensor<1x1x?x64xf32>)
    outs(%o : tensor<1x1x?x64xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %zero = arith.constant 0 : i8
      %entry = tensor.extract %table[%i, %j] : tensor<?x?xi8>
      %keep = arith.cmpi ne, %entry, %zero : i8
      attn.yield %keep : i1
    }
    -> tensor<1x1x?x64xf32>
  return %r : tensor<1x1x?x64xf32>
}

// -----

// Truth values of a bit each, and entries that many keys share, are read one by
// one.

// CHECK-LABEL: func.func @one_by_one(
// CHECK-NOT: vector.transfer_read
// CHECK: return
func.func @one_by_one(%q: tensor<1x1x?x64xf32>, %k: tensor<1x1x?x64xf32>,
                      %o: tensor<1x1x?x64xf32>, %bits: tensor<?x?xi1>,
                      %blocks: tensor<?x?xi8>) -> tensor<1x1x?x64xf32> {
  %r = attn.attention
    ins(%q, %k, %k : tensor<1x1x?x64xf32>, tensor<1x1x?x64xf32>,
                     tensor<1x1x?x64xf32>)
    outs(%o : tensor<1x1x?x64xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %zero = arith.constant 0 : i8
      %c64 = arith.constant 64 : index
      %row = arith.floordivsi %i, %c64 : index
      %column = arith.floordivsi %j, %c64 : index
      %bit = tensor.extract %bits[%i, %j] : tensor<?x?xi1>
      %entry = tensor.extract %blocks[%row, %column] : tensor<?x?xi8>
      %block = arith.cmpi ne, %entry, %zero : i8
      %keep = arith.andi %bit, %block : i1
      attn.yield %keep : i1
    }
    -> tensor<1x1x?x64xf32>
  return %r : tensor<1x1x?x64xf32>
}

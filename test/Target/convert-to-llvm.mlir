// RUN: attn-opt %s --attn-convert-to-llvm --reconcile-unrealized-casts --split-input-file | FileCheck %s

// Every dialect of the codegen level goes in one conversion.

// CHECK-LABEL: llvm.func @all_dialects
// CHECK-NOT: {{ (affine|arith|cf|func|index|math|memref|ub|vector)\.}}
func.func @all_dialects(%m: memref<?xf32>, %i: index, %t: f32) -> f32 {
  %c0 = arith.constant 0 : index
  %j = affine.apply affine_map<(d0) -> (d0 * 2 + 1)>(%i)
  %k = index.add %j, %c0
  %v = vector.load %m[%k] : memref<?xf32>, vector<16xf32>
  %f = vector.fma %v, %v, %v : vector<16xf32>
  %r = vector.reduction <add>, %f : vector<16xf32> into f32
  %p = ub.poison : f32
  %s = math.sqrt %r : f32
  %c = arith.cmpf ogt, %s, %t : f32
  cf.cond_br %c, ^big, ^small
^big:
  memref.store %s, %m[%i] : memref<?xf32>
  return %s : f32
^small:
  return %p : f32
}

// -----

// Views become pointer arithmetic.

// CHECK-LABEL: llvm.func @view
// CHECK-NOT: memref.subview
// CHECK: llvm.getelementptr
// CHECK: llvm.load {{.*}} : !llvm.ptr -> f32
func.func @view(%m: memref<?x64xf32>, %i: index) -> f32 {
  %c0 = arith.constant 0 : index
  %row = memref.subview %m[%i, 0] [1, 64] [1, 1]
      : memref<?x64xf32> to memref<64xf32, strided<[1], offset: ?>>
  %x = memref.load %row[%c0] : memref<64xf32, strided<[1], offset: ?>>
  return %x : f32
}

// -----

// Vectors of two dimensions are taken apart first.

// CHECK-LABEL: llvm.func @flatten
// CHECK-NOT: vector<4x16xf32>
// CHECK-COUNT-4: llvm.fadd {{.*}} : vector<16xf32>
// CHECK-NOT: vector.transpose
func.func @flatten(%a: vector<4x16xf32>) -> vector<16x4xf32> {
  %s = arith.addf %a, %a : vector<4x16xf32>
  %t = vector.transpose %s, [1, 0] : vector<4x16xf32> to vector<16x4xf32>
  return %t : vector<16x4xf32>
}

// -----

// A library function is called where there is no intrinsic.

// CHECK: llvm.func @erff(f32) -> f32
// CHECK-LABEL: llvm.func @library
// CHECK: llvm.intr.exp
// CHECK: llvm.call @erff
func.func @library(%x: f32) -> f32 {
  %e = math.exp %x : f32
  %y = math.erf %e : f32
  return %y : f32
}

// -----

// Other dialects stay.

// CHECK-LABEL: llvm.func @negative_other
// CHECK: scf.for
func.func @negative_other(%m: memref<8xf32>, %x: f32) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  scf.for %i = %c0 to %c8 step %c1 {
    memref.store %x, %m[%i] : memref<8xf32>
  }
  return
}

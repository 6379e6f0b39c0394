// RUN: attn-opt %s -attn-outline-tasks | FileCheck %s

// CHECK: llvm.func @attn_parallel_for(i64, !llvm.ptr, !llvm.ptr)

// CHECK: func.func private @{{.*}}(%{{.*}}: i64, %{{.*}}: !llvm.ptr)
// CHECK-DAG: arith.divsi
// CHECK-DAG: arith.remsi
// CHECK: memref.store

// The task number is split into the indices; captures travel in a struct made
// in the entry block.

// CHECK-LABEL: func.func @kernel(
// CHECK: %[[CONTEXT:.*]] = llvm.alloca
// CHECK: llvm.store %{{.*}}, %{{.*}}
// CHECK: %[[TOTAL:.*]] = arith.muli
// CHECK: llvm.call @attn_parallel_for(%{{.*}}, %{{.*}}, %[[CONTEXT]])
// CHECK-NOT: scf.forall
func.func @kernel(%x: memref<?x?xf32, strided<[?, 1], offset: ?>>,
                  %rows: index, %columns: index, %value: f32) {
  scf.forall (%i, %j) in (%rows, %columns) {
    memref.store %value, %x[%i, %j]
      : memref<?x?xf32, strided<[?, 1], offset: ?>>
  }
  return
}

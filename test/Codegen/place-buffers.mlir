// RUN: attn-opt %s -attn-place-buffers=max-stack-bytes=4096 | FileCheck %s

func.func private @use(memref<16x16xf32>)
func.func private @use_large(memref<64x64xf32>)
func.func private @use_empty(memref<64x0xf32>)
func.func private @use_dynamic(memref<?xf32>)
func.func private @use_list(memref<512xindex>)

// Up to 4096 bytes on the stack, at the start of the task and not in a loop.

// CHECK-LABEL: func.func @task
// CHECK: scf.forall
// CHECK-DAG: %[[SMALL:.*]] = memref.alloca() {alignment = 64 : i64} : memref<16x16xf32>
// CHECK-DAG: %[[EMPTY:.*]] = memref.alloca() {alignment = 64 : i64} : memref<64x0xf32>
// CHECK-DAG: %[[LIST:.*]] = memref.alloc() {alignment = 64 : i64} : memref<512xindex>
// CHECK-DAG: %[[LARGE:.*]] = memref.alloc() {alignment = 64 : i64} : memref<64x64xf32>
// CHECK: scf.for
// CHECK-NOT: memref.alloc() {{.*}} : memref<16x16xf32>
// CHECK: %[[DYNAMIC:.*]] = memref.alloc(%{{.*}})
// CHECK: memref.dealloc %[[DYNAMIC]]
// CHECK: }
// CHECK: memref.dealloc %[[LARGE]]
// CHECK: memref.dealloc %[[LIST]]
// CHECK-NOT: memref.dealloc
func.func @task(%n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.forall (%i) in (8) {
    scf.for %j = %c0 to %n step %c1 {
      %small = memref.alloc() : memref<16x16xf32>
      func.call @use(%small) : (memref<16x16xf32>) -> ()
      %large = memref.alloc() : memref<64x64xf32>
      func.call @use_large(%large) : (memref<64x64xf32>) -> ()
      %list = memref.alloc() : memref<512xindex>
      func.call @use_list(%list) : (memref<512xindex>) -> ()
      %empty = memref.alloc() : memref<64x0xf32>
      func.call @use_empty(%empty) : (memref<64x0xf32>) -> ()
      %dynamic = memref.alloc(%n) : memref<?xf32>
      func.call @use_dynamic(%dynamic) : (memref<?xf32>) -> ()
    }
  }
  return
}

// Outside of tasks: freed where made, unless handed on.

// CHECK-LABEL: func.func @outside
// CHECK: %[[KEPT:.*]] = memref.alloc() : memref<16x16xf32>
// CHECK: %[[FREED:.*]] = memref.alloc() : memref<16x16xf32>
// CHECK-NOT: memref.dealloc %[[KEPT]]
// CHECK: memref.dealloc %[[FREED]]
// CHECK-NEXT: return %[[KEPT]]
func.func @outside() -> memref<16x16xf32> {
  %kept = memref.alloc() : memref<16x16xf32>
  %freed = memref.alloc() : memref<16x16xf32>
  func.call @use(%freed) : (memref<16x16xf32>) -> ()
  return %kept : memref<16x16xf32>
}

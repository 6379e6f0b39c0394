#ifndef ATTN_TARGET_CPU_PASSES
#define ATTN_TARGET_CPU_PASSES

include "mlir/Pass/PassBase.td"

def ApproximateMathPass
    : Pass<"attn-approximate-math", "::mlir::func::FuncOp"> {
  let summary = "Replaces transcendental functions on vectors by polynomials";
  let description = [{
    Upstream's polynomial approximations of tanh, exp, log and the like, for
    f32: otherwise each lane is a call of the math library. f64 stays one.

    Applies to math operations on vectors and scalars; leaves those the target
    has instructions for.

    Before:

    ```mlir
    func.func @f(%x: vector<16xf32>) -> vector<16xf32> {
      %y = math.tanh %x : vector<16xf32>
      return %y : vector<16xf32>
    }
    ```

    After:

    ```
    %p = math.fma %x2, %c0, %c1 : vector<16xf32>
    ...
    ```

    Exactness: approximate (a few units in the last place of f32)
  }];
  let dependentDialects = ["arith::ArithDialect", "math::MathDialect",
                           "vector::VectorDialect"];
}

def ConvertToLLVMPass : Pass<"attn-convert-to-llvm", "::mlir::ModuleOp"> {
  let summary = "Converts every dialect of the codegen level to LLVM's at once";
  let description = [{
    Upstream's conversions of affine maps, arith, cf, func, index, math, memref,
    ub and vector in one run, after views have become pointer arithmetic. As
    separate passes each of them visits every operation and joins its results
    to the others' by casts, which takes longer.

    Applies to modules without structured control flow.
    Operations of other dialects stay as they are. Vectors of several
    dimensions are reduced to vectors of one first.

    Before:

    ```mlir
    func.func @f(%buffer: memref<?xf32>, %i: index) -> vector<16xf32> {
      %v = vector.load %buffer[%i] : memref<?xf32>, vector<16xf32>
      %y = vector.fma %v, %v, %v : vector<16xf32>
      return %y : vector<16xf32>
    }
    ```

    After:

    ```
    %p = llvm.getelementptr %base[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    %v = llvm.load %p : !llvm.ptr -> vector<16xf32>
    %y = llvm.intr.fmuladd(%v, %v, %v) : ...
    ```

    Exactness: bitwise
  }];
  let dependentDialects = ["LLVM::LLVMDialect", "affine::AffineDialect",
                           "arith::ArithDialect", "vector::VectorDialect"];
}

def LowerTransfersPass : Pass<"attn-lower-transfers", "::mlir::func::FuncOp"> {
  let summary = "Lowers vector transfers, and looks at nothing else";
  let description = [{
    Upstream's patterns of `convert-vector-to-scf`, applied to the transfers of
    a function alone: kernels of this project have none, and need not be
    visited.

    Applies to `vector.transfer_read` and `vector.transfer_write` of any rank.

    Before:

    ```mlir
    func.func @f(%buffer: memref<?x?xf32>, %i: index, %j: index)
        -> vector<4x8xf32> {
      %pad = arith.constant 0.0 : f32
      %tile = vector.transfer_read %buffer[%i, %j], %pad
        : memref<?x?xf32>, vector<4x8xf32>
      return %tile : vector<4x8xf32>
    }
    ```

    After:

    ```
    scf.for %k = %c0 to %c4 step %c1 {
      %row = vector.transfer_read %m[%ik, %j], %pad : memref<?x?xf32>, vector<8xf32>
      ...
    }
    ```

    Exactness: bitwise
  }];
  let dependentDialects = ["affine::AffineDialect", "memref::MemRefDialect",
                           "scf::SCFDialect", "tensor::TensorDialect",
                           "vector::VectorDialect"];
}

#endif // ATTN_TARGET_CPU_PASSES

#ifndef ATTN_TARGET_CPU_PASSES
#define ATTN_TARGET_CPU_PASSES

include "mlir/Pass/PassBase.td"

def ApproximateMathPass
    : Pass<"attn-approximate-math", "::mlir::func::FuncOp"> {
  let summary = "Replaces transcendental functions on vectors by polynomials";
  let description = [{
    Upstream's polynomial approximations of tanh, exp, log and the like, for
    f32: a call of the math library per lane costs 50 times more. f64 stays a
    library call.

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

#endif // ATTN_TARGET_CPU_PASSES

#ifndef ATTN_CODEGEN_PASSES
#define ATTN_CODEGEN_PASSES

include "mlir/Pass/PassBase.td"

def DestinationResultsPass
    : Pass<"attn-destination-results", "::mlir::func::FuncOp"> {
  let summary = "Turns tensor results of entry functions into destinations";
  let description = [{
    A public function returns its tensors through buffers the caller gives: one
    trailing argument per result, any strides, innermost stride 1. Its tensor
    arguments become read only.

    Applies to public functions with a body. Private functions keep their
    results.

    Before:

    ```mlir
    func.func @f(%query: tensor<?x64xf32>) -> tensor<?x64xf32> {
      %twice = arith.addf %query, %query : tensor<?x64xf32>
      return %twice : tensor<?x64xf32>
    }
    ```

    After:

    ```
    func.func @f(%q: tensor<?x64xf32> {bufferization.writable = false},
                 %out: memref<?x64xf32, strided<[?, 1], offset: ?>>) {
      bufferization.materialize_in_destination %r in restrict writable %out
      return
    }
    ```

    Exactness: bitwise
  }];
  let dependentDialects = ["bufferization::BufferizationDialect",
                           "memref::MemRefDialect"];
}

def BufferizePass : Pass<"attn-bufferize", "::mlir::ModuleOp"> {
  let summary = "Gives every tensor a buffer";
  let description = [{
    Upstream's one-shot bufferization with this project's boundary: arguments
    are strided buffers whose innermost stride is 1. Never copies an argument.

    Before:

    ```mlir
    func.func private @f(%query: tensor<?x64xf32>) -> tensor<64x64xf32> {
      %init = tensor.empty() : tensor<64x64xf32>
      %packed = attn.pack ins(%query : tensor<?x64xf32>)
        outs(%init : tensor<64x64xf32>)
        maps([affine_map<(h, r, c) -> (r, c)>, affine_map<(h, r, c) -> (c, r)>])
        -> tensor<64x64xf32>
      return %packed : tensor<64x64xf32>
    }
    ```

    After:

    ```
    attn.pack ins(%a : memref<?x64xf32, strided<[?, 1], offset: ?>>)
      outs(%b : memref<64x64xf32>) ...
    ```

    Exactness: bitwise
  }];
  let dependentDialects = ["bufferization::BufferizationDialect",
                           "memref::MemRefDialect"];
}

def LowerTilesPass : Pass<"attn-lower-tiles", "::mlir::func::FuncOp"> {
  let summary = "Emits vector code for the operations on tiles";
  let description = [{
    Replaces `attn.pack`, `attn.online_attention`, `attn.normalize` and fills
    of tiles, all on buffers, by vector, scf and memref operations for the
    target: register tiles with stationary accumulators, a polynomial 2^x,
    tails by clamped rows and lane masks. Score and mask regions are inlined on
    vectors. Other linalg operations become plain loops. Never reads outside a
    buffer.

    Before:

    ```mlir
    func.func @f(%query: memref<64x64xf32>, %key: memref<128x64xf32>,
                 %value: memref<128x64xf32>, %acc: memref<64x64xf32>,
                 %max: memref<64xf32>, %sum: memref<64xf32>) {
      attn.online_attention
        ins(%query, %key, %value
            : memref<64x64xf32>, memref<128x64xf32>, memref<128x64xf32>)
        outs(%acc, %max, %sum
            : memref<64x64xf32>, memref<64xf32>, memref<64xf32>)
        attributes {indexing_maps = [
          affine_map<(b, h, m, n, d, e) -> (d, m)>,
          affine_map<(b, h, m, n, d, e) -> (n, d)>,
          affine_map<(b, h, m, n, d, e) -> (n, e)>,
          affine_map<(b, h, m, n, d, e) -> (e, m)>,
          affine_map<(b, h, m, n, d, e) -> (m)>,
          affine_map<(b, h, m, n, d, e) -> (m)>]}
      return
    }
    ```

    After:

    ```
    scf.for %n = ... {
      %r:16 = scf.for %d = ... iter_args(...) -> (vector<16xf32>, ...) {
        vector.fma ...
    ```

    Exactness: reassociates
  }];
  let options = [
    Option<"target", "target", "std::string", "\"host\"",
           "CPU to generate code for: host, cpu:x86-64-v3, ...">,
  ];
  let dependentDialects = [
    "affine::AffineDialect", "arith::ArithDialect", "LLVM::LLVMDialect",
    "math::MathDialect", "memref::MemRefDialect", "scf::SCFDialect",
    "vector::VectorDialect"
  ];
}

def PlaceBuffersPass : Pass<"attn-place-buffers", "::mlir::func::FuncOp"> {
  let summary = "Puts scratch buffers into the frame of their task";
  let description = [{
    Allocations of static size inside a task move to its start, and onto the
    stack up to `max-stack-bytes` per task. All others are freed at the end of
    the block they are made in.

    Applies to buffers that do not leave their block.

    Before:

    ```mlir
    func.func @f(%out: memref<8x64xf32>) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c4 = arith.constant 4 : index
      %zero = arith.constant 0.0 : f32
      scf.forall (%i) in (8) {
        scf.for %j = %c0 to %c4 step %c1 {
          %scratch = memref.alloc() : memref<64xf32>
          memref.store %zero, %scratch[%j] : memref<64xf32>
          %x = memref.load %scratch[%j] : memref<64xf32>
          memref.store %x, %out[%i, %j] : memref<8x64xf32>
        }
      }
      return
    }
    ```

    After:

    ```
    scf.forall (%i) in (8) {
      %s = memref.alloca() {alignment = 64 : i64} : memref<128x64xf32>
    ```

    Exactness: bitwise
  }];
  let options = [
    Option<"maxStackBytes", "max-stack-bytes", "int64_t", "262144",
           "bytes of stack a task may use">,
  ];
  let dependentDialects = ["memref::MemRefDialect"];
}

def OutlineTasksPass : Pass<"attn-outline-tasks", "::mlir::ModuleOp"> {
  let summary = "Turns parallel loops into calls of the runtime";
  let description = [{
    Every outermost `scf.forall` on buffers becomes a function of a task
    number and a context, and one call of `attn_parallel_for`. Captured values
    travel in a struct on the caller's stack.

    Before:

    ```mlir
    func.func @f(%out: memref<8x64xf32>) {
      %c0 = arith.constant 0 : index
      %zero = arith.constant 0.0 : f32
      scf.forall (%i) in (8) {
        memref.store %zero, %out[%i, %c0] : memref<8x64xf32>
      }
      return
    }
    ```

    After:

    ```
    llvm.call @attn_parallel_for(%n, %task, %context)
    ```

    Exactness: bitwise
  }];
  let dependentDialects = ["arith::ArithDialect", "LLVM::LLVMDialect",
                           "func::FuncDialect"];
}

#endif // ATTN_CODEGEN_PASSES

// RUN: attn-opt %s -attn-outline-tasks -verify-diagnostics

func.func @tensors(%x: tensor<8xf32>, %value: tensor<1xf32>) -> tensor<8xf32> {
  // expected-error @below {{'scf.forall' op expects buffers, but returns tensors (run attn-bufferize)}}
  %out = scf.forall (%i) in (8) shared_outs(%o = %x) -> tensor<8xf32> {
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %value into %o[%i] [1] [1]
        : tensor<1xf32> into tensor<8xf32>
    }
  }
  return %out : tensor<8xf32>
}

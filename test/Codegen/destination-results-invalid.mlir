// RUN: attn-opt %s -attn-destination-results -split-input-file -verify-diagnostics

// expected-error @below {{expects an entry function to return ranked tensors, but got 'index'}}
func.func @index(%x: tensor<4xf32>) -> index {
  %c = arith.constant 4 : index
  return %c : index
}

// -----

// expected-error @below {{expects an entry function to return ranked tensors, but got 'tensor<*xf32>'}}
func.func @unranked(%x: tensor<*xf32>) -> tensor<*xf32> {
  return %x : tensor<*xf32>
}

// -----

// expected-error @below {{expects an entry function to have 1 block, but got 3}}
func.func @branches(%c: i1, %x: tensor<4xf32>, %y: tensor<4xf32>)
    -> tensor<4xf32> {
  cf.cond_br %c, ^a, ^b
^a:
  return %x : tensor<4xf32>
^b:
  return %y : tensor<4xf32>
}

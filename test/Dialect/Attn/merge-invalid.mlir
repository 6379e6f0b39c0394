// RUN: attn-opt %s --split-input-file --verify-diagnostics

// Verify that states of different types are detected.
func.func @merge_c1_types(%acc1: tensor<8x4xf32>, %max1: tensor<?xf32>,
    %sum1: tensor<8xf32>, %acc2: tensor<8x4xf32>, %max2: tensor<8xf32>, %sum2: tensor<8xf32>) {
  // expected-error @+1 {{expects both 'maximum' operands to have the same type, but got 'tensor<?xf32>' and 'tensor<8xf32>'}}
  %state:3 = attn.merge ins(%acc1, %max1, %sum1 : tensor<8x4xf32>, tensor<?xf32>, tensor<8xf32>)
    outs(%acc2, %max2, %sum2 : tensor<8x4xf32>, tensor<8xf32>, tensor<8xf32>)
    -> tensor<8x4xf32>, tensor<8xf32>, tensor<8xf32>
  return
}

// -----

// Verify that integers are detected.
func.func @merge_c1_integers(%acc1: tensor<8x4xi32>, %max1: tensor<8xf32>,
    %sum1: tensor<8xf32>, %acc2: tensor<8x4xi32>, %max2: tensor<8xf32>, %sum2: tensor<8xf32>) {
  // expected-error @+1 {{expects 'accumulator' to hold floating-point rows, but got 'tensor<8x4xi32>'}}
  %state:3 = attn.merge ins(%acc1, %max1, %sum1 : tensor<8x4xi32>, tensor<8xf32>, tensor<8xf32>)
    outs(%acc2, %max2, %sum2 : tensor<8x4xi32>, tensor<8xf32>, tensor<8xf32>)
    -> tensor<8x4xi32>, tensor<8xf32>, tensor<8xf32>
  return
}

// -----

// Verify that a sum of another shape is detected.
func.func @merge_c2_shape(%acc1: tensor<8x4xf32>, %max1: tensor<8xf32>,
    %sum1: tensor<4xf32>, %acc2: tensor<8x4xf32>, %max2: tensor<8xf32>, %sum2: tensor<4xf32>) {
  // expected-error @+1 {{expects 'sum' to have the shape and element type of 'accumulator' without its last dimension, but got 'tensor<4xf32>' and 'tensor<8x4xf32>'}}
  %state:3 = attn.merge ins(%acc1, %max1, %sum1 : tensor<8x4xf32>, tensor<8xf32>, tensor<4xf32>)
    outs(%acc2, %max2, %sum2 : tensor<8x4xf32>, tensor<8xf32>, tensor<4xf32>)
    -> tensor<8x4xf32>, tensor<8xf32>, tensor<4xf32>
  return
}

// -----

// Verify that a maximum of another type is detected.
func.func @merge_c2_type(%acc1: tensor<8x4xf32>, %max1: tensor<8xf64>,
    %sum1: tensor<8xf32>, %acc2: tensor<8x4xf32>, %max2: tensor<8xf64>, %sum2: tensor<8xf32>) {
  // expected-error @+1 {{expects 'maximum' to have the shape and element type of 'accumulator' without its last dimension, but got 'tensor<8xf64>' and 'tensor<8x4xf32>'}}
  %state:3 = attn.merge ins(%acc1, %max1, %sum1 : tensor<8x4xf32>, tensor<8xf64>, tensor<8xf32>)
    outs(%acc2, %max2, %sum2 : tensor<8x4xf32>, tensor<8xf64>, tensor<8xf32>)
    -> tensor<8x4xf32>, tensor<8xf64>, tensor<8xf32>
  return
}

// RUN: attn-opt %s --split-input-file --verify-diagnostics

// Verify that two offsets are detected.
func.func @causal_operands(%query: tensor<2x8x4x8xf32>, %x: index) {
  // expected-error @+1 {{expects at most 1 operand for '#attn.causal', but got 2}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.causal(%x, %x : index, index))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that a float offset is detected.
func.func @causal_operand_type(%query: tensor<2x8x4x8xf32>, %x: f32) {
  // expected-error @+1 {{expects the operand of '#attn.causal' to be an integer or an integer tensor [B], but got 'f32'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.causal(%x : f32))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that an offset for each pair is detected.
func.func @window_operand_type(%query: tensor<2x8x4x8xf32>, %x: tensor<4x4xi32>) {
  // expected-error @+1 {{expects the operand of '#attn.window' to be an integer or an integer tensor [B], but got 'tensor<4x4xi32>'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.window<left = 1>(%x : tensor<4x4xi32>))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that a float length is detected.
func.func @prefix_operand_type(%query: tensor<2x8x4x8xf32>, %x: tensor<2xf32>) {
  // expected-error @+1 {{expects the operand of '#attn.prefix' to be an integer or an integer tensor [B], but got 'tensor<2xf32>'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.prefix(%x : tensor<2xf32>))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that float lengths are detected.
func.func @key_lengths_operand_type(%query: tensor<2x8x4x8xf32>, %x: tensor<2xf32>) {
  // expected-error @+1 {{expects the operand of '#attn.key_lengths' to be an integer or an integer tensor [B], but got 'tensor<2xf32>'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.key_lengths(%x : tensor<2xf32>))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that an operand of a softcap is detected.
func.func @softcap_operands(%query: tensor<2x8x4x8xf32>, %x: f32) {
  // expected-error @+1 {{expects no operand for '#attn.softcap', but got 1}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    scores(#attn.softcap<1.0>(%x : f32))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that two tables of slopes are detected.
func.func @alibi_operands(%query: tensor<2x8x4x8xf32>, %x: tensor<8xf32>) {
  // expected-error @+1 {{expects at most 1 operand for '#attn.alibi', but got 2}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    scores(#attn.alibi(%x, %x : tensor<8xf32>, tensor<8xf32>))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that integer slopes are detected.
func.func @alibi_operand_type(%query: tensor<2x8x4x8xf32>, %x: tensor<8xi32>) {
  // expected-error @+1 {{expects the operand of '#attn.alibi' to be a float tensor [H], but got 'tensor<8xi32>'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    scores(#attn.alibi(%x : tensor<8xi32>))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that a missing bias is detected.
func.func @bias_operands(%query: tensor<2x8x4x8xf32>) {
  // expected-error @+1 {{expects 1 operand for '#attn.bias', but got 0}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    scores(#attn.bias)
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that a bias of rank 5 is detected.
func.func @bias_operand_type(%query: tensor<2x8x4x8xf32>, %x: tensor<1x1x1x1x1xf32>) {
  // expected-error @+1 {{expects the operand of '#attn.bias' to be a float tensor of rank 0 to 4, but got 'tensor<1x1x1x1x1xf32>'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    scores(#attn.bias(%x : tensor<1x1x1x1x1xf32>))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that an unknown field is detected.
// expected-error @+1 {{expects 'top_left', 'bottom_right' or 'offset', but got 'center'}}
func.func private @causal_field() attributes {kind = #attn.causal<center>}

// -----

// Verify that a negative bound is detected.
// expected-error @+1 {{expects 'left' and 'right' of '#attn.window' to be -1 or more, but got -2}}
func.func private @window_negative() attributes {kind = #attn.window<left = -2>}

// -----

// Verify that a negative length is detected.
// expected-error @+1 {{expects the length of '#attn.prefix' to be 0 or more, but got -1}}
func.func private @prefix_negative() attributes {kind = #attn.prefix<-1>}

// -----

// Verify that a negative cap is detected.
// expected-error @+1 {{expects the cap of '#attn.softcap' to be positive and finite, but got -1.000000e+00}}
func.func private @softcap_negative() attributes {kind = #attn.softcap<-1.0>}

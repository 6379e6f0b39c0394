// RUN: attn-opt %s --split-input-file --verify-diagnostics

// Verify that a second key of another length is detected.
func.func @longformer_c1_key(%query: tensor<2x4x8x16xf32>, %key: tensor<2x4x8x16xf32>, %value: tensor<2x4x8x16xf32>, %global_query: tensor<2x4x8x16xf32>, %global_key: tensor<2x4x9x16xf32>, %global_value: tensor<2x4x8x16xf32>, %is_global: tensor<8xi1>) {
  // expected-error @+1 {{expects 'global_key' to have the element type and sizes of 'key' ('tensor<2x4x8x16xf32>'), but got 'tensor<2x4x9x16xf32>'}}
  %out = attn.longformer
    ins(%query, %key, %value, %global_query, %global_key, %global_value, %is_global
      : tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x9x16xf32>, tensor<2x4x8x16xf32>, tensor<8xi1>)
    outs(%query : tensor<2x4x8x16xf32>) window(3)
    -> tensor<2x4x8x16xf32>
  return
}

// -----

// Verify that a second value of another type is detected.
func.func @longformer_c1_type(%query: tensor<2x4x8x16xf32>, %key: tensor<2x4x8x16xf32>, %value: tensor<2x4x8x16xf32>, %global_query: tensor<2x4x8x16xf32>, %global_key: tensor<2x4x8x16xf32>, %global_value: tensor<2x4x8x16xf64>, %is_global: tensor<8xi1>) {
  // expected-error @+1 {{expects 'global_value' to have the element type and sizes of 'value' ('tensor<2x4x8x16xf32>'), but got 'tensor<2x4x8x16xf64>'}}
  %out = attn.longformer
    ins(%query, %key, %value, %global_query, %global_key, %global_value, %is_global
      : tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf64>, tensor<8xi1>)
    outs(%query : tensor<2x4x8x16xf32>) window(3)
    -> tensor<2x4x8x16xf32>
  return
}

// -----

// Verify that another number of keys is detected.
func.func @longformer_c2_keys(%query: tensor<2x4x8x16xf32>, %key: tensor<2x4x9x16xf32>, %value: tensor<2x4x9x16xf32>, %global_query: tensor<2x4x8x16xf32>, %global_key: tensor<2x4x9x16xf32>, %global_value: tensor<2x4x9x16xf32>, %is_global: tensor<8xi1>) {
  // expected-error @+1 {{expects 'key' dim S to equal 'query' dim L (8), but got 9}}
  %out = attn.longformer
    ins(%query, %key, %value, %global_query, %global_key, %global_value, %is_global
      : tensor<2x4x8x16xf32>, tensor<2x4x9x16xf32>, tensor<2x4x9x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x9x16xf32>, tensor<2x4x9x16xf32>, tensor<8xi1>)
    outs(%query : tensor<2x4x8x16xf32>) window(3)
    -> tensor<2x4x8x16xf32>
  return
}

// -----

// Verify that flags of each head is detected.
func.func @longformer_c2_rank(%query: tensor<2x4x8x16xf32>, %key: tensor<2x4x8x16xf32>, %value: tensor<2x4x8x16xf32>, %global_query: tensor<2x4x8x16xf32>, %global_key: tensor<2x4x8x16xf32>, %global_value: tensor<2x4x8x16xf32>, %is_global: tensor<2x4x8xi1>) {
  // expected-error @+1 {{expects 'is_global' to be a tensor [L] or [B, L] of i1 or integers, but got 'tensor<2x4x8xi1>'}}
  %out = attn.longformer
    ins(%query, %key, %value, %global_query, %global_key, %global_value, %is_global
      : tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8xi1>)
    outs(%query : tensor<2x4x8x16xf32>) window(3)
    -> tensor<2x4x8x16xf32>
  return
}

// -----

// Verify that a float flag is detected.
func.func @longformer_c2_type(%query: tensor<2x4x8x16xf32>, %key: tensor<2x4x8x16xf32>, %value: tensor<2x4x8x16xf32>, %global_query: tensor<2x4x8x16xf32>, %global_key: tensor<2x4x8x16xf32>, %global_value: tensor<2x4x8x16xf32>, %is_global: tensor<8xf32>) {
  // expected-error @+1 {{expects 'is_global' to be a tensor [L] or [B, L] of i1 or integers, but got 'tensor<8xf32>'}}
  %out = attn.longformer
    ins(%query, %key, %value, %global_query, %global_key, %global_value, %is_global
      : tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<8xf32>)
    outs(%query : tensor<2x4x8x16xf32>) window(3)
    -> tensor<2x4x8x16xf32>
  return
}

// -----

// Verify that flags of other tokens is detected.
func.func @longformer_c2_size(%query: tensor<2x4x8x16xf32>, %key: tensor<2x4x8x16xf32>, %value: tensor<2x4x8x16xf32>, %global_query: tensor<2x4x8x16xf32>, %global_key: tensor<2x4x8x16xf32>, %global_value: tensor<2x4x8x16xf32>, %is_global: tensor<2x9xi1>) {
  // expected-error @+1 {{expects 'is_global' to have a flag for each of the query's tokens, but got 'tensor<2x9xi1>'}}
  %out = attn.longformer
    ins(%query, %key, %value, %global_query, %global_key, %global_value, %is_global
      : tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x9xi1>)
    outs(%query : tensor<2x4x8x16xf32>) window(3)
    -> tensor<2x4x8x16xf32>
  return
}

// -----

// Verify that a batch that the query does not have is detected.
func.func @longformer_c2_batch(%query: tensor<8x16xf32>, %key: tensor<8x16xf32>, %value: tensor<8x16xf32>, %global_query: tensor<8x16xf32>, %global_key: tensor<8x16xf32>, %global_value: tensor<8x16xf32>, %is_global: tensor<1x8xi1>) {
  // expected-error @+1 {{expects 'is_global' to be a tensor [L] of i1 or integers, but got 'tensor<1x8xi1>'}}
  %out = attn.longformer
    ins(%query, %key, %value, %global_query, %global_key, %global_value, %is_global
      : tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>, tensor<1x8xi1>)
    outs(%query : tensor<8x16xf32>) window(3)
    -> tensor<8x16xf32>
  return
}

// -----

// Verify that a negative window is detected.
func.func @longformer_c3_window(%query: tensor<2x4x8x16xf32>, %key: tensor<2x4x8x16xf32>, %value: tensor<2x4x8x16xf32>, %global_query: tensor<2x4x8x16xf32>, %global_key: tensor<2x4x8x16xf32>, %global_value: tensor<2x4x8x16xf32>, %is_global: tensor<8xi1>) {
  // expected-error @+1 {{expects 'window' to be 0 or more, but got -1}}
  %out = attn.longformer
    ins(%query, %key, %value, %global_query, %global_key, %global_value, %is_global
      : tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<8xi1>)
    outs(%query : tensor<2x4x8x16xf32>) window(-1)
    -> tensor<2x4x8x16xf32>
  return
}

// -----

// Verify that a scale of another type is detected.
func.func @longformer_c4_scale(%query: tensor<2x4x8x16xf32>, %key: tensor<2x4x8x16xf32>, %value: tensor<2x4x8x16xf32>, %global_query: tensor<2x4x8x16xf32>, %global_key: tensor<2x4x8x16xf32>, %global_value: tensor<2x4x8x16xf32>, %is_global: tensor<8xi1>, %scale: f64) {
  // expected-error @+1 {{expects 'scale' to have the compute type ('f32'), but got 'f64'}}
  %out = attn.longformer
    ins(%query, %key, %value, %global_query, %global_key, %global_value, %is_global
      : tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<8xi1>)
    outs(%query : tensor<2x4x8x16xf32>) scale(%scale : f64) window(3)
    -> tensor<2x4x8x16xf32>
  return
}

// -----

// Verify that a missing second value is detected.
func.func @longformer_operands(%query: tensor<2x4x8x16xf32>, %key: tensor<2x4x8x16xf32>, %value: tensor<2x4x8x16xf32>, %global_query: tensor<2x4x8x16xf32>, %global_key: tensor<2x4x8x16xf32>, %is_global: tensor<8xi1>) {
  // expected-error @+2 {{expects 7 operands in 'ins' and 1 in 'outs', but got 6 and 1}}
  %out = attn.longformer
    ins(%query, %key, %value, %global_query, %global_key, %is_global
      : tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<8xi1>)
    outs(%query : tensor<2x4x8x16xf32>) window(3)
    -> tensor<2x4x8x16xf32>
  return
}

// -----

// Verify that a value of another length is detected.
// expected-note @+1 {{'key' is 'tensor<2x4x8x16xf32>'}}
func.func @longformer_attention_c5(%query: tensor<2x4x8x16xf32>, %key: tensor<2x4x8x16xf32>, %value: tensor<2x4x9x16xf32>, %global_query: tensor<2x4x8x16xf32>, %global_key: tensor<2x4x8x16xf32>, %global_value: tensor<2x4x9x16xf32>, %is_global: tensor<8xi1>) {
  // expected-error @+1 {{expects 'value' dim S to equal 'key' dim S (8), but got 9}}
  %out = attn.longformer
    ins(%query, %key, %value, %global_query, %global_key, %global_value, %is_global
      : tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x9x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x8x16xf32>, tensor<2x4x9x16xf32>, tensor<8xi1>)
    outs(%query : tensor<2x4x8x16xf32>) window(3)
    -> tensor<2x4x8x16xf32>
  return
}

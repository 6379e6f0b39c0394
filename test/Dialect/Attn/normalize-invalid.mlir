// RUN: attn-opt %s --split-input-file --verify-diagnostics

// Verify that a missing map is detected.
func.func @normalize_c1_count(%acc: tensor<8x4xf32>, %max: tensor<8xf32>, %sum: tensor<8xf32>,
    %init: tensor<8x4xbf16>) {
  // expected-error @+1 {{expects 'maps' to hold 2 maps, but got 1}}
  %out = attn.normalize ins(%acc, %max, %sum : tensor<8x4xf32>, tensor<8xf32>, tensor<8xf32>)
    outs(%init : tensor<8x4xbf16>)
    maps([affine_map<(h, r, c) -> (r, c)>])
    -> tensor<8x4xbf16>
  return
}

// -----

// Verify that an output of another rank is detected.
func.func @normalize_c1_rank(%acc: tensor<8x4xf32>, %max: tensor<8xf32>, %sum: tensor<8xf32>,
    %init: tensor<1x8x4xf32>) {
  // expected-error @+1 {{expects the map of 'output' to have 3 dimensions, no symbols and 3 results, but got affine_map<(d0, d1, d2) -> (d1, d2)>}}
  %out = attn.normalize ins(%acc, %max, %sum : tensor<8x4xf32>, tensor<8xf32>, tensor<8xf32>)
    outs(%init : tensor<1x8x4xf32>)
    -> tensor<1x8x4xf32>
  return
}

// -----

// Verify that a repeated dimension is detected.
func.func @normalize_c1_distinct(%acc: tensor<8x4xf32>, %max: tensor<8xf32>, %sum: tensor<8xf32>,
    %init: tensor<8x4xbf16>) {
  // expected-error @+1 {{expects the map of 'accumulator' to hold distinct dimensions, but got affine_map<(d0, d1, d2) -> (d1, d1)>}}
  %out = attn.normalize ins(%acc, %max, %sum : tensor<8x4xf32>, tensor<8xf32>, tensor<8xf32>)
    outs(%init : tensor<8x4xbf16>)
    maps([affine_map<(h, r, c) -> (r, r)>,
          affine_map<(h, r, c) -> (r, c)>])
    -> tensor<8x4xbf16>
  return
}

// -----

// Verify that a maximum of columns is detected.
func.func @normalize_c2_maximum(%acc: tensor<8x4xf32>, %max: tensor<4xf32>, %sum: tensor<4xf32>,
    %init: tensor<8x4xbf16>) {
  // expected-error @+1 {{expects 'maximum' to have the shape of 'accumulator' without its columns, but got 'tensor<4xf32>' and 'tensor<8x4xf32>'}}
  %out = attn.normalize ins(%acc, %max, %sum : tensor<8x4xf32>, tensor<4xf32>, tensor<4xf32>)
    outs(%init : tensor<8x4xbf16>)
    -> tensor<8x4xbf16>
  return
}

// -----

// Verify that a sum of another rank is detected.
func.func @normalize_c2_sum(%acc: tensor<8x4xf32>, %max: tensor<8xf32>, %sum: tensor<8x4xf32>,
    %init: tensor<8x4xbf16>) {
  // expected-error @+1 {{expects 'sum' to have the shape of 'accumulator' without its columns, but got 'tensor<8x4xf32>' and 'tensor<8x4xf32>'}}
  %out = attn.normalize ins(%acc, %max, %sum : tensor<8x4xf32>, tensor<8xf32>, tensor<8x4xf32>)
    outs(%init : tensor<8x4xbf16>)
    -> tensor<8x4xbf16>
  return
}

// -----

// Verify that a log-sum-exp of another shape is detected.
func.func @normalize_c2_lse(%acc: tensor<8x4xf32>, %max: tensor<8xf32>, %sum: tensor<8xf32>,
    %init: tensor<8x4xbf16>, %lse: tensor<4xf32>) {
  // expected-error @+1 {{expects 'lse' to have the shape of 'output' without its columns, but got 'tensor<4xf32>' and 'tensor<8x4xbf16>'}}
  %out:2 = attn.normalize ins(%acc, %max, %sum : tensor<8x4xf32>, tensor<8xf32>, tensor<8xf32>)
    outs(%init, %lse : tensor<8x4xbf16>, tensor<4xf32>)
    -> tensor<8x4xbf16>, tensor<4xf32>
  return
}

// -----

// Verify that a narrow accumulator is detected.
func.func @normalize_c3_accumulator(%acc: tensor<8x4xbf16>, %max: tensor<8xbf16>, %sum: tensor<8xbf16>,
    %init: tensor<8x4xbf16>) {
  // expected-error @+1 {{expects 'accumulator' to hold f32 or f64, but got 'bf16'}}
  %out = attn.normalize ins(%acc, %max, %sum : tensor<8x4xbf16>, tensor<8xbf16>, tensor<8xbf16>)
    outs(%init : tensor<8x4xbf16>)
    -> tensor<8x4xbf16>
  return
}

// -----

// Verify that a sum of another type is detected.
func.func @normalize_c3_sum(%acc: tensor<8x4xf32>, %max: tensor<8xf32>, %sum: tensor<8xf64>,
    %init: tensor<8x4xbf16>) {
  // expected-error @+1 {{expects 'sum' element type to equal 'accumulator' element type ('f32'), but got 'f64'}}
  %out = attn.normalize ins(%acc, %max, %sum : tensor<8x4xf32>, tensor<8xf32>, tensor<8xf64>)
    outs(%init : tensor<8x4xbf16>)
    -> tensor<8x4xbf16>
  return
}

// -----

// Verify that a log-sum-exp of another type is detected.
func.func @normalize_c3_lse(%acc: tensor<8x4xf32>, %max: tensor<8xf32>, %sum: tensor<8xf32>,
    %init: tensor<8x4xbf16>, %lse: tensor<8xbf16>) {
  // expected-error @+1 {{expects 'lse' element type to equal 'accumulator' element type ('f32'), but got 'bf16'}}
  %out:2 = attn.normalize ins(%acc, %max, %sum : tensor<8x4xf32>, tensor<8xf32>, tensor<8xf32>)
    outs(%init, %lse : tensor<8x4xbf16>, tensor<8xbf16>)
    -> tensor<8x4xbf16>, tensor<8xbf16>
  return
}

// -----

// Verify that a map for a log-sum-exp that is not there is detected.
func.func @normalize_c1_no_lse(%acc: tensor<8x4xf32>, %max: tensor<8xf32>,
                               %init: tensor<8x4xf32>) {
  // expected-error @+1 {{expects 'maps' to hold 2 maps, but got 3}}
  %out = attn.normalize
    ins(%acc, %max, %max : tensor<8x4xf32>, tensor<8xf32>, tensor<8xf32>)
    outs(%init : tensor<8x4xf32>)
    maps([affine_map<(h, r, c) -> (r, c)>, affine_map<(h, r, c) -> (r, c)>,
          affine_map<(h, r, c) -> (r)>])
    -> tensor<8x4xf32>
  return
}

// -----

// Verify that a log-sum-exp of columns is detected.
func.func @normalize_c2_lse_columns(%acc: tensor<8x8xf32>, %max: tensor<8xf32>,
                                    %init: tensor<8x8xf32>) {
  // expected-error @+1 {{expects 'lse' to have the shape of 'output' without its columns, but got 'tensor<8xf32>' and 'tensor<8x8xf32>'}}
  %out:2 = attn.normalize
    ins(%acc, %max, %max : tensor<8x8xf32>, tensor<8xf32>, tensor<8xf32>)
    outs(%init, %max : tensor<8x8xf32>, tensor<8xf32>)
    maps([affine_map<(h, r, c) -> (r, c)>, affine_map<(h, r, c) -> (r, c)>,
          affine_map<(h, r, c) -> (c)>])
    -> tensor<8x8xf32>, tensor<8xf32>
  return
}

// -----

// Verify that axes that leave rows out are detected.
func.func @normalize_c1_grid(%acc: tensor<8x16xf32>, %sum: tensor<16xf32>,
    %init: tensor<4x4x8xf32>) {
  // expected-error @+1 {{expects the map of 'output' to hold distinct dimensions, or rows as the axes of a grid, but got affine_map<(d0, d1, d2) -> (d1 floordiv 8, d1 mod 4, d2)>}}
  %out = attn.normalize ins(%acc, %sum, %sum : tensor<8x16xf32>, tensor<16xf32>, tensor<16xf32>)
    outs(%init : tensor<4x4x8xf32>)
    maps([affine_map<(h, r, c) -> (c, r)>,
          affine_map<(h, r, c) -> (r floordiv 8, r mod 4, c)>])
    -> tensor<4x4x8xf32>
  return
}

// -----

// Verify that an output wider than its grid is detected.
func.func @normalize_c4_size(%acc: tensor<8x16xf32>, %sum: tensor<16xf32>,
    %init: tensor<4x5x8xf32>) {
  // expected-error @+1 {{expects 'output' dim 1 to be at most 4, the size of its axis in the map, but got 5}}
  %out = attn.normalize ins(%acc, %sum, %sum : tensor<8x16xf32>, tensor<16xf32>, tensor<16xf32>)
    outs(%init : tensor<4x5x8xf32>)
    maps([affine_map<(h, r, c) -> (c, r)>,
          affine_map<(h, r, c) -> (r floordiv 4, r mod 4, c)>])
    -> tensor<4x5x8xf32>
  return
}

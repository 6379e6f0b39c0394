// RUN: attn-opt %s --split-input-file --verify-diagnostics

// Verify that a missing map is detected.
func.func @pack_c1_count(%tile: tensor<4x8xf32>, %init: tensor<8x4xf32>) {
  // expected-error @+1 {{expects 'maps' to hold 2 maps, but got 1}}
  %packed = attn.pack ins(%tile : tensor<4x8xf32>) outs(%init : tensor<8x4xf32>)
    maps([affine_map<(h, r, c) -> (r, c)>])
    -> tensor<8x4xf32>
  return
}

// -----

// Verify that a map from another space is detected.
func.func @pack_c1_dims(%tile: tensor<4x8xf32>, %init: tensor<8x4xf32>) {
  // expected-error @+1 {{expects the map of 'source' to have 3 dimensions, no symbols and 2 results, but got affine_map<(d0, d1) -> (d0, d1)>}}
  %packed = attn.pack ins(%tile : tensor<4x8xf32>) outs(%init : tensor<8x4xf32>)
    maps([affine_map<(r, c) -> (r, c)>,
          affine_map<(h, r, c) -> (c, r)>])
    -> tensor<8x4xf32>
  return
}

// -----

// Verify that a map of another rank is detected.
func.func @pack_c1_rank(%tile: tensor<4x8xf32>, %init: tensor<8x4xf32>) {
  // expected-error @+1 {{expects the map of 'destination' to have 3 dimensions, no symbols and 2 results, but got affine_map<(d0, d1, d2) -> (d0, d2, d1)>}}
  %packed = attn.pack ins(%tile : tensor<4x8xf32>) outs(%init : tensor<8x4xf32>)
    maps([affine_map<(h, r, c) -> (r, c)>,
          affine_map<(h, r, c) -> (h, c, r)>])
    -> tensor<8x4xf32>
  return
}

// -----

// Verify that a repeated dimension is detected.
func.func @pack_c2_source(%tile: tensor<4x8xf32>, %init: tensor<8x4xf32>) {
  // expected-error @+1 {{expects the map of 'source' to hold distinct dimensions, but got affine_map<(d0, d1, d2) -> (d1, d1)>}}
  %packed = attn.pack ins(%tile : tensor<4x8xf32>) outs(%init : tensor<8x4xf32>)
    maps([affine_map<(h, r, c) -> (r, r)>,
          affine_map<(h, r, c) -> (c, r)>])
    -> tensor<8x4xf32>
  return
}

// -----

// Verify that half of a split dimension is detected.
func.func @pack_c2_half(%tile: tensor<4x8xf32>, %init: tensor<8x4xf32>) {
  // expected-error @+1 {{expects the map of 'destination' to hold distinct dimensions, one of them split by 2 at most, but got affine_map<(d0, d1, d2) -> (d2, d1 floordiv 2)>}}
  %packed = attn.pack ins(%tile : tensor<4x8xf32>) outs(%init : tensor<8x4xf32>)
    maps([affine_map<(h, r, c) -> (r, c)>,
          affine_map<(h, r, c) -> (c, r floordiv 2)>])
    -> tensor<8x4xf32>
  return
}

// -----

// Verify that another split is detected.
func.func @pack_c2_split(%tile: tensor<4x8xf32>, %init: tensor<1x8x4xf32>) {
  // expected-error @+1 {{expects the map of 'destination' to hold distinct dimensions, one of them split by 2 at most, but got}}
  %packed = attn.pack ins(%tile : tensor<4x8xf32>) outs(%init : tensor<1x8x4xf32>)
    maps([affine_map<(h, r, c) -> (r, c)>,
          affine_map<(h, r, c) -> (r floordiv 4, c, r mod 4)>])
    -> tensor<1x8x4xf32>
  return
}

// -----

// Verify that integers are detected.
func.func @pack_c3_type(%tile: tensor<4x8xi32>, %init: tensor<8x4xf32>) {
  // expected-error @+1 {{expects 'source' to hold floating-point elements, but got 'tensor<4x8xi32>'}}
  %packed = attn.pack ins(%tile : tensor<4x8xi32>) outs(%init : tensor<8x4xf32>)
    maps([affine_map<(h, r, c) -> (r, c)>,
          affine_map<(h, r, c) -> (c, r)>])
    -> tensor<8x4xf32>
  return
}

// -----

// Verify that two scales are detected.
func.func @pack_c4_both(%tile: tensor<4x8xf32>, %scale: f32) {
  // expected-error @+1 {{expects 'scale' to be an attribute or an operand, but got both}}
  %packed = "attn.pack"(%tile, %scale, %tile) <{scale_value = 1.0 : f64,
    maps = [affine_map<(h, r, c) -> (r, c)>, affine_map<(h, r, c) -> (r, c)>]}>
    : (tensor<4x8xf32>, f32, tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

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
  // expected-error @+1 {{expects the map of 'source' to hold distinct dimensions, or rows as the axes of a grid, but got affine_map<(d0, d1, d2) -> (d1, d1)>}}
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
    operandSegmentSizes = array<i32: 1, 0, 1, 1>, maps = [affine_map<(h, r, c) -> (r, c)>, affine_map<(h, r, c) -> (r, c)>]}>
    : (tensor<4x8xf32>, f32, tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

// Verify that axes that leave rows out are detected.
func.func @pack_c2_grid(%tile: tensor<4x4x8xf32>, %init: tensor<8x16xf32>) {
  // expected-error @+1 {{expects the map of 'source' to hold distinct dimensions, or rows as the axes of a grid, but got affine_map<(d0, d1, d2) -> (d1 floordiv 8, d1 mod 4, d2)>}}
  %packed = attn.pack ins(%tile : tensor<4x4x8xf32>) outs(%init : tensor<8x16xf32>)
    maps([affine_map<(h, r, c) -> (r floordiv 8, r mod 4, c)>,
          affine_map<(h, r, c) -> (c, r)>])
    -> tensor<8x16xf32>
  return
}

// -----

// Verify that a first axis with a bound of its own is detected.
func.func @pack_c2_bound(%tile: tensor<4x8xf32>, %init: tensor<8x4xf32>) {
  // expected-error @+1 {{expects the map of 'source' to hold distinct dimensions, or rows as the axes of a grid, but got affine_map<(d0, d1, d2) -> (d1 mod 4, d2)>}}
  %packed = attn.pack ins(%tile : tensor<4x8xf32>) outs(%init : tensor<8x4xf32>)
    maps([affine_map<(h, r, c) -> (r mod 4, c)>,
          affine_map<(h, r, c) -> (c, r)>])
    -> tensor<8x4xf32>
  return
}

// -----

// Verify that axes of columns are detected.
func.func @pack_c2_columns(%tile: tensor<4x4x8xf32>, %init: tensor<8x16xf32>) {
  // expected-error @+1 {{expects the map of 'source' to hold distinct dimensions, or rows as the axes of a grid, but got affine_map<(d0, d1, d2) -> (d1, d2 floordiv 8, d2 mod 8)>}}
  %packed = attn.pack ins(%tile : tensor<4x4x8xf32>) outs(%init : tensor<8x16xf32>)
    maps([affine_map<(h, r, c) -> (r, c floordiv 8, c mod 8)>,
          affine_map<(h, r, c) -> (c, r)>])
    -> tensor<8x16xf32>
  return
}

// -----

// Verify that a list of other integers is detected.
func.func @pack_c5_list(%tile: tensor<4x8xf32>, %init: tensor<8x4xf32>,
                        %list: tensor<4xi32>) {
  // expected-error @+1 {{expects 'gather' to be a list of index, but got 'tensor<4xi32>'}}
  %packed = attn.pack ins(%tile : tensor<4x8xf32>) outs(%init : tensor<8x4xf32>)
    gather(%list : tensor<4xi32>)
    maps([affine_map<(h, r, c) -> (r, c)>,
          affine_map<(h, r, c) -> (c, r)>])
    -> tensor<8x4xf32>
  return
}

// -----

// Verify that a list of rows of a grid is detected.
func.func @pack_c5_grid(%tile: tensor<4x4x8xf32>, %init: tensor<8x16xf32>,
                        %list: tensor<4xindex>) {
  // expected-error @+1 {{expects the map of 'source' to have r whole where there is a 'gather', but got affine_map<(d0, d1, d2) -> (d1 floordiv 4, d1 mod 4, d2)>}}
  %packed = attn.pack ins(%tile : tensor<4x4x8xf32>) outs(%init : tensor<8x16xf32>)
    gather(%list : tensor<4xindex>)
    maps([affine_map<(h, r, c) -> (r floordiv 4, r mod 4, c)>,
          affine_map<(h, r, c) -> (c, r)>])
    -> tensor<8x16xf32>
  return
}

// -----

// Verify that a source wider than its grid is detected.
func.func @pack_c6_size(%tile: tensor<4x5x8xf32>, %init: tensor<8x16xf32>) {
  // expected-error @+1 {{expects 'source' dim 1 to be at most 4, the size of its axis in the map, but got 5}}
  %packed = attn.pack ins(%tile : tensor<4x5x8xf32>) outs(%init : tensor<8x16xf32>)
    maps([affine_map<(h, r, c) -> (r floordiv 4, r mod 4, c)>,
          affine_map<(h, r, c) -> (c, r)>])
    -> tensor<8x16xf32>
  return
}

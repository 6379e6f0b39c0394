// RUN: attn-opt %s --attn-decompose --verify-diagnostics

// Verify that keys packed in every operand are detected: whether the last half
// of a pair is a key cannot be told.
func.func @packed_everywhere(%query: tensor<4x8xf32>,
                             %packed: tensor<3x8x2xf32>, %max: tensor<4xf32>) {
  // expected-error @+1 {{expects key and width dimensions that some operand holds whole, but they are all split}}
  %state:3 = attn.online_attention
    ins(%query, %packed, %packed : tensor<4x8xf32>, tensor<3x8x2xf32>,
        tensor<3x8x2xf32>)
    outs(%query, %max, %max : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (m, d)>,
      affine_map<(b, h, m, n, d, e) -> (n floordiv 2, d, n mod 2)>,
      affine_map<(b, h, m, n, d, e) -> (n floordiv 2, e, n mod 2)>,
      affine_map<(b, h, m, n, d, e) -> (m, e)>,
      affine_map<(b, h, m, n, d, e) -> (m)>,
      affine_map<(b, h, m, n, d, e) -> (m)>]}
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return
}

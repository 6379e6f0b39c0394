// RUN: attn-opt %s --split-input-file --verify-diagnostics

// Verify that a rank without default maps is detected.
func.func @attention_c1_no_default(%query: tensor<1x1x1x4x8xf32>, %key: tensor<1x1x1x4x8xf32>, %value: tensor<1x1x1x4x8xf32>,
    %init: tensor<1x1x1x4x8xf32>) {
  // expected-error @+1 {{expects 'indexing_maps' for a 'query' of rank 5, since only ranks 2 to 4 have default maps}}
  %out = attn.attention
    ins(%query, %key, %value : tensor<1x1x1x4x8xf32>, tensor<1x1x1x4x8xf32>, tensor<1x1x1x4x8xf32>)
    outs(%init : tensor<1x1x1x4x8xf32>)
    -> tensor<1x1x1x4x8xf32>
  return
}

// -----

// Verify that a missing map is detected.
func.func @attention_c1_map_count(%query: tensor<4x8xf32>, %key: tensor<4x8xf32>, %value: tensor<4x8xf32>,
    %init: tensor<4x8xf32>) {
  // expected-error @+1 {{expects 'indexing_maps' to hold 4 maps, but got 3}}
  %out = attn.attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
    outs(%init : tensor<4x8xf32>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (m, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, e)>]}
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that a map from another space is detected.
func.func @attention_c1_map_dims(%query: tensor<4x8xf32>, %key: tensor<4x8xf32>, %value: tensor<4x8xf32>,
    %init: tensor<4x8xf32>) {
  // expected-error @+1 {{expects the map of 'key' to have 6 dimensions and no symbols, but got affine_map<(d0, d1) -> (d0, d1)>}}
  %out = attn.attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
    outs(%init : tensor<4x8xf32>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (m, d)>, affine_map<(n, d) -> (n, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, e)>,
      affine_map<(b, h, m, n, d, e) -> (m, e)>]}
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that arithmetic in a map is detected.
func.func @attention_c2_form(%query: tensor<4x8xf32>, %key: tensor<4x8xf32>, %value: tensor<4x8xf32>,
    %init: tensor<4x8xf32>) {
  // expected-error @+1 {{expects the map of 'query' to hold dimensions, or h divided by a constant, but got}}
  %out = attn.attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
    outs(%init : tensor<4x8xf32>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (m + b, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, e)>,
      affine_map<(b, h, m, n, d, e) -> (m, e)>]}
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that split dimensions are left to attn.online_attention.
func.func @attention_c2_packed(%query: tensor<4x8xf32>, %key: tensor<4x4x2xf32>, %value: tensor<4x8xf32>,
    %init: tensor<4x8xf32>) {
  // expected-error @+1 {{expects the map of 'key' to hold dimensions, or h divided by a constant, but got}}
  %out = attn.attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<4x4x2xf32>, tensor<4x8xf32>)
    outs(%init : tensor<4x8xf32>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (m, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, d floordiv 2, d mod 2)>,
      affine_map<(b, h, m, n, d, e) -> (n, e)>,
      affine_map<(b, h, m, n, d, e) -> (m, e)>]}
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that a repeated dimension is detected.
func.func @attention_c2_twice(%query: tensor<4x8xf32>, %key: tensor<4x8xf32>, %value: tensor<4x8xf32>,
    %init: tensor<4x8xf32>) {
  // expected-error @+1 {{expects the map of 'query' to hold each dimension once, but got}}
  %out = attn.attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
    outs(%init : tensor<4x8xf32>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (m, m)>,
      affine_map<(b, h, m, n, d, e) -> (n, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, e)>,
      affine_map<(b, h, m, n, d, e) -> (m, e)>]}
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that only inputs may be shared by heads.
func.func @attention_c2_output_group(%query: tensor<2x4x8xf32>, %key: tensor<2x4x8xf32>, %value: tensor<2x4x8xf32>,
    %init: tensor<2x4x8xf32>) {
  // expected-error @+1 {{expects the map of 'output' to hold dimensions, or h divided by a constant, but got}}
  %out = attn.attention
    ins(%query, %key, %value : tensor<2x4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>)
    outs(%init : tensor<2x4x8xf32>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (h, m, d)>,
      affine_map<(b, h, m, n, d, e) -> (h, n, d)>,
      affine_map<(b, h, m, n, d, e) -> (h, n, e)>,
      affine_map<(b, h, m, n, d, e) -> (h floordiv 2, m, e)>]}
    -> tensor<2x4x8xf32>
  return
}

// -----

// Verify that a dimension of another role is detected.
func.func @attention_c3_foreign_dim(%query: tensor<4x8xf32>, %key: tensor<4x8xf32>, %value: tensor<4x8xf32>,
    %init: tensor<4x8xf32>) {
  // expected-error @+1 {{expects the map of 'query' to have m and d, and no other dimension besides b and h, but got}}
  %out = attn.attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
    outs(%init : tensor<4x8xf32>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (m, e)>,
      affine_map<(b, h, m, n, d, e) -> (n, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, e)>,
      affine_map<(b, h, m, n, d, e) -> (m, e)>]}
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that value columns in the log-sum-exp are detected.
func.func @attention_c3_lse(%query: tensor<4x8xf32>, %key: tensor<4x8xf32>, %value: tensor<4x8xf32>,
    %init: tensor<4x8xf32>, %lse: tensor<4x8xf32>) {
  // expected-error @+1 {{expects the map of 'lse' to have m, and no other dimension besides b and h, but got}}
  %out:2 = attn.attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
    outs(%init, %lse : tensor<4x8xf32>, tensor<4x8xf32>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (m, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, e)>,
      affine_map<(b, h, m, n, d, e) -> (m, e)>,
      affine_map<(b, h, m, n, d, e) -> (m, e)>]}
    -> tensor<4x8xf32>, tensor<4x8xf32>
  return
}

// -----

// Verify that an output without its heads is detected.
func.func @attention_c3_missing_head(%query: tensor<2x4x8xf32>, %key: tensor<2x4x8xf32>, %value: tensor<2x4x8xf32>,
    %init: tensor<4x8xf32>) {
  // expected-error @+1 {{expects the map of 'output' to have h, which the map of 'query' has}}
  %out = attn.attention
    ins(%query, %key, %value : tensor<2x4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>)
    outs(%init : tensor<4x8xf32>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (h, m, d)>,
      affine_map<(b, h, m, n, d, e) -> (h, n, d)>,
      affine_map<(b, h, m, n, d, e) -> (h, n, e)>,
      affine_map<(b, h, m, n, d, e) -> (m, e)>]}
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that a rank other than the map's is detected.
func.func @attention_c4_rank(%query: tensor<2x4x8xf32>,
                             // expected-note @+1 {{'key' is 'tensor<4x8xf32>'}}
                             %key: tensor<4x8xf32>) {
  // expected-error @+1 {{expects 'key' to have rank 3, as many as its map has results, but got 2}}
  %out = attn.attention
    ins(%query, %key, %query : tensor<2x4x8xf32>, tensor<4x8xf32>,
        tensor<2x4x8xf32>)
    outs(%query : tensor<2x4x8xf32>) -> tensor<2x4x8xf32>
  return
}

// -----

// Verify that different widths are detected.
// expected-note @+1 {{'query' is 'tensor<4x64xf32>'}}
func.func @attention_c5_width(%query: tensor<4x64xf32>,
                              %key: tensor<4x32xf32>) {
  // expected-error @+1 {{'attn.attention' op expects 'key' dim D to equal 'query' dim D (64), but got 32}}
  %out = attn.attention
    ins(%query, %key, %query : tensor<4x64xf32>, tensor<4x32xf32>,
        tensor<4x64xf32>)
    outs(%query : tensor<4x64xf32>) -> tensor<4x64xf32>
  return
}

// -----

// Verify that a head count that is no multiple is detected.
// expected-note @+1 {{'query' is 'tensor<8x4x8xf32>'}}
func.func @attention_c5_heads(%query: tensor<8x4x8xf32>,
                              %key: tensor<3x4x8xf32>) {
  // expected-error @+1 {{expects 'key' dim H to equal 'query' dim H (8), but got 3}}
  %out = attn.attention
    ins(%query, %key, %key : tensor<8x4x8xf32>, tensor<3x4x8xf32>,
        tensor<3x4x8xf32>)
    outs(%query : tensor<8x4x8xf32>) -> tensor<8x4x8xf32>
  return
}

// -----

// Verify that a head count other than the divisor's is detected.
// expected-note @+1 {{'query' is 'tensor<8x4x8xf32>'}}
func.func @attention_c5_divisor(%query: tensor<8x4x8xf32>,
                                %key: tensor<4x4x8xf32>) {
  // expected-error @+1 {{expects 'key' dim H to equal 'query' dim H (8) divided by 4, but got 4}}
  %out = attn.attention
    ins(%query, %key, %key : tensor<8x4x8xf32>, tensor<4x4x8xf32>,
        tensor<4x4x8xf32>)
    outs(%query : tensor<8x4x8xf32>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (h, m, d)>,
      affine_map<(b, h, m, n, d, e) -> (h floordiv 4, n, d)>,
      affine_map<(b, h, m, n, d, e) -> (h floordiv 2, n, e)>,
      affine_map<(b, h, m, n, d, e) -> (h, m, e)>]}
    -> tensor<8x4x8xf32>
  return
}

// -----

// Verify that an integer query is detected.
func.func @attention_c6_type(%query: tensor<4x8xi32>, %key: tensor<4x8xi32>, %value: tensor<4x8xi32>,
    %init: tensor<4x8xi32>) {
  // expected-error @+1 {{expects 'query' element type to be f64, f32, f16 or bf16, but got 'i32'}}
  %out = attn.attention
    ins(%query, %key, %value : tensor<4x8xi32>, tensor<4x8xi32>, tensor<4x8xi32>)
    outs(%init : tensor<4x8xi32>)
    -> tensor<4x8xi32>
  return
}

// -----

// Verify that mixed element types are detected.
func.func @attention_c6_mixed(%query: tensor<4x8xf32>, %key: tensor<4x8xf32>, %value: tensor<4x8xf16>,
    %init: tensor<4x8xf32>) {
  // expected-error @+1 {{expects 'value' element type to equal 'query' element type ('f32'), but got 'f16'}}
  %out = attn.attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf16>)
    outs(%init : tensor<4x8xf32>)
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that a narrow log-sum-exp is detected.
func.func @attention_c6_lse(%query: tensor<4x8xbf16>, %key: tensor<4x8xbf16>, %value: tensor<4x8xbf16>,
    %init: tensor<4x8xbf16>, %lse: tensor<4xbf16>) {
  // expected-error @+1 {{expects 'lse' element type to be the compute type ('f32'), but got 'bf16'}}
  %out:2 = attn.attention
    ins(%query, %key, %value : tensor<4x8xbf16>, tensor<4x8xbf16>, tensor<4x8xbf16>)
    outs(%init, %lse : tensor<4x8xbf16>, tensor<4xbf16>)
    -> tensor<4x8xbf16>, tensor<4xbf16>
  return
}

// -----

// Verify that two scales are detected.
func.func @attention_c7_both(%query: tensor<4x8xf32>, %scale: f32) {
  // expected-error @+1 {{expects 'scale' to be an attribute or an operand, but got both}}
  %out = "attn.attention"(%query, %query, %query, %scale, %query) <{
    operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 1, 0>,
    scale_value = 1.0 : f64}> ({}, {}, {})
    : (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, f32,
       tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

// Verify that a scale of another type is detected.
func.func @attention_c7_type(%query: tensor<4x8xf32>, %key: tensor<4x8xf32>, %value: tensor<4x8xf32>,
    %init: tensor<4x8xf32>, %scale: f64) {
  // expected-error @+1 {{expects 'scale' to have the compute type ('f32'), but got 'f64'}}
  %out = attn.attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
    outs(%init : tensor<4x8xf32>)
    scale(%scale : f64)
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that sinks of another type are detected.
func.func @attention_c8_type(%query: tensor<2x4x8xf16>, %key: tensor<2x4x8xf16>, %value: tensor<2x4x8xf16>,
    %init: tensor<2x4x8xf16>, %sinks: tensor<2xf16>) {
  // expected-error @+1 {{expects 'sinks' to be a tensor [H] of 'f32', but got 'tensor<2xf16>'}}
  %out = attn.attention
    ins(%query, %key, %value : tensor<2x4x8xf16>, tensor<2x4x8xf16>, tensor<2x4x8xf16>)
    outs(%init : tensor<2x4x8xf16>)
    sinks(%sinks : tensor<2xf16>)
    -> tensor<2x4x8xf16>
  return
}

// -----

// Verify that a number of sinks other than the heads' is detected.
func.func @attention_c8_heads(%query: tensor<2x4x8xf32>, %key: tensor<2x4x8xf32>, %value: tensor<2x4x8xf32>,
    %init: tensor<2x4x8xf32>, %sinks: tensor<4xf32>) {
  // expected-error @+1 {{expects 'sinks' dim H to equal 'output' dim H (2), but got 4}}
  %out = attn.attention
    ins(%query, %key, %value : tensor<2x4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>)
    outs(%init : tensor<2x4x8xf32>)
    sinks(%sinks : tensor<4xf32>)
    -> tensor<2x4x8xf32>
  return
}

// -----

// Verify that a score of another type is detected.
func.func @attention_c9_arguments(%query: tensor<4x8xf32>, %key: tensor<4x8xf32>, %value: tensor<4x8xf32>,
    %init: tensor<4x8xf32>) {
  // expected-error @+1 {{expects the 'score' region to have arguments ('f32', 'index', 'index', 'index', 'index'), but got ('f16', 'index', 'index', 'index', 'index')}}
  %out = attn.attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
    outs(%init : tensor<4x8xf32>)
    score {
    ^bb0(%s: f16, %b: index, %h: index, %i: index, %j: index):
      attn.yield %s : f16
    }
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that a score region that yields an index is detected.
func.func @attention_c9_result(%query: tensor<4x8xf32>) {
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query : tensor<4x8xf32>)
    score {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      // expected-error @+1 {{expects the 'score' region to yield 'f32', but got 'index'}}
      attn.yield %i : index
    }
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that control flow in a region is detected.
func.func @attention_c9_blocks(%query: tensor<4x8xf32>, %key: tensor<4x8xf32>, %value: tensor<4x8xf32>,
    %init: tensor<4x8xf32>) {
  // expected-error @+1 {{expects the 'score' region to have 1 block, but got 2}}
  %out = attn.attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
    outs(%init : tensor<4x8xf32>)
    score {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      cf.br ^bb1
    ^bb1:
      attn.yield %s : f32
    }
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that another terminator is detected.
func.func @attention_c9_terminator(%query: tensor<4x8xf32>, %key: tensor<4x8xf32>, %value: tensor<4x8xf32>,
    %init: tensor<4x8xf32>) {
  // expected-error @+1 {{expects the 'score' region to end in 'attn.yield'}}
  %out = attn.attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
    outs(%init : tensor<4x8xf32>)
    score {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      llvm.unreachable
    }
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that a mask with a score argument is detected.
func.func @attention_c10_arguments(%query: tensor<4x8xf32>, %key: tensor<4x8xf32>, %value: tensor<4x8xf32>,
    %init: tensor<4x8xf32>) {
  // expected-error @+1 {{expects the 'mask' region to have arguments ('index', 'index', 'index', 'index'), but got}}
  %out = attn.attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
    outs(%init : tensor<4x8xf32>)
    mask {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      %keep = arith.cmpi eq, %i, %j : index
      attn.yield %keep : i1
    }
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that a mask that yields an index is detected.
func.func @attention_c10_result(%query: tensor<4x8xf32>) {
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query : tensor<4x8xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      // expected-error @+1 {{expects the 'mask' region to yield 'i1', but got 'index'}}
      attn.yield %i : index
    }
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that a score among the masks is detected.
func.func @attention_c11_kind(%query: tensor<4x8xf32>, %key: tensor<4x8xf32>, %value: tensor<4x8xf32>,
    %init: tensor<4x8xf32>) {
  // expected-error @+1 {{expects 'masks' to hold mask attributes, but got #attn.alibi}}
  %out = attn.attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
    outs(%init : tensor<4x8xf32>)
    masks(#attn.alibi)
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that a mask among the scores is detected.
func.func @attention_c11_score_kind(%query: tensor<4x8xf32>, %key: tensor<4x8xf32>, %value: tensor<4x8xf32>,
    %init: tensor<4x8xf32>) {
  // expected-error @+1 {{expects 'scores' to hold score attributes, but got #attn.causal}}
  %out = attn.attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
    outs(%init : tensor<4x8xf32>)
    scores(#attn.causal)
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that a missing operand is detected.
func.func @attention_c11_missing_operand(%query: tensor<4x8xf32>, %key: tensor<4x8xf32>, %value: tensor<4x8xf32>,
    %init: tensor<4x8xf32>) {
  // expected-error @+1 {{expects 1 operand for '#attn.key_lengths', but got 0}}
  %out = attn.attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
    outs(%init : tensor<4x8xf32>)
    masks(#attn.key_lengths)
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that an operand without an attribute is detected.
func.func @attention_c11_operand_count(%query: tensor<4x8xf32>,
                                       %length: index) {
  // expected-error @+1 {{expects 'masks' to have 0 operands, but got 1}}
  %out = "attn.attention"(%query, %query, %query, %length, %query) <{
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 1, 0, 1, 0>,
    masks = [#attn.prefix]}> ({}, {}, {})
    : (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, index,
       tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

// Verify that a wrong number of operand counts is detected.
func.func @attention_c11_counts(%query: tensor<4x8xf32>, %length: index) {
  // expected-error @+1 {{expects an operand count for each of the 1 attributes in 'masks', but got 2}}
  %out = "attn.attention"(%query, %query, %query, %length, %query) <{
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 1, 0, 1, 0>,
    mask_operand_counts = array<i32: 1, 0>, masks = [#attn.prefix]}> ({}, {}, {})
    : (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, index,
       tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

// Verify that a negative operand count is detected.
func.func @attention_c11_negative_count(%query: tensor<4x8xf32>,
                                        %length: index) {
  // expected-error @+1 {{expects operand counts of 'masks' to be 0 or more, but got -1}}
  %out = "attn.attention"(%query, %query, %query, %length, %query) <{
    operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 1, 0, 1, 0>,
    mask_operand_counts = array<i32: -1>, masks = [#attn.prefix]}> ({}, {}, {})
    : (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, index,
       tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

// Verify that a store in a region is detected.
func.func @attention_c12_store(%query: tensor<4x8xf32>,
                               %seen: memref<index>) {
  // expected-error @+1 {{expects the 'mask' region to hold only operations without side effects and without regions, but got 'memref.store'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query : tensor<4x8xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      // expected-note @+1 {{the operation is here}}
      memref.store %i, %seen[] : memref<index>
      %keep = arith.cmpi eq, %i, %j : index
      attn.yield %keep : i1
    }
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that control flow in a region is detected.
func.func @attention_c12_if(%query: tensor<4x8xf32>, %flag: i1) {
  // expected-error @+1 {{expects the 'score' region to hold only operations without side effects and without regions, but got 'scf.if'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query : tensor<4x8xf32>)
    score {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      // expected-note @+1 {{the operation is here}}
      %t = scf.if %flag -> f32 {
        scf.yield %s : f32
      } else {
        %u = arith.negf %s : f32
        scf.yield %u : f32
      }
      attn.yield %t : f32
    }
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that a region without a number of keys is detected.
func.func @attention_c16_count(%query: tensor<4x8xf32>) {
  // expected-error @+1 {{expects 'key_rows' to have a number of keys and a region, but got only the region}}
  %out = "attn.attention"(%query, %query, %query, %query)
    <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 1, 0>}> ({}, {}, {
    ^bb0(%b: index, %h: index, %j: index):
      "attn.yield"(%j) : (index) -> ()
    }) : (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
      -> tensor<4x8xf32>
  return
}

// -----

// Verify that a number of keys without a region is detected.
func.func @attention_c16_region(%query: tensor<4x8xf32>, %keys: index) {
  // expected-error @+1 {{expects 'key_rows' to have a number of keys and a region, but got only the number}}
  %out = "attn.attention"(%query, %query, %query, %keys, %query)
    <{operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 1, 1, 0>}>
    ({}, {}, {}) : (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>, index,
      tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

// Verify that a region that sees the query is detected: a key lies in one row
// for all of them.
func.func @attention_c16_arguments(%query: tensor<4x8xf32>, %keys: index) {
  // expected-error @+1 {{expects the 'key_rows' region to have arguments ('index', 'index', 'index'), but got ('index', 'index', 'index', 'index')}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query : tensor<4x8xf32>)
    key_rows(%keys : index) {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      attn.yield %j : index
    }
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that a row of another type is detected.
func.func @attention_c16_yield(%query: tensor<4x8xf32>, %keys: index) {
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query : tensor<4x8xf32>)
    key_rows(%keys : index) {
    ^bb0(%b: index, %h: index, %j: index):
      %row = arith.index_cast %j : index to i32
      // expected-error @+1 {{expects the 'key_rows' region to yield 'index', but got 'i32'}}
      attn.yield %row : i32
    }
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that a side effect is detected.
func.func @attention_c16_store(%query: tensor<4x8xf32>, %keys: index,
                               %seen: memref<4xindex>) {
  // expected-error @+1 {{expects the 'key_rows' region to hold only operations without side effects and without regions, but got 'memref.store'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query : tensor<4x8xf32>)
    key_rows(%keys : index) {
    ^bb0(%b: index, %h: index, %j: index):
      // expected-note @+1 {{the operation is here}}
      memref.store %j, %seen[%j] : memref<4xindex>
      attn.yield %j : index
    }
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that several numbers of keys in the text are detected.
func.func @attention_syntax_key_rows(%query: tensor<4x8xf32>, %keys: index) {
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query : tensor<4x8xf32>)
    // expected-error @+1 {{expects 1 operand in 'key_rows', but got 2}}
    key_rows(%keys, %keys : index, index) {
    ^bb0(%b: index, %h: index, %j: index):
      attn.yield %j : index
    }
    -> tensor<4x8xf32>
  return
}

// -----

// Verify that a missing operand in the text is detected.
func.func @attention_syntax_ins(%query: tensor<4x8xf32>) {
  // expected-error @+1 {{expects 3 operands in 'ins' and 1 or 2 in 'outs', but got 2 and 1}}
  %out = attn.attention ins(%query, %query : tensor<4x8xf32>, tensor<4x8xf32>)
    outs(%query : tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

// Verify that two tensors of sinks are detected.
func.func @attention_syntax_sinks(%query: tensor<4x8xf32>,
                                  %sinks: tensor<1xf32>) {
  %out = attn.attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query : tensor<4x8xf32>)
    // expected-error @+1 {{expects 1 operand in 'sinks', but got 2}}
    sinks(%sinks, %sinks : tensor<1xf32>, tensor<1xf32>) -> tensor<4x8xf32>
  return
}

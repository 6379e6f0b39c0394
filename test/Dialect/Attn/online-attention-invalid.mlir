// RUN: attn-opt %s --split-input-file --verify-diagnostics

// Verify that missing maps are detected.
func.func @online_attention_c1_map_count(%query: tensor<4x8xf32>,
    %key: tensor<6x8xf32>,
    %value: tensor<6x8xf32>,
    %acc: tensor<4x8xf32>,
    %max: tensor<4xf32>,
    %sum: tensor<4xf32>) {
  // expected-error @+1 {{expects 'indexing_maps' to hold 6 maps, but got 1}}
  %state:3 = attn.online_attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<6x8xf32>, tensor<6x8xf32>)
    outs(%acc, %max, %sum : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (m, d)>]}
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return
}

// -----

// Verify that half of a split dimension is detected.
func.func @online_attention_c2_half(%query: tensor<4x8xf32>,
    %key: tensor<6x4xf32>,
    %value: tensor<6x8xf32>,
    %acc: tensor<4x8xf32>,
    %max: tensor<4xf32>,
    %sum: tensor<4xf32>) {
  // expected-error @+1 {{expects the map of 'key' to hold both halves of a split dimension, but got}}
  %state:3 = attn.online_attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<6x4xf32>, tensor<6x8xf32>)
    outs(%acc, %max, %sum : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (m, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, d floordiv 2)>,
      affine_map<(b, h, m, n, d, e) -> (n, e)>,
      affine_map<(b, h, m, n, d, e) -> (m, e)>,
      affine_map<(b, h, m, n, d, e) -> (m)>,
      affine_map<(b, h, m, n, d, e) -> (m)>]}
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return
}

// -----

// Verify that halves of different splits are detected.
func.func @online_attention_c2_two_splits(%query: tensor<4x8xf32>,
    %key: tensor<6x4x4xf32>,
    %value: tensor<6x8xf32>,
    %acc: tensor<4x8xf32>,
    %max: tensor<4xf32>,
    %sum: tensor<4xf32>) {
  // expected-error @+1 {{expects the map of 'key' to split a dimension by one constant, but got}}
  %state:3 = attn.online_attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<6x4x4xf32>, tensor<6x8xf32>)
    outs(%acc, %max, %sum : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (m, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, d floordiv 2, d mod 4)>,
      affine_map<(b, h, m, n, d, e) -> (n, e)>,
      affine_map<(b, h, m, n, d, e) -> (m, e)>,
      affine_map<(b, h, m, n, d, e) -> (m)>,
      affine_map<(b, h, m, n, d, e) -> (m)>]}
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return
}

// -----

// Verify that only widths and keys may be split.
func.func @online_attention_c2_split_rows(%query: tensor<2x8x2xf32>,
    %key: tensor<6x8xf32>,
    %value: tensor<6x8xf32>,
    %acc: tensor<4x8xf32>,
    %max: tensor<4xf32>,
    %sum: tensor<4xf32>) {
  // expected-error @+1 {{expects the map of 'query' to hold dimensions, h divided by a constant, or d or n split by a constant, but got}}
  %state:3 = attn.online_attention
    ins(%query, %key, %value : tensor<2x8x2xf32>, tensor<6x8xf32>, tensor<6x8xf32>)
    outs(%acc, %max, %sum : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (m floordiv 2, d, m mod 2)>,
      affine_map<(b, h, m, n, d, e) -> (n, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, e)>,
      affine_map<(b, h, m, n, d, e) -> (m, e)>,
      affine_map<(b, h, m, n, d, e) -> (m)>,
      affine_map<(b, h, m, n, d, e) -> (m)>]}
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return
}

// -----

// Verify that a maximum of columns is detected.
func.func @online_attention_c3_maximum(%query: tensor<4x8xf32>,
    %key: tensor<6x8xf32>,
    %value: tensor<6x8xf32>,
    %acc: tensor<4x8xf32>,
    %max: tensor<4xf32>,
    %sum: tensor<4xf32>) {
  // expected-error @+1 {{expects the map of 'maximum' to have m, and no other dimension besides b and h, but got}}
  %state:3 = attn.online_attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<6x8xf32>, tensor<6x8xf32>)
    outs(%acc, %max, %sum : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (m, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, e)>,
      affine_map<(b, h, m, n, d, e) -> (m, e)>,
      affine_map<(b, h, m, n, d, e) -> (e)>,
      affine_map<(b, h, m, n, d, e) -> (m)>]}
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return
}

// -----

// Verify that too few pairs are detected.
func.func @online_attention_c5_pairs(%query: tensor<4x8xf32>,
    // expected-note @+1 {{'key' is 'tensor<6x8xf32>'}}
    %key: tensor<6x8xf32>,
    %value: tensor<2x8x2xf32>,
    %acc: tensor<4x8xf32>,
    %max: tensor<4xf32>,
    %sum: tensor<4xf32>) {
  // expected-error @+1 {{expects 'value' dim S to equal 'key' dim S (6) divided by 2, but got 2}}
  %state:3 = attn.online_attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<6x8xf32>, tensor<2x8x2xf32>)
    outs(%acc, %max, %sum : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (m, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, d)>,
      affine_map<(b, h, m, n, d, e) -> (n floordiv 2, e, n mod 2)>,
      affine_map<(b, h, m, n, d, e) -> (m, e)>,
      affine_map<(b, h, m, n, d, e) -> (m)>,
      affine_map<(b, h, m, n, d, e) -> (m)>]}
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return
}

// -----

// Verify that triples in a map of pairs are detected.
func.func @online_attention_c5_pair_size(%query: tensor<4x8xf32>,
    // expected-note @+1 {{'key' is 'tensor<6x8xf32>'}}
    %key: tensor<6x8xf32>,
    %value: tensor<3x8x3xf32>,
    %acc: tensor<4x8xf32>,
    %max: tensor<4xf32>,
    %sum: tensor<4xf32>) {
  // expected-error @+1 {{expects 'value' dim S mod 2 to be 2, but got 3}}
  %state:3 = attn.online_attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<6x8xf32>, tensor<3x8x3xf32>)
    outs(%acc, %max, %sum : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (m, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, d)>,
      affine_map<(b, h, m, n, d, e) -> (n floordiv 2, e, n mod 2)>,
      affine_map<(b, h, m, n, d, e) -> (m, e)>,
      affine_map<(b, h, m, n, d, e) -> (m)>,
      affine_map<(b, h, m, n, d, e) -> (m)>]}
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return
}

// -----

// Verify that f64 among other types is detected.
func.func @online_attention_c6_mixed(%query: tensor<4x8xf32>,
    %key: tensor<6x8xf64>,
    %value: tensor<6x8xf32>,
    %acc: tensor<4x8xf32>,
    %max: tensor<4xf32>,
    %sum: tensor<4xf32>) {
  // expected-error @+1 {{expects 'key' element type to be f32, f16 or bf16 as 'query' element type ('f32'), but got 'f64'}}
  %state:3 = attn.online_attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<6x8xf64>, tensor<6x8xf32>)
    outs(%acc, %max, %sum : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return
}

// -----

// Verify that a narrow accumulator is detected.
func.func @online_attention_c13_accumulator(%query: tensor<4x8xf32>,
    %key: tensor<6x8xf32>,
    %value: tensor<6x8xf32>,
    %acc: tensor<4x8xbf16>,
    %max: tensor<4xf32>,
    %sum: tensor<4xf32>) {
  // expected-error @+1 {{expects 'accumulator' element type to be the compute type ('f32'), but got 'bf16'}}
  %state:3 = attn.online_attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<6x8xf32>, tensor<6x8xf32>)
    outs(%acc, %max, %sum : tensor<4x8xbf16>, tensor<4xf32>, tensor<4xf32>)
    -> tensor<4x8xbf16>, tensor<4xf32>, tensor<4xf32>
  return
}

// -----

// Verify that a sum wider than the compute type is detected.
func.func @online_attention_c13_sum(%query: tensor<4x8xf32>,
    %key: tensor<6x8xf32>,
    %value: tensor<6x8xf32>,
    %acc: tensor<4x8xf32>,
    %max: tensor<4xf32>,
    %sum: tensor<4xf64>) {
  // expected-error @+1 {{expects 'sum' element type to be the compute type ('f32'), but got 'f64'}}
  %state:3 = attn.online_attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<6x8xf32>, tensor<6x8xf32>)
    outs(%acc, %max, %sum : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf64>)
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf64>
  return
}

// -----

// Verify that an incomplete origin is detected.
func.func @online_attention_c14_origin(%query: tensor<4x8xf32>,
    %key: tensor<6x8xf32>,
    %value: tensor<6x8xf32>,
    %acc: tensor<4x8xf32>,
    %max: tensor<4xf32>,
    %sum: tensor<4xf32>, %i: index) {
  // expected-error @+1 {{expects 'origin' to have 4 operands or none, but got 2}}
  %state:3 = attn.online_attention
    ins(%query, %key, %value : tensor<4x8xf32>, tensor<6x8xf32>, tensor<6x8xf32>)
    outs(%acc, %max, %sum : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    origin(%i, %i)
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return
}

// -----

// Verify that a list of other integers is detected.
func.func @online_attention_c15_element(%query: tensor<4x8xf32>,
    %max: tensor<4xf32>, %list: tensor<6xi64>) {
  // expected-error @+1 {{expects 'key_rows' to be a list of index, but got 'tensor<6xi64>'}}
  %state:3 = attn.online_attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
    outs(%query, %max, %max : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    key_rows(%list : tensor<6xi64>)
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return
}

// -----

// Verify that a list for each row is detected.
func.func @online_attention_c15_rank(%query: tensor<4x8xf32>,
    %max: tensor<4xf32>, %list: tensor<4x6xindex>) {
  // expected-error @+1 {{expects 'key_rows' to be a list of index, but got 'tensor<4x6xindex>'}}
  %state:3 = attn.online_attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
    outs(%query, %max, %max : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    key_rows(%list : tensor<4x6xindex>)
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return
}

// -----

// Verify that values in pairs of keys, which have no rows to list, are detected.
func.func @online_attention_c15_pairs(%query: tensor<4x8xf32>,
    %value: tensor<2x8x2xf32>, %max: tensor<4xf32>, %list: tensor<6xindex>) {
  // expected-error @+1 {{expects the map of 'value' to have n whole where there are 'key_rows', but got affine_map<(d0, d1, d2, d3, d4, d5) -> (d3 floordiv 2, d5, d3 mod 2)>}}
  %state:3 = attn.online_attention
    ins(%query, %query, %value : tensor<4x8xf32>, tensor<4x8xf32>, tensor<2x8x2xf32>)
    outs(%query, %max, %max : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    key_rows(%list : tensor<6xindex>)
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (m, d)>,
      affine_map<(b, h, m, n, d, e) -> (n, d)>,
      affine_map<(b, h, m, n, d, e) -> (n floordiv 2, e, n mod 2)>,
      affine_map<(b, h, m, n, d, e) -> (m, e)>,
      affine_map<(b, h, m, n, d, e) -> (m)>,
      affine_map<(b, h, m, n, d, e) -> (m)>]}
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return
}

// -----

// Verify that two lists in the text are detected.
func.func @online_attention_syntax_key_rows(%query: tensor<4x8xf32>,
    %max: tensor<4xf32>, %list: tensor<6xindex>) {
  %state:3 = attn.online_attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>)
    outs(%query, %max, %max : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    // expected-error @+1 {{expects 1 operand in 'key_rows', but got 2}}
    key_rows(%list, %list : tensor<6xindex>, tensor<6xindex>)
    -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return
}

// -----

// Verify that a missing state in the text is detected.
func.func @online_attention_syntax_outs(%query: tensor<4x8xf32>) {
  %out = attn.online_attention
    // expected-error @+1 {{expects 3 operands in 'ins' and 3 in 'outs', but got 3 and 1}}
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query : tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

// Verify that two numbers of rows are detected.
func.func @online_attention_syntax_rows(%query: tensor<4x8xf32>,
                                        %max: tensor<4xf32>, %rows: index) {
  %state:3 = attn.online_attention
    ins(%query, %query, %query : tensor<4x8xf32>, tensor<4x8xf32>,
        tensor<4x8xf32>)
    outs(%query, %max, %max : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>)
    // expected-error @+1 {{expects 1 operand in 'rows', but got 2}}
    rows(%rows, %rows) -> tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>
  return
}

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

// -----

// Verify that offsets for another batch are detected.
func.func @causal_offset_size(%query: tensor<2x8x4x8xf32>, %x: tensor<3xi32>) {
  // expected-error @+1 {{expects the operand of '#attn.causal' to have size B = 2 in dimension 0, but got 'tensor<3xi32>'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.causal(%x : tensor<3xi32>))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that a step for each of other heads is detected.
func.func @dilated_steps(%query: tensor<2x8x4x8xf32>) {
  // expected-error @+1 {{expects as many steps of '#attn.dilated' as heads (8), but got 2}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.dilated<window = 4, steps = [1, 2]>)
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that an operand of a dilated window is detected.
func.func @dilated_operand(%query: tensor<2x8x4x8xf32>, %x: i32) {
  // expected-error @+1 {{expects no operand for '#attn.dilated', but got 1}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.dilated<window = 4, step = 2>(%x : i32))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that an operand of segments is detected.
func.func @segments_operand(%query: tensor<2x8x4x8xf32>, %x: i32) {
  // expected-error @+1 {{expects no operand for '#attn.segments', but got 1}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.segments<4>(%x : i32))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that a grid of another size is detected.
func.func @neighborhood_queries(%query: tensor<2x8x4x8xf32>) {
  // expected-error @+1 {{expects 'shape' of '#attn.neighborhood' to have L = 4 tokens, but got 6}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.neighborhood<shape = [2, 3], window = [1, 3]>)
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that an operand of a neighborhood is detected.
func.func @neighborhood_operand(%query: tensor<2x8x4x8xf32>, %x: i32) {
  // expected-error @+1 {{expects no operand for '#attn.neighborhood', but got 1}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.neighborhood<shape = [4], window = [3]>(%x : i32))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that missing ids are detected.
func.func @documents_count(%query: tensor<2x8x4x8xf32>) {
  // expected-error @+1 {{expects 1 or 2 operands for '#attn.documents', but got 0}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.documents)
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that float ids are detected.
func.func @documents_type(%query: tensor<2x8x4x8xf32>, %x: tensor<4xf32>) {
  // expected-error @+1 {{expects the operand of '#attn.documents' to be a tensor [L] or [B, L] of integers, but got 'tensor<4xf32>'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.documents(%x : tensor<4xf32>))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that ids of each head are detected.
func.func @documents_rank(%query: tensor<2x8x4x8xf32>, %x: tensor<4xi32>, %y: tensor<2x8x4xi32>) {
  // expected-error @+1 {{expects operand #1 of '#attn.documents' to be a tensor [S] or [B, S] of integers, but got 'tensor<2x8x4xi32>'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.documents(%x, %y : tensor<4xi32>, tensor<2x8x4xi32>))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that ids of other keys are detected.
func.func @documents_size(%query: tensor<2x8x4x8xf32>, %x: tensor<4xi32>, %y: tensor<2x5xi32>) {
  // expected-error @+1 {{expects operand #1 of '#attn.documents' to have size S = 4 in dimension 1, but got 'tensor<2x5xi32>'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.documents(%x, %y : tensor<4xi32>, tensor<2x5xi32>))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that ids of another batch are detected.
func.func @documents_batch(%query: tensor<2x8x4x8xf32>, %x: tensor<3x4xi32>) {
  // expected-error @+1 {{expects the operand of '#attn.documents' to have size B = 2 in dimension 0, but got 'tensor<3x4xi32>'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.documents(%x : tensor<3x4xi32>))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that ids of two types are detected.
func.func @documents_types(%query: tensor<2x8x4x8xf32>, %x: tensor<4xi32>, %y: tensor<4xi64>) {
  // expected-error @+1 {{expects the operands of '#attn.documents' to have one element type, but got 'i32' and 'i64'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.documents(%x, %y : tensor<4xi32>, tensor<4xi64>))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that a missing table is detected.
func.func @global_tokens_count(%query: tensor<2x8x4x8xf32>) {
  // expected-error @+1 {{expects 1 operand for '#attn.global_tokens', but got 0}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.global_tokens)
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that a float table is detected.
func.func @global_tokens_type(%query: tensor<2x8x4x8xf32>, %x: tensor<4xf32>) {
  // expected-error @+1 {{expects the operand of '#attn.global_tokens' to be a tensor [S] or [B, S] of i1 or integers, but got 'tensor<4xf32>'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.global_tokens<symmetric = false>(%x : tensor<4xf32>))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that a table of other tokens is detected.
func.func @longformer_size(%query: tensor<2x8x4x8xf32>, %x: tensor<5xi1>) {
  // expected-error @+1 {{expects the operand of '#attn.longformer' to have size S = 4 in dimension 0, but got 'tensor<5xi1>'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.longformer<2>(%x : tensor<5xi1>))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that a list of blocks is detected.
func.func @blocks_type(%query: tensor<2x8x4x8xf32>, %x: tensor<4xi1>) {
  // expected-error @+1 {{expects the operand of '#attn.blocks' to be a tensor of rank 2 to 4 of i1 or integers, but got 'tensor<4xi1>'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.blocks<block_q = 2, block_kv = 2>(%x : tensor<4xi1>))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that missing blocks are detected.
func.func @blocks_size(%query: tensor<2x8x4x8xf32>, %x: tensor<2x1xi1>) {
  // expected-error @+1 {{expects the operand of '#attn.blocks' to have size S / 3 = 2 or more in dimension 1, but got 'tensor<2x1xi1>'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.blocks<block_q = 2, block_kv = 3>(%x : tensor<2x1xi1>))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that blocks of other heads are detected.
func.func @blocks_heads(%query: tensor<2x8x4x8xf32>, %x: tensor<4x2x2xi1>) {
  // expected-error @+1 {{expects the operand of '#attn.blocks' to have size H = 8 in dimension 0, but got 'tensor<4x2x2xi1>'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.blocks<block_q = 2, block_kv = 2>(%x : tensor<4x2x2xi1>))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that a missing table of blocks is detected.
func.func @blocks_count(%query: tensor<2x8x4x8xf32>) {
  // expected-error @+1 {{expects 1 operand for '#attn.blocks', but got 0}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.blocks<block_q = 2, block_kv = 2>)
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that a dynamic number of picks is detected.
func.func @bigbird_type(%query: tensor<2x8x4x8xf32>, %x: tensor<2x?xi32>) {
  // expected-error @+1 {{expects the operand of '#attn.bigbird' to be an integer tensor [n, r] or [H, n, r] with r static, but got 'tensor<2x?xi32>'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.bigbird<block = 2>(%x : tensor<2x?xi32>))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that missing block rows are detected.
func.func @bigbird_size(%query: tensor<2x8x4x8xf32>, %x: tensor<1x3xi32>) {
  // expected-error @+1 {{expects the operand of '#attn.bigbird' to have size L / 2 = 2 or more in dimension 0, but got 'tensor<1x3xi32>'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.bigbird<block = 2>(%x : tensor<1x3xi32>))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that a missing table of picks is detected.
func.func @bigbird_count(%query: tensor<2x8x4x8xf32>) {
  // expected-error @+1 {{expects 1 operand for '#attn.bigbird', but got 0}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    masks(#attn.bigbird<block = 2>)
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that slopes of other heads are detected.
func.func @alibi_size(%query: tensor<2x8x4x8xf32>, %x: tensor<4xf32>) {
  // expected-error @+1 {{expects the operand of '#attn.alibi' to have size H = 8 in dimension 0, but got 'tensor<4xf32>'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    scores(#attn.alibi(%x : tensor<4xf32>))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that a bias of other keys is detected.
func.func @bias_size(%query: tensor<2x8x4x8xf32>, %x: tensor<1x4x5xf32>) {
  // expected-error @+1 {{expects the operand of '#attn.bias' to have size S = 4 in dimension 2, but got 'tensor<1x4x5xf32>'}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<2x8x4x8xf32>, tensor<2x8x4x8xf32>,
        tensor<2x8x4x8xf32>)
    outs(%query : tensor<2x8x4x8xf32>)
    scores(#attn.bias(%x : tensor<1x4x5xf32>))
    -> tensor<2x8x4x8xf32>
  return
}

// -----

// Verify that a negative window is detected.
// expected-error @+1 {{expects the window of '#attn.dilated' to be 0 or more, but got -1}}
func.func private @dilated_window() attributes {kind = #attn.dilated<window = -1, step = 2>}

// -----

// Verify that a step of zero is detected.
// expected-error @+1 {{expects steps of '#attn.dilated' to be 1 or more, but got 0}}
func.func private @dilated_step() attributes {kind = #attn.dilated<window = 1, steps = [2, 0]>}

// -----

// Verify that a missing step is detected.
// expected-error @+1 {{expects a step of '#attn.dilated', but got none}}
func.func private @dilated_missing() attributes {kind = #attn.dilated<window = 1>}

// -----

// Verify that two kinds of steps are detected.
// expected-error @+1 {{expects 'window' and either 'step' or 'steps' of '#attn.dilated'}}
func.func private @dilated_twice() attributes {kind = #attn.dilated<window = 1, step = 2, steps = [1]>}

// -----

// Verify that an unknown field is detected.
// expected-error @+1 {{expects one each of 'window', 'step', 'steps', but got 'width'}}
func.func private @dilated_field() attributes {kind = #attn.dilated<width = 1>}

// -----

// Verify that an empty segment is detected.
// expected-error @+1 {{expects the length of '#attn.segments' to be 1 or more, but got 0}}
func.func private @segments_length() attributes {kind = #attn.segments<0>}

// -----

// Verify that a window on another number of axes is detected.
// expected-error @+1 {{expects 'shape', 'window' and 'dilation' of '#attn.neighborhood' to have a number for each axis, but got 2, 1 and 2}}
func.func private @neighborhood_axes() attributes {kind = #attn.neighborhood<shape = [4, 4], window = [3]>}

// -----

// Verify that an empty axis is detected.
// expected-error @+1 {{expects numbers of '#attn.neighborhood' to be 1 or more, but got 0}}
func.func private @neighborhood_numbers() attributes {kind = #attn.neighborhood<shape = [4, 0], window = [3, 1]>}

// -----

// Verify that an even window is detected.
// expected-error @+1 {{expects 'window' of '#attn.neighborhood' to be odd on each axis, but got 2}}
func.func private @neighborhood_even() attributes {kind = #attn.neighborhood<shape = [4], window = [2]>}

// -----

// Verify that a window larger than the grid is detected.
// expected-error @+1 {{expects window * dilation of '#attn.neighborhood' to be at most the shape on each axis, but got 3 * 2 > 4}}
func.func private @neighborhood_large() attributes {kind = #attn.neighborhood<shape = [4], window = [3], dilation = [2]>}

// -----

// Verify that a grid of too many tokens is detected.
// expected-error @+1 {{expects 'shape' of '#attn.neighborhood' to have less than 2^63 tokens, but got [9223372036854775807, 2]}}
func.func private @neighborhood_overflow() attributes {kind = #attn.neighborhood<shape = [9223372036854775807, 2], window = [1, 1]>}

// -----

// Verify that a negative window is detected.
// expected-error @+1 {{expects the window of '#attn.longformer' to be 0 or more, but got -1}}
func.func private @longformer_window() attributes {kind = #attn.longformer<-1>}

// -----

// Verify that an empty block is detected.
// expected-error @+1 {{expects 'block_q' and 'block_kv' of '#attn.blocks' to be 1 or more, but got 0}}
func.func private @blocks_length() attributes {kind = #attn.blocks<block_q = 4, block_kv = 0>}

// -----

// Verify that an empty block is detected.
// expected-error @+1 {{expects 'block' of '#attn.bigbird' to be 1 or more, but got 0}}
func.func private @bigbird_block() attributes {kind = #attn.bigbird<block = 0>}

// -----

// Verify that a negative number of blocks is detected.
// expected-error @+1 {{expects 'window_blocks' and 'global_blocks' of '#attn.bigbird' to be 0 or more, but got -1}}
func.func private @bigbird_negative() attributes {kind = #attn.bigbird<block = 4, window_blocks = -1>}

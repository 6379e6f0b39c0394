// RUN: attn-opt %s --transform-interpreter --split-input-file --verify-diagnostics

// Verify that the keys of one softmax cannot be tiled.
func.func @attention_keys(%query: tensor<64x8xf32>) -> tensor<64x8xf32> {
  // expected-error @+2 {{to tile operation}}
  // expected-error @+1 {{failed to generate tiling loops}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<64x8xf32>, tensor<64x8xf32>,
        tensor<64x8xf32>)
    outs(%query : tensor<64x8xf32>) -> tensor<64x8xf32>
  return %out : tensor<64x8xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(
      %root: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["attn.attention"]} in %root
      : (!transform.any_op) -> !transform.any_op
    %tile, %loop = transform.structured.tile_using_for %op
      tile_sizes [0, 0, 0, 16]
      : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

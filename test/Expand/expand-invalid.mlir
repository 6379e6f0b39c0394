// RUN: attn-opt %s --attn-expand --verify-diagnostics

// Verify that the slopes of an unknown number of heads are detected.
func.func @alibi_dynamic_heads(%query: tensor<?x4x8xf32>) -> tensor<?x4x8xf32> {
  // expected-error @+1 {{expects a static number of heads for '#attn.alibi' without slopes}}
  %out = attn.attention
    ins(%query, %query, %query : tensor<?x4x8xf32>, tensor<?x4x8xf32>,
        tensor<?x4x8xf32>)
    outs(%query : tensor<?x4x8xf32>) scores(#attn.alibi) -> tensor<?x4x8xf32>
  return %out : tensor<?x4x8xf32>
}

// RUN: attn-opt %s --attn-decompose | FileCheck %s

// Buffers are left alone, and so are upstream operations that could be
// decomposed the same way.
// CHECK-LABEL: @negative_buffers
//       CHECK:   attn.attention
//       CHECK:   linalg.softmax
func.func @negative_buffers(%query: memref<4x8xf32>, %logits: tensor<4x8xf32>)
    -> tensor<4x8xf32> {
  attn.attention
    ins(%query, %query, %query : memref<4x8xf32>, memref<4x8xf32>,
        memref<4x8xf32>)
    outs(%query : memref<4x8xf32>)
  %out = linalg.softmax dimension(1) ins(%logits : tensor<4x8xf32>)
    outs(%logits : tensor<4x8xf32>) -> tensor<4x8xf32>
  return %out : tensor<4x8xf32>
}

// RUN: attn-opt %s --attn-print-mask-analysis -o /dev/null | FileCheck %s

// Row i sees the keys up to i.
// CHECK: mask of attn.attention at {{.*}}: exact, trend growing
// CHECK-NEXT:  kept: j in [0, i + 1)
// CHECK-NEXT:  masked: j in [i + 1, numKeys)
func.func @causal(%query: tensor<1x2x?x16xf32>, %key: tensor<1x2x?x16xf32>,
    %value: tensor<1x2x?x16xf32>, %init: tensor<1x2x?x16xf32>)
    -> tensor<1x2x?x16xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
        tensor<1x2x?x16xf32>)
    outs(%init : tensor<1x2x?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %keep = arith.cmpi sle, %j, %i : index
      attn.yield %keep : i1
    }
    -> tensor<1x2x?x16xf32>
  return %out : tensor<1x2x?x16xf32>
}

// CHECK: mask of attn.attention at {{.*}}: exact, trend growing
// CHECK-NEXT:  kept: j in [0, i + 4)
// CHECK-NEXT:  masked: j in [i + 4, numKeys)
func.func @causal_offset(%query: tensor<1x2x?x16xf32>, %key: tensor<1x2x?x16xf32>,
    %value: tensor<1x2x?x16xf32>, %init: tensor<1x2x?x16xf32>)
    -> tensor<1x2x?x16xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
        tensor<1x2x?x16xf32>)
    outs(%init : tensor<1x2x?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %three = arith.constant 3 : index
      %last = arith.addi %i, %three : index
      %keep = arith.cmpi sle, %j, %last : index
      attn.yield %keep : i1
    }
    -> tensor<1x2x?x16xf32>
  return %out : tensor<1x2x?x16xf32>
}

// The sizes are symbols.
// CHECK: mask of attn.attention at {{.*}}: exact, trend growing
// CHECK-NEXT:  kept: j in [0, i + s0 - s1 + 1)
// CHECK-NEXT:  masked: j in [i + s0 - s1 + 1, numKeys)
// CHECK-NEXT:  s0: tensor.dim
// CHECK-NEXT:  s1: tensor.dim
func.func @causal_bottom_right(%query: tensor<1x2x?x16xf32>, %key: tensor<1x2x?x16xf32>,
    %value: tensor<1x2x?x16xf32>, %init: tensor<1x2x?x16xf32>)
    -> tensor<1x2x?x16xf32> {
  %two = arith.constant 2 : index
  %queries = tensor.dim %query, %two : tensor<1x2x?x16xf32>
  %keys = tensor.dim %key, %two : tensor<1x2x?x16xf32>
  %difference = arith.subi %keys, %queries : index
  %out = attn.attention
    ins(%query, %key, %value : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
        tensor<1x2x?x16xf32>)
    outs(%init : tensor<1x2x?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %last = arith.addi %i, %difference : index
      %keep = arith.cmpi sle, %j, %last : index
      attn.yield %keep : i1
    }
    -> tensor<1x2x?x16xf32>
  return %out : tensor<1x2x?x16xf32>
}

// A window moves with the row: no row has more keys than another.
// CHECK: mask of attn.attention at {{.*}}: exact, trend flat
// CHECK-NEXT:  kept: j in [i - 255, i + 8)
// CHECK-NEXT:  masked: j in [0, i - 255)
// CHECK-NEXT:  masked: j in [i + 8, numKeys)
func.func @window(%query: tensor<1x2x?x16xf32>, %key: tensor<1x2x?x16xf32>,
    %value: tensor<1x2x?x16xf32>, %init: tensor<1x2x?x16xf32>)
    -> tensor<1x2x?x16xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
        tensor<1x2x?x16xf32>)
    outs(%init : tensor<1x2x?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %left = arith.constant 255 : index
      %right = arith.constant 7 : index
      %first = arith.subi %i, %left : index
      %last = arith.addi %i, %right : index
      %after = arith.cmpi sge, %j, %first : index
      %before = arith.cmpi sle, %j, %last : index
      %keep = arith.andi %after, %before : i1
      attn.yield %keep : i1
    }
    -> tensor<1x2x?x16xf32>
  return %out : tensor<1x2x?x16xf32>
}

// An absolute value has two sides.
// CHECK: mask of attn.attention at {{.*}}: exact, trend flat
// CHECK-NEXT:  kept: j in [i - s0, i + s0 + 1)
// CHECK-NEXT:  masked: j in [0, i - s0)
// CHECK-NEXT:  masked: j in [i + s0 + 1, numKeys)
// CHECK-NEXT:  s0: argument 4
func.func @distance(%query: tensor<1x2x?x16xf32>, %key: tensor<1x2x?x16xf32>,
    %value: tensor<1x2x?x16xf32>, %init: tensor<1x2x?x16xf32>, %width: i32)
    -> tensor<1x2x?x16xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
        tensor<1x2x?x16xf32>)
    outs(%init : tensor<1x2x?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %w = arith.index_cast %width : i32 to index
      %difference = arith.subi %i, %j : index
      %distance = math.absi %difference : index
      %keep = arith.cmpi sle, %distance, %w : index
      attn.yield %keep : i1
    }
    -> tensor<1x2x?x16xf32>
  return %out : tensor<1x2x?x16xf32>
}

// CHECK: mask of attn.attention at {{.*}}: exact, trend flat
// CHECK-NEXT:  kept: j in [0, 4)
// CHECK-NEXT:  masked: j in [4, numKeys)
func.func @prefix(%query: tensor<1x2x?x16xf32>, %key: tensor<1x2x?x16xf32>,
    %value: tensor<1x2x?x16xf32>, %init: tensor<1x2x?x16xf32>)
    -> tensor<1x2x?x16xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
        tensor<1x2x?x16xf32>)
    outs(%init : tensor<1x2x?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %n = arith.constant 4 : index
      %keep = arith.cmpi slt, %j, %n : index
      attn.yield %keep : i1
    }
    -> tensor<1x2x?x16xf32>
  return %out : tensor<1x2x?x16xf32>
}

// What is computed from the batch is a symbol.
// CHECK: mask of attn.attention at {{.*}}: exact, trend flat
// CHECK-NEXT:  kept: j in [0, s0)
// CHECK-NEXT:  masked: j in [s0, numKeys)
// CHECK-NEXT:  s0: tensor.extract
func.func @key_lengths(%query: tensor<1x2x?x16xf32>, %key: tensor<1x2x?x16xf32>,
    %value: tensor<1x2x?x16xf32>, %init: tensor<1x2x?x16xf32>, %lengths: tensor<?xi32>)
    -> tensor<1x2x?x16xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
        tensor<1x2x?x16xf32>)
    outs(%init : tensor<1x2x?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %n = tensor.extract %lengths[%b] : tensor<?xi32>
      %column = arith.index_cast %j : index to i32
      %keep = arith.cmpi slt, %column, %n : i32
      attn.yield %keep : i1
    }
    -> tensor<1x2x?x16xf32>
  return %out : tensor<1x2x?x16xf32>
}

// CHECK: mask of attn.attention at {{.*}}: exact, trend shrinking
// CHECK-NEXT:  kept: j in [i - 255, min(i + 1, s0))
// CHECK-NEXT:  masked: j in [i + 1, numKeys)
// CHECK-NEXT:  masked: j in [0, i - 255)
// CHECK-NEXT:  masked: j in [s0, numKeys)
// CHECK-NEXT:  s0: tensor.extract
func.func @causal_window_lengths(%query: tensor<1x2x?x16xf32>, %key: tensor<1x2x?x16xf32>,
    %value: tensor<1x2x?x16xf32>, %init: tensor<1x2x?x16xf32>, %lengths: tensor<?xi32>)
    -> tensor<1x2x?x16xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
        tensor<1x2x?x16xf32>)
    outs(%init : tensor<1x2x?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %left = arith.constant 255 : index
      %n = tensor.extract %lengths[%b] : tensor<?xi32>
      %length = arith.index_cast %n : i32 to index
      %first = arith.subi %i, %left : index
      %causal = arith.cmpi sle, %j, %i : index
      %window = arith.cmpi sge, %j, %first : index
      %valid = arith.cmpi slt, %j, %length : index
      %both = arith.andi %causal, %window : i1
      %keep = arith.andi %both, %valid : i1
      attn.yield %keep : i1
    }
    -> tensor<1x2x?x16xf32>
  return %out : tensor<1x2x?x16xf32>
}

// The masked keys are one interval although the kept ones are two.
// CHECK: mask of attn.attention at {{.*}}: exact, trend growing
// CHECK-NEXT:  kept: j in [0, s0)
// CHECK-NEXT:  kept: j in [0, i + 1)
// CHECK-NEXT:  masked: j in [max(s0, i + 1), numKeys)
// CHECK-NEXT:  s0: argument 4
func.func @prefix_or_causal(%query: tensor<1x2x?x16xf32>, %key: tensor<1x2x?x16xf32>,
    %value: tensor<1x2x?x16xf32>, %init: tensor<1x2x?x16xf32>, %n: index)
    -> tensor<1x2x?x16xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
        tensor<1x2x?x16xf32>)
    outs(%init : tensor<1x2x?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %prefix = arith.cmpi slt, %j, %n : index
      %causal = arith.cmpi sle, %j, %i : index
      %keep = arith.ori %prefix, %causal : i1
      attn.yield %keep : i1
    }
    -> tensor<1x2x?x16xf32>
  return %out : tensor<1x2x?x16xf32>
}

// A comparison of the row alone limits the rows.
// CHECK: mask of attn.attention at {{.*}}: exact, trend growing
// CHECK-NEXT:  kept: j in [0, i + 1) and i in [s0, numQueries)
// CHECK-NEXT:  masked: j in [0, numKeys) and i in [0, s0)
// CHECK-NEXT:  masked: j in [i + 1, numKeys)
// CHECK-NEXT:  s0: argument 4
func.func @rows(%query: tensor<1x2x?x16xf32>, %key: tensor<1x2x?x16xf32>,
    %value: tensor<1x2x?x16xf32>, %init: tensor<1x2x?x16xf32>, %n: index)
    -> tensor<1x2x?x16xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
        tensor<1x2x?x16xf32>)
    outs(%init : tensor<1x2x?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %late = arith.cmpi sge, %i, %n : index
      %causal = arith.cmpi sle, %j, %i : index
      %keep = arith.andi %late, %causal : i1
      attn.yield %keep : i1
    }
    -> tensor<1x2x?x16xf32>
  return %out : tensor<1x2x?x16xf32>
}

// A flag of the caller decides at run time.
// CHECK: mask of attn.attention at {{.*}}: exact, trend growing
// CHECK-NEXT:  kept: j in [0, numKeys) and s0
// CHECK-NEXT:  kept: j in [0, i + 1)
// CHECK-NEXT:  masked: j in [i + 1, numKeys) and not s0
// CHECK-NEXT:  s0: argument 4
func.func @flag(%query: tensor<1x2x?x16xf32>, %key: tensor<1x2x?x16xf32>,
    %value: tensor<1x2x?x16xf32>, %init: tensor<1x2x?x16xf32>, %flag: i1)
    -> tensor<1x2x?x16xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
        tensor<1x2x?x16xf32>)
    outs(%init : tensor<1x2x?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %causal = arith.cmpi sle, %j, %i : index
      %keep = arith.ori %flag, %causal : i1
      attn.yield %keep : i1
    }
    -> tensor<1x2x?x16xf32>
  return %out : tensor<1x2x?x16xf32>
}

// Equal segments: division of an index rounds down, signed or not.
// CHECK: mask of attn.attention at {{.*}}: exact, trend flat
// CHECK-NEXT:  kept: j in [96*(i floordiv 96), 96*(i floordiv 96) + 96)
// CHECK-NEXT:  masked: j in [0, 96*(i floordiv 96))
// CHECK-NEXT:  masked: j in [96*(i floordiv 96) + 96, numKeys)
func.func @segments(%query: tensor<1x2x?x16xf32>, %key: tensor<1x2x?x16xf32>,
    %value: tensor<1x2x?x16xf32>, %init: tensor<1x2x?x16xf32>)
    -> tensor<1x2x?x16xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
        tensor<1x2x?x16xf32>)
    outs(%init : tensor<1x2x?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %size = arith.constant 96 : index
      %row = arith.floordivsi %i, %size : index
      %column = arith.divui %j, %size : index
      %keep = arith.cmpi eq, %row, %column : index
      attn.yield %keep : i1
    }
    -> tensor<1x2x?x16xf32>
  return %out : tensor<1x2x?x16xf32>
}

// Whole blocks of 32 keys, up to the block of the row.
// CHECK: mask of attn.attention at {{.*}}: exact, trend growing
// CHECK-NEXT:  kept: j in [0, 32*(i floordiv 32) + 32)
// CHECK-NEXT:  masked: j in [32*(i floordiv 32) + 32, numKeys)
func.func @chunked_causal(%query: tensor<1x2x?x16xf32>, %key: tensor<1x2x?x16xf32>,
    %value: tensor<1x2x?x16xf32>, %init: tensor<1x2x?x16xf32>)
    -> tensor<1x2x?x16xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
        tensor<1x2x?x16xf32>)
    outs(%init : tensor<1x2x?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %row = affine.apply affine_map<(d0) -> (d0 floordiv 32)>(%i)
      %column = affine.apply affine_map<(d0) -> (d0 floordiv 32)>(%j)
      %keep = arith.cmpi sle, %column, %row : index
      attn.yield %keep : i1
    }
    -> tensor<1x2x?x16xf32>
  return %out : tensor<1x2x?x16xf32>
}

// A key is never negative.
// CHECK: mask of attn.attention at {{.*}}: trivial, trend flat
// CHECK-NEXT:  kept: j in [0, numKeys)
// CHECK-NEXT:  masked: nothing
func.func @trivial(%query: tensor<1x2x?x16xf32>, %key: tensor<1x2x?x16xf32>,
    %value: tensor<1x2x?x16xf32>, %init: tensor<1x2x?x16xf32>)
    -> tensor<1x2x?x16xf32> {
  %zero = arith.constant 0 : index
  %out = attn.attention
    ins(%query, %key, %value : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
        tensor<1x2x?x16xf32>)
    outs(%init : tensor<1x2x?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %keep = arith.cmpi sge, %j, %zero : index
      attn.yield %keep : i1
    }
    -> tensor<1x2x?x16xf32>
  return %out : tensor<1x2x?x16xf32>
}

// CHECK: mask of attn.attention at {{.*}}: exact, trend flat
// CHECK-NEXT:  kept: nothing
// CHECK-NEXT:  masked: j in [i + 1, numKeys)
// CHECK-NEXT:  masked: j in [0, i + 1)
func.func @nothing(%query: tensor<1x2x?x16xf32>, %key: tensor<1x2x?x16xf32>,
    %value: tensor<1x2x?x16xf32>, %init: tensor<1x2x?x16xf32>)
    -> tensor<1x2x?x16xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
        tensor<1x2x?x16xf32>)
    outs(%init : tensor<1x2x?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %causal = arith.cmpi sle, %j, %i : index
      %after = arith.cmpi sgt, %j, %i : index
      %keep = arith.andi %causal, %after : i1
      attn.yield %keep : i1
    }
    -> tensor<1x2x?x16xf32>
  return %out : tensor<1x2x?x16xf32>
}

// RUN: attn-opt %s --attn-print-mask-analysis -o /dev/null | FileCheck %s

// The key in two terms: no interval says more than the stride.
// CHECK: mask of attn.attention at {{.*}}: exact, trend growing
// CHECK-NEXT:  kept: j in [0, i + 1) and j in [i, i + 1) mod 4
// CHECK-NEXT:  masked: j in [0, numKeys) and j in [i - 3, i) mod 4
// CHECK-NEXT:  masked: j in [0, numKeys) and j in [i + 1, i + 1) mod 4
// CHECK-NEXT:  masked: j in [i + 1, numKeys)
// CHECK-NEXT:  rows: residues mod 4
func.func @dilated(%query: tensor<1x2x?x16xf32>, %key: tensor<1x2x?x16xf32>,
    %value: tensor<1x2x?x16xf32>, %init: tensor<1x2x?x16xf32>)
    -> tensor<1x2x?x16xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
        tensor<1x2x?x16xf32>)
    outs(%init : tensor<1x2x?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %four = arith.constant 4 : index
      %zero = arith.constant 0 : index
      %difference = arith.subi %i, %j : index
      %rest = arith.remsi %difference, %four : index
      %aligned = arith.cmpi eq, %rest, %zero : index
      %causal = arith.cmpi sle, %j, %i : index
      %keep = arith.andi %aligned, %causal : i1
      attn.yield %keep : i1
    }
    -> tensor<1x2x?x16xf32>
  return %out : tensor<1x2x?x16xf32>
}

// Values read at a place that row and key decide together are announced, and the
// rest of the mask still bounds the keys.
// CHECK: mask of attn.attention at {{.*}}: conservative, trend growing
// CHECK-NEXT:  kept: j in [0, i + 1) and 1 opaque (class 4)
// CHECK-NEXT:  masked: j in [0, numKeys) and 1 opaque (class 4)
// CHECK-NEXT:  masked: j in [i + 1, numKeys)
// CHECK-NEXT:  not understood: tensor.extract
func.func @distances(%query: tensor<1x2x?x16xf32>, %key: tensor<1x2x?x16xf32>,
    %value: tensor<1x2x?x16xf32>, %init: tensor<1x2x?x16xf32>, %distances: tensor<?xi32>)
    -> tensor<1x2x?x16xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
        tensor<1x2x?x16xf32>)
    outs(%init : tensor<1x2x?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %zero = arith.constant 0 : i32
      %distance = arith.subi %i, %j : index
      %allowed = tensor.extract %distances[%distance] : tensor<?xi32>
      %same = arith.cmpi ne, %allowed, %zero : i32
      %causal = arith.cmpi sle, %j, %i : index
      %keep = arith.andi %same, %causal : i1
      attn.yield %keep : i1
    }
    -> tensor<1x2x?x16xf32>
  return %out : tensor<1x2x?x16xf32>
}

// CHECK: mask of attn.attention at {{.*}}: conservative, trend flat
// CHECK-NEXT:  kept: j in [0, numKeys) and 1 opaque (class 4)
// CHECK-NEXT:  masked: j in [0, numKeys) and 1 opaque (class 4)
// CHECK-NEXT:  not understood: arith.muli
func.func @product(%query: tensor<1x2x?x16xf32>, %key: tensor<1x2x?x16xf32>,
    %value: tensor<1x2x?x16xf32>, %init: tensor<1x2x?x16xf32>)
    -> tensor<1x2x?x16xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
        tensor<1x2x?x16xf32>)
    outs(%init : tensor<1x2x?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %product = arith.muli %i, %j : index
      %keep = arith.cmpi sle, %j, %product : index
      attn.yield %keep : i1
    }
    -> tensor<1x2x?x16xf32>
  return %out : tensor<1x2x?x16xf32>
}

// The sum of 32 bits may wrap: its value at each row is looked at instead.
// CHECK: mask of attn.attention at {{.*}}: exact, trend growing
// CHECK-NEXT:  kept: j in [0, t0[i] + 1) (class 2)
// CHECK-NEXT:  masked: j in [t0[i] + 1, numKeys) (class 2)
// CHECK-NEXT:  t0: arith.addi
func.func @wrapping(%query: tensor<1x2x?x16xf32>, %key: tensor<1x2x?x16xf32>,
    %value: tensor<1x2x?x16xf32>, %init: tensor<1x2x?x16xf32>, %offset: i32)
    -> tensor<1x2x?x16xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
        tensor<1x2x?x16xf32>)
    outs(%init : tensor<1x2x?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %row = arith.index_cast %i : index to i32
      %column = arith.index_cast %j : index to i32
      %last = arith.addi %row, %offset : i32
      %keep = arith.cmpi sle, %column, %last : i32
      attn.yield %keep : i1
    }
    -> tensor<1x2x?x16xf32>
  return %out : tensor<1x2x?x16xf32>
}

// The same, promised not to.
// CHECK: mask of attn.attention at {{.*}}: exact, trend growing
// CHECK-NEXT:  kept: j in [0, i + s0 + 1)
// CHECK-NEXT:  masked: j in [i + s0 + 1, numKeys)
// CHECK-NEXT:  s0: argument 4
func.func @not_wrapping(%query: tensor<1x2x?x16xf32>, %key: tensor<1x2x?x16xf32>,
    %value: tensor<1x2x?x16xf32>, %init: tensor<1x2x?x16xf32>, %offset: i32)
    -> tensor<1x2x?x16xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
        tensor<1x2x?x16xf32>)
    outs(%init : tensor<1x2x?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %row = arith.index_cast %i : index to i32
      %column = arith.index_cast %j : index to i32
      %last = arith.addi %row, %offset overflow<nsw> : i32
      %keep = arith.cmpi sle, %column, %last : i32
      attn.yield %keep : i1
    }
    -> tensor<1x2x?x16xf32>
  return %out : tensor<1x2x?x16xf32>
}

// Constants near the end of 64 bits are not computed with.
// CHECK: mask of attn.attention at {{.*}}: conservative, trend flat
// CHECK-NEXT:  kept: j in [0, numKeys) and 1 opaque (class 4)
// CHECK-NEXT:  masked: j in [0, numKeys) and 1 opaque (class 4)
// CHECK-NEXT:  not understood: arith.constant
func.func @huge_constant(%query: tensor<1x2x?x16xf32>, %key: tensor<1x2x?x16xf32>,
    %value: tensor<1x2x?x16xf32>, %init: tensor<1x2x?x16xf32>)
    -> tensor<1x2x?x16xf32> {
  %out = attn.attention
    ins(%query, %key, %value : tensor<1x2x?x16xf32>, tensor<1x2x?x16xf32>,
        tensor<1x2x?x16xf32>)
    outs(%init : tensor<1x2x?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %huge = arith.constant 9223372036854775807 : index
      %keep = arith.cmpi ult, %j, %huge : index
      attn.yield %keep : i1
    }
    -> tensor<1x2x?x16xf32>
  return %out : tensor<1x2x?x16xf32>
}

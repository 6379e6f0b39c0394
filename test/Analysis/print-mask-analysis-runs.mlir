// RUN: attn-opt %s -attn-expand -attn-print-mask-analysis -o /dev/null | FileCheck %s

// Masks whose keys are not an interval a row.

// The rows of a residue keep keys of one.
// CHECK: mask of attn.attention at {{.*}}: exact, trend flat
// CHECK-NEXT:   kept: j in [i - 64, i + 65) and j in [i, i + 1) mod 4
// CHECK:   rows: residues mod 4
func.func @dilated(%q: tensor<?x16xf32>, %init: tensor<?x16xf32>) -> tensor<?x16xf32> {
  %out = attn.attention ins(%q, %q, %q : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
    outs(%init : tensor<?x16xf32>)
    masks(#attn.dilated<window = 64, step = 4>)
    -> tensor<?x16xf32>
  return %out : tensor<?x16xf32>
}

// Heads that differ have no split in common.
// CHECK: mask of attn.attention at {{.*}}: exact, trend flat
// CHECK-NEXT:   kept: j in [i - 64, i + 65) and s0 - 1 >= 0 and -s0 + 1 >= 0
// CHECK-NEXT:   kept: j in [i - 64, i + 65) and s0 - 4 >= 0 and -s0 + 4 >= 0 and j in [i, i + 1) mod 4
// CHECK:   s0: tensor.extract
func.func @dilated_by_head(%q: tensor<2x?x16xf32>, %init: tensor<2x?x16xf32>) -> tensor<2x?x16xf32> {
  %out = attn.attention ins(%q, %q, %q : tensor<2x?x16xf32>, tensor<2x?x16xf32>, tensor<2x?x16xf32>)
    outs(%init : tensor<2x?x16xf32>)
    masks(#attn.dilated<window = 64, steps = [1, 4]>)
    -> tensor<2x?x16xf32>
  return %out : tensor<2x?x16xf32>
}

// The remainder of the key alone is a stride; that of a quotient is not.
// CHECK: mask of attn.attention at {{.*}}: exact, trend flat
// CHECK-NEXT:   kept: j in [0, numKeys) and j in [-2, 0) mod 5 and scanned j floordiv 3 - 7*(j floordiv 21) - 4 >= 0
func.func @remainder(%q: tensor<?x16xf32>, %init: tensor<?x16xf32>) -> tensor<?x16xf32> {
  %out = attn.attention ins(%q, %q, %q : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
    outs(%init : tensor<?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %rest = affine.apply affine_map<(d0) -> ((d0 + 2) mod 5)>(%j)
      %quotient = affine.apply affine_map<(d0) -> ((d0 floordiv 3) mod 7)>(%j)
      %c1 = arith.constant 1 : index
      %c4 = arith.constant 4 : index
      %first = arith.cmpi sle, %rest, %c1 : index
      %second = arith.cmpi sge, %quotient, %c4 : index
      %keep = arith.andi %first, %second : i1
      attn.yield %keep : i1
    }
    -> tensor<?x16xf32>
  return %out : tensor<?x16xf32>
}

// Rows of a grid and their neighbours.
// CHECK: mask of attn.attention at {{.*}}: exact, trend unknown
// CHECK-NEXT:   kept: j in [-max(-1968, min(0, -48*(i floordiv 48) + 144)), min(2303, max(335, 48*(i floordiv 48) + 191)) + 1) and j in [max(0, -max(min(0, 48*(i floordiv 48) - i + 3), -41)), min(48, min(max(6, i - 48*(i floordiv 48) + 3), 47) + 1)) mod 48
// CHECK:   rows: patches in lines of 48
func.func @patches(%q: tensor<?x16xf32>, %init: tensor<?x16xf32>) -> tensor<?x16xf32> {
  %out = attn.attention ins(%q, %q, %q : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
    outs(%init : tensor<?x16xf32>)
    masks(#attn.neighborhood<shape = [48, 48], window = [7, 7]>)
    -> tensor<?x16xf32>
  return %out : tensor<?x16xf32>
}

// CHECK: mask of attn.attention at {{.*}}: exact, trend unknown
// CHECK-NEXT:   kept: j in [-max(-576, min(0, -576*(i floordiv 576) + 576)), min(max(1727, 576*(i floordiv 576) + 1151), 2303) + 1) and j in [max(0, -max(min(0, 24*(i floordiv 24) - i + 2), -19)), min(24, min(max(4, i - 24*(i floordiv 24) + 2), 23) + 1)) mod 24 and bounded j floordiv 24 - 24*(j floordiv 576) - min(19, max(0, i floordiv 24 - 24*(i floordiv 576) - 2)) >= 0 and bounded 24*(j floordiv 576) + min(19, max(0, i floordiv 24 - 24*(i floordiv 576) - 2)) - j floordiv 24 + 4 >= 0
// CHECK:   rows: patches in lines of 576 of 24
func.func @bricks(%q: tensor<?x16xf32>, %init: tensor<?x16xf32>) -> tensor<?x16xf32> {
  %out = attn.attention ins(%q, %q, %q : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
    outs(%init : tensor<?x16xf32>)
    masks(#attn.neighborhood<shape = [4, 24, 24], window = [3, 5, 5]>)
    -> tensor<?x16xf32>
  return %out : tensor<?x16xf32>
}

// Ids of the row and of the key are compared: searched where sorted, bounded
// else.
// CHECK: mask of attn.attention at {{.*}}: exact, trend flat
// CHECK-NEXT:   kept: j in [first j with t0[j] >= (t1[i]), min(first j with t0[j] >= (t1[i] + 1), i + 1)) and bounded t1[i] - t0[j] >= 0 and bounded t0[j] - t1[i] >= 0 (class 2)
// CHECK:   t0: tensor.extract
// CHECK-NEXT:   t1: tensor.extract
func.func @documents(%q: tensor<?x16xf32>, %init: tensor<?x16xf32>, %ids: tensor<?xi32>) -> tensor<?x16xf32> {
  %out = attn.attention ins(%q, %q, %q : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
    outs(%init : tensor<?x16xf32>)
    masks(#attn.documents(%ids : tensor<?xi32>), #attn.causal)
    -> tensor<?x16xf32>
  return %out : tensor<?x16xf32>
}

// Truth values of the key are scanned.
// CHECK: mask of attn.attention at {{.*}}: exact, trend flat
// CHECK-NEXT:   kept: j in [0, numKeys) and t0[i] - 1 >= 0 (class 3)
// CHECK-NEXT:   kept: j in [0, numKeys) and scanned t1[j] - 1 >= 0 (class 3)
// CHECK:   t0: tensor.extract
// CHECK-NEXT:   t1: tensor.extract
func.func @global_tokens(%q: tensor<?x16xf32>, %init: tensor<?x16xf32>, %flags: tensor<?xi1>) -> tensor<?x16xf32> {
  %out = attn.attention ins(%q, %q, %q : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
    outs(%init : tensor<?x16xf32>)
    masks(#attn.global_tokens(%flags : tensor<?xi1>))
    -> tensor<?x16xf32>
  return %out : tensor<?x16xf32>
}

// A value read at the row limits the key like any other.
// CHECK: mask of attn.attention at {{.*}}: exact, trend unknown
// CHECK-NEXT:   kept: j in [64*(i floordiv 64) - 64, 64*(i floordiv 64) + 128)
// CHECK-NEXT:   kept: j in [0, numKeys) and i in [0, 64)
// CHECK-NEXT:   kept: j in [0, numKeys) and i in [64*s0, numQueries)
// CHECK-NEXT:   kept: j in [0, 64)
// CHECK-NEXT:   kept: j in [64*s1, numKeys)
// CHECK-NEXT:   kept: j in [64*t2[i], 64*t2[i] + 64) (class 2)
// CHECK:   s0: arith.floordivsi
// CHECK-NEXT:   s1: arith.floordivsi
// CHECK-NEXT:   t2: tensor.extract
func.func @bigbird(%q: tensor<?x16xf32>, %init: tensor<?x16xf32>, %table: tensor<?x1xi32>) -> tensor<?x16xf32> {
  %out = attn.attention ins(%q, %q, %q : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
    outs(%init : tensor<?x16xf32>)
    masks(#attn.bigbird<block = 64>(%table : tensor<?x1xi32>))
    -> tensor<?x16xf32>
  return %out : tensor<?x16xf32>
}

// A bound read at the key.
// CHECK: mask of attn.attention at {{.*}}: exact, trend flat
// CHECK-NEXT:   kept: j in [first j with t0[j] >= (i + 1), i + 1) and bounded t0[j] - i - 1 >= 0 (class 2)
// CHECK:   t0: tensor.extract
func.func @tree(%q: tensor<?x16xf32>, %init: tensor<?x16xf32>, %until: tensor<?xindex>) -> tensor<?x16xf32> {
  %out = attn.attention ins(%q, %q, %q : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
    outs(%init : tensor<?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %end = tensor.extract %until[%j] : tensor<?xindex>
      %causal = arith.cmpi sle, %j, %i : index
      %below = arith.cmpi slt, %i, %end : index
      %keep = arith.andi %causal, %below : i1
      attn.yield %keep : i1
    }
    -> tensor<?x16xf32>
  return %out : tensor<?x16xf32>
}

// What is read at both is scanned, entry by entry.
// CHECK: mask of attn.attention at {{.*}}: exact, trend growing
// CHECK-NEXT:   kept: j in [0, i + 1) and 1 scanned at row and key (class 3)
func.func @blocks(%q: tensor<?x16xf32>, %init: tensor<?x16xf32>, %table: tensor<?x?xi1>) -> tensor<?x16xf32> {
  %out = attn.attention ins(%q, %q, %q : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
    outs(%init : tensor<?x16xf32>)
    masks(#attn.blocks<block_q = 64, block_kv = 64>(%table : tensor<?x?xi1>), #attn.causal)
    -> tensor<?x16xf32>
  return %out : tensor<?x16xf32>
}

// Residues of a quotient: whole blocks of 8 keys, every second one.
// CHECK: mask of attn.attention at {{.*}}: exact
// CHECK-NEXT:   kept: j in [0, numKeys) and j in 8*[i floordiv 8, i floordiv 8 + 1) mod 16
func.func @quotients(%q: tensor<?x16xf32>, %init: tensor<?x16xf32>) -> tensor<?x16xf32> {
  %out = attn.attention ins(%q, %q, %q : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
    outs(%init : tensor<?x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %zero = arith.constant 0 : index
      %two = arith.constant 2 : index
      %eight = arith.constant 8 : index
      %row = arith.floordivsi %i, %eight : index
      %key = arith.floordivsi %j, %eight : index
      %distance = arith.subi %row, %key : index
      %rest = arith.remsi %distance, %two : index
      %keep = arith.cmpi eq, %rest, %zero : index
      attn.yield %keep : i1
    }
    -> tensor<?x16xf32>
  return %out : tensor<?x16xf32>
}

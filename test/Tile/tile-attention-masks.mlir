// RUN: sed 's/%L/2304/g' %s | attn-opt --split-input-file -attn-expand -attn-tile-attention="target=cpu:x86-64-v4 schedule=lanes-queries" -canonicalize -cse | FileCheck %s --check-prefixes=CHECK,STATIC --implicit-check-not=2304x2304
// RUN: sed 's/%L/?/g' %s | attn-opt --split-input-file -attn-expand -attn-tile-attention="target=cpu:x86-64-v4 schedule=lanes-queries" -canonicalize -cse | FileCheck %s --check-prefixes=CHECK,DYNAMIC --implicit-check-not='?x?x'
// RUN: sed 's/%L/2304/g' %s | attn-opt --split-input-file -attn-expand -attn-tile-attention="target=cpu:x86-64-v4 schedule=lanes-features" -canonicalize -cse | FileCheck %s --check-prefix=FEATURES --implicit-check-not=2304x2304
// RUN: sed 's/%L/?/g' %s | attn-opt --split-input-file -attn-expand -attn-tile-attention="target=cpu:x86-64-v4 schedule=lanes-features" -canonicalize -cse | FileCheck %s --check-prefix=FEATURES --implicit-check-not='?x?x'

// Masks people use become loops over the keys they keep. No tensor has an
// element for each pair of query and key, whether the sizes are known or not:
// the text is checked for the sizes of all of them.

// FEATURES: attn.online_attention

// Two intervals of keys, which overlap: none is visited twice.

// CHECK-LABEL: func.func @prefix_or_causal(
// CHECK: %[[ROWS:.+]] = attn.pack
// CHECK: arith.minsi %{{.+}}, %arg4
// CHECK: scf.while
// CHECK: scf.while
// CHECK: tensor.insert
// CHECK: attn.online_attention
// CHECK-SAME: key_rows(
func.func @prefix_or_causal(%q: tensor<1x4x%Lx64xf32>, %k: tensor<1x4x%Lx64xf32>,
    %v: tensor<1x4x%Lx64xf32>, %init: tensor<1x4x%Lx64xf32>,
    %n: index) -> tensor<1x4x%Lx64xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<1x4x%Lx64xf32>, tensor<1x4x%Lx64xf32>,
        tensor<1x4x%Lx64xf32>)
    outs(%init : tensor<1x4x%Lx64xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %prefix = arith.cmpi slt, %j, %n : index
      %causal = arith.cmpi sle, %j, %i : index
      %keep = arith.ori %prefix, %causal : i1
      attn.yield %keep : i1
    }
    -> tensor<1x4x%Lx64xf32>
  return %out : tensor<1x4x%Lx64xf32>
}

// -----

// The first keys, and a window.

// CHECK-LABEL: func.func @streaming(
// CHECK: attn.pack
// CHECK: arith.minsi %{{.+}}, %c4
// CHECK: arith.addi %{{.+}}, %c-255
// CHECK: scf.while
// CHECK: scf.while
// CHECK: tensor.insert
// CHECK: attn.online_attention
// CHECK-SAME: key_rows(
func.func @streaming(%q: tensor<1x4x%Lx64xf32>, %k: tensor<1x4x%Lx64xf32>,
    %v: tensor<1x4x%Lx64xf32>, %init: tensor<1x4x%Lx64xf32>) -> tensor<1x4x%Lx64xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<1x4x%Lx64xf32>, tensor<1x4x%Lx64xf32>,
        tensor<1x4x%Lx64xf32>)
    outs(%init : tensor<1x4x%Lx64xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %c4 = arith.constant 4 : index
      %c255 = arith.constant 255 : index
      %sink = arith.cmpi slt, %j, %c4 : index
      %causal = arith.cmpi sle, %j, %i : index
      %first = arith.subi %i, %c255 : index
      %near = arith.cmpi sge, %j, %first : index
      %either = arith.ori %sink, %near : i1
      %keep = arith.andi %either, %causal : i1
      attn.yield %keep : i1
    }
    -> tensor<1x4x%Lx64xf32>
  return %out : tensor<1x4x%Lx64xf32>
}

// -----

// The rows of a task lie 4 apart, and so do its keys.

// CHECK-LABEL: func.func @dilated(
// CHECK: tensor.extract_slice %arg0{{.+}} [1, 1, 4, 1]
// CHECK: attn.pack
// CHECK: arith.addi %{{.+}}, %c-64
// CHECK: arith.addi %{{.+}}, %c65
// CHECK: scf.while
// CHECK: scf.while
// CHECK: scf.for
// CHECK-NEXT: arith.muli %{{.+}}, %c4
// CHECK: tensor.insert
// CHECK: attn.online_attention
// CHECK-SAME: key_rows(
func.func @dilated(%q: tensor<1x4x%Lx64xf32>, %k: tensor<1x4x%Lx64xf32>,
    %v: tensor<1x4x%Lx64xf32>, %init: tensor<1x4x%Lx64xf32>) -> tensor<1x4x%Lx64xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<1x4x%Lx64xf32>, tensor<1x4x%Lx64xf32>,
        tensor<1x4x%Lx64xf32>)
    outs(%init : tensor<1x4x%Lx64xf32>)
    masks(#attn.dilated<window = 64, step = 4>)
    -> tensor<1x4x%Lx64xf32>
  return %out : tensor<1x4x%Lx64xf32>
}

// -----

// Each step is a set of keys, of which a head has one.

// CHECK-LABEL: func.func @dilated_by_head(
// CHECK: attn.pack
// CHECK: tensor.extract %{{.+}} : tensor<4xi64>
// CHECK: arith.floordivsi %{{.+}}, %c4
// CHECK: scf.while
// CHECK: scf.while
// CHECK: tensor.insert
// CHECK: attn.online_attention
// CHECK-SAME: key_rows(
func.func @dilated_by_head(%q: tensor<1x4x%Lx64xf32>, %k: tensor<1x4x%Lx64xf32>,
    %v: tensor<1x4x%Lx64xf32>, %init: tensor<1x4x%Lx64xf32>) -> tensor<1x4x%Lx64xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<1x4x%Lx64xf32>, tensor<1x4x%Lx64xf32>,
        tensor<1x4x%Lx64xf32>)
    outs(%init : tensor<1x4x%Lx64xf32>)
    masks(#attn.dilated<window = 64, steps = [1, 1, 4, 4]>)
    -> tensor<1x4x%Lx64xf32>
  return %out : tensor<1x4x%Lx64xf32>
}

// -----

// One interval: a plain loop.

// CHECK-LABEL: func.func @segments(
// CHECK: attn.pack
// CHECK: arith.floordivsi %{{.+}}, %c96
// CHECK: arith.muli %{{.+}}, %c96
// CHECK-NOT: scf.while
// CHECK: scf.for
// CHECK: attn.online_attention
// CHECK-NOT: key_rows
func.func @segments(%q: tensor<1x4x%Lx64xf32>, %k: tensor<1x4x%Lx64xf32>,
    %v: tensor<1x4x%Lx64xf32>, %init: tensor<1x4x%Lx64xf32>) -> tensor<1x4x%Lx64xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<1x4x%Lx64xf32>, tensor<1x4x%Lx64xf32>,
        tensor<1x4x%Lx64xf32>)
    outs(%init : tensor<1x4x%Lx64xf32>)
    masks(#attn.segments<96>)
    -> tensor<1x4x%Lx64xf32>
  return %out : tensor<1x4x%Lx64xf32>
}

// -----

// The segment's interval ends at the row.

// CHECK-LABEL: func.func @chunked(
// CHECK: attn.pack
// CHECK: arith.floordivsi %{{.+}}, %c96
// CHECK-NOT: scf.while
// CHECK: scf.for
// CHECK: attn.online_attention
// CHECK-NOT: key_rows
func.func @chunked(%q: tensor<1x4x%Lx64xf32>, %k: tensor<1x4x%Lx64xf32>,
    %v: tensor<1x4x%Lx64xf32>, %init: tensor<1x4x%Lx64xf32>) -> tensor<1x4x%Lx64xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<1x4x%Lx64xf32>, tensor<1x4x%Lx64xf32>,
        tensor<1x4x%Lx64xf32>)
    outs(%init : tensor<1x4x%Lx64xf32>)
    masks(#attn.segments<96>, #attn.causal)
    -> tensor<1x4x%Lx64xf32>
  return %out : tensor<1x4x%Lx64xf32>
}

// -----

// The ids of the keys are scanned once, a block of 128 each; a task reads those of
// its rows and searches for them.

// CHECK-LABEL: func.func @documents(
// STATIC: scf.forall (%{{.+}}) in (18)
// DYNAMIC: scf.forall
// CHECK: scf.for
// CHECK: arith.minsi
// CHECK: arith.maxsi
// CHECK: scf.forall (%{{.+}}, %{{.+}}) in (4,
// CHECK: attn.pack
// CHECK: scf.for
// CHECK: tensor.extract %arg4
// CHECK: scf.while
// CHECK: arith.shrui
// CHECK: scf.while
// CHECK: scf.while
// CHECK: tensor.insert
// CHECK: attn.online_attention
// CHECK-SAME: key_rows(
func.func @documents(%q: tensor<1x4x%Lx64xf32>, %k: tensor<1x4x%Lx64xf32>,
    %v: tensor<1x4x%Lx64xf32>, %init: tensor<1x4x%Lx64xf32>,
    %ids: tensor<%Lxi32>) -> tensor<1x4x%Lx64xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<1x4x%Lx64xf32>, tensor<1x4x%Lx64xf32>,
        tensor<1x4x%Lx64xf32>)
    outs(%init : tensor<1x4x%Lx64xf32>)
    masks(#attn.documents(%ids : tensor<%Lxi32>), #attn.causal)
    -> tensor<1x4x%Lx64xf32>
  return %out : tensor<1x4x%Lx64xf32>
}

// -----

// For each key the next global one is found once.

// CHECK-LABEL: func.func @global_tokens(
// CHECK: scf.for
// STATIC: tensor.insert {{.+}} : tensor<1x1x2305xindex>
// DYNAMIC: tensor.insert {{.+}} : tensor<1x1x?xindex>
// CHECK: scf.forall (%{{.+}}, %{{.+}}) in (4,
// CHECK: attn.pack
// CHECK: tensor.extract %arg4
// CHECK: scf.while
// CHECK: scf.while
// CHECK: tensor.insert
// CHECK: attn.online_attention
// CHECK-SAME: key_rows(
func.func @global_tokens(%q: tensor<1x4x%Lx64xf32>, %k: tensor<1x4x%Lx64xf32>,
    %v: tensor<1x4x%Lx64xf32>, %init: tensor<1x4x%Lx64xf32>,
    %flags: tensor<%Lxi1>) -> tensor<1x4x%Lx64xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<1x4x%Lx64xf32>, tensor<1x4x%Lx64xf32>,
        tensor<1x4x%Lx64xf32>)
    outs(%init : tensor<1x4x%Lx64xf32>)
    masks(#attn.global_tokens(%flags : tensor<%Lxi1>))
    -> tensor<1x4x%Lx64xf32>
  return %out : tensor<1x4x%Lx64xf32>
}

// -----

// Global keys besides a window.

// CHECK-LABEL: func.func @longformer(
// CHECK: scf.for
// STATIC: tensor.insert {{.+}} : tensor<1x1x2305xindex>
// DYNAMIC: tensor.insert {{.+}} : tensor<1x1x?xindex>
// CHECK: attn.pack
// CHECK: arith.addi %{{.+}}, %c-64
// CHECK: scf.while
// CHECK: scf.while
// CHECK: tensor.insert
// CHECK: attn.online_attention
// CHECK-SAME: key_rows(
func.func @longformer(%q: tensor<1x4x%Lx64xf32>, %k: tensor<1x4x%Lx64xf32>,
    %v: tensor<1x4x%Lx64xf32>, %init: tensor<1x4x%Lx64xf32>,
    %flags: tensor<%Lxi1>) -> tensor<1x4x%Lx64xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<1x4x%Lx64xf32>, tensor<1x4x%Lx64xf32>,
        tensor<1x4x%Lx64xf32>)
    outs(%init : tensor<1x4x%Lx64xf32>)
    masks(#attn.longformer<64>(%flags : tensor<%Lxi1>))
    -> tensor<1x4x%Lx64xf32>
  return %out : tensor<1x4x%Lx64xf32>
}

// -----

// Each column of the table is an interval of keys.

// CHECK-LABEL: func.func @bigbird(
// CHECK: attn.pack
// CHECK: arith.floordivsi %{{.+}}, %c64
// CHECK: scf.for
// CHECK: tensor.extract %arg4[%{{.+}}, %c0]
// CHECK: scf.for
// CHECK: tensor.extract %arg4[%{{.+}}, %c1]
// CHECK: scf.for
// CHECK: tensor.extract %arg4[%{{.+}}, %c2]
// CHECK: scf.while
// CHECK: scf.while
// CHECK: tensor.insert
// CHECK: attn.online_attention
// CHECK-SAME: key_rows(
func.func @bigbird(%q: tensor<1x4x%Lx64xf32>, %k: tensor<1x4x%Lx64xf32>,
    %v: tensor<1x4x%Lx64xf32>, %init: tensor<1x4x%Lx64xf32>,
    %table: tensor<36x3xi32>) -> tensor<1x4x%Lx64xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<1x4x%Lx64xf32>, tensor<1x4x%Lx64xf32>,
        tensor<1x4x%Lx64xf32>)
    outs(%init : tensor<1x4x%Lx64xf32>)
    masks(#attn.bigbird<block = 64>(%table : tensor<36x3xi32>))
    -> tensor<1x4x%Lx64xf32>
  return %out : tensor<1x4x%Lx64xf32>
}

// -----

// Read at row and key: pair by pair, within the step.

// CHECK-LABEL: func.func @blocks(
// CHECK: attn.pack
// CHECK: attn.online_attention
// CHECK: mask {
// CHECK: tensor.extract %arg4
func.func @blocks(%q: tensor<1x4x%Lx64xf32>, %k: tensor<1x4x%Lx64xf32>,
    %v: tensor<1x4x%Lx64xf32>, %init: tensor<1x4x%Lx64xf32>,
    %table: tensor<36x36xi1>) -> tensor<1x4x%Lx64xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<1x4x%Lx64xf32>, tensor<1x4x%Lx64xf32>,
        tensor<1x4x%Lx64xf32>)
    outs(%init : tensor<1x4x%Lx64xf32>)
    masks(#attn.blocks<block_q = 64, block_kv = 64>(%table : tensor<36x36xi1>))
    -> tensor<1x4x%Lx64xf32>
  return %out : tensor<1x4x%Lx64xf32>
}

// -----

// Patches of whole lines, where the number of queries is known.

// CHECK-LABEL: func.func @neighborhood_2d(
// STATIC: tensor.expand_shape %arg0{{.+}} into tensor<1x4x48x48x64xf32>
// DYNAMIC-NOT: tensor.expand_shape
// CHECK: attn.pack
// CHECK: arith.floordivsi %{{.+}}, %c48
// CHECK: scf.while
// CHECK: scf.while
// CHECK: tensor.insert
// CHECK: attn.online_attention
// CHECK-SAME: key_rows(
func.func @neighborhood_2d(%q: tensor<1x4x%Lx64xf32>, %k: tensor<1x4x%Lx64xf32>,
    %v: tensor<1x4x%Lx64xf32>, %init: tensor<1x4x%Lx64xf32>) -> tensor<1x4x%Lx64xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<1x4x%Lx64xf32>, tensor<1x4x%Lx64xf32>,
        tensor<1x4x%Lx64xf32>)
    outs(%init : tensor<1x4x%Lx64xf32>)
    masks(#attn.neighborhood<shape = [48, 48], window = [7, 7]>)
    -> tensor<1x4x%Lx64xf32>
  return %out : tensor<1x4x%Lx64xf32>
}

// -----

// Bricks of whole planes.

// CHECK-LABEL: func.func @neighborhood_3d(
// STATIC: tensor.expand_shape %arg0{{.+}} into tensor<1x4x4x24x24x64xf32>
// DYNAMIC-NOT: tensor.expand_shape
// CHECK: attn.pack
// CHECK: arith.floordivsi %{{.+}}, %c576
// CHECK: scf.while
// CHECK: scf.while
// CHECK: tensor.insert
// CHECK: attn.online_attention
// CHECK-SAME: key_rows(
func.func @neighborhood_3d(%q: tensor<1x4x%Lx64xf32>, %k: tensor<1x4x%Lx64xf32>,
    %v: tensor<1x4x%Lx64xf32>, %init: tensor<1x4x%Lx64xf32>) -> tensor<1x4x%Lx64xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<1x4x%Lx64xf32>, tensor<1x4x%Lx64xf32>,
        tensor<1x4x%Lx64xf32>)
    outs(%init : tensor<1x4x%Lx64xf32>)
    masks(#attn.neighborhood<shape = [4, 24, 24], window = [3, 5, 5]>)
    -> tensor<1x4x%Lx64xf32>
  return %out : tensor<1x4x%Lx64xf32>
}

// -----

// The prefix, then the keys of the row's own document.

// CHECK-LABEL: func.func @shared_prefix(
// CHECK: scf.forall
// CHECK: scf.forall (%{{.+}}, %{{.+}}) in (4,
// CHECK: attn.pack
// CHECK: tensor.extract %arg5
// CHECK: arith.shrui
// CHECK: scf.while
// CHECK: scf.while
// CHECK: tensor.insert
// CHECK: attn.online_attention
// CHECK-SAME: key_rows(
func.func @shared_prefix(%q: tensor<1x4x%Lx64xf32>, %k: tensor<1x4x%Lx64xf32>,
    %v: tensor<1x4x%Lx64xf32>, %init: tensor<1x4x%Lx64xf32>,
    %n: index, %ids: tensor<%Lxi32>) -> tensor<1x4x%Lx64xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<1x4x%Lx64xf32>, tensor<1x4x%Lx64xf32>,
        tensor<1x4x%Lx64xf32>)
    outs(%init : tensor<1x4x%Lx64xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %prefix = arith.cmpi slt, %j, %n : index
      %row = tensor.extract %ids[%i] : tensor<%Lxi32>
      %key = tensor.extract %ids[%j] : tensor<%Lxi32>
      %same = arith.cmpi eq, %row, %key : i32
      %causal = arith.cmpi sle, %j, %i : index
      %own = arith.andi %same, %causal : i1
      %keep = arith.ori %prefix, %own : i1
      attn.yield %keep : i1
    }
    -> tensor<1x4x%Lx64xf32>
  return %out : tensor<1x4x%Lx64xf32>
}

// -----

// A key is seen by its subtree, which ends at a row the table says.

// CHECK-LABEL: func.func @tree(
// CHECK: scf.forall
// CHECK: tensor.extract %arg4
// CHECK: scf.forall (%{{.+}}, %{{.+}}) in (4,
// CHECK: attn.pack
// CHECK: scf.while
// CHECK: scf.while
// CHECK: tensor.insert
// CHECK: attn.online_attention
// CHECK-SAME: key_rows(
func.func @tree(%q: tensor<1x4x%Lx64xf32>, %k: tensor<1x4x%Lx64xf32>,
    %v: tensor<1x4x%Lx64xf32>, %init: tensor<1x4x%Lx64xf32>,
    %until: tensor<%Lxindex>) -> tensor<1x4x%Lx64xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<1x4x%Lx64xf32>, tensor<1x4x%Lx64xf32>,
        tensor<1x4x%Lx64xf32>)
    outs(%init : tensor<1x4x%Lx64xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %end = tensor.extract %until[%j] : tensor<%Lxindex>
      %causal = arith.cmpi sle, %j, %i : index
      %below = arith.cmpi slt, %i, %end : index
      %keep = arith.andi %causal, %below : i1
      attn.yield %keep : i1
    }
    -> tensor<1x4x%Lx64xf32>
  return %out : tensor<1x4x%Lx64xf32>
}

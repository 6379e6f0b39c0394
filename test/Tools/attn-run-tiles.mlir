// RUN: attn-run %s --entry=listed --compare --set=keys=13 --shapes=27x20,37x20,37x24 | FileCheck %s
// RUN: attn-run %s --entry=listed --compare --set=keys=1 --shapes=27x20,1x20,1x24 | FileCheck %s
// RUN: attn-run %s --entry=listed --compare --set=keys=0 --shapes=27x20,1x20,1x24 | FileCheck %s
// RUN: attn-run %s --entry=patch --compare --shapes=3x7x20,40x20,40x24 | FileCheck %s
// RUN: attn-run %s --entry=patch --compare --shapes=4x8x20,40x20,40x24 | FileCheck %s
// RUN: attn-run %s --entry=patch --compare --shapes=1x1x20,40x20,40x24 | FileCheck %s
// RUN: attn-run %s --entry=three_axes --compare --shapes=3x3x2x16,24x16 | FileCheck %s
// RUN: attn-run %s --entry=patch_pairs --compare --shapes=3x7x20 | FileCheck %s
// RUN: attn-run %s --entry=patch_heads --compare --shapes=7x2x3x20,2x32 | FileCheck %s
// RUN: attn-run %s --entry=gathered --compare | FileCheck %s
// RUN: attn-run %s --entry=gathered_pairs --compare | FileCheck %s
// RUN: attn-run %s --entry=features --compare | FileCheck %s

// What the tile phase composes tasks of, against the decomposed operations:
// steps that read their keys through a list, tiles that are patches.

// CHECK: result0: error {{.*}}: ok
// CHECK-NOT: FAIL

#q = affine_map<(b, h, m, n, d, e) -> (d, m)>
#k = affine_map<(b, h, m, n, d, e) -> (n, d)>
#v = affine_map<(b, h, m, n, d, e) -> (n, e)>
#acc = affine_map<(b, h, m, n, d, e) -> (e, m)>
#row = affine_map<(b, h, m, n, d, e) -> (m)>
#rows = affine_map<(h, r, c) -> (r, c)>
#columns = affine_map<(h, r, c) -> (c, r)>

func.func @listed(%query: tensor<27x20xf32>, %key: tensor<?x20xf32>,
                  %value: tensor<?x24xf32>, %keys: index)
    -> (tensor<27x24xf32>, tensor<27xf32>) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %step = arith.constant 3 : index
  %count = affine.min affine_map<()[s] -> (s, 16)>()[%keys]
  %none = tensor.empty() : tensor<16xindex>
  %whole = scf.for %n = %zero to %count step %one
      iter_args(%before = %none) -> tensor<16xindex> {
    %at = arith.muli %n, %step : index
    %after = tensor.insert %at into %before[%n] : tensor<16xindex>
    scf.yield %after : tensor<16xindex>
  }
  %list = tensor.extract_slice %whole[0] [%count] [1]
    : tensor<16xindex> to tensor<?xindex>
  %query_init = tensor.empty() : tensor<20x32xf32>
  %packed = attn.pack ins(%query : tensor<27x20xf32>)
    outs(%query_init : tensor<20x32xf32>) scale(0.3) maps([#rows, #columns])
    -> tensor<20x32xf32>
  %empty_sum = arith.constant 0.0 : f32
  %lowest = arith.constant 0xFF800000 : f32
  %acc_init = tensor.empty() : tensor<24x32xf32>
  %row_init = tensor.empty() : tensor<32xf32>
  %acc = linalg.fill ins(%empty_sum : f32)
    outs(%acc_init : tensor<24x32xf32>) -> tensor<24x32xf32>
  %max = linalg.fill ins(%lowest : f32)
    outs(%row_init : tensor<32xf32>) -> tensor<32xf32>
  %sum = linalg.fill ins(%empty_sum : f32)
    outs(%row_init : tensor<32xf32>) -> tensor<32xf32>
  %state:3 = attn.online_attention
    ins(%packed, %key, %value : tensor<20x32xf32>, tensor<?x20xf32>,
        tensor<?x24xf32>)
    outs(%acc, %max, %sum : tensor<24x32xf32>, tensor<32xf32>, tensor<32xf32>)
    key_rows(%list : tensor<?xindex>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %n: index):
      %j = tensor.extract %list[%n] : tensor<?xindex>
      %keep = arith.cmpi sge, %j, %i : index
      attn.yield %keep : i1
    }
    attributes {indexing_maps = [#q, #k, #v, #acc, #row, #row]}
    -> tensor<24x32xf32>, tensor<32xf32>, tensor<32xf32>
  %out_init = tensor.empty() : tensor<27x24xf32>
  %lse_init = tensor.empty() : tensor<27xf32>
  %out:2 = attn.normalize
    ins(%state#0, %state#1, %state#2 : tensor<24x32xf32>, tensor<32xf32>,
        tensor<32xf32>)
    outs(%out_init, %lse_init : tensor<27x24xf32>, tensor<27xf32>)
    maps([#columns, #rows]) -> tensor<27x24xf32>, tensor<27xf32>
  return %out#0, %out#1 : tensor<27x24xf32>, tensor<27xf32>
}

// The first axis of the grid may end anywhere, and so may the second.
#grid = affine_map<(h, r, c) -> (r floordiv 8, r mod 8, c)>
func.func @patch(%query: tensor<?x?x20xf32>, %key: tensor<40x20xf32>,
                 %value: tensor<40x24xf32>)
    -> (tensor<?x?x24xf32>, tensor<?x?xf32>) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %height = tensor.dim %query, %zero : tensor<?x?x20xf32>
  %width = tensor.dim %query, %one : tensor<?x?x20xf32>
  %query_init = tensor.empty() : tensor<20x32xf32>
  %packed = attn.pack ins(%query : tensor<?x?x20xf32>)
    outs(%query_init : tensor<20x32xf32>) maps([#grid, #columns])
    -> tensor<20x32xf32>
  %empty_sum = arith.constant 0.0 : f32
  %lowest = arith.constant 0xFF800000 : f32
  %acc_init = tensor.empty() : tensor<24x32xf32>
  %row_init = tensor.empty() : tensor<32xf32>
  %acc = linalg.fill ins(%empty_sum : f32)
    outs(%acc_init : tensor<24x32xf32>) -> tensor<24x32xf32>
  %max = linalg.fill ins(%lowest : f32)
    outs(%row_init : tensor<32xf32>) -> tensor<32xf32>
  %sum = linalg.fill ins(%empty_sum : f32)
    outs(%row_init : tensor<32xf32>) -> tensor<32xf32>
  %state:3 = attn.online_attention
    ins(%packed, %key, %value : tensor<20x32xf32>, tensor<40x20xf32>,
        tensor<40x24xf32>)
    outs(%acc, %max, %sum : tensor<24x32xf32>, tensor<32xf32>, tensor<32xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %eight = arith.constant 8 : index
      %y = arith.divui %i, %eight : index
      %x = arith.remui %i, %eight : index
      %high = arith.muli %y, %eight : index
      %first = arith.cmpi sge, %j, %high : index
      %second = arith.cmpi ne, %j, %x : index
      %keep = arith.andi %first, %second : i1
      attn.yield %keep : i1
    }
    attributes {indexing_maps = [#q, #k, #v, #acc, #row, #row]}
    -> tensor<24x32xf32>, tensor<32xf32>, tensor<32xf32>
  %out_init = tensor.empty(%height, %width) : tensor<?x?x24xf32>
  %lse_init = tensor.empty(%height, %width) : tensor<?x?xf32>
  %out:2 = attn.normalize
    ins(%state#0, %state#1, %state#2 : tensor<24x32xf32>, tensor<32xf32>,
        tensor<32xf32>)
    outs(%out_init, %lse_init : tensor<?x?x24xf32>, tensor<?x?xf32>)
    maps([#columns, #grid, affine_map<(h, r, c) -> (r floordiv 8, r mod 8)>])
    -> tensor<?x?x24xf32>, tensor<?x?xf32>
  return %out#0, %out#1 : tensor<?x?x24xf32>, tensor<?x?xf32>
}

#cube = affine_map<(h, r, c) -> (r floordiv 8, (r floordiv 2) mod 4, r mod 2, c)>
func.func @three_axes(%query: tensor<?x?x?x16xf32>, %key: tensor<24x16xf32>)
    -> tensor<?x?x?x16xf32> {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %two = arith.constant 2 : index
  %depth = tensor.dim %query, %zero : tensor<?x?x?x16xf32>
  %height = tensor.dim %query, %one : tensor<?x?x?x16xf32>
  %width = tensor.dim %query, %two : tensor<?x?x?x16xf32>
  %query_init = tensor.empty() : tensor<16x32xf32>
  %packed = attn.pack ins(%query : tensor<?x?x?x16xf32>)
    outs(%query_init : tensor<16x32xf32>) maps([#cube, #columns])
    -> tensor<16x32xf32>
  %empty_sum = arith.constant 0.0 : f32
  %lowest = arith.constant 0xFF800000 : f32
  %acc_init = tensor.empty() : tensor<16x32xf32>
  %row_init = tensor.empty() : tensor<32xf32>
  %acc = linalg.fill ins(%empty_sum : f32)
    outs(%acc_init : tensor<16x32xf32>) -> tensor<16x32xf32>
  %max = linalg.fill ins(%lowest : f32)
    outs(%row_init : tensor<32xf32>) -> tensor<32xf32>
  %sum = linalg.fill ins(%empty_sum : f32)
    outs(%row_init : tensor<32xf32>) -> tensor<32xf32>
  %state:3 = attn.online_attention
    ins(%packed, %key, %key : tensor<16x32xf32>, tensor<24x16xf32>,
        tensor<24x16xf32>)
    outs(%acc, %max, %sum : tensor<16x32xf32>, tensor<32xf32>, tensor<32xf32>)
    attributes {indexing_maps = [#q, #k, #v, #acc, #row, #row]}
    -> tensor<16x32xf32>, tensor<32xf32>, tensor<32xf32>
  %out_init = tensor.empty(%depth, %height, %width) : tensor<?x?x?x16xf32>
  %out = attn.normalize
    ins(%state#0, %state#1, %state#2 : tensor<16x32xf32>, tensor<32xf32>,
        tensor<32xf32>)
    outs(%out_init : tensor<?x?x?x16xf32>) maps([#columns, #cube])
    -> tensor<?x?x?x16xf32>
  return %out : tensor<?x?x?x16xf32>
}

// Keys and values brought together and converted; the buffer holds more.
func.func @gathered(%query: tensor<32x20xf16>, %key: tensor<40x20xf16>,
                    %value: tensor<40x24xf16>) -> tensor<32x24xf16> {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %step = arith.constant 3 : index
  %count = arith.constant 13 : index
  %none = tensor.empty() : tensor<16xindex>
  %whole = scf.for %n = %zero to %count step %one
      iter_args(%before = %none) -> tensor<16xindex> {
    %at = arith.muli %n, %step : index
    %after = tensor.insert %at into %before[%n] : tensor<16xindex>
    scf.yield %after : tensor<16xindex>
  }
  %list = tensor.extract_slice %whole[0] [13] [1]
    : tensor<16xindex> to tensor<13xindex>
  %query_init = tensor.empty() : tensor<20x32xf32>
  %packed = attn.pack ins(%query : tensor<32x20xf16>)
    outs(%query_init : tensor<20x32xf32>) maps([#rows, #columns])
    -> tensor<20x32xf32>
  %key_init = tensor.empty() : tensor<15x20xf32>
  %value_init = tensor.empty() : tensor<15x24xf32>
  %keys = attn.pack ins(%key : tensor<40x20xf16>)
    outs(%key_init : tensor<15x20xf32>) gather(%list : tensor<13xindex>)
    maps([#rows, #rows]) -> tensor<15x20xf32>
  %values = attn.pack ins(%value : tensor<40x24xf16>)
    outs(%value_init : tensor<15x24xf32>) gather(%list : tensor<13xindex>)
    maps([#rows, #rows]) -> tensor<15x24xf32>
  %empty_sum = arith.constant 0.0 : f32
  %lowest = arith.constant 0xFF800000 : f32
  %acc_init = tensor.empty() : tensor<24x32xf32>
  %row_init = tensor.empty() : tensor<32xf32>
  %acc = linalg.fill ins(%empty_sum : f32)
    outs(%acc_init : tensor<24x32xf32>) -> tensor<24x32xf32>
  %max = linalg.fill ins(%lowest : f32)
    outs(%row_init : tensor<32xf32>) -> tensor<32xf32>
  %sum = linalg.fill ins(%empty_sum : f32)
    outs(%row_init : tensor<32xf32>) -> tensor<32xf32>
  %state:3 = attn.online_attention
    ins(%packed, %keys, %values : tensor<20x32xf32>, tensor<15x20xf32>,
        tensor<15x24xf32>)
    outs(%acc, %max, %sum : tensor<24x32xf32>, tensor<32xf32>, tensor<32xf32>)
    attributes {indexing_maps = [#q, #k, #v, #acc, #row, #row]}
    -> tensor<24x32xf32>, tensor<32xf32>, tensor<32xf32>
  %out_init = tensor.empty() : tensor<32x24xf16>
  %out = attn.normalize
    ins(%state#0, %state#1, %state#2 : tensor<24x32xf32>, tensor<32xf32>,
        tensor<32xf32>)
    outs(%out_init : tensor<32x24xf16>) maps([#columns, #rows])
    -> tensor<32x24xf16>
  return %out : tensor<32x24xf16>
}

// Pairs of rows, the last of them empty.
#pairs = affine_map<(h, r, c) -> (r floordiv 2, c, r mod 2)>
func.func @gathered_pairs(%value: tensor<40x24xbf16>) -> tensor<9x24x2xbf16> {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %step = arith.constant 3 : index
  %count = arith.constant 13 : index
  %none = tensor.empty() : tensor<16xindex>
  %whole = scf.for %n = %zero to %count step %one
      iter_args(%before = %none) -> tensor<16xindex> {
    %at = arith.muli %n, %step : index
    %after = tensor.insert %at into %before[%n] : tensor<16xindex>
    scf.yield %after : tensor<16xindex>
  }
  %list = tensor.extract_slice %whole[0] [13] [1]
    : tensor<16xindex> to tensor<13xindex>
  %init = tensor.empty() : tensor<9x24x2xbf16>
  %packed = attn.pack ins(%value : tensor<40x24xbf16>)
    outs(%init : tensor<9x24x2xbf16>) gather(%list : tensor<13xindex>)
    maps([#rows, #pairs]) -> tensor<9x24x2xbf16>
  return %packed : tensor<9x24x2xbf16>
}

func.func @features(%query: tensor<2x3x20xf32>, %key: tensor<40x20xbf16>,
                    %value: tensor<40x24xbf16>) -> tensor<2x3x24xf32> {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %step = arith.constant 3 : index
  %count = arith.constant 13 : index
  %none = tensor.empty() : tensor<16xindex>
  %whole = scf.for %n = %zero to %count step %one
      iter_args(%before = %none) -> tensor<16xindex> {
    %at = arith.muli %n, %step : index
    %after = tensor.insert %at into %before[%n] : tensor<16xindex>
    scf.yield %after : tensor<16xindex>
  }
  %list = tensor.extract_slice %whole[0] [13] [1]
    : tensor<16xindex> to tensor<13xindex>
  %empty_sum = arith.constant 0.0 : f32
  %lowest = arith.constant 0xFF800000 : f32
  %acc_init = tensor.empty() : tensor<2x3x24xf32>
  %row_init = tensor.empty() : tensor<2x3xf32>
  %acc = linalg.fill ins(%empty_sum : f32)
    outs(%acc_init : tensor<2x3x24xf32>) -> tensor<2x3x24xf32>
  %max = linalg.fill ins(%lowest : f32)
    outs(%row_init : tensor<2x3xf32>) -> tensor<2x3xf32>
  %sum = linalg.fill ins(%empty_sum : f32)
    outs(%row_init : tensor<2x3xf32>) -> tensor<2x3xf32>
  %state:3 = attn.online_attention
    ins(%query, %key, %value : tensor<2x3x20xf32>, tensor<40x20xbf16>,
        tensor<40x24xbf16>)
    outs(%acc, %max, %sum : tensor<2x3x24xf32>, tensor<2x3xf32>, tensor<2x3xf32>)
    key_rows(%list : tensor<13xindex>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %n: index):
      %j = tensor.extract %list[%n] : tensor<13xindex>
      %keep = arith.cmpi sge, %j, %i : index
      attn.yield %keep : i1
    }
    attributes {indexing_maps = [
      affine_map<(b, h, m, n, d, e) -> (h, m, d)>, #k, #v,
      affine_map<(b, h, m, n, d, e) -> (h, m, e)>,
      affine_map<(b, h, m, n, d, e) -> (h, m)>,
      affine_map<(b, h, m, n, d, e) -> (h, m)>]}
    -> tensor<2x3x24xf32>, tensor<2x3xf32>, tensor<2x3xf32>
  %out_init = tensor.empty() : tensor<2x3x24xf32>
  %out = attn.normalize
    ins(%state#0, %state#1, %state#2 : tensor<2x3x24xf32>, tensor<2x3xf32>,
        tensor<2x3xf32>)
    outs(%out_init : tensor<2x3x24xf32>)
    maps([affine_map<(h, r, c) -> (h, r, c)>, affine_map<(h, r, c) -> (h, r, c)>])
    -> tensor<2x3x24xf32>
  return %out : tensor<2x3x24xf32>
}

// Queries of a patch in pairs of columns.
#halves = affine_map<(h, r, c) -> (c floordiv 2, r, c mod 2)>
func.func @patch_pairs(%query: tensor<?x?x20xbf16>) -> tensor<10x32x2xbf16> {
  %init = tensor.empty() : tensor<10x32x2xbf16>
  %packed = attn.pack ins(%query : tensor<?x?x20xbf16>)
    outs(%init : tensor<10x32x2xbf16>) maps([#grid, #halves])
    -> tensor<10x32x2xbf16>
  return %packed : tensor<10x32x2xbf16>
}

// Rows that are neither transposed nor in the order of the grid: a grid whose
// second axis comes first, heads, and what has no vectors to it.
#swapped = affine_map<(h, r, c) -> (r mod 8, h, r floordiv 8, c)>
#heads = affine_map<(h, r, c) -> (h, r, c)>
func.func @patch_heads(%query: tensor<?x2x?x20xf32>, %sum: tensor<2x32xf32>)
    -> (tensor<?x2x?x20xf32>, tensor<20x2x32xf32>) {
  %zero = arith.constant 0 : index
  %two = arith.constant 2 : index
  %width = tensor.dim %query, %zero : tensor<?x2x?x20xf32>
  %height = tensor.dim %query, %two : tensor<?x2x?x20xf32>
  %init = tensor.empty() : tensor<2x32x20xf32>
  %packed = attn.pack ins(%query : tensor<?x2x?x20xf32>)
    outs(%init : tensor<2x32x20xf32>) maps([#swapped, #heads])
    -> tensor<2x32x20xf32>
  %turned_init = tensor.empty() : tensor<20x2x32xf32>
  %turned = attn.pack ins(%query : tensor<?x2x?x20xf32>)
    outs(%turned_init : tensor<20x2x32xf32>)
    maps([#swapped, affine_map<(h, r, c) -> (c, h, r)>])
    -> tensor<20x2x32xf32>
  %out_init = tensor.empty(%width, %height) : tensor<?x2x?x20xf32>
  %out = attn.normalize
    ins(%packed, %sum, %sum : tensor<2x32x20xf32>, tensor<2x32xf32>,
        tensor<2x32xf32>)
    outs(%out_init : tensor<?x2x?x20xf32>) maps([#heads, #swapped])
    -> tensor<?x2x?x20xf32>
  return %out, %turned : tensor<?x2x?x20xf32>, tensor<20x2x32xf32>
}

// RUN: attn-opt %s -attn-lower-tiles=target=cpu:x86-64-v4 -split-input-file -verify-diagnostics
// RUN: not attn-opt %s -attn-lower-tiles=target=cpu:z80 -split-input-file 2>&1 | FileCheck %s

// CHECK: error: unknown target 'cpu:z80', expected 'host' or one of

#q = affine_map<(b, h, m, n, d, e) -> (d, m)>
#k = affine_map<(b, h, m, n, d, e) -> (n, d)>
#v = affine_map<(b, h, m, n, d, e) -> (n, e)>
#acc = affine_map<(b, h, m, n, d, e) -> (e, m)>
#row = affine_map<(b, h, m, n, d, e) -> (m)>
func.func @keys_without_bound(
    %q: memref<64x32xf32>, %k: memref<?x64xf32>, %v: memref<?x64xf32>,
    %acc: memref<64x32xf32>, %max: memref<32xf32>, %sum: memref<32xf32>) {
  // expected-error @below {{'attn.online_attention' op expects a number of keys with a known upper bound, to size the scratch buffer by}}
  attn.online_attention
    ins(%q, %k, %v : memref<64x32xf32>, memref<?x64xf32>, memref<?x64xf32>)
    outs(%acc, %max, %sum : memref<64x32xf32>, memref<32xf32>, memref<32xf32>)
    attributes {indexing_maps = [#q, #k, #v, #acc, #row, #row]}
  return
}

// -----

#q = affine_map<(b, h, m, n, d, e) -> (d, m)>
#k = affine_map<(b, h, m, n, d, e) -> (n, d)>
#v = affine_map<(b, h, m, n, d, e) -> (n, e)>
#acc = affine_map<(b, h, m, n, d, e) -> (e, m)>
#row = affine_map<(b, h, m, n, d, e) -> (m)>
func.func @part_of_a_vector(
    %q: memref<64x20xf32>, %k: memref<128x64xf32>, %v: memref<128x64xf32>,
    %acc: memref<64x20xf32>, %max: memref<20xf32>, %sum: memref<20xf32>) {
  // expected-error @below {{expects a static number of queries, a multiple of the vector length (16)}}
  attn.online_attention
    ins(%q, %k, %v : memref<64x20xf32>, memref<128x64xf32>, memref<128x64xf32>)
    outs(%acc, %max, %sum : memref<64x20xf32>, memref<20xf32>, memref<20xf32>)
    attributes {indexing_maps = [#q, #k, #v, #acc, #row, #row]}
  return
}

// -----

#q = affine_map<(b, h, m, n, d, e) -> (h, m, d)>
#k = affine_map<(b, h, m, n, d, e) -> (n, d)>
#v = affine_map<(b, h, m, n, d, e) -> (n, e)>
#acc = affine_map<(b, h, m, n, d, e) -> (h, m, e)>
#row = affine_map<(b, h, m, n, d, e) -> (h, m)>
func.func @any_number_of_heads(
    %q: memref<?x2x64xf32>, %k: memref<128x64xf32>, %v: memref<128x64xf32>,
    %acc: memref<?x2x64xf32>, %max: memref<?x2xf32>, %sum: memref<?x2xf32>) {
  // expected-error @below {{expects a static number of heads and queries per tile}}
  attn.online_attention
    ins(%q, %k, %v : memref<?x2x64xf32>, memref<128x64xf32>, memref<128x64xf32>)
    outs(%acc, %max, %sum : memref<?x2x64xf32>, memref<?x2xf32>,
         memref<?x2xf32>)
    attributes {indexing_maps = [#q, #k, #v, #acc, #row, #row]}
  return
}

// -----

#q = affine_map<(b, h, m, n, d, e) -> (m, d)>
#k = affine_map<(b, h, m, n, d, e) -> (d, n)>
#v = affine_map<(b, h, m, n, d, e) -> (n, e)>
#acc = affine_map<(b, h, m, n, d, e) -> (e, m)>
#row = affine_map<(b, h, m, n, d, e) -> (m)>
func.func @other_layout(
    %q: memref<32x64xf32>, %k: memref<64x128xf32>, %v: memref<128x64xf32>,
    %acc: memref<64x32xf32>, %max: memref<32xf32>, %sum: memref<32xf32>) {
  // expected-error @below {{expects indexing maps of a layout code is generated for: queries in lanes, query (d, m) and accumulator (e, m), or features in lanes, query (h, m, d) and accumulator (h, m, e), with key (n, d) and value (n, e)}}
  attn.online_attention
    ins(%q, %k, %v : memref<32x64xf32>, memref<64x128xf32>, memref<128x64xf32>)
    outs(%acc, %max, %sum : memref<64x32xf32>, memref<32xf32>, memref<32xf32>)
    attributes {indexing_maps = [#q, #k, #v, #acc, #row, #row]}
  return
}

// -----

func.func @tensors(%x: tensor<?x64xf32>, %init: tensor<64x64xf32>)
    -> tensor<64x64xf32> {
  // expected-error @below {{'attn.pack' op expects buffers, but got tensors (run attn-bufferize)}}
  %out = attn.pack ins(%x : tensor<?x64xf32>) outs(%init : tensor<64x64xf32>)
    maps([affine_map<(h, r, c) -> (r, c)>, affine_map<(h, r, c) -> (c, r)>])
    -> tensor<64x64xf32>
  return %out : tensor<64x64xf32>
}

// -----

func.func @graph_on_tensors(%x: tensor<4xf32>, %y: tensor<4xf32>)
    -> tensor<4xf32> {
  // expected-error @below {{expects buffers, but got tensors (run attn-bufferize)}}
  %r = linalg.add ins(%x, %x : tensor<4xf32>, tensor<4xf32>)
                  outs(%y : tensor<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// RUN: attn-run %s --entry=dense --print=2 --threads=1 | FileCheck %s
// RUN: attn-run --entry=dense < %s | FileCheck %s --check-prefix=STDIN
// RUN: attn-run %s --entry=grouped --compare --shapes=2x4x33x16,2x2x65x16,2x2x65x24 \
// RUN:   | FileCheck %s --check-prefix=GROUPED
// RUN: attn-run %s --entry=grouped --compare --dim=query:0=1 --dim=0:2=17 --shape=key=?x2x5x? --dim=value:3=3 --seed=7 \
// RUN:   | FileCheck %s --check-prefix=INFERRED
// RUN: attn-run %s --entry=lengths --compare --set=shift=1.5 --range=len=0:40 \
// RUN:   | FileCheck %s --check-prefix=LENGTHS
// RUN: attn-run %s --entry=half --compare | FileCheck %s --check-prefix=HALF
// RUN: attn-run %s --entry=brain --compare | FileCheck %s --check-prefix=BRAIN
// RUN: attn-run %s --entry=double --compare | FileCheck %s --check-prefix=DOUBLE
// RUN: attn-run %s --entry=double --compare --schedule=lanes-features --block-keys=16 --opt-level=0 | FileCheck %s --check-prefix=DOUBLE
// RUN: attn-run %s --entry=dense --time=3 --threads=1 | FileCheck %s --check-prefix=TIME
// RUN: attn-run %s --entry=grouped --time --shapes=1x4x64x16,1x2x64x16,1x2x64x16 | FileCheck %s --check-prefix=CAUSAL-TIME

// CHECK: dense for host, compiled in {{.*}} ms
// CHECK-NEXT: result0: 2x16x8xf32, from -{{[0-9.]+}} to {{[0-9.]+}}, mean
// CHECK-NEXT: {{^  -?[0-9.]+ -?[0-9.]+$}}
// STDIN: dense for host
// TIME: time: median {{.*}} ms, min {{.*}}, max {{.*}}, 3 runs, 1 threads, {{.*}} GFLOP/s
func.func @dense(%query: tensor<2x16x8xf32>, %key: tensor<2x12x8xf32>,
                 %value: tensor<2x12x8xf32>) -> tensor<2x16x8xf32> {
  %init = tensor.empty() : tensor<2x16x8xf32>
  %out = attn.attention
    ins(%query, %key, %value : tensor<2x16x8xf32>, tensor<2x12x8xf32>,
        tensor<2x12x8xf32>)
    outs(%init : tensor<2x16x8xf32>) -> tensor<2x16x8xf32>
  return %out : tensor<2x16x8xf32>
}

// GROUPED: result0: 2x4x33x24xf32
// GROUPED-NEXT: result1: 2x4x33xf32
// GROUPED-NEXT: result0: error {{.*}}, allowed {{.*}} (unfused {{.*}}, floor {{.*}}): ok
// GROUPED-NEXT: result1: error {{.*}}: ok
// INFERRED: result0: 1x4x17x3xf32
// INFERRED: result0: error {{.*}}: ok
// CAUSAL-TIME: time: {{.*}} 10 runs, {{.*}} GFLOP/s
func.func @grouped(%query: tensor<?x4x?x16xf32>, %key: tensor<?x2x?x16xf32>,
                   %value: tensor<?x2x?x?xf32>)
    -> (tensor<?x4x?x?xf32>, tensor<?x4x?xf32>) {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %batch = tensor.dim %query, %c0 : tensor<?x4x?x16xf32>
  %length = tensor.dim %query, %c2 : tensor<?x4x?x16xf32>
  %width = tensor.dim %value, %c3 : tensor<?x2x?x?xf32>
  %init = tensor.empty(%batch, %length, %width) : tensor<?x4x?x?xf32>
  %lse = tensor.empty(%batch, %length) : tensor<?x4x?xf32>
  %out:2 = attn.attention
    ins(%query, %key, %value : tensor<?x4x?x16xf32>, tensor<?x2x?x16xf32>,
        tensor<?x2x?x?xf32>)
    outs(%init, %lse : tensor<?x4x?x?xf32>, tensor<?x4x?xf32>)
    masks(#attn.causal<bottom_right>)
    -> tensor<?x4x?x?xf32>, tensor<?x4x?xf32>
  return %out#0, %out#1 : tensor<?x4x?x?xf32>, tensor<?x4x?xf32>
}

// LENGTHS: result0: error {{.*}}: ok
func.func @lengths(%query: tensor<3x1x20x8xf32>, %key: tensor<3x1x40x8xf32>,
                   %value: tensor<3x1x40x8xf32>, %len: tensor<3xi32>,
                   %shift: f32) -> tensor<3x1x20x8xf32> {
  %init = tensor.empty() : tensor<3x1x20x8xf32>
  %out = attn.attention
    ins(%query, %key, %value : tensor<3x1x20x8xf32>, tensor<3x1x40x8xf32>,
        tensor<3x1x40x8xf32>)
    outs(%init : tensor<3x1x20x8xf32>)
    masks(#attn.key_lengths(%len : tensor<3xi32>))
    score {
    ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):
      %half = arith.constant 5.0e-01 : f32
      %scaled = arith.mulf %s, %half : f32
      %t = arith.addf %scaled, %shift : f32
      attn.yield %t : f32
    }
    -> tensor<3x1x20x8xf32>
  return %out : tensor<3x1x20x8xf32>
}

// HALF: result0: 33x16xf16
// HALF: result0: error {{.*}} floor 0.001): ok
func.func @half(%query: tensor<33x16xf16>, %key: tensor<17x16xf16>,
                %value: tensor<17x16xf16>) -> tensor<33x16xf16> {
  %init = tensor.empty() : tensor<33x16xf16>
  %out = attn.attention
    ins(%query, %key, %value : tensor<33x16xf16>, tensor<17x16xf16>,
        tensor<17x16xf16>)
    outs(%init : tensor<33x16xf16>) -> tensor<33x16xf16>
  return %out : tensor<33x16xf16>
}

// BRAIN: result0: 33x16xbf16
// BRAIN: result0: error {{.*}} floor 0.008): ok
func.func @brain(%query: tensor<33x16xbf16>, %key: tensor<17x16xbf16>,
                 %value: tensor<17x16xbf16>) -> tensor<33x16xbf16> {
  %init = tensor.empty() : tensor<33x16xbf16>
  %out = attn.attention
    ins(%query, %key, %value : tensor<33x16xbf16>, tensor<17x16xbf16>,
        tensor<17x16xbf16>)
    outs(%init : tensor<33x16xbf16>) -> tensor<33x16xbf16>
  return %out : tensor<33x16xbf16>
}

// DOUBLE: result0: 33x16xf64
// DOUBLE: result0: error {{.*}}: ok
func.func @double(%query: tensor<33x16xf64>, %key: tensor<17x16xf64>,
                  %value: tensor<17x16xf64>) -> tensor<33x16xf64> {
  %init = tensor.empty() : tensor<33x16xf64>
  %out = attn.attention
    ins(%query, %key, %value : tensor<33x16xf64>, tensor<17x16xf64>,
        tensor<17x16xf64>)
    outs(%init : tensor<33x16xf64>) -> tensor<33x16xf64>
  return %out : tensor<33x16xf64>
}

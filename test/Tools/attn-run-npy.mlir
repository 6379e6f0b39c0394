// Arrays from NumPy and back, in the order of the file and of Fortran, with
// element types that NumPy has and has not; files that are damaged.
// RUN: rm -rf %t && mkdir %t
// RUN: %python %S/Inputs/arrays.py write %t
// RUN: attn-run %s --entry=single --input query=%t/q.npy --input=1=%t/k.npy \
// RUN:   --input value=%t/v_fortran.npy --output-dir=%t/out --save-inputs \
// RUN:   --compare=%t/expected.npy | FileCheck %s
// RUN: %python %S/Inputs/arrays.py check %t
// RUN: attn-run %s --entry=brain --input=0=%t/q_bits.npy --output-dir=%t/brain
// RUN: not attn-run %s --entry=single --input=0=%t/q.npy --compare=0=%t/wrong.npy \
// RUN:   | FileCheck %s --check-prefix=WRONG
// RUN: not attn-run %s --entry=single --compare=%t/q_bits.npy 2>&1 | FileCheck %s --check-prefix=SHAPE
// RUN: not attn-run %s --entry=single --input=0=%t/double.npy 2>&1 | FileCheck %s --check-prefix=TYPE
// RUN: not attn-run %s --entry=single --input=0=%t/short.npy 2>&1 | FileCheck %s --check-prefix=SHORT
// RUN: not attn-run %s --entry=single --input=0=%t/garbage.npy 2>&1 | FileCheck %s --check-prefix=GARBAGE
// RUN: not attn-run %s --entry=single --input=0=%t/huge.npy 2>&1 | FileCheck %s --check-prefix=HUGE
// RUN: not attn-run %s --entry=single --input=0=%t/complex.npy 2>&1 | FileCheck %s --check-prefix=COMPLEX
// RUN: not attn-run %s --entry=single --input=0=%t/rank.npy 2>&1 | FileCheck %s --check-prefix=RANK
// RUN: not attn-run %s --entry=single --input=0=%t/none.npy 2>&1 | FileCheck %s --check-prefix=NONE

// CHECK: result0: 5x4xf32
// CHECK: result0: error {{.*}}: ok
// WRONG: result0: error {{.*}}: FAILED
// SHAPE: attn-run: error: result0: the result is 5x4xf32, but the reference is 3x4x
// TYPE: attn-run: error: argument 'query' expects element type f32, but '{{.*}}double.npy' holds f64
// SHORT: attn-run: error: '{{.*}}short.npy' ends early: expected 80 bytes of elements, but got 40
// GARBAGE: attn-run: error: '{{.*}}garbage.npy' is not a .npy file this tool can read
// HUGE: attn-run: error: '{{.*}}huge.npy': expected at most 2^40 elements
// COMPLEX: attn-run: error: '{{.*}}complex.npy' holds elements of type '<c8', but expected one of <f8
// RANK: attn-run: error: argument 'query' expects rank 2, but '{{.*}}rank.npy' holds 1x5x4xf32
// NONE: attn-run: error: cannot read '{{.*}}none.npy': {{[Nn]}}o such file
func.func @single(%query: tensor<5x4xf32>, %key: tensor<3x4xf32>,
                  %value: tensor<3x4xf32>) -> tensor<5x4xf32> {
  %init = tensor.empty() : tensor<5x4xf32>
  %out = attn.attention
    ins(%query, %key, %value : tensor<5x4xf32>, tensor<3x4xf32>,
        tensor<3x4xf32>)
    outs(%init : tensor<5x4xf32>) -> tensor<5x4xf32>
  return %out : tensor<5x4xf32>
}

func.func @brain(%query: tensor<3x4xbf16>) -> tensor<3x4xbf16> {
  %init = tensor.empty() : tensor<3x4xbf16>
  %out = attn.attention
    ins(%query, %query, %query : tensor<3x4xbf16>, tensor<3x4xbf16>,
        tensor<3x4xbf16>)
    outs(%init : tensor<3x4xbf16>) -> tensor<3x4xbf16>
  return %out : tensor<3x4xbf16>
}

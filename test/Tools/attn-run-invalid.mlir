// RUN: not attn-run %s 2>&1 | FileCheck %s --check-prefix=ENTRY
// RUN: not attn-run %s --entry=nothing 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not attn-run %t.missing 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: echo "func.func @f(" | not attn-run - 2>&1 | FileCheck %s --check-prefix=SYNTAX
// RUN: not attn-run %s --entry=f 2>&1 | FileCheck %s --check-prefix=DYNAMIC
// RUN: not attn-run %s --entry=f --shapes=4x8,4x8,4x8,4x8 2>&1 | FileCheck %s --check-prefix=MANY
// RUN: not attn-run %s --entry=f --shapes=4x8x2 2>&1 | FileCheck %s --check-prefix=RANK
// RUN: not attn-run %s --entry=f --shapes=4xy 2>&1 | FileCheck %s --check-prefix=SIZE
// RUN: not attn-run %s --entry=f --shapes=4x7 2>&1 | FileCheck %s --check-prefix=STATIC
// RUN: not attn-run %s --entry=f --shapes=4x8,4x8,5x8 --set=n=1 2>&1 | FileCheck %s --check-prefix=UNEQUAL
// RUN: not attn-run %s --entry=f --shapes=4x8,4x8,4x8 2>&1 | FileCheck %s --check-prefix=SCALAR
// RUN: not attn-run %s --entry=f --dim=key:5=3 2>&1 | FileCheck %s --check-prefix=DIM
// RUN: not attn-run %s --entry=f --dim=key=3 2>&1 | FileCheck %s --check-prefix=DIM-SYNTAX
// RUN: not attn-run %s --entry=f --set=m=3 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not attn-run %s --entry=f --set=n=x 2>&1 | FileCheck %s --check-prefix=NUMBER
// RUN: not attn-run %s --entry=f --range=n=3:1 2>&1 | FileCheck %s --check-prefix=RANGE
// RUN: not attn-run %s --entry=f --emit=everything 2>&1 | FileCheck %s --check-prefix=EMIT
// RUN: not attn-run %s --entry=f --emit=obj 2>&1 | FileCheck %s --check-prefix=OBJECT
// RUN: not attn-run %s --entry=f -o %t.x 2>&1 | FileCheck %s --check-prefix=OUTPUT
// RUN: not attn-run %s --entry=f --target=cpu:pdp11 2>&1 | FileCheck %s --check-prefix=TARGET
// RUN: not attn-run %s --entry=f --target=cpu:aarch64 2>&1 | FileCheck %s --check-prefix=FOREIGN
// RUN: not attn-run %s --entry=f --schedule=fast 2>&1 | FileCheck %s --check-prefix=SCHEDULE
// RUN: not attn-run %s --entry=f --shapes=4x8,4x8 --set=n=1 --time=0 2>&1 | FileCheck %s --check-prefix=TIME
// RUN: not attn-run %s --entry=f --shapes=4x8,4x8 --set=n=1 --compare=3=x.npy 2>&1 | FileCheck %s --check-prefix=COMPARE
// RUN: not attn-run %s --entry=f --save-inputs 2>&1 | FileCheck %s --check-prefix=SAVE
// RUN: not attn-run %s --entry=f --frobnicate 2>&1 | FileCheck %s --check-prefix=OPTION

// ENTRY: attn-run-invalid.mlir:{{.*}} error: expected one public function with a body, or the 'entry' option, but got 2
// ENTRY: note: 'f' is here
// ENTRY: attn-run: error: '{{.*}}attn-run-invalid.mlir' does not compile
// UNKNOWN: error: expected a public function 'nothing' with a body, but got 0
// MISSING: attn-run: error: cannot read '{{.*}}missing': {{[Nn]}}o such file
// SYNTAX: <stdin>:{{[0-9]+}}:{{[0-9]+}}: error:
// DYNAMIC: attn-run: error: dimension 0 of argument 'query' is dynamic and follows from no other: give --dim=query:0=SIZE or --shapes
// MANY: attn-run: error: option '--shapes' expects at most one shape per tensor argument, but '4x8' is one more
// RANK: attn-run: error: argument 'query' expects 2 sizes, but got '4x8x2'
// SIZE: attn-run: error: expected a size, but got 'y'
// STATIC: attn-run: error: dimension 1 of argument 'query' is 8, but got 7
// UNEQUAL: attn-run: error: expected dimension 0 of 'value' to equal dimension 0 of 'key' (4), but got 5
// SCALAR: attn-run: error: argument 'n' is a scalar without a value: give --set=n=VALUE
// DIM: attn-run: error: argument 'key' has no dimension 5
// DIM-SYNTAX: attn-run: error: option '--dim' expects ARG:DIMENSION=SIZE, but got 'key=3'
// NAME: attn-run: error: no argument 'm', expected one of 'query', 'key', 'value', 'n' or a number from 0
// NUMBER: attn-run: error: expected a number, but got 'x'
// RANGE: attn-run: error: option '--range' expects LOW:HIGH with LOW <= HIGH, but got '3:1'
// EMIT: attn-run: error: option '--emit' expects a phase (input raise expand specialize tile codegen target), llvm, asm, obj or header, but got 'everything'
// OBJECT: attn-run: error: option '--emit=obj' expects a file: give -o FILE
// OUTPUT: attn-run: error: option '-o' expects --emit
// TARGET: error: {{.*}}pdp11
// FOREIGN: attn-run: error: target 'cpu:aarch64' does not run here: give --cross or --emit
// SCHEDULE: error: {{.*}}fast
// TIME: attn-run: error: option '--time' expects a count of runs, but got '0'
// COMPARE: attn-run: error: option '--compare' expects a result below 1, but got '3=x.npy'
// SAVE: attn-run: error: option '--save-inputs' expects --output-dir
// OPTION: Unknown command line argument '--frobnicate'
func.func @f(%query: tensor<?x8xf32>, %key: tensor<?x8xf32>,
             %value: tensor<?x8xf32>, %n: index) -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %length = tensor.dim %query, %c0 : tensor<?x8xf32>
  %init = tensor.empty(%length) : tensor<?x8xf32>
  %out = attn.attention
    ins(%query, %key, %value : tensor<?x8xf32>, tensor<?x8xf32>,
        tensor<?x8xf32>)
    outs(%init : tensor<?x8xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %keep = arith.cmpi sge, %j, %n : index
      attn.yield %keep : i1
    }
    -> tensor<?x8xf32>
  return %out : tensor<?x8xf32>
}

func.func @g(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

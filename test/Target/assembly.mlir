// RUN: attn-opt %s -attn-compile-to="phase=target target=cpu:x86-64-v4" | mlir-translate -mlir-to-llvmir | llc -O3 -mtriple=x86_64-unknown-linux-gnu -mcpu=x86-64-v4 | FileCheck %s --check-prefix=V4
// RUN: attn-opt %s -attn-compile-to="phase=target target=cpu:x86-64-v3" | mlir-translate -mlir-to-llvmir | llc -O3 -mtriple=x86_64-unknown-linux-gnu -mcpu=x86-64-v3 | FileCheck %s --check-prefix=V3
// RUN: attn-opt %s -attn-compile-to="phase=target target=cpu:x86-64" | mlir-translate -mlir-to-llvmir | llc -O3 -mtriple=x86_64-unknown-linux-gnu -mcpu=x86-64 | FileCheck %s --check-prefix=BASE
// RUN: attn-opt %s -attn-compile-to="phase=target target=cpu:aarch64" | mlir-translate -mlir-to-llvmir | llc -O3 -mtriple=aarch64-unknown-linux-gnu | FileCheck %s --check-prefix=NEON

// The inner loop multiplies and adds in registers: no access to the stack
// between its products.

// V4: vfmadd{{[0-9]+}}ps {{.*}}%zmm
// V4-NEXT: vfmadd{{[0-9]+}}ps {{.*}}%zmm
// V4-NOT: {{callq.*(exp|fma)}}

// V3-NOT: %zmm
// V3: vfmadd{{[0-9]+}}ps {{.*}}%ymm
// V3-NOT: %zmm
// V3-NOT: {{callq.*(exp|fma)}}

// BASE-NOT: %ymm
// BASE: mulps
// BASE: addps
// BASE-NOT: {{callq.*(exp|fma)}}

// NEON: fmla v{{[0-9]+}}.4s
// NEON-NOT: {{bl.*(exp|fma)}}
func.func @dense(%q: tensor<1x1x256x64xf32>, %k: tensor<1x1x256x64xf32>,
                 %v: tensor<1x1x256x64xf32>) -> tensor<1x1x256x64xf32> {
  %init = tensor.empty() : tensor<1x1x256x64xf32>
  %out = attn.attention
    ins(%q, %k, %v : tensor<1x1x256x64xf32>, tensor<1x1x256x64xf32>,
        tensor<1x1x256x64xf32>)
    outs(%init : tensor<1x1x256x64xf32>) -> tensor<1x1x256x64xf32>
  return %out : tensor<1x1x256x64xf32>
}

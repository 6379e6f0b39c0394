// RUN: attn-run %s --emit=input | FileCheck %s --check-prefix=INPUT
// RUN: attn-run %s --emit=tile | FileCheck %s --check-prefix=TILE
// RUN: attn-run %s --emit=llvm | FileCheck %s --check-prefix=LLVM
// RUN: attn-run %s --emit=asm --target=cpu:x86-64-v3 | FileCheck %s --check-prefix=ASM
// RUN: attn-run %s --cross=cpu:aarch64 --emit=asm -o %t.s && FileCheck %s --check-prefix=NEON < %t.s
// RUN: attn-run %s --emit=obj -o %t.o && llvm-nm %t.o | FileCheck %s --check-prefix=OBJECT
// RUN: attn-run %s --emit=header | FileCheck %s --check-prefix=HEADER
// RUN: attn-run %s --cross=cpu:aarch64 | FileCheck %s --check-prefix=CROSS

// INPUT: attn.attention
// TILE: scf.forall
// TILE: attn.online_attention
// LLVM: define {{.*}} @attend_packed
// ASM: vfmadd{{.*}} %ymm
// NEON: fmla v{{[0-9]+}}.4s
// OBJECT-DAG: T _mlir_ciface_attend
// OBJECT-DAG: T attend_packed
// HEADER: attend
// CROSS: attend for cpu:aarch64, {{[0-9]+}} bytes of object
func.func @attend(%query: tensor<64x64xf32>, %key: tensor<64x64xf32>,
                  %value: tensor<64x64xf32>) -> tensor<64x64xf32> {
  %init = tensor.empty() : tensor<64x64xf32>
  %out = attn.attention
    ins(%query, %key, %value : tensor<64x64xf32>, tensor<64x64xf32>,
        tensor<64x64xf32>)
    outs(%init : tensor<64x64xf32>) -> tensor<64x64xf32>
  return %out : tensor<64x64xf32>
}

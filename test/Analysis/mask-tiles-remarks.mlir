// RUN: attn-opt %s -attn-expand -attn-mask-tiles -remark-format=emitRemark -remarks-filter-analyse='.*' -remarks-filter-missed='.*' -o /dev/null 2>&1 | FileCheck %s

// CHECK: MaskTiles {{.*}}mask of class {{.*}}1{{.*}}closed form in query and key{{.*}}rows of a tile are one residue modulo 8
func.func @dilated(%q: tensor<64x16xf32>, %k: tensor<64x16xf32>,
                   %v: tensor<64x16xf32>) -> tensor<64x16xf32> {
  %init = tensor.empty() : tensor<64x16xf32>
  %out = attn.attention
    ins(%q, %k, %v : tensor<64x16xf32>, tensor<64x16xf32>, tensor<64x16xf32>)
    outs(%init : tensor<64x16xf32>)
    masks(#attn.dilated<window = 16, step = 8>) -> tensor<64x16xf32>
  return %out : tensor<64x16xf32>
}

// CHECK: mask of class {{.*}}1{{.*}}tiles are patches of a grid with lines of 8
func.func @neighborhood(%q: tensor<64x16xf32>, %k: tensor<64x16xf32>,
                        %v: tensor<64x16xf32>) -> tensor<64x16xf32> {
  %init = tensor.empty() : tensor<64x16xf32>
  %out = attn.attention
    ins(%q, %k, %v : tensor<64x16xf32>, tensor<64x16xf32>, tensor<64x16xf32>)
    outs(%init : tensor<64x16xf32>)
    masks(#attn.neighborhood<shape = [8, 8], window = [5, 5]>)
    -> tensor<64x16xf32>
  return %out : tensor<64x16xf32>
}

// CHECK: mask of class {{.*}}2{{.*}}captured integers{{.*}}rows of a tile follow each other
func.func @documents(%q: tensor<64x16xf32>, %k: tensor<64x16xf32>,
                     %v: tensor<64x16xf32>, %ids: tensor<64xi32>)
    -> tensor<64x16xf32> {
  %init = tensor.empty() : tensor<64x16xf32>
  %out = attn.attention
    ins(%q, %k, %v : tensor<64x16xf32>, tensor<64x16xf32>, tensor<64x16xf32>)
    outs(%init : tensor<64x16xf32>)
    masks(#attn.documents(%ids : tensor<64xi32>)) -> tensor<64x16xf32>
  return %out : tensor<64x16xf32>
}

// CHECK: mask of class {{.*}}3{{.*}}captured booleans
func.func @global(%q: tensor<64x16xf32>, %k: tensor<64x16xf32>,
                  %v: tensor<64x16xf32>, %global: tensor<64xi8>)
    -> tensor<64x16xf32> {
  %init = tensor.empty() : tensor<64x16xf32>
  %out = attn.attention
    ins(%q, %k, %v : tensor<64x16xf32>, tensor<64x16xf32>, tensor<64x16xf32>)
    outs(%init : tensor<64x16xf32>)
    masks(#attn.global_tokens(%global : tensor<64xi8>)) -> tensor<64x16xf32>
  return %out : tensor<64x16xf32>
}

// CHECK: mask of class {{.*}}4{{.*}}evaluated element by element
// CHECK: not understood: {{.*}}sin(i * j) > {{.*}}
func.func @unknown(%q: tensor<64x16xf32>, %k: tensor<64x16xf32>,
                   %v: tensor<64x16xf32>) -> tensor<64x16xf32> {
  %init = tensor.empty() : tensor<64x16xf32>
  %out = attn.attention
    ins(%q, %k, %v : tensor<64x16xf32>, tensor<64x16xf32>, tensor<64x16xf32>)
    outs(%init : tensor<64x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %half = arith.constant 5.0e-01 : f32
      %product = arith.muli %i, %j : index
      %integer = arith.index_cast %product : index to i64
      %x = arith.sitofp %integer : i64 to f32
      %y = math.sin %x : f32
      %keep = arith.cmpf ogt, %y, %half : f32
      attn.yield %keep : i1
    } -> tensor<64x16xf32>
  return %out : tensor<64x16xf32>
}

// RUN: attn-opt %s --attn-expand --attn-print-mask-analysis -o /dev/null | FileCheck %s

// The last block of rows and that of keys are shorter.
// CHECK: mask of attn.attention
// CHECK: tiles of 64 x 64: 4 full, 5 partial, 3 empty
func.func @window(%q: tensor<200x16xf32>, %k: tensor<160x16xf32>,
                  %v: tensor<160x16xf32>, %o: tensor<200x16xf32>)
    -> tensor<200x16xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<200x16xf32>, tensor<160x16xf32>, tensor<160x16xf32>)
    outs(%o : tensor<200x16xf32>)
    masks(#attn.window<left = 150, right = 0>) -> tensor<200x16xf32>
  return %out : tensor<200x16xf32>
}

// Two ranges, with keys between them.
// CHECK: mask of attn.attention
// CHECK: tiles of 64 x 64: 0 full, 28 partial, 36 empty
func.func @prefix_or_window(%q: tensor<512x16xf32>, %k: tensor<512x16xf32>,
                            %v: tensor<512x16xf32>, %o: tensor<512x16xf32>)
    -> tensor<512x16xf32> {
  %four = arith.constant 4 : index
  %ten = arith.constant 10 : index
  %out = attn.attention
    ins(%q, %k, %v : tensor<512x16xf32>, tensor<512x16xf32>, tensor<512x16xf32>)
    outs(%o : tensor<512x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %prefix = arith.cmpi slt, %j, %four : index
      %difference = arith.subi %i, %j : index
      %distance = math.absi %difference : index
      %near = arith.cmpi sle, %distance, %ten : index
      %keep = arith.ori %prefix, %near : i1
      attn.yield %keep : i1
    } -> tensor<512x16xf32>
  return %out : tensor<512x16xf32>
}

// What is known at run time only is not counted: a size, a scalar, the head, a
// table. Nor is a map that is too large.
// CHECK: mask of attn.attention
// CHECK-NOT: tiles of
func.func @size(%q: tensor<?x16xf32>, %k: tensor<160x16xf32>,
                %v: tensor<160x16xf32>, %o: tensor<?x16xf32>)
    -> tensor<?x16xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<?x16xf32>, tensor<160x16xf32>, tensor<160x16xf32>)
    outs(%o : tensor<?x16xf32>) masks(#attn.causal) -> tensor<?x16xf32>
  return %out : tensor<?x16xf32>
}

func.func @scalar(%q: tensor<64x16xf32>, %k: tensor<64x16xf32>,
                  %v: tensor<64x16xf32>, %o: tensor<64x16xf32>, %n: index)
    -> tensor<64x16xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<64x16xf32>, tensor<64x16xf32>, tensor<64x16xf32>)
    outs(%o : tensor<64x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %keep = arith.cmpi slt, %j, %n : index
      attn.yield %keep : i1
    } -> tensor<64x16xf32>
  return %out : tensor<64x16xf32>
}

func.func @head(%q: tensor<2x64x16xf32>, %k: tensor<2x64x16xf32>,
                %v: tensor<2x64x16xf32>, %o: tensor<2x64x16xf32>)
    -> tensor<2x64x16xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<2x64x16xf32>, tensor<2x64x16xf32>,
        tensor<2x64x16xf32>)
    outs(%o : tensor<2x64x16xf32>)
    mask {
    ^bb0(%b: index, %h: index, %i: index, %j: index):
      %keep = arith.cmpi sle, %j, %h : index
      attn.yield %keep : i1
    } -> tensor<2x64x16xf32>
  return %out : tensor<2x64x16xf32>
}

func.func @table(%q: tensor<64x16xf32>, %k: tensor<64x16xf32>,
                 %v: tensor<64x16xf32>, %o: tensor<64x16xf32>,
                 %ids: tensor<64xi32>) -> tensor<64x16xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<64x16xf32>, tensor<64x16xf32>, tensor<64x16xf32>)
    outs(%o : tensor<64x16xf32>)
    masks(#attn.documents(%ids : tensor<64xi32>)) -> tensor<64x16xf32>
  return %out : tensor<64x16xf32>
}

func.func @large(%q: tensor<1048576x16xf32>, %k: tensor<1048576x16xf32>,
                 %v: tensor<1048576x16xf32>, %o: tensor<1048576x16xf32>)
    -> tensor<1048576x16xf32> {
  %out = attn.attention
    ins(%q, %k, %v : tensor<1048576x16xf32>, tensor<1048576x16xf32>,
        tensor<1048576x16xf32>)
    outs(%o : tensor<1048576x16xf32>) masks(#attn.causal)
    -> tensor<1048576x16xf32>
  return %out : tensor<1048576x16xf32>
}

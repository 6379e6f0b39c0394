#ifndef ATTN_DIALECT
#define ATTN_DIALECT

include "mlir/IR/OpBase.td"

def Attn_Dialect : Dialect {
  let name = "attn";
  let cppNamespace = "::mlir::attn";
  let summary = "Attention as an operation with a programmable score and mask";
  let description = [{
    Attention is a score `s(q_i, k_j)`, a set of pairs (i, j) that may attend, a
    normaliser and a weighted sum. The dialect holds that definition
    (`attn.attention`), its tileable form with a running maximum and sum
    (`attn.online_attention`), the steps around a tile (`attn.pack`,
    `attn.normalize`, `attn.merge`), and kinds of attention that have a name and
    write themselves as these (`attn.longformer`).

    Every operation has the same iteration space (b, h, m, n, d, e): batch,
    head, query, key, query-key width and value width. Operands are placed in
    it by indexing maps, so layouts, grouped heads and packed tiles are maps
    and not operations.
  }];
  let useDefaultAttributePrinterParser = 1;
  let extraClassDeclaration = [{
    void registerAttributes();
  }];
  let dependentDialects = [
    "affine::AffineDialect", "arith::ArithDialect", "linalg::LinalgDialect",
    "math::MathDialect", "scf::SCFDialect", "tensor::TensorDialect"
  ];
}

#endif // ATTN_DIALECT

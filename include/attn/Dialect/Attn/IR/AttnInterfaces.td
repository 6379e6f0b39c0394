#ifndef ATTN_INTERFACES
#define ATTN_INTERFACES

include "mlir/IR/OpBase.td"

def MaskAttrInterface : AttrInterface<"MaskAttrInterface"> {
  let cppNamespace = "::mlir::attn";
  let description = [{
    A kind of mask that prints shortly and expands to a predicate over
    (b, h, i, j). Adding a kind is adding an attribute: no pass names one.
  }];
  let methods = [
    InterfaceMethod<
      "Builds the i1 that says whether the pair may attend.",
      "::mlir::Value", "materialize",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "const ::mlir::attn::PairContext &":$pair)>,
    InterfaceMethod<
      "True when every pair is kept, whatever the operands.",
      "bool", "isTrivial", (ins), [{}], [{ return false; }]>,
    InterfaceMethod<
      "Checks the operands written behind the attribute, and what is known "
      "of the problem's sizes.",
      "::llvm::LogicalResult", "verifyOperands",
      (ins "::llvm::function_ref<::mlir::InFlightDiagnostic()>":$emitError,
           "::mlir::TypeRange":$operandTypes,
           "const ::mlir::attn::PairSizes &":$sizes)>,
  ];
}

def ScoreAttrInterface : AttrInterface<"ScoreAttrInterface"> {
  let cppNamespace = "::mlir::attn";
  let description = [{
    A kind of score modification that prints shortly and expands to arithmetic
    on the scaled logit. Adding a kind is adding an attribute.
  }];
  let methods = [
    InterfaceMethod<
      "Builds the modified logit.",
      "::mlir::Value", "materialize",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::mlir::Value":$score, "const ::mlir::attn::PairContext &":$pair)>,
    InterfaceMethod<
      "Checks the operands written behind the attribute, and what is known "
      "of the problem's sizes.",
      "::llvm::LogicalResult", "verifyOperands",
      (ins "::llvm::function_ref<::mlir::InFlightDiagnostic()>":$emitError,
           "::mlir::TypeRange":$operandTypes,
           "const ::mlir::attn::PairSizes &":$sizes)>,
  ];
}

def AttentionOpInterface : OpInterface<"AttentionOpInterface"> {
  let cppNamespace = "::mlir::attn";
  let description = [{
    The roles and dimensions of an operation that attends: where query, key
    and value lie in the iteration space (b, h, m, n, d, e), and its score and
    mask regions. Shared by the operation users write and its tileable form,
    so that one verifier and one analysis serve both.
  }];
  let methods = [
    InterfaceMethod<"The query.", "::mlir::Value", "getQueryOperand">,
    InterfaceMethod<"The key.", "::mlir::Value", "getKeyOperand">,
    InterfaceMethod<"The value.", "::mlir::Value", "getValueOperand">,
    InterfaceMethod<"One map per shaped role operand: query, key, value, then "
                    "the destinations; the default maps when none are given.",
                    "::llvm::SmallVector<::mlir::AffineMap>",
                    "getRoleMaps">,
    InterfaceMethod<"The operands the maps speak of, in the same order.",
                    "::llvm::SmallVector<::mlir::Value>",
                    "getRoleOperands">,
    InterfaceMethod<"Their names, for diagnostics.",
                    "::llvm::SmallVector<::llvm::StringRef>",
                    "getRoleNames">,
    InterfaceMethod<"The region (s, b, h, i, j) -> s; empty when absent.",
                    "::mlir::Region &", "getScoreRegion">,
    InterfaceMethod<"The region (b, h, i, j) -> i1; empty when absent.",
                    "::mlir::Region &", "getMaskRegion">,
    InterfaceMethod<"True when the keys lie anywhere in key and value, whose "
                    "sizes then do not tell how many there are.", "bool",
                    "hasKeyRows">,
    InterfaceMethod<"The type logits and states are computed in: f64 for f64 "
                    "operands, otherwise f32.",
                    "::mlir::FloatType", "getComputeType">,
  ];
  let verify = [{
    return ::mlir::attn::detail::verifyAttentionOp(
        ::llvm::cast<::mlir::attn::AttentionOpInterface>($_op));
  }];
  let verifyWithRegions = 1;
}

def ExpandOpInterface : OpInterface<"ExpandOpInterface"> {
  let cppNamespace = "::mlir::attn";
  let description = [{
    An operation that can write itself as core operations: `attn.attention`
    with regions, and upstream dialects. The expand phase calls it and knows no
    operation by name.
  }];
  let methods = [
    InterfaceMethod<"True when nothing is left to expand.", "bool",
                    "isCore">,
    InterfaceMethod<"Rewrites the operation into core operations.",
                    "::llvm::LogicalResult", "expand",
                    (ins "::mlir::RewriterBase &":$rewriter)>,
  ];
}

#endif // ATTN_INTERFACES

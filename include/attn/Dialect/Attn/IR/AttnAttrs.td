#ifndef ATTN_ATTRS
#define ATTN_ATTRS

include "attn/Dialect/Attn/IR/AttnDialect.td"
include "attn/Dialect/Attn/IR/AttnInterfaces.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

//===----------------------------------------------------------------------===//
// Masks
//===----------------------------------------------------------------------===//

class Attn_MaskAttr<string name, string attrMnemonic,
                    list<string> overridden = []>
    : AttrDef<Attn_Dialect, name,
              [DeclareAttrInterfaceMethods<MaskAttrInterface, overridden>]> {
  let mnemonic = attrMnemonic;
}

def Attn_CausalAlignment : I32EnumAttr<"CausalAlignment",
    "where the diagonal of a causal mask starts", [
      I32EnumAttrCase<"TopLeft", 0, "top_left">,
      I32EnumAttrCase<"BottomRight", 1, "bottom_right">]> {
  let cppNamespace = "::mlir::attn";
}

def Attn_CausalAttr : Attn_MaskAttr<"Causal", "causal"> {
  let summary = "A query attends to no later key";
  let description = [{
    Keeps the pair when `j <= i + offset` (`top_left`) or
    `j <= i + S - L + offset` (`bottom_right`), L queries and S keys. An
    operand, an integer tensor [B] or an integer scalar, is added to the
    offset.

    ```mlir
    #attn.causal
    #attn.causal<bottom_right>
    #attn.causal<offset = 3>
    ```
  }];
  let parameters = (ins
    DefaultValuedParameter<"CausalAlignment", "CausalAlignment::TopLeft">:$align,
    DefaultValuedParameter<"int64_t", "0">:$offset);
  let hasCustomAssemblyFormat = 1;
}

def Attn_WindowAttr : Attn_MaskAttr<"Window", "window", ["isTrivial"]> {
  let summary = "A query attends to keys within a distance";
  let description = [{
    Keeps the pair when `i + offset - left <= j <= i + offset + right`; both
    bounds are inclusive, -1 is unbounded. An operand, an integer tensor [B] or
    an integer scalar, is added to the offset.

    ```mlir
    #attn.window<left = 255, right = 0>
    ```
  }];
  let parameters = (ins
    DefaultValuedParameter<"int64_t", "-1">:$left,
    DefaultValuedParameter<"int64_t", "-1">:$right,
    DefaultValuedParameter<"int64_t", "0">:$offset);
  let assemblyFormat = "(`<` struct(params)^ `>`)?";
  let genVerifyDecl = 1;
}

def Attn_PrefixAttr : Attn_MaskAttr<"Prefix", "prefix"> {
  let summary = "Every query attends to the first keys only";
  let description = [{
    Keeps the pair when `j < length`. With an operand, an integer tensor [B] or
    an integer scalar, the operand is added to the length.

    ```mlir
    #attn.prefix<4>
    ```
  }];
  let parameters = (ins DefaultValuedParameter<"int64_t", "0">:$length);
  let assemblyFormat = "(`<` $length^ `>`)?";
  let genVerifyDecl = 1;
}

def Attn_KeyLengthsAttr : Attn_MaskAttr<"KeyLengths", "key_lengths"> {
  let summary = "The number of valid keys of each batch element";
  let description = [{
    Keeps the pair when `j < lengths[b]`; the operand is an integer tensor [B].

    ```mlir
    #attn.key_lengths
    ```
  }];
}

//===----------------------------------------------------------------------===//
// Scores
//===----------------------------------------------------------------------===//

class Attn_ScoreAttr<string name, string attrMnemonic>
    : AttrDef<Attn_Dialect, name,
              [DeclareAttrInterfaceMethods<ScoreAttrInterface>]> {
  let mnemonic = attrMnemonic;
}

def Attn_SoftcapAttr : Attn_ScoreAttr<"Softcap", "softcap"> {
  let summary = "Bounds the logits smoothly";
  let description = [{
    `s -> cap * tanh(s / cap)`; the cap is positive.

    ```mlir
    #attn.softcap<3.000000e+01>
    ```
  }];
  let parameters = (ins "::mlir::FloatAttr":$cap);
  let assemblyFormat = "`<` custom<Float64>($cap) `>`";
  let genVerifyDecl = 1;
}

def Attn_AlibiAttr : Attn_ScoreAttr<"Alibi", "alibi"> {
  let summary = "Attention with linear biases";
  let description = [{
    `s -> s - slope[h] * (i - j)`. The operand, a float tensor [H], holds the
    slopes; without one they are the published series, `2^(-8 (h + 1) / H)` for
    H a power of two, otherwise the series of the lower power and every second
    slope of the next.

    ```mlir
    #attn.alibi
    ```
  }];
}

def Attn_BiasAttr : Attn_ScoreAttr<"Bias", "bias"> {
  let summary = "An additive bias";
  let description = [{
    `s -> s + bias[b, h, i, j]`; the operand, a float tensor of rank 0 to 4,
    is broadcast to [B, H, L, S] right-aligned: dimensions of static size 1
    are broadcast.

    ```mlir
    #attn.bias
    ```
  }];
}

#endif // ATTN_ATTRS

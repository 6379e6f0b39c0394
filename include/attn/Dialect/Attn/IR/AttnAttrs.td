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

def Attn_DilatedAttr : Attn_MaskAttr<"Dilated", "dilated"> {
  let summary = "A query attends to every step-th key within a distance";
  let description = [{
    Keeps the pair when `|i - j| <= window` and `(i - j) mod step = 0`. The
    window counts keys, not steps. With a list, each head h has the step
    `steps[h]`.

    ```mlir
    #attn.dilated<window = 512, step = 4>
    #attn.dilated<window = 512, steps = [1, 1, 4, 4]>
    ```
  }];
  let parameters = (ins "int64_t":$window, ArrayRefParameter<"int64_t">:$steps);
  let builders = [AttrBuilder<(ins "int64_t":$window, "int64_t":$step), [{
    return $_get($_ctxt, window, ::llvm::ArrayRef<int64_t>(step));
  }]>];
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def Attn_SegmentsAttr : Attn_MaskAttr<"Segments", "segments"> {
  let summary = "A query attends to the keys of its own segment";
  let description = [{
    Keeps the pair when `i floordiv length = j floordiv length`.

    ```mlir
    #attn.segments<128>
    ```
  }];
  let parameters = (ins "int64_t":$length);
  let assemblyFormat = "`<` $length `>`";
  let genVerifyDecl = 1;
}

def Attn_NeighborhoodAttr
    : Attn_MaskAttr<"Neighborhood", "neighborhood", ["isTrivial"]> {
  let summary = "A query attends to the tokens around it on a grid";
  let description = [{
    Queries and keys are the tokens of a grid of this `shape`, the last axis
    fastest; L and S equal its product. Keeps the pair when on each axis, of
    size n, window w and dilation d, for coordinates x of the query and y of
    the key:

    ```
    x mod d = y mod d
    first <= y floordiv d < first + w
    first = min(max(x floordiv d - w floordiv 2, 0), count - w)
    count = (n - 1 - x mod d) floordiv d + 1
    ```

    A window, of odd width, is centred where it fits and moved inside at the
    borders, so that every token has the same number of neighbours. `w d` is at
    most n. The dilation is 1 on each axis when absent.

    ```mlir
    #attn.neighborhood<shape = [64, 64], window = [13, 13]>
    #attn.neighborhood<shape = [8, 32, 32], window = [3, 7, 7], dilation = [1, 2, 2]>
    ```
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$shape,
    ArrayRefParameter<"int64_t">:$window,
    ArrayRefParameter<"int64_t">:$dilation);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def Attn_DocumentsAttr : Attn_MaskAttr<"Documents", "documents"> {
  let summary = "A query attends to the keys of its own document";
  let description = [{
    Keeps the pair when `q_ids[b, i] = kv_ids[b, j]`. The operands are integer
    tensors of one element type, [L] or [B, L] and [S] or [B, S]; one operand
    serves for both where L = S.

    Static sizes are compared with the problem's by the verifier, dynamic sizes
    of a function's arguments when its kernel is called: no pair reads outside.

    ```mlir
    #attn.documents
    ```
  }];
}

def Attn_GlobalTokensAttr
    : Attn_MaskAttr<"GlobalTokens", "global_tokens"> {
  let summary = "Some tokens attend to all and are attended by all";
  let description = [{
    Keeps the pair when `is_global[b, j]` or, if `symmetric`, which it is by
    default, `is_global[b, i]`. The operand is a tensor [S] or [B, S], where
    `symmetric` also [L] or [B, L], of i1 or of integers, of which all but 0
    are true.

    Static sizes are compared with the problem's by the verifier, dynamic sizes
    of a function's arguments when its kernel is called: no pair reads outside.

    ```mlir
    #attn.global_tokens
    #attn.global_tokens<symmetric = false>
    ```
  }];
  let parameters = (ins DefaultValuedParameter<"bool", "true">:$symmetric);
  let hasCustomAssemblyFormat = 1;
}

def Attn_LongformerAttr : Attn_MaskAttr<"Longformer", "longformer"> {
  let summary = "A window, and tokens that see and are seen by all";
  let description = [{
    Keeps the pair when `|i - j| <= window` or `is_global[b, i]` or
    `is_global[b, j]`. The operand is that of `#attn.global_tokens`.

    Static sizes are compared with the problem's by the verifier, dynamic sizes
    of a function's arguments when its kernel is called: no pair reads outside.

    ```mlir
    #attn.longformer<256>
    ```
  }];
  let parameters = (ins "int64_t":$window);
  let assemblyFormat = "`<` $window `>`";
  let genVerifyDecl = 1;
}

def Attn_BlocksAttr : Attn_MaskAttr<"Blocks", "blocks"> {
  let summary = "Whole blocks of pairs are kept or not";
  let description = [{
    Keeps the pair when `table[b, h, i floordiv block_q, j floordiv block_kv]`.
    The operand is a tensor [nq, nk], [H, nq, nk] or [B, H, nq, nk] of i1 or of
    integers, of which all but 0 are true; leading dimensions of static size 1
    are broadcast. It has a block for each pair: `nq block_q >= L` and
    `nk block_kv >= S`.

    Static sizes are compared with the problem's by the verifier, dynamic sizes
    of a function's arguments when its kernel is called: no pair reads outside.

    ```mlir
    #attn.blocks<block_q = 64, block_kv = 64>
    ```
  }];
  let parameters = (ins "int64_t":$block_q, "int64_t":$block_kv);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Attn_BigBirdAttr : Attn_MaskAttr<"BigBird", "bigbird"> {
  let summary = "Blocks nearby, blocks at both ends, and blocks of a table";
  let description = [{
    With blocks I = `i floordiv block` and J = `j floordiv block` of n query and
    m key blocks, keeps the pair when any of these holds:

    ```
    |I - J| <= window_blocks
    I < global_blocks or I >= n - global_blocks
    J < global_blocks or J >= m - global_blocks
    table[h, I, k] = J for some k
    ```

    The operand is an integer tensor [n, r] or [H, n, r] with r static; entries
    that are no block are allowed, and the table may have more than n rows.

    Static sizes are compared with the problem's by the verifier, dynamic sizes
    of a function's arguments when its kernel is called: no pair reads outside.

    ```mlir
    #attn.bigbird<block = 64>
    #attn.bigbird<block = 64, window_blocks = 2, global_blocks = 0>
    ```
  }];
  let parameters = (ins "int64_t":$block,
    DefaultValuedParameter<"int64_t", "1">:$window_blocks,
    DefaultValuedParameter<"int64_t", "1">:$global_blocks);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
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

#ifndef ATTN_OPS
#define ATTN_OPS

include "attn/Dialect/Attn/IR/AttnAttrs.td"
include "attn/Dialect/Attn/IR/AttnDialect.td"
include "attn/Dialect/Attn/IR/AttnInterfaces.td"
include "mlir/Dialect/Linalg/IR/LinalgInterfaces.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/TilingInterface.td"

class Attn_Op<string mnemonic, list<Trait> traits = []>
    : Op<Attn_Dialect, mnemonic, traits>;

// Operations on tensors or buffers that write their destinations.
class Attn_DestinationOp<string mnemonic, list<Trait> traits = []>
    : Attn_Op<mnemonic, !listconcat([
        DestinationStyleOpInterface,
        DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
        DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface,
          ["reifyResultShapes"]>],
        traits)>;

def Attn_Shaped : AnyTypeOf<[AnyRankedTensor, AnyStridedMemRef],
                            "ranked tensor or strided memref">;

//===----------------------------------------------------------------------===//
// attn.attention
//===----------------------------------------------------------------------===//

def Attn_AttentionOp : Attn_DestinationOp<"attention", [
    AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<AttentionOpInterface>,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>,
    DeclareOpInterfaceMethods<ExpandOpInterface>,
    DeclareOpInterfaceMethods<AggregatedOpInterface, ["decomposeOperation"]>,
    DeclareOpInterfaceMethods<TilingInterface, [
      "getIterationDomain", "getLoopIteratorTypes", "getResultTilePosition",
      "getIterationDomainTileFromResultTile", "getTiledImplementation",
      "generateResultTileValue"]>
  ]> {
  let summary = "Softmax attention with a programmable score and mask";
  let description = [{
    Each query attends to the keys its mask keeps, weighted by the softmax of
    the scores.

    ```
    x_ij = score(scale * sum_d q_id k_jd, b, h, i, j)
    P_ij = exp(x_ij - lse_i) where mask(b, h, i, j), otherwise 0
    lse_i = log(exp(sink_h) + sum_j exp(x_ij)), over the kept keys
    o_ie = sum_j P_ij v_je
    ```

    Shapes: query [B, H, L, D], key [B, G, S, D], value [B, G, S, E], output
    [B, H, L, E], log-sum-exp [B, H, L], with H a multiple of G; rank 3 has no
    b, rank 2 no b and no h. Other layouts are given by `indexing_maps` from
    (b, h, m, n, d, e) to the dimensions of query, key, value and the
    destinations. `scale` is 1/sqrt(D) when absent. `scores` are applied from
    left to right, then the score region, then `masks` and the mask region,
    all of which must keep a pair.

    With a `key_rows` region the keys lie anywhere in key and value, in pages
    for instance: key j of (b, h) is row `key_rows(b, h, j)` of both along n,
    for each j below the number of keys given with the region. That number is S
    wherever keys are counted; key and value may have any number of rows.

    Constraints:
    - C1: an indexing map for each of query, key, value and destinations, from
      6 dimensions, without symbols
    - C2: each result of a map is one dimension or, for query, key and value,
      h divided by a constant; no dimension twice
    - C3: query has m and d, key has n and d, value has n and e, output has m
      and e, log-sum-exp has m; none has a dimension not listed for it besides
      b and h, which every destination has where any operand has them
    - C4: the rank of each operand equals the number of its map's results
    - C5: static sizes of a dimension agree between operands; head counts
      agree up to the divisor
    - C6: query, key, value and output have the same element type, one of f64,
      f32, f16, bf16; log-sum-exp has the compute type
    - C7: `scale` is either an attribute or an operand of the compute type
    - C8: `sinks` is a tensor [H] of the compute type
    - C9: the score region has one block with arguments (compute type, index,
      index, index, index) and yields the compute type
    - C10: the mask region has one block with four index arguments and yields
      i1
    - C11: operands of `scores` and `masks` fit their attribute
    - C12: regions hold only operations without regions of their own and
      without side effects other than reading
    - C16: the key_rows region has one block with three index arguments and
      yields an index; it comes with the number of keys, and n is then whole in
      the maps of key and value

    It may be tiled along b, h, m and, without a log-sum-exp, e.

    Numerics: products and sums are accumulated in f32 (f64 for f64 operands).
    A row whose keys are all masked gives exactly 0 and a log-sum-exp of
    -infinity; values under the mask never reach the result.

    ```mlir
    func.func @causal(%query: tensor<1x8x128x64xf32>,
                      %key: tensor<1x2x256x64xf32>,
                      %value: tensor<1x2x256x64xf32>,
                      %init: tensor<1x8x128x64xf32>) -> tensor<1x8x128x64xf32> {
      %out = attn.attention
        ins(%query, %key, %value : tensor<1x8x128x64xf32>,
            tensor<1x2x256x64xf32>, tensor<1x2x256x64xf32>)
        outs(%init : tensor<1x8x128x64xf32>)
        scores(#attn.softcap<3.000000e+01>)
        masks(#attn.causal<bottom_right>)
        -> tensor<1x8x128x64xf32>
      return %out : tensor<1x8x128x64xf32>
    }

    // A cache in pages of 16 keys that all sequences of the batch share.
    func.func @paged(%query: tensor<4x8x1x64xf32>, %key: tensor<?x2x64xf32>,
                     %value: tensor<?x2x64xf32>, %table: tensor<4x?xi32>,
                     %keys: index, %lengths: tensor<4xi32>,
                     %init: tensor<4x8x1x64xf32>) -> tensor<4x8x1x64xf32> {
      %out = attn.attention
        ins(%query, %key, %value : tensor<4x8x1x64xf32>, tensor<?x2x64xf32>,
            tensor<?x2x64xf32>)
        outs(%init : tensor<4x8x1x64xf32>)
        masks(#attn.key_lengths(%lengths : tensor<4xi32>))
        key_rows(%keys : index) {
        ^bb0(%b: index, %h: index, %j: index):
          %size = arith.constant 16 : index
          %number = arith.divui %j, %size : index
          %place = arith.remui %j, %size : index
          %entry = tensor.extract %table[%b, %number] : tensor<4x?xi32>
          %page = arith.index_cast %entry : i32 to index
          %first = arith.muli %page, %size : index
          %row = arith.addi %first, %place : index
          attn.yield %row : index
        }
        attributes {indexing_maps = [
          affine_map<(b, h, m, n, d, e) -> (b, h, m, d)>,
          affine_map<(b, h, m, n, d, e) -> (n, h floordiv 4, d)>,
          affine_map<(b, h, m, n, d, e) -> (n, h floordiv 4, e)>,
          affine_map<(b, h, m, n, d, e) -> (b, h, m, e)>]}
        -> tensor<4x8x1x64xf32>
      return %out : tensor<4x8x1x64xf32>
    }
    ```
  }];
  let arguments = (ins
    Attn_Shaped:$query, Attn_Shaped:$key, Attn_Shaped:$value,
    Optional<AnyFloat>:$scale, Optional<Attn_Shaped>:$sinks,
    Variadic<AnyType>:$score_operands, Variadic<AnyType>:$mask_operands,
    Optional<Index>:$num_keys,
    Attn_Shaped:$output, Optional<Attn_Shaped>:$lse,
    OptionalAttr<F64Attr>:$scale_value,
    OptionalAttr<ArrayAttr>:$scores, OptionalAttr<ArrayAttr>:$masks,
    OptionalAttr<DenseI32ArrayAttr>:$score_operand_counts,
    OptionalAttr<DenseI32ArrayAttr>:$mask_operand_counts,
    OptionalAttr<AffineMapArrayAttr>:$indexing_maps);
  let regions = (region AnyRegion:$score, AnyRegion:$mask,
                 AnyRegion:$key_rows);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let hasCustomAssemblyFormat = 1;
  let hasCanonicalizer = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable();
    /// The default indexing maps for these operands.
    ::llvm::SmallVector<::mlir::AffineMap> getDefaultMaps();
  }];
}

//===----------------------------------------------------------------------===//
// attn.online_attention
//===----------------------------------------------------------------------===//

def Attn_OnlineAttentionOp : Attn_DestinationOp<"online_attention", [
    AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<AttentionOpInterface>,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>,
    DeclareOpInterfaceMethods<AggregatedOpInterface, ["decomposeOperation"]>,
    DeclareOpInterfaceMethods<TilingInterface, [
      "getIterationDomain", "getLoopIteratorTypes", "getResultTilePosition",
      "getIterationDomainTileFromResultTile", "getTiledImplementation",
      "generateResultTileValue"]>,
    DeclareOpInterfaceMethods<PartialReductionOpInterface, [
      "generateInitialTensorForPartialReduction", "tileToPartialReduction",
      "mergeReductions", "getPartialResultTilePosition"]>
  ]> {
  let summary = "One step of attention with a running maximum and sum";
  let description = [{
    Adds the keys it is given to a running softmax. Unlike `attn.attention` it
    may be tiled along the keys: the state (accumulator, maximum, sum) is what
    makes the steps associative.

    ```
    t_ij = logit_scale * score(sum_d q_id k_jd, b + b', h + h', i + i', j + j')
    max'_i = max(max_i, max_j t_ij) over the pairs the mask keeps
    sum'_i = sum_i * 2^(max_i - max'_i) + sum_j 2^(t_ij - max'_i)
    acc'_ie = acc_ie * 2^(max_i - max'_i) + sum_j 2^(t_ij - max'_i) v_je
    ```

    Logits are in base 2: `logit_scale` (1 when absent) holds log2(e) when the
    query has not been multiplied by it. `origin` is the position of the tile's first
    (b, h, m, n) in the whole problem, added to the indices the regions see;
    absent, it is 0. `rows` is the number of valid queries of the tile, when
    fewer than its query dimension: the rest repeat the last valid one and are
    not to be used.

    With `key_rows` the keys of the step lie anywhere in key and value, which
    may have any number of rows: key n is row `key_rows[n]` of both, and the
    step has as many keys as the list has elements. The regions see
    `origin + n` all the same; where the key's position in the problem is
    another, they look it up.

    Shapes: query (m, d), key (n, d), value (n, e), accumulator (m, e), maximum
    and sum (m), each with leading b and h where it has them; packed forms are
    given by `indexing_maps` and may split d or n as (d floordiv 2, d mod 2).

    Constraints: those of `attn.attention` where they apply; query, key and
    value may differ in element type unless one is f64; and
    - C13: accumulator, maximum and sum have the compute type
    - C14: `origin` has four index operands or none
    - C15: `key_rows` is a list [n] of index, and n is then whole in the maps of
      key and value

    It may be tiled along b, h, m and n, and its keys may be split into parts
    that `attn.merge` joins; not along e, where each tile would update the same
    maximum and sum.

    Numerics: an empty state is accumulator 0, maximum -infinity, sum 0.

    ```mlir
    func.func @step(%query: tensor<64x64xf32>, %key: tensor<?x64xf32>,
                    %value: tensor<?x64xf32>, %acc: tensor<64x64xf32>,
                    %max: tensor<64xf32>, %sum: tensor<64xf32>, %i: index,
                    %j: index)
        -> (tensor<64x64xf32>, tensor<64xf32>, tensor<64xf32>) {
      %zero = arith.constant 0 : index
      %state:3 = attn.online_attention
        ins(%query, %key, %value : tensor<64x64xf32>, tensor<?x64xf32>,
            tensor<?x64xf32>)
        outs(%acc, %max, %sum : tensor<64x64xf32>, tensor<64xf32>,
             tensor<64xf32>)
        origin(%zero, %zero, %i, %j)
        mask {
        ^bb0(%b: index, %h: index, %row: index, %column: index):
          %keep = arith.cmpi sle, %column, %row : index
          attn.yield %keep : i1
        }
        -> tensor<64x64xf32>, tensor<64xf32>, tensor<64xf32>
      return %state#0, %state#1, %state#2
        : tensor<64x64xf32>, tensor<64xf32>, tensor<64xf32>
    }

    // Keys read in place, wherever they lie; the mask is of their positions.
    func.func @listed(%query: tensor<64x64xf32>, %key: tensor<?x64xf32>,
                      %value: tensor<?x64xf32>, %acc: tensor<64x64xf32>,
                      %max: tensor<64xf32>, %sum: tensor<64xf32>,
                      %list: tensor<32xindex>)
        -> (tensor<64x64xf32>, tensor<64xf32>, tensor<64xf32>) {
      %state:3 = attn.online_attention
        ins(%query, %key, %value : tensor<64x64xf32>, tensor<?x64xf32>,
            tensor<?x64xf32>)
        outs(%acc, %max, %sum : tensor<64x64xf32>, tensor<64xf32>,
             tensor<64xf32>)
        key_rows(%list : tensor<32xindex>)
        mask {
        ^bb0(%b: index, %h: index, %row: index, %n: index):
          %position = tensor.extract %list[%n] : tensor<32xindex>
          %keep = arith.cmpi sle, %position, %row : index
          attn.yield %keep : i1
        }
        -> tensor<64x64xf32>, tensor<64xf32>, tensor<64xf32>
      return %state#0, %state#1, %state#2
        : tensor<64x64xf32>, tensor<64xf32>, tensor<64xf32>
    }
    ```
  }];
  let arguments = (ins
    Attn_Shaped:$query, Attn_Shaped:$key, Attn_Shaped:$value,
    Variadic<Index>:$origin, Optional<Index>:$rows,
    Optional<Attn_Shaped>:$key_rows,
    Attn_Shaped:$accumulator, Attn_Shaped:$maximum, Attn_Shaped:$sum,
    DefaultValuedAttr<F64Attr, "1.0">:$logit_scale,
    OptionalAttr<AffineMapArrayAttr>:$indexing_maps);
  let regions = (region AnyRegion:$score, AnyRegion:$mask);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let hasCustomAssemblyFormat = 1;
  let hasCanonicalizer = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable();
    /// The default indexing maps for these operands.
    ::llvm::SmallVector<::mlir::AffineMap> getDefaultMaps();
  }];
}

//===----------------------------------------------------------------------===//
// attn.merge
//===----------------------------------------------------------------------===//

def Attn_MergeOp : Attn_DestinationOp<"merge", [
    DeclareOpInterfaceMethods<AggregatedOpInterface, ["decomposeOperation"]>
  ]> {
  let summary = "Joins two partial results of online attention";
  let description = [{
    Adds the state (accumulator, maximum, sum) of one set of keys to that of
    another. Associative and, up to rounding, commutative; the empty state is
    its identity.

    ```
    max = max(max1, max2)
    sum = sum1 * 2^(max1 - max) + sum2 * 2^(max2 - max)
    acc = acc1 * 2^(max1 - max) + acc2 * 2^(max2 - max)
    ```

    Shapes: accumulators [.., M, E]; maxima and sums [.., M], all of the same
    floating-point type.

    Constraints:
    - C1: both states have the same types, and so has the result
    - C2: maximum and sum have the shape of the accumulator without its last
      dimension

    Numerics: two empty states give the empty state, never NaN.

    ```mlir
    func.func @join(%acc1: tensor<8x64xf32>, %max1: tensor<8xf32>,
                    %sum1: tensor<8xf32>, %acc2: tensor<8x64xf32>,
                    %max2: tensor<8xf32>, %sum2: tensor<8xf32>)
        -> (tensor<8x64xf32>, tensor<8xf32>, tensor<8xf32>) {
      %state:3 = attn.merge ins(%acc1, %max1, %sum1
          : tensor<8x64xf32>, tensor<8xf32>, tensor<8xf32>)
        outs(%acc2, %max2, %sum2
          : tensor<8x64xf32>, tensor<8xf32>, tensor<8xf32>)
        -> tensor<8x64xf32>, tensor<8xf32>, tensor<8xf32>
      return %state#0, %state#1, %state#2
        : tensor<8x64xf32>, tensor<8xf32>, tensor<8xf32>
    }
    ```
  }];
  let arguments = (ins
    Attn_Shaped:$partial_accumulator, Attn_Shaped:$partial_maximum,
    Attn_Shaped:$partial_sum,
    Attn_Shaped:$accumulator, Attn_Shaped:$maximum, Attn_Shaped:$sum);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    `ins` `(` $partial_accumulator `,` $partial_maximum `,` $partial_sum `:`
    type($partial_accumulator) `,` type($partial_maximum) `,`
    type($partial_sum) `)`
    `outs` `(` $accumulator `,` $maximum `,` $sum `:` type($accumulator) `,`
    type($maximum) `,` type($sum) `)` attr-dict (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable();
  }];
}

//===----------------------------------------------------------------------===//
// attn.pack
//===----------------------------------------------------------------------===//

def Attn_PackOp : Attn_DestinationOp<"pack", [
    AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<AggregatedOpInterface, ["decomposeOperation"]>
  ]> {
  let summary = "Brings a tile into the layout the kernel computes in";
  let description = [{
    Copies a tile, converts it to the destination's element type, multiplies it
    by `scale` and places it by the two maps: from (h, r, c), heads, rows
    and columns, to the dimensions of source and destination. The destination
    may be larger than the source: rows beyond the source repeat its last row,
    columns beyond it are zero. A destination map may split rows or columns
    into pairs, `(r floordiv 2, c, r mod 2)`, for dot-product instructions;
    there, rows beyond the source are zero too. The source is not empty.

    With `gather`, row r comes from row `gather[r]` of the source, and the rows
    are as many as the list has elements.

    A source map may lay the rows out as a grid: `(r floordiv 4, r mod 4, c)`
    takes row r from row r mod 4 of line r floordiv 4; further axes are
    `(r floordiv 8, (r floordiv 2) mod 4, r mod 2, c)`. Where the source ends
    inside the grid, each axis repeats its last index on its own.

    Constraints:
    - C1: the two maps have three dimensions and as many results as their
      operand's rank
    - C2: the source map's results are distinct dimensions, or the rows are
      split into the axes of a grid; the destination's are distinct, except for
      one dimension split into (x floordiv 2, x mod 2)
    - C3: source and destination hold floating-point elements
    - C4: `scale` is either an attribute or an operand
    - C5: `gather` is a list [r] of index, and r is then whole in the source map
    - C6: the source is not larger than its grid along an axis that has a size

    Numerics: the product is computed in the wider of f32, source and
    destination type, and rounded once.

    ```mlir
    func.func @transposed(%query: tensor<?x80xbf16>, %init: tensor<80x64xf32>)
        -> tensor<80x64xf32> {
      %packed = attn.pack ins(%query : tensor<?x80xbf16>)
        outs(%init : tensor<80x64xf32>) scale(1.250000e-01)
        maps([affine_map<(h, r, c) -> (r, c)>, affine_map<(h, r, c) -> (c, r)>])
        -> tensor<80x64xf32>
      return %packed : tensor<80x64xf32>
    }

    // The queries of a patch of an image, four pixels wide.
    func.func @patch(%query: tensor<?x?x80xf32>, %init: tensor<80x32xf32>)
        -> tensor<80x32xf32> {
      %packed = attn.pack ins(%query : tensor<?x?x80xf32>)
        outs(%init : tensor<80x32xf32>)
        maps([affine_map<(h, r, c) -> (r floordiv 4, r mod 4, c)>,
              affine_map<(h, r, c) -> (c, r)>])
        -> tensor<80x32xf32>
      return %packed : tensor<80x32xf32>
    }

    // Values from anywhere, in pairs of rows.
    func.func @gathered(%value: tensor<?x64xbf16>, %list: tensor<?xindex>,
                        %init: tensor<16x64x2xbf16>) -> tensor<16x64x2xbf16> {
      %packed = attn.pack ins(%value : tensor<?x64xbf16>)
        outs(%init : tensor<16x64x2xbf16>) gather(%list : tensor<?xindex>)
        maps([affine_map<(h, r, c) -> (r, c)>,
              affine_map<(h, r, c) -> (r floordiv 2, c, r mod 2)>])
        -> tensor<16x64x2xbf16>
      return %packed : tensor<16x64x2xbf16>
    }
    ```
  }];
  let arguments = (ins Attn_Shaped:$source, Optional<Attn_Shaped>:$gather,
    Optional<AnyFloat>:$scale,
    Attn_Shaped:$destination, OptionalAttr<F64Attr>:$scale_value,
    AffineMapArrayAttr:$maps);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    `ins` `(` $source `:` type($source) `)`
    `outs` `(` $destination `:` type($destination) `)`
    (`gather` `(` $gather^ `:` type($gather) `)`)?
    `` custom<OptionalScale>($scale, type($scale), $scale_value)
    `maps` `(` $maps `)` attr-dict (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable();
    ::mlir::AffineMap getSourceMap();
    ::mlir::AffineMap getDestinationMap();
  }];
}

//===----------------------------------------------------------------------===//
// attn.normalize
//===----------------------------------------------------------------------===//

def Attn_NormalizeOp : Attn_DestinationOp<"normalize", [
    DeclareOpInterfaceMethods<AggregatedOpInterface, ["decomposeOperation"]>
  ]> {
  let summary = "Turns the state of online attention into the result";
  let description = [{
    Divides the accumulator by the sum and, on demand, gives the natural
    log-sum-exp. Rows of the state beyond the output's are ignored.

    ```
    o_ie = acc_ie / sum_i where sum_i > 0, otherwise 0
    lse_i = (max_i + log2(sum_i)) / log2(e); -infinity where sum_i = 0
    ```

    `maps`, from (h, r, c), heads, rows and value columns, place accumulator,
    output and, third, log-sum-exp; absent, they are (r, c), (r, c) and the
    output's without c. Maximum and sum have the accumulator's dimensions
    without c. Output and log-sum-exp may lay the rows out as a grid, as the
    source of `attn.pack`; rows of the state beyond them are ignored along each
    axis.

    Constraints:
    - C1: there are two maps, or three with a log-sum-exp; they have three
      dimensions, distinct results, and as many as their operand's rank; output
      and log-sum-exp may split the rows into the axes of a grid
    - C2: maximum and sum have the shape of the accumulator without c; the
      log-sum-exp has the output's dimensions without c
    - C3: accumulator, maximum, sum and log-sum-exp have the same type, f32 or
      f64
    - C4: the output is not larger than its grid along an axis that has a size

    Numerics: computed in the accumulator's type and rounded once.

    ```mlir
    func.func @finish(%acc: tensor<64x128xf32>, %max: tensor<128xf32>,
                      %sum: tensor<128xf32>, %init: tensor<?x64xbf16>)
        -> tensor<?x64xbf16> {
      %out = attn.normalize
        ins(%acc, %max, %sum : tensor<64x128xf32>, tensor<128xf32>,
            tensor<128xf32>)
        outs(%init : tensor<?x64xbf16>)
        maps([affine_map<(h, r, c) -> (c, r)>, affine_map<(h, r, c) -> (r, c)>])
        -> tensor<?x64xbf16>
      return %out : tensor<?x64xbf16>
    }
    ```
  }];
  let arguments = (ins
    Attn_Shaped:$accumulator, Attn_Shaped:$maximum, Attn_Shaped:$sum,
    Attn_Shaped:$output, Optional<Attn_Shaped>:$lse,
    OptionalAttr<AffineMapArrayAttr>:$maps);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    `ins` `(` $accumulator `,` $maximum `,` $sum `:` type($accumulator) `,`
    type($maximum) `,` type($sum) `)`
    `outs` `(` $output (`,` $lse^)? `:` type($output) (`,` type($lse)^)? `)`
    (`maps` `(` $maps^ `)`)? attr-dict (`->` type($results)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable();
    ::mlir::AffineMap getAccumulatorMap();
    ::mlir::AffineMap getOutputMap();
    ::mlir::AffineMap getLseMap();
  }];
}

//===----------------------------------------------------------------------===//
// attn.yield
//===----------------------------------------------------------------------===//

def Attn_YieldOp : Attn_Op<"yield", [Pure, Terminator,
    ParentOneOf<["AttentionOp", "OnlineAttentionOp", "LongformerOp"]>]> {
  let summary = "Ends a score, mask or key_rows region";
  let description = [{
    Gives the modified logit of a score region, the predicate of a mask region,
    or the row of a key.

    Shapes: one scalar.

    Constraints: those of the enclosing operation.

    ```mlir
    func.func @masked(%query: tensor<8x16xf32>, %key: tensor<8x16xf32>,
                      %init: tensor<8x16xf32>) -> tensor<8x16xf32> {
      %out = attn.attention
        ins(%query, %key, %key : tensor<8x16xf32>, tensor<8x16xf32>,
            tensor<8x16xf32>)
        outs(%init : tensor<8x16xf32>)
        mask {
        ^bb0(%b: index, %h: index, %i: index, %j: index):
          %keep = arith.cmpi sle, %j, %i : index
          attn.yield %keep : i1
        }
        -> tensor<8x16xf32>
      return %out : tensor<8x16xf32>
    }
    ```
  }];
  let arguments = (ins AnyType:$value);
  let assemblyFormat = "$value attr-dict `:` type($value)";
}

include "attn/Dialect/Attn/IR/AttnNamedOps.td"

#endif // ATTN_OPS

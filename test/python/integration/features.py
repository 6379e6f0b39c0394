"""Masks and scores, as IR text and as NumPy: what programs are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from program import Index, Input, Mask, Score

Array = np.ndarray[Any, Any]

# ---------------------------------------------------------------------------
# Named masks
# ---------------------------------------------------------------------------


def causal() -> Mask:
    return Mask(lambda at: at.j <= at.i, "#attn.causal")


def causal_bottom_right() -> Mask:
    def keep(at: Index) -> Array:
        return at.j <= at.i + at.sizes[3] - at.sizes[2]

    return Mask(keep, "#attn.causal<bottom_right>")


def causal_offset(offset: int) -> Mask:
    return Mask(lambda at: at.j <= at.i + offset, f"#attn.causal<offset = {offset}>")


def causal_per_batch(offsets: Array) -> Mask:
    name = Input("offsets", "tensor<?xi32>", np.asarray(offsets, np.int32))
    return Mask(
        lambda at: at.j <= at.i + name.value[at.b],
        "#attn.causal(%offsets : tensor<?xi32>)",
        inputs=(name,),
    )


def window(left: int, right: int) -> Mask:
    def keep(at: Index) -> Array:
        kept = np.broadcast_to(np.True_, at.sizes)
        if left >= 0:
            kept = kept & (at.j >= at.i - left)
        if right >= 0:
            kept = kept & (at.j <= at.i + right)
        return kept

    return Mask(keep, f"#attn.window<left = {left}, right = {right}>")


def prefix(length: int) -> Mask:
    return Mask(lambda at: at.j < length, f"#attn.prefix<{length}>")


def key_lengths(lengths: Array) -> Mask:
    name = Input("lengths", "tensor<?xi32>", np.asarray(lengths, np.int32))
    return Mask(
        lambda at: at.j < name.value[at.b],
        "#attn.key_lengths(%lengths : tensor<?xi32>)",
        inputs=(name,),
    )


def dilated_window(width: int, steps: list[int]) -> Mask:
    """One step for all heads, or one for each."""
    text = f"steps = {steps}" if len(steps) > 1 else f"step = {steps[0]}"

    def keep(at: Index) -> Array:
        distance = at.i - at.j
        step = np.asarray(steps)[at.h % len(steps)]
        return (np.abs(distance) <= width) & (distance % step == 0)

    return Mask(keep, f"#attn.dilated<window = {width}, {text}>")


def segments(length: int) -> Mask:
    return Mask(
        lambda at: at.i // length == at.j // length, f"#attn.segments<{length}>"
    )


def neighborhood(size: int, width: int, step: int) -> Mask:
    """On one axis: the tokens of one residue, a window moved inside."""

    def keep(at: Index) -> Array:
        count = (size - 1 - at.i % step) // step + 1
        first = np.clip(at.i // step - width // 2, 0, count - width)
        near = (at.j // step >= first) & (at.j // step < first + width)
        return near & (at.i % step == at.j % step)

    text = f"shape = [{size}], window = [{width}], dilation = [{step}]"
    return Mask(keep, f"#attn.neighborhood<{text}>")


def document_ids(query: Array, key: Array) -> Mask:
    q = Input("ids_q", "tensor<?x?xi32>", np.asarray(query, np.int32))
    k = Input("ids_k", "tensor<?xi32>", np.asarray(key, np.int32))
    return Mask(
        lambda at: q.value[at.b, at.i] == k.value[at.j],
        "#attn.documents(%ids_q, %ids_k : tensor<?x?xi32>, tensor<?xi32>)",
        inputs=(q, k),
    )


def global_keys(flags: Array) -> Mask:
    name = Input("flags", "tensor<?xi1>", np.asarray(flags, np.bool_))
    return Mask(
        lambda at: name.value[at.j],
        "#attn.global_tokens<symmetric = false>(%flags : tensor<?xi1>)",
        inputs=(name,),
    )


def longformer(width: int, flags: Array) -> Mask:
    name = Input("far", "tensor<?x?xi1>", np.asarray(flags, np.bool_))

    def keep(at: Index) -> Array:
        near = np.abs(at.i - at.j) <= width
        return near | name.value[at.b, at.i] | name.value[at.b, at.j]

    return Mask(
        keep, f"#attn.longformer<{width}>(%far : tensor<?x?xi1>)", inputs=(name,)
    )


def block_table(table: Array, rows: int, columns: int) -> Mask:
    name = Input("blocks", "tensor<?x?x?xi1>", np.asarray(table, np.bool_))
    text = f"#attn.blocks<block_q = {rows}, block_kv = {columns}>"
    return Mask(
        lambda at: name.value[at.h, at.i // rows, at.j // columns],
        f"{text}(%blocks : tensor<?x?x?xi1>)",
        inputs=(name,),
    )


def bigbird(table: Array, block: int, width: int, ends: int) -> Mask:
    picks = table.shape[-1]
    name = Input("picks", f"tensor<?x{picks}xi64>", np.asarray(table, np.int64))

    def keep(at: Index) -> Array:
        row, column = at.i // block, at.j // block
        kept = np.abs(row - column) <= width
        for index, size in ((row, at.sizes[2]), (column, at.sizes[3])):
            kept = kept | (index < ends) | (index >= -(-size // block) - ends)
        for pick in range(picks):
            kept = kept | (name.value[row, pick] == column)
        return kept

    text = f"block = {block}, window_blocks = {width}, global_blocks = {ends}"
    return Mask(
        keep,
        f"#attn.bigbird<{text}>(%picks : tensor<?x{picks}xi64>)",
        inputs=(name,),
    )


# ---------------------------------------------------------------------------
# Mask regions
# ---------------------------------------------------------------------------


def documents(query: Array, key: Array) -> Mask:
    """Pairs of one document, with their numbers captured."""
    q = Input("doc_q", "tensor<?xi32>", np.asarray(query, np.int32))
    k = Input("doc_k", "tensor<?xi32>", np.asarray(key, np.int32))
    region = """\
        %dq = tensor.extract %doc_q[%i] : tensor<?xi32>
        %dk = tensor.extract %doc_k[%j] : tensor<?xi32>
        %keep = arith.cmpi eq, %dq, %dk : i32"""
    return Mask(lambda at: q.value[at.i] == k.value[at.j], region=region, inputs=(q, k))


def bool_table(table: Array) -> Mask:
    """A stored mask [L, S]: loads of i1 cannot be gathered."""
    name = Input("table", "tensor<?x?xi1>", np.asarray(table, np.bool_))
    region = "        %keep = tensor.extract %table[%i, %j] : tensor<?x?xi1>"
    return Mask(lambda at: name.value[at.i, at.j], region=region, inputs=(name,))


def blocks(size: int) -> Mask:
    """floordiv: the same block, or the block before."""
    region = f"""\
        %size = arith.constant {size} : index
        %bi = arith.floordivsi %i, %size : index
        %bj = arith.floordivsi %j, %size : index
        %one = arith.constant 1 : index
        %before = arith.subi %bi, %one : index
        %same = arith.cmpi eq, %bi, %bj : index
        %prior = arith.cmpi eq, %before, %bj : index
        %keep = arith.ori %same, %prior : i1"""

    def keep(at: Index) -> Array:
        bi, bj = at.i // size, at.j // size
        return (bi == bj) | (bi - 1 == bj)

    return Mask(keep, region=region)


def dilated(step: int) -> Mask:
    """rem: every `step`-th key, counted from the query, looking back."""
    region = f"""\
        %step = arith.constant {step} : index
        %zero = arith.constant 0 : index
        %distance = arith.subi %i, %j : index
        %rest = arith.remsi %distance, %step : index
        %hit = arith.cmpi eq, %rest, %zero : index
        %back = arith.cmpi sge, %distance, %zero : index
        %keep = arith.andi %hit, %back : i1"""

    def keep(at: Index) -> Array:
        distance = at.i - at.j
        return (distance % step == 0) & (distance >= 0)

    return Mask(keep, region=region)


def per_head() -> Mask:
    """Heads look back differently far: h * 5 + 2 keys."""
    region = """\
        %five = arith.constant 5 : index
        %two = arith.constant 2 : index
        %scaled = arith.muli %h, %five : index
        %reach = arith.addi %scaled, %two : index
        %first = arith.subi %i, %reach : index
        %below = arith.cmpi sge, %j, %first : index
        %above = arith.cmpi sle, %j, %i : index
        %keep = arith.andi %below, %above : i1"""

    def keep(at: Index) -> Array:
        return (at.j >= at.i - (at.h * 5 + 2)) & (at.j <= at.i)

    return Mask(keep, region=region)


def affine_region() -> Mask:
    """Affine operations, which have no form on vectors."""
    region = """\
        %m = affine.apply affine_map<(i, j) -> (i - 2 * j)>(%i, %j)
        %n = affine.max affine_map<(i) -> (i - 9, 3)>(%i)
        %p = affine.min affine_map<(j) -> (j, 40)>(%j)
        %zero = arith.constant 0 : index
        %left = arith.cmpi sge, %m, %zero : index
        %right = arith.cmpi sle, %n, %p : index
        %keep = arith.ori %left, %right : i1"""

    def keep(at: Index) -> Array:
        right = np.maximum(at.i - 9, 3) <= np.minimum(at.j, 40)
        return (at.i - 2 * at.j >= 0) | right

    return Mask(keep, region=region)


def index_dialect() -> Mask:
    region = """\
        %c = index.constant 3
        %sum = index.add %i, %c
        %keep = index.cmp sle(%j, %sum)"""
    return Mask(lambda at: at.j <= at.i + 3, region=region)


def nothing() -> Mask:
    """Keeps no pair: every row is empty."""
    region = """\
        %zero = arith.constant 0 : index
        %keep = arith.cmpi slt, %j, %zero : index"""
    return Mask(lambda at: np.broadcast_to(np.False_, at.sizes), region=region)


def rows_below(count: int) -> Mask:
    """Only the first rows have keys."""
    region = f"""\
        %count = arith.constant {count} : index
        %keep = arith.cmpi slt, %i, %count : index"""
    return Mask(lambda at: (at.i < count) & (at.j >= 0), region=region)


def one_key(key: int) -> Mask:
    region = f"""\
        %key = arith.constant {key} : index
        %keep = arith.cmpi eq, %j, %key : index"""
    return Mask(lambda at: (at.j == key) & (at.i >= 0), region=region)


# ---------------------------------------------------------------------------
# Scores
# ---------------------------------------------------------------------------


def softcap(cap: float) -> Score:
    return Score(lambda s, at: cap * np.tanh(s / cap), f"#attn.softcap<{cap:e}>")


def alibi(slopes: Array, compute: str) -> Score:
    kind = np.float64 if compute == "f64" else np.float32
    name = Input("slopes", f"tensor<?x{compute}>", np.asarray(slopes, kind))
    return Score(
        lambda s, at: s - name.value[at.h].astype(s.dtype) * (at.i - at.j),
        f"#attn.alibi(%slopes : tensor<?x{compute}>)",
        inputs=(name,),
    )


def bias(values: Array, compute: str) -> Score:
    """Any rank up to 4, aligned at the right; sizes 1 repeat."""
    kind = np.float64 if compute == "f64" else np.float32
    shape = "x".join(str(n) for n in values.shape)
    type_ = f"tensor<{shape}x{compute}>"
    name = Input("bias", type_, np.asarray(values, kind))
    return Score(
        lambda s, at: s + name.value.astype(s.dtype),
        f"#attn.bias(%bias : {type_})",
        inputs=(name,),
    )


def tanh_region(compute: str) -> Score:
    region = f"""\
        %half = arith.constant 5.0e-01 : {compute}
        %x = arith.mulf %s, %half : {compute}
        %y = math.tanh %x : {compute}
        %t = arith.addf %s, %y : {compute}"""
    return Score(lambda s, at: s + np.tanh(s * s.dtype.type(0.5)), region=region)


def exp_select_region(compute: str) -> Score:
    region = f"""\
        %zero = arith.constant 0.0 : {compute}
        %tenth = arith.constant 1.25e-01 : {compute}
        %small = arith.mulf %s, %tenth : {compute}
        %exp = math.exp %small : {compute}
        %below = arith.cmpf olt, %s, %zero : {compute}
        %t = arith.select %below, %exp, %s : {compute}"""
    return Score(
        lambda s, at: np.where(s < 0, np.exp(s * s.dtype.type(0.125)), s),
        region=region,
    )


def relative_table(table: Array, compute: str) -> Score:
    """T5: a table row per clamped distance, a column per head."""
    kind = np.float64 if compute == "f64" else np.float32
    values = np.asarray(table, kind)
    last = values.shape[0] - 1
    type_ = f"tensor<{values.shape[0]}x?x{compute}>"
    name = Input("relative", type_, values)
    region = f"""\
        %zero = arith.constant 0 : index
        %last = arith.constant {last} : index
        %distance = arith.subi %i, %j : index
        %low = arith.maxsi %distance, %zero : index
        %bucket = arith.minsi %low, %last : index
        %value = tensor.extract %relative[%bucket, %h] : {type_}
        %t = arith.addf %s, %value : {compute}"""
    return Score(
        lambda s, at: s + values[np.clip(at.i - at.j, 0, last), at.h].astype(s.dtype),
        region=region,
        inputs=(name,),
    )


def half_table(table: Array, compute: str) -> Score:
    """A captured f16 table [L]: no gather of 16 bits exists."""
    values = np.asarray(table, np.float16)
    name = Input("halves", "tensor<?xf16>", values)
    extend = "arith.extf %value : f16 to " + compute
    region = f"""\
        %value = tensor.extract %halves[%i] : tensor<?xf16>
        %wide = {extend}
        %t = arith.addf %s, %wide : {compute}"""
    return Score(
        lambda s, at: s + values[at.i].astype(s.dtype), region=region, inputs=(name,)
    )


def index_table(table: Array, compute: str) -> Score:
    """A captured tensor of positions: i64 by key, added as a bias."""
    values = np.asarray(table, np.int64)
    name = Input("positions", "tensor<?xi64>", values)
    region = f"""\
        %p = tensor.extract %positions[%j] : tensor<?xi64>
        %f = arith.sitofp %p : i64 to {compute}
        %t = arith.subf %s, %f : {compute}"""
    return Score(
        lambda s, at: s - values[at.j].astype(s.dtype), region=region, inputs=(name,)
    )


def position_region(compute: str) -> Score:
    """All four indices enter, with a sign that depends on the batch."""
    region = f"""\
        %two = arith.constant 2 : index
        %odd = arith.remsi %b, %two : index
        %zero = arith.constant 0 : index
        %even = arith.cmpi eq, %odd, %zero : index
        %d = arith.subi %j, %i : index
        %e = arith.addi %d, %h : index
        %n = arith.index_cast %e : index to i64
        %f = arith.sitofp %n : i64 to {compute}
        %factor = arith.constant 1.5625e-02 : {compute}
        %g = arith.mulf %f, %factor : {compute}
        %minus = arith.negf %g : {compute}
        %signed = arith.select %even, %g, %minus : {compute}
        %t = arith.addf %s, %signed : {compute}"""

    def apply(s: Array, at: Index) -> Array:
        shift = (at.j - at.i + at.h) * s.dtype.type(1 / 64)
        return s + np.where(at.b % 2 == 0, shift, -shift).astype(s.dtype)

    return Score(apply, region=region)


def constant_region(compute: str, value: float) -> Score:
    """Ignores the logits: all weights of a row are equal."""
    region = f"        %t = arith.constant {value!r} : {compute}"
    return Score(lambda s, at: np.full_like(s, value), region=region)

"""Every wrong argument raises ArgumentError naming it, expected and got."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support import draw

import attn_mlir as am

Q, K, V = draw(B=2, H=4, G=2, L=6, S=9, D=8, Dv=5)
INTS = np.zeros((2, 4, 6, 8), np.int32)
NO_IDS = np.zeros(0, np.int32)
m, s = am.masks, am.scores


def call(*arrays: Any, **keywords: Any) -> Callable[[], Any]:
    arrays = arrays or (Q, K, V)
    return lambda: am.attention(*arrays, **keywords)


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "list": (call([1.0], K, V), "'q' expects an array .* got list"),
    "none": (call(Q, None, V), "'k' expects an array .* got NoneType"),
    "int dtype": (call(INTS, K, V), "'q' expects dtype float64, .* got int32"),
    "mixed dtypes": (
        call(Q, K.astype(np.float64), V),
        r"'k' expects the dtype of 'q' \(float32\), but got float64",
    ),
    "value dtype": (call(Q, K, V.astype(np.float16)), "'v' expects the dtype of 'q'"),
    "rank": (
        call(Q[0], K, V),
        r"'q' expects rank 4 \(\[B, H, L, D\], layout 'bhld'\), but got shape \(4, 6, 8\)",
    ),
    "rank for layout": (call(Q, K, V, layout="hld"), "'q' expects rank 3"),
    "batch": (call(Q, K[:1], V), "'k' expects size B = 2 in dimension 0 as 'q' has"),
    "value batch": (call(Q, K, V[:1]), "'v' expects size B = 2"),
    "qk width": (call(Q, K[..., :7], V), r"'k' expects size D = 8 .* got 7 \(shape"),
    "key heads": (call(Q, K, V[:, :1]), "'v' expects size H = 2 in dimension 1 as 'k'"),
    "key count": (call(Q, K, V[:, :, :5]), "'v' expects size S = 9 .* got 5"),
    "head ratio": (call(Q[:, :3], K, V), "multiple of the 2 key heads, but got 3"),
    "no key heads": (
        call(Q, K[:, :0], V[:, :0]),
        "multiple of the 0 key heads, but got 4",
    ),
    "layout": (call(layout="dlhb"), "'layout' expects one of 'bhld', .* got 'dlhb'"),
    "layout type": (call(layout=["bhld"]), "'layout' expects"),
    "scale type": (call(scale="1"), "'scale' expects a number, but got str"),
    "scale bool": (call(scale=True), "'scale' expects a number, but got bool"),
    "scale nan": (call(scale=float("nan")), "'scale' expects a finite number"),
    "scale array": (call(scale=np.ones(2)), r"'scale' expects .* got shape \(2,\)"),
    "mask type": (call(mask=3), "'mask' expects None, a mask object, .* got int"),
    "mask dtype": (
        call(mask=np.ones((6, 9), np.float32)),
        "'mask' expects a bool array, but got dtype float32",
    ),
    "mask shape": (
        call(mask=np.ones((6, 8), np.bool_)),
        r"'mask' expects a shape that broadcasts to \[B, H, L, S\] = \[2, 4, 6, 9\], "
        r"but got \[6, 8\]",
    ),
    "mask rank": (
        call(mask=np.ones((1,) * 5, np.bool_)),
        "'mask' expects an array of rank",
    ),
    "score type": (call(score="x"), "'score' expects None, a score object, .* got str"),
    "bool score": (
        call(score=np.ones((6, 9), np.bool_)),
        "'score' expects a float array, but got dtype bool; a bool array is a mask",
    ),
    "score shape": (call(score=np.ones((5, 9))), "'score' expects a shape that broad"),
    "sinks shape": (
        call(sinks=np.zeros(3)),
        r"'sinks' expects a float array \[H\] = \[4\], but got shape \(3,\)",
    ),
    "sinks dtype": (call(sinks=np.zeros(4, np.int32)), "'sinks' expects a float array"),
    "sinks list": (call(sinks=[0.0] * 4), "'sinks' expects an array"),
    "options": (
        call(options={"block": 3}),
        "'options' expects am.Options, but got dict",
    ),
    "out shape": (
        call(out=np.zeros((2, 4, 6, 8), np.float32)),
        r"'out' expects shape \(2, 4, 6, 5\), but got \(2, 4, 6, 8\)",
    ),
    "out dtype": (
        call(out=np.zeros((2, 4, 6, 5))),
        r"'out' expects the dtype of 'q' \(float32\), but got float64",
    ),
    "out type": (call(out=3), "'out' expects an array"),
    "lengths size": (
        call(mask=m.key_lengths(np.zeros(3, np.int32))),
        r"'lengths' expects size B = 2 in dimension 0, but got shape \(3,\)",
    ),
    "offset size": (
        call(mask=m.causal(offset=np.zeros(3, np.int32))),
        "'offset' expects size B = 2",
    ),
    "prefix size": (call(mask=m.prefix(np.zeros(3, np.int32))), "'n' expects size B"),
    "document size": (
        call(mask=m.documents(np.zeros(6, np.int32))),
        "'q_ids' expects size S = 9",
    ),
    "document batch": (
        call(mask=m.documents(np.zeros((3, 6), np.int32), np.zeros(9, np.int32))),
        "'q_ids' expects size B = 2",
    ),
    "key document size": (
        call(mask=m.documents(np.zeros(6, np.int32), np.zeros(8, np.int32))),
        "'kv_ids' expects size S = 9",
    ),
    "global size": (
        call(mask=m.global_tokens(np.zeros(9, np.bool_))),
        "'is_global' expects size L = 6",
    ),
    "block count": (
        call(mask=m.blocks(np.ones((2, 2), np.bool_), 4, 4)),
        "'table' expects at least 2 x 3 blocks, but got 2 x 2",
    ),
    "block heads": (
        call(mask=m.blocks(np.ones((3, 2, 3), np.bool_), 4, 4)),
        "'table' expects size H = 4",
    ),
    "bigbird rows": (
        call(mask=m.bigbird(2, np.zeros((2, 1), np.int32))),
        "'random_table' expects at least 3 block rows, but got 2",
    ),
    "neighborhood": (
        call(mask=m.neighborhood((2, 3), 1)),
        "'shape' expects a product of L = 6 and S = 9",
    ),
    "slopes size": (
        call(score=s.alibi(np.zeros(3, np.float32))),
        "'slopes' expects size H = 4",
    ),
    "table heads": (
        call(score=s.t5_bias(np.zeros((32, 3), np.float32), True, 128)),
        "'table' expects size H = 4",
    ),
    "relative heads": (
        call(score=s.relative(np.zeros((3, 5), np.float32))),
        "'table' expects size H = 4",
    ),
    "composed mask": (
        call(mask=m.causal() & ~m.key_lengths(np.zeros(3, np.int32))),
        "'lengths' expects size B = 2",
    ),
    "empty capture": (
        call(mask=lambda b, h, i, j: NO_IDS[i] == 0),
        r"captured array expects elements, but got shape \(0,\)",
    ),
    "align": (lambda: m.causal("left"), "'align' expects 'top_left' or 'bottom_right'"),
    "offset type": (lambda: m.causal(offset=1.5), "'offset' expects an array"),
    "offset dtype": (
        lambda: m.causal(offset=np.zeros(2)),
        "'offset' expects integers, but got dtype float64",
    ),
    "offset rank": (
        lambda: m.causal(offset=np.zeros((2, 2), np.int32)),
        r"'offset' expects an array of rank 1, but got shape \(2, 2\)",
    ),
    "window left": (lambda: m.window(-2, 0), "'left' expects an integer >= -1"),
    "window right": (
        lambda: m.window(0, 1.0),
        "'right' expects an integer, but got 1.0",
    ),
    "huge offset": (lambda: m.causal(offset=1 << 63), "below 2\\^62"),
    "dilated step": (lambda: m.dilated(4, 0), "'step' expects an integer >= 1"),
    "dilated window": (lambda: m.dilated(-1, 2), "'window' expects an integer >= 0"),
    "segments": (lambda: m.segments(0), "'length' expects an integer >= 1, but got 0"),
    "longformer": (
        lambda: m.longformer(-1, [True]),
        "'window' expects an integer >= 0",
    ),
    "globals dtype": (
        lambda: m.global_tokens(np.zeros(4)),
        "'is_global' expects a bool array, but got dtype float64",
    ),
    "document dtype": (lambda: m.documents(np.zeros(4)), "'q_ids' expects integers"),
    "block rank": (
        lambda: m.blocks(np.ones(3, np.bool_), 4, 4),
        "'table' expects an arr",
    ),
    "csr": (
        lambda: m.blocks((np.array([0, 2]), np.array([0])), 4, 4),
        "'table' expects integer arrays",
    ),
    "csr pair": (lambda: m.blocks((1, 2, 3), 4, 4), "a tuple of 3"),  # type: ignore[arg-type]
    "even window": (lambda: m.neighborhood((4, 4), 2), "'window' expects odd widths"),
    "wide window": (
        lambda: m.neighborhood((4, 4), 3, 2),
        "window \\* dilation <= shape",
    ),
    "axes": (lambda: m.neighborhood((4, 4), (3, 3, 3)), "'window' expects 2 integers"),
    "fn": (lambda: m.fn(3), "'function' expects a callable"),  # type: ignore[arg-type]
    "array mask": (lambda: m.array(np.zeros(3)), "'mask' expects a bool array"),
    "mask operand": (lambda: m.causal() & 3, "'mask' expects None, a mask object"),
    "softcap": (lambda: s.softcap(0.0), "'c' expects a positive number, but got 0.0"),
    "softcap type": (lambda: s.softcap("3"), "'c' expects a positive number"),  # type: ignore[arg-type]
    "sum of caps": (
        lambda: s.softcap(1.0) + s.softcap(2.0),
        r"use .then\(\)",
    ),
    "relative table": (lambda: s.relative(np.zeros(4)), "odd last dimension 2 n \\+ 1"),
    "t5 table": (
        lambda: s.t5_bias(np.zeros((3, 4)), True, 128),
        "'table' expects at least 4 buckets",
    ),
    "t5 reach": (lambda: s.t5_bias(np.zeros((32, 4)), True, 8), "'max_distance'"),
    "score fn": (lambda: s.fn(3), "'function' expects a callable"),  # type: ignore[arg-type]
    "then": (lambda: s.softcap(1.0).then(3), "'score' expects None, a score object"),
    "dense": (lambda: m.causal().dense(1, 1, -1, 2), "'L' expects an integer >= 0"),
    "dense size": (lambda: m.causal().dense(1, 1, 1 << 20, 1 << 20), "at most 2\\^31"),
    "tiles": (
        lambda: m.causal().tiles(4, 4, 0, 2),
        "'block_q' expects an integer >= 1",
    ),
    "block_queries": (
        lambda: am.Options(block_queries=-1),
        r"'block_queries' expects an integer in \[0, ",
    ),
    "schedule": (
        lambda: am.Options(schedule="best"),  # type: ignore[arg-type]
        "'schedule' expects one of 'auto', .* got 'best'",
    ),
    "opt_level": (lambda: am.Options(opt_level=4), "'opt_level' expects an integer"),
    "check": (
        lambda: am.Options(check_indices=1),  # type: ignore[arg-type]
        "'check_indices' expects a bool, but got 1",
    ),
    "target spec": (lambda: am.Target(""), "'spec' expects a non-empty string"),
    "threads": (lambda: am.set_num_threads(0), r"'n' expects an integer in \[1, "),
    "threads type": (lambda: am.set_num_threads(True), "'n' expects an integer"),
    "source": (lambda: am.compile(3), "'source' expects MLIR text"),  # type: ignore[arg-type]
    "target": (lambda: am.compile("", target=3), "'target' expects a str or am.Target"),  # type: ignore[arg-type]
    "entry": (lambda: am.compile("", entry=3), "'entry' expects a str"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", WRONG)
def test_argument_errors(name: str) -> None:
    function, message = WRONG[name]
    with pytest.raises(am.ArgumentError, match=message):
        function()


def test_unknown_names_are_errors() -> None:
    with pytest.raises(TypeError, match="blocks"):
        am.Options(blocks=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="causal"):
        am.attention(Q, K, V, causal=True)  # type: ignore[call-arg]


def test_big_endian_is_refused() -> None:
    swapped = Q.astype(Q.dtype.newbyteorder(">"))
    with pytest.raises(am.ArgumentError, match="'q' expects dtype"):
        am.attention(swapped, K, V)


@pytest.mark.parametrize("size", [1 << 31, 1 << 33, 1 << 40])
def test_too_many_elements_are_refused_before_any_work(size: int) -> None:
    one = np.zeros((1, 1, 1, 64), np.float32)
    strides = (0, 0, 0, 4)
    huge = np.lib.stride_tricks.as_strided(one, (1, 1024, size, 64), strides)
    with pytest.raises(am.ArgumentError, match="at most 2\\^40 elements"):
        am.attention(huge, one, one)
    wide = np.lib.stride_tricks.as_strided(one, (1, 1, 1, 1 << 41), (0, 0, 0, 0))
    with pytest.raises(am.ArgumentError, match="at most 2\\^40 elements"):
        am.attention(one, one, wide)


def test_read_only_out_and_overlap() -> None:
    out = np.zeros((2, 4, 6, 5), np.float32)
    out.flags.writeable = False
    with pytest.raises(am.ArgumentError, match="'out' expects a writable array"):
        am.attention(Q, K, V, out=out)
    q, k, v = draw(B=2, H=4, L=6, D=8)
    for name, each in (("'q'", q), ("'k'", k), ("'v'", v)):
        with pytest.raises(am.ArgumentError, match=f"it overlaps {name}"):
            am.attention(q, k, v, out=each)
    bias = np.zeros((2, 4, 6, 6), np.float32)
    with pytest.raises(am.ArgumentError, match="it overlaps another input"):
        am.attention(
            q[..., :6].copy(),
            k[..., :6].copy(),
            v[..., :6].copy(),
            score=bias,
            out=bias,
        )


DIAGNOSTIC = am.Diagnostic(
    "error", "<source>", 2, 4, "bad thing", (am.Diagnostic("note", "", 0, 0, "why"),)
)


@pytest.mark.parametrize(
    "error",
    [
        am.ArgumentError("argument 'q' expects this, but got that"),
        am.TraceError("message", "file.py", 3, "if i > j:"),
        am.TargetError("no such target"),
        am.CompileError([DIAGNOSTIC], "one\n  two\n"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_pickle(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_compile_errors_print_like_a_compiler() -> None:
    error = am.CompileError([DIAGNOSTIC], "one\n\ttwo\n")
    assert str(error) == ("<source>:2:4: error: bad thing\n\ttwo\n\t  ^\nnote: why")
    assert "without a diagnostic" in str(am.CompileError([]))


def test_options_pickle_and_compare() -> None:
    options = am.Options(block_keys=64)
    assert pickle.loads(pickle.dumps(options)) == options
    assert hash(am.Options(block_keys=64)) == hash(options)
    assert options != am.Options()


def test_remarks_print() -> None:
    remark = am.Remark("missed", "attn-tile", "no", "a.mlir:3:1", {"n": "4"})
    assert str(remark) == "a.mlir:3:1: missed [attn-tile] no"
    assert pickle.loads(pickle.dumps(remark)) == remark

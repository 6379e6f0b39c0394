"""am.attention against the float64 definition, by the error-ratio rule."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from support import DTYPES, LENGTHS, WIDTHS, check, compare, draw, judge

import attn_mlir as am


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", LENGTHS)
def test_square_lengths(length: int, dtype: str) -> None:
    check(*draw(H=2, L=length, D=40, dtype=dtype))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("keys", [1, 17, 127, 257])
@pytest.mark.parametrize("queries", [1, 3, 33, 129])
def test_rectangular_lengths(queries: int, keys: int, causal: bool) -> None:
    mask = am.masks.causal("bottom_right") if causal else None
    q, k, v = draw(B=2, H=4, G=2, L=queries, S=keys, D=24)
    check(q, k, v, mask=mask, return_lse=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", WIDTHS)
def test_widths(width: int, dtype: str) -> None:
    check(*draw(L=65, S=33, D=width, dtype=dtype))


@pytest.mark.parametrize("widths", [(16, 5), (5, 16), (64, 80), (192, 128), (1, 1)])
def test_value_width_differs(widths: tuple[int, int]) -> None:
    check(*draw(L=65, S=129, D=widths[0], Dv=widths[1]), return_lse=True)


@pytest.mark.parametrize("queries", [1, 2, 8, 16, 17, 32, 33])
@pytest.mark.parametrize("groups", [1, 2, 8])
def test_grouped_heads_and_few_queries(queries: int, groups: int) -> None:
    q, k, v = draw(B=2, H=8, G=groups, L=queries, S=65, D=32)
    check(q, k, v, mask=am.masks.causal("bottom_right"), return_lse=True)


@pytest.mark.parametrize("layout", ["bhld", "blhd", "hld", "lhd", "bld"])
@pytest.mark.parametrize("queries", [1, 65])
def test_layouts(layout: str, queries: int) -> None:
    heads = 1 if layout == "bld" else 4
    batch = 2 if "b" in layout else 1
    q, k, v = draw(
        B=batch, H=heads, G=heads // 2 or 1, L=queries, S=33, D=24, Dv=16, layout=layout
    )
    out, lse = check(q, k, v, layout=layout, return_lse=True)
    kept = [
        n
        for n, each in zip((batch, heads, queries), "bhl", strict=True)
        if each in layout
    ]
    assert out.shape == (*q.shape[:-1], 16)
    assert lse.shape == tuple(kept)


@pytest.mark.parametrize("dtype", DTYPES)
def test_lse_type(dtype: str) -> None:
    q, k, v = draw(dtype=dtype)
    check(q, k, v, return_lse=True)


@pytest.mark.parametrize(
    "mask",
    [
        am.masks.causal(),
        am.masks.causal("bottom_right"),
        am.masks.causal(offset=5),
        am.masks.causal(offset=-3),
        am.masks.causal("bottom_right", offset=-2),
        am.masks.window(7, 0),
        am.masks.window(3, 5),
        am.masks.window(-1, 4),
        am.masks.window(4, -1, offset=3),
        am.masks.window(-1, -1),
        am.masks.prefix(9),
        am.masks.prefix(9) | am.masks.causal(),
        am.masks.causal() & am.masks.window(10, -1),
        ~am.masks.causal(),
        am.masks.segments(13),
        am.masks.dilated(20, 3),
        am.masks.fn(lambda b, h, i, j: (j <= i) & ((i + j) % 3 != 1)),
        am.masks.fn(lambda b, h, i, j: True),
        am.masks.fn(lambda b, h, i, j: False),
    ],
    ids=repr,
)
@pytest.mark.parametrize("queries", [1, 40, 65])
def test_masks(mask: am.masks.Mask, queries: int) -> None:
    q, k, v = draw(B=2, H=2, L=queries, S=70, D=16)
    check(q, k, v, mask=mask, return_lse=True)


def test_masks_with_arrays() -> None:
    random = np.random.default_rng(3)
    B, H, L = 3, 2, 48
    q, k, v = draw(B=B, H=H, L=L)
    documents = np.sort(random.integers(0, 5, (B, L)), axis=1)
    is_global = random.random((B, L)) < 0.1
    blocks = random.random((H, 4, 6)) < 0.5
    table = random.integers(0, 6, (H, 6, 2))
    for mask in (
        am.masks.key_lengths(np.array([0, 5, 48])),
        am.masks.causal(offset=np.array([0, -50, 7])),
        am.masks.window(4, 2, offset=np.array([0, 10, -10], np.int32)),
        am.masks.prefix(np.array([0, 3, 60], np.int64)),
        am.masks.documents(documents),
        am.masks.documents(documents[0].astype(np.int8)) & am.masks.causal(),
        am.masks.documents(documents, documents[::-1].copy()),
        am.masks.global_tokens(is_global),
        am.masks.global_tokens(is_global, symmetric=False),
        am.masks.longformer(3, is_global[0]),
        am.masks.blocks(blocks, 12, 8),
        am.masks.bigbird(8, table),
        am.masks.neighborhood((6, 8), (3, 5), (2, 1)),
    ):
        check(q, k, v, mask=mask, return_lse=True)


@pytest.mark.parametrize(
    "shape",
    [(), (33,), (17, 33), (1, 33), (17, 1), (4, 17, 33), (2, 1, 17, 33), (2, 4, 1, 1)],
)
def test_array_masks_and_biases_broadcast(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(1)
    q, k, v = draw(B=2, H=4, G=2, L=17, S=33)
    check(q, k, v, mask=np.asarray(random.random(shape) < 0.7))
    check(q, k, v, score=np.asarray(random.standard_normal(shape), np.float32))
    check(q, k, v, score=np.asarray(random.standard_normal(shape), np.float16))


def _scores() -> list[Any]:
    random = np.random.default_rng(2)
    table = random.standard_normal((32, 4)).astype(np.float32)
    relative = random.standard_normal((4, 21)).astype(np.float32)
    slopes = random.random(4).astype(np.float32)
    s = am.scores
    return [
        s.softcap(3.0),
        s.alibi(),
        s.alibi(slopes),
        s.alibi(slopes.astype(np.float64)),
        s.t5_bias(table, True, 40),
        s.t5_bias(table, False, 64),
        s.relative(relative),
        s.relative(relative[0]),
        s.softcap(5.0).then(s.alibi()),
        s.alibi() + s.relative(relative),
        s.fn(lambda x, b, h, i, j: x * 0.5 + am.tanh(x)),
        s.fn(lambda x, b, h, i, j: am.where(j % 2 == 0, x, -np.inf)),
        s.fn(lambda x, b, h, i, j: x - slopes[h] * abs(i - j)).then(s.alibi()),
        s.fn(lambda x, b, h, i, j: x),
    ]


@pytest.mark.parametrize("score", _scores(), ids=repr)
@pytest.mark.parametrize("queries", [1, 65])
def test_scores(score: am.scores.Score, queries: int) -> None:
    q, k, v = draw(B=2, H=4, G=2, L=queries, S=70)
    check(q, k, v, score=score, return_lse=True)
    check(q, k, v, score=score, mask=am.masks.causal())


@pytest.mark.parametrize("heads", [1, 3, 6, 12])
def test_alibi_of_any_number_of_heads(heads: int) -> None:
    check(*draw(H=heads, L=33), score=am.scores.alibi())


@pytest.mark.parametrize("dtype", DTYPES)
def test_sinks(dtype: str) -> None:
    q, k, v = draw(H=4, G=2, dtype=dtype)
    sinks = np.array([-3.0, 0.0, 4.0, -np.inf], np.float32)
    check(q, k, v, sinks=sinks, return_lse=True)
    check(q, k, v, sinks=sinks, mask=am.masks.causal(), return_lse=True)


@pytest.mark.parametrize("scale", [1.0, 0.0, -0.3, 7.5, np.float32(0.25)])
def test_scale(scale: float) -> None:
    check(*draw(), scale=scale)


def test_scale_as_argument() -> None:
    q, k, v = draw()
    am.cache.clear()
    before = am.cache.info().plans
    for value in (0.1, 0.7, 1.3):
        scale = np.array(value, np.float32)
        judge(am.attention(q, k, v, scale=scale), q, k, v, scale=float(scale))
    assert am.cache.info().plans == before + 1


@pytest.mark.parametrize(
    "sizes", [(0, 4, 4), (2, 0, 4), (2, 4, 0), (0, 0, 0), (2, 1, 0)]
)
@pytest.mark.parametrize("mask", [None, am.masks.causal()])
def test_empty(sizes: tuple[int, int, int], mask: am.masks.Mask | None) -> None:
    B, L, S = sizes
    q, k, v = draw(B=B, L=L, S=S)
    out, lse = check(q, k, v, mask=mask, return_lse=True)
    assert out.shape == q.shape
    assert not out.any()
    assert np.isneginf(lse).all()
    sinks = np.array([0.5, -1.0], np.float32)
    check(q, k, v, mask=mask, sinks=sinks, return_lse=True)


def test_empty_after_full_and_back() -> None:
    for S in (33, 0, 5):
        check(*draw(B=2, L=17, S=S), return_lse=True)


def test_rows_without_keys_are_exactly_zero() -> None:
    q, k, v = draw(L=40, S=20)
    out, lse = check(q, k, v, mask=am.masks.causal("bottom_right"), return_lse=True)
    assert (out[:, :, :20] == 0).all()
    assert np.isneginf(lse[:, :, :20]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_under_the_mask_never_leak(bad: float) -> None:
    q, k, v = draw(L=33, S=65)
    lengths = np.array([40])
    clean = am.attention(q, k, v, mask=am.masks.key_lengths(lengths))
    k[:, :, 40:], v[:, :, 40:] = bad, bad
    dirty = am.attention(q, k, v, mask=am.masks.key_lengths(lengths))
    np.testing.assert_array_equal(clean, dirty)


def test_large_logits() -> None:
    q, k, v = draw(H=8, L=129)
    for factor in (1e2, 1e4):
        check((factor * q).astype(np.float32), k, v)
    same = np.full((1, 8, 8, 16), 3e4, np.float32)
    check(same, same, v[:, :, :8])


@pytest.mark.parametrize("which", ["q", "k", "v"])
@pytest.mark.parametrize("how", ["rows", "heads", "innermost", "reversed", "offset"])
def test_strided_inputs(which: str, how: str) -> None:
    arrays = dict(zip("qkv", draw(B=2, H=4, L=33, D=16), strict=True))
    a = arrays[which]
    if how == "rows":
        wide = np.full((*a.shape[:2], 2 * a.shape[2], a.shape[3]), np.nan, a.dtype)
        view = wide[:, :, ::2]
    elif how == "heads":
        view = np.full((2, 33, 4, 16), np.nan, a.dtype).transpose(0, 2, 1, 3)
    elif how == "innermost":
        view = np.full((*a.shape[:3], 32), np.nan, a.dtype)[..., ::2]
    elif how == "reversed":
        view = np.full(a.shape, np.nan, a.dtype)[:, :, ::-1]
    else:
        view = np.full((*a.shape[:3], 19), np.nan, a.dtype)[..., 3:]
    view[...] = a
    arrays[which] = view
    q, k, v = (arrays[each] for each in "qkv")
    check(q, k, v, mask=am.masks.causal())


def test_misaligned_input() -> None:
    q, k, v = draw(L=17)
    raw = np.zeros(q.nbytes + 1, np.uint8)
    odd = raw[1:].view(q.dtype).reshape(q.shape)
    odd[...] = q
    check(odd, k, v)


def test_broadcast_input() -> None:
    q, k, v = draw(B=3, H=4, L=17)
    k = np.broadcast_to(k[:1, :1], k.shape)
    check(q, k, v)


@pytest.mark.parametrize("end", ["front", "back"])
@pytest.mark.parametrize("queries", [1, 5, 33])
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_read_outside(guarded: Any, end: str, queries: int, dtype: str) -> None:
    for D, Dv, S in ((5, 3, 17), (16, 16, 33), (40, 24, 65)):
        arrays = draw(H=2, L=queries, S=S, D=D, Dv=Dv, dtype=dtype)
        q, k, v = (guarded(each, end) for each in arrays)
        out = guarded(np.zeros((*q.shape[:3], Dv), q.dtype), end)
        am.attention(q, k, v, mask=am.masks.causal("bottom_right"), out=out)
        judge(out, q, k, v, mask=am.masks.causal("bottom_right"))


@pytest.mark.parametrize("end", ["front", "back"])
def test_captured_arrays_are_not_read_outside(guarded: Any, end: str) -> None:
    table = guarded(
        np.random.default_rng(0).standard_normal((2, 9)).astype(np.float32), end
    )
    ids = guarded(np.arange(11, dtype=np.int32) // 4, end)
    q, k, v = draw(L=33, S=40)
    check(
        q,
        k,
        v,
        score=lambda s, b, h, i, j: s + table[h, j - 3 * i],
        mask=lambda b, h, i, j: ids[i] == ids[j - 7],
    )


def test_out() -> None:
    q, k, v = draw(H=4, G=2, L=33, Dv=8)
    expected = am.attention(q, k, v)
    out = np.full((1, 4, 33, 8), np.nan, np.float32)
    assert am.attention(q, k, v, out=out) is out
    np.testing.assert_array_equal(out, expected)
    wide = np.full((1, 4, 33, 16), np.nan, np.float32)
    assert am.attention(q, k, v, out=wide[..., ::2]) is not None
    np.testing.assert_array_equal(wide[..., ::2], expected)
    assert np.isnan(wide[..., 1::2]).all()
    returned, lse = am.attention(q, k, v, out=out, return_lse=True)
    assert returned is out
    assert lse.shape == (1, 4, 33)


def test_out_beside_the_inputs_in_one_buffer() -> None:
    q, k, v = draw(L=17)
    both = np.empty((*q.shape[:3], 2 * q.shape[3]), q.dtype)
    both[..., :16] = q
    out = both[..., 16:]
    am.attention(both[..., :16], k, v, out=out)
    judge(out, q, k, v)


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_threads_do_not_change_a_bit(threads: None, dtype: str) -> None:
    for L, S, mask in (
        (257, 300, am.masks.causal()),
        (1, 1000, None),
        (129, 129, None),
    ):
        q, k, v = draw(B=2, H=4, G=2, L=L, S=S, D=40, dtype=dtype)
        results = []
        for n in (1, 2, 3, 7):
            am.set_num_threads(n)
            for _ in range(2):
                results.append(am.attention(q, k, v, mask=mask, return_lse=True))
        for out, lse in results[1:]:
            assert out.tobytes() == results[0][0].tobytes()
            assert lse.tobytes() == results[0][1].tobytes()


def test_one_kernel_serves_all_sizes_of_a_class() -> None:
    am.cache.clear()
    start = am.cache.info().misses
    for L in (64, 65, 200):
        for S in (1, 63, 129):
            check(*draw(B=1 + L % 2, H=2, L=L, S=S), mask=am.masks.causal())
    assert am.cache.info().misses == start + 1


@pytest.mark.parametrize("block_queries", [16, 32, 64])
@pytest.mark.parametrize("block_keys", [8, 32, 128])
def test_block_sizes(block_queries: int, block_keys: int) -> None:
    options = am.Options(block_queries=block_queries, block_keys=block_keys)
    q, k, v = draw(H=4, G=2, L=65, S=129)
    check(q, k, v, mask=am.masks.causal("bottom_right"), options=options)


@pytest.mark.parametrize("schedule", ["lanes-queries", "lanes-features"])
@pytest.mark.parametrize("queries", [1, 4, 33])
def test_schedules(schedule: Any, queries: int) -> None:
    q, k, v = draw(B=8, H=8, G=2, L=queries, S=129, D=40, Dv=24)
    options = am.Options(schedule=schedule)
    check(q, k, v, options=options, return_lse=True)
    check(q, k, v, options=options, mask=am.masks.window(30, 0, offset=90))


def test_check_indices() -> None:
    q, k, v = draw(L=8, S=12)
    table = np.zeros((2, 12), np.float32)
    options = am.Options(check_indices=True)

    def score(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return s + table[h, j + i]

    with pytest.raises(am.ArgumentError, match=r"b=0, h=0, i=1, j=11"):
        am.attention(q, k, v, score=score, options=options)
    mask = am.masks.fn(lambda b, h, i, j: i + j < 12)
    check(q, k, v, score=score, mask=mask, options=options)
    check(q, k, v, score=score)  # clamped


def test_long_sequence_with_few_queries() -> None:
    check(*draw(B=8, H=8, G=2, L=1, S=4096, D=64), return_lse=True)


def test_head_count_of_one_group_and_batch_of_many() -> None:
    check(*draw(B=17, H=3, G=1, L=9, S=21))


def test_reference_rule_rejects_a_wrong_result() -> None:
    q, k, v = draw(L=65)
    wrong = am.attention(q, k, v, scale=1.001 / math.sqrt(16))
    with pytest.raises(AssertionError):
        judge(wrong, q, k, v)
    expected = am.reference.attention(q, k, v)
    with pytest.raises(AssertionError):
        compare(np.zeros_like(expected), expected, expected, np.float32)


def test_explain() -> None:
    q, k, v = draw(L=65)
    text = am.explain(
        q.swapaxes(2, 3).copy().swapaxes(2, 3), k, v, mask=am.masks.causal()
    )
    assert "65 queries" in text
    assert "copy: 'q'" in text


def test_value_beside_the_last_key_of_a_pair_does_not_leak() -> None:
    """Rows below 600 see an odd number of keys, and 0 * NaN is NaN."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    rng = np.random.default_rng(0)
    q, k, v = (
        rng.standard_normal((1, 1, 2002, 64)).astype(ml_dtypes.bfloat16)
        for _ in range(3)
    )
    v[0, 0, 1001] = np.nan
    out = am.attention(q, k, v, mask=lambda b, h, i, j: (i >= 600) | (j < 1001))
    assert np.isfinite(out[0, 0, :600].astype(np.float32)).all()
    assert np.isnan(out[0, 0, 600:].astype(np.float32)).all()

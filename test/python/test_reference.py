"""The reference against public results and loops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from support import DTYPES, ONNX_CASES, draw, golden, onnx_case

import attn_mlir as am
from attn_mlir.reference import allowed_error, attention, unfused
from attn_mlir.scores import alibi_slopes, t5_bucket


@pytest.mark.parametrize("name", sorted(ONNX_CASES))
def test_onnx(name: str) -> None:
    arrays, keywords, expected = onnx_case(name)
    out = attention(*arrays, **keywords)
    np.testing.assert_allclose(out, expected, rtol=1e-3, atol=1e-7)


def test_goldens_of_windows_and_documents() -> None:
    for name, mask in (
        ("mask_sliding_window_7", am.masks.window(7, 0)),
        ("mask_natten_8x8_k3", am.masks.neighborhood((8, 8), 3)),
        ("local_causal_exact", am.masks.window(8, 0)),
    ):
        case = golden(name)
        out = attention(case["q"], case["k"], case["v"], mask=mask)
        np.testing.assert_allclose(out, case["out"], rtol=1e-9, atol=1e-11)
    case = golden("longformer_sliding_n32_w4")
    mask = am.masks.longformer(4, np.zeros(32, np.bool_))
    out = attention(case["q"], case["k"], case["v"], mask=mask, layout="blhd")
    np.testing.assert_allclose(out, case["out"], rtol=1e-9, atol=1e-11)


def test_golden_of_a_window_that_counts_the_query() -> None:
    case = golden("fla_attn_window5")
    mask = am.masks.window(4, 0)
    out = attention(case["q"], case["k"], case["v"], mask=mask, layout="blhd")
    np.testing.assert_allclose(out, case["out"], rtol=1e-9, atol=1e-11)


def test_golden_of_sinks() -> None:
    case = golden("fla_attn_sink")
    out = attention(
        *(case[each] for each in "qkv"),
        sinks=case["sink_bias"],
        mask=am.masks.causal(),
        layout="blhd",
    )
    np.testing.assert_allclose(out, case["out"], rtol=1e-9, atol=1e-11)


def test_golden_of_t5() -> None:
    case = golden("t5_attention")
    score = am.scores.t5_bias(case["table"], True, 128)
    out = attention(*(case[each] for each in "qkv"), scale=1.0, score=score)
    np.testing.assert_allclose(out, case["out"], rtol=1e-6, atol=1e-8)


def test_t5_buckets() -> None:
    case = golden("t5_bucket")
    both = [t5_bucket(int(each), 32, True, 128) for each in case["rel"]]
    causal = [t5_bucket(int(each), 32, False, 128) for each in case["rel"]]
    np.testing.assert_array_equal(both, case["out_bidirectional"])
    np.testing.assert_array_equal(causal, case["out_causal"])


def test_alibi_slopes() -> None:
    assert alibi_slopes(8) == [2.0**-n for n in range(1, 9)]
    assert alibi_slopes(1) == [2.0**-8]
    # Twelve heads: the series of 8, then every second slope of 16.
    twelve = alibi_slopes(12)
    assert twelve[:8] == alibi_slopes(8)
    assert twelve[8:] == alibi_slopes(16)[0::2][:4]


def test_a_loop_over_everything() -> None:
    B, H, G, L, S, D, E = 2, 4, 2, 3, 5, 4, 3
    q, k, v = draw(B=B, H=H, G=G, L=L, S=S, D=D, Dv=E, dtype="f64")
    keep = np.random.default_rng(1).random((B, H, L, S)) < 0.6
    keep[0, 1, 2] = False
    sinks = np.array([0.3, -1.0, 2.0, 0.0])

    def score(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return s * 0.5 + (i - 2 * j) * (h + 1 - b)

    out, lse = attention(
        q, k, v, scale=0.7, mask=keep, score=score, sinks=sinks, return_lse=True
    )
    for b, h, i in np.ndindex(B, H, L):
        total, row = math.exp(sinks[h]), np.zeros(E)
        for j in range(S):
            if keep[b, h, i, j]:
                x = score(0.7 * float(q[b, h, i] @ k[b, h // 2, j]), b, h, i, j)
                total += math.exp(x)
                row += math.exp(x) * v[b, h // 2, j]
        np.testing.assert_allclose(out[b, h, i], row / total, rtol=1e-12)
        np.testing.assert_allclose(lse[b, h, i], math.log(total), rtol=1e-12)


def test_captured_arrays_wrap_once_then_clamp() -> None:
    table = np.arange(5.0)
    score = am.scores.fn(lambda s, b, h, i, j: 0 * s + table[j - 12])
    q, k, v = draw(H=1, L=1, S=18, dtype="f64")
    _, lse = attention(q, k, v, score=score, return_lse=True)
    index = [min(max(j - 12 + (5 if j < 12 else 0), 0), 4) for j in range(18)]
    np.testing.assert_allclose(lse[0, 0, 0], np.log(np.exp(table[index]).sum()))


@pytest.mark.parametrize("layout", ["blhd", "hld", "lhd", "bld"])
def test_layouts(layout: str) -> None:
    heads = 1 if layout == "bld" else 4
    batch = 2 if "b" in layout else 1
    q, k, v = draw(B=batch, H=heads, G=heads // 2 or 1, S=7, Dv=5, layout=layout)
    from attn_mlir._layout import layout_of

    names = layout_of(layout)
    full = attention(*(names.to_bhld(each) for each in (q, k, v)), return_lse=True)
    out, lse = attention(q, k, v, layout=layout, return_lse=True)
    np.testing.assert_array_equal(names.to_bhld(out), full[0])
    np.testing.assert_array_equal(lse, full[1].reshape(lse.shape))


def test_empty_rows_and_sizes() -> None:
    q, k, v = draw(L=4, S=0)
    out, lse = attention(q, k, v, return_lse=True)
    assert not out.any()
    assert np.isneginf(lse).all()
    out, lse = attention(q, k, v, sinks=np.array([1.0, 2.0]), return_lse=True)
    assert not out.any()
    np.testing.assert_allclose(lse[0, :, 0], [1.0, 2.0])


def test_masked_values_never_count() -> None:
    q, k, v = draw(L=4, S=4)
    clean = attention(q, k, v, mask=am.masks.prefix(3))
    k[..., 3, :] = v[..., 3, :] = np.nan
    np.testing.assert_array_equal(attention(q, k, v, mask=am.masks.prefix(3)), clean)
    assert np.isnan(attention(q, k, v)).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_unfused_loses_what_its_type_loses(dtype: str) -> None:
    q, k, v = draw(L=65, dtype=dtype)
    exact = attention(q, k, v)
    rounded = unfused(q, k, v)
    error = np.abs(rounded - exact).max()
    unit = {"f64": 2.0**-53, "f32": 2.0**-24, "f16": 2.0**-11, "bf16": 2.0**-8}
    assert unit[dtype] / 8 < error < 64 * unit[dtype]
    assert allowed_error(exact, rounded, DTYPES[dtype]) >= 2 * error
    np.testing.assert_array_equal(
        rounded.astype(DTYPES[dtype]).astype(np.float64), rounded
    )


def test_errors() -> None:
    q, k, v = draw()
    with pytest.raises(ValueError, match="float type"):
        unfused(q, k, v, dtype="int32")
    with pytest.raises(am.ArgumentError, match="layout"):
        attention(q, k, v, layout="dhlb")

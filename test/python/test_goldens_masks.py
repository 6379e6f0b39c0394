"""Sparse attention of public implementations, through am.masks and am.nn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import Array, draw, golden, judge

import attn_mlir as am


def linear(x: Array, case: dict[str, Array], name: str) -> Array:
    """x W^T + b in f32."""
    result = x @ case[f"{name}.weight"].T
    return result + case[f"{name}.bias"] if f"{name}.bias" in case else result


def heads(x: Array, count: int) -> Array:
    """[.., H * D] as [.., H, D]."""
    return np.ascontiguousarray(x.reshape(*x.shape[:-1], count, -1))


@pytest.mark.parametrize(
    ("name", "mask", "layout"),
    [
        ("mask_sliding_window_7", am.masks.window(7, 0), "bhld"),
        ("mask_natten_8x8_k3", am.masks.neighborhood((8, 8), 3), "bhld"),
        (
            "mask_doc_causal",
            am.masks.documents(np.repeat(np.arange(4), [13, 7, 21, 23]))
            & am.masks.causal(),
            "bhld",
        ),
        ("local_causal_exact", am.masks.window(8, 0), "bhld"),
        (
            "longformer_sliding_n32_w4",
            am.masks.longformer(4, np.zeros(32, np.bool_)),
            "blhd",
        ),
        ("longformer_sliding_n32_w4", am.masks.dilated(4, 1), "blhd"),
    ],
    ids=repr,
)
def test_mask(name: str, mask: am.masks.Mask, layout: str) -> None:
    case = golden(name)
    assert mask.attributes() is not None
    out = am.attention(case["q"], case["k"], case["v"], mask=mask, layout=layout)
    np.testing.assert_allclose(out, case["out"], rtol=2e-5, atol=2e-6)
    if "mask" in case:
        size = len(case["mask"])
        dense = mask.dense(1, 1, size, size)[0, 0]
        np.testing.assert_array_equal(dense, case["mask"])


def test_bigbird() -> None:
    case = golden("bigbird_mask_n64_b8_r1")
    # The published table leaves out the first and last block row.
    table = np.pad(case["rand_attn"], ((1, 1), (0, 0)), mode="edge")
    q, k, v = draw(H=2, L=64)
    out = am.attention(q, k, v, mask=am.masks.bigbird(8, table))
    judge(out, q, k, v, mask=case["out_mask"])


def longformer_arguments(case: dict[str, Array]) -> list[Any]:
    names = ("query", "key", "value", "query_global", "key_global", "value_global")
    arrays = [heads(linear(case["x"], case, name), 3) for name in names]
    return [*arrays, case["mask"] > 0]


def test_longformer_with_global_tokens() -> None:
    case = golden("longformer_global_2tok")
    arguments = longformer_arguments(case)
    for function, rtol in ((am.nn.longformer, 2e-5), (am.reference.longformer, 5e-6)):
        out = function(*arguments, window=4, layout="blhd")
        expected = case["out"].reshape(out.shape)
        np.testing.assert_allclose(out, expected, rtol=rtol, atol=2e-6)


def test_shifted_windows() -> None:
    case = golden("swin_window_shifted")
    windows = len(case["x"])
    q, k, v = (heads(x, 3) for x in np.split(linear(case["x"], case, "qkv"), 3, -1))
    table = case["relative_position_bias_table"][case["relative_position_index"]]
    # Tokens of one region are those a token sees; its first one names it.
    region = (case["attn_mask"] == 0).argmax(axis=-1)
    region = np.tile(region, (windows // len(region), 1))
    out = am.attention(
        *(q, k, v),
        mask=am.masks.documents(region),
        score=np.ascontiguousarray(table.transpose(2, 0, 1)),
        layout="blhd",
    )
    out = linear(out.reshape(case["x"].shape), case, "proj")
    np.testing.assert_allclose(out, case["out"], rtol=2e-5, atol=2e-6)


def test_transformer_xl() -> None:
    case = golden("transfoxl_mem8")
    w, memory = case["w"], len(case["mems"])
    both = linear(np.concatenate([case["mems"], w]), case, "qkv_net")
    q, k, v = (heads(x, 4) for x in np.split(both, 3, axis=-1))
    q = q[memory:]
    rows, keys = len(q), len(k)
    # The position term is a bias that depends on the query.
    relative = heads(linear(case["r"], case, "r_net"), 4)
    terms = np.einsum("ibhd,rhd->bhir", q + case["r_r_bias"], relative)
    distance = np.arange(rows)[:, None] + memory - np.arange(keys)
    place = np.clip(keys - 1 - distance, 0, keys - 1)
    bias = np.take_along_axis(terms, place[None, None], axis=-1) / np.sqrt(8)
    arrays = (x.swapaxes(0, 1) for x in (q + case["r_w_bias"], k, v))
    mask = am.masks.causal(offset=memory)
    np.testing.assert_array_equal(
        mask.dense(1, 1, rows, keys)[0, 0], ~case["attn_mask"]
    )
    out = am.attention(
        *(np.ascontiguousarray(x) for x in arrays),
        mask=mask,
        score=bias.astype(np.float32),
        layout="blhd",
    )
    out = w + linear(out.swapaxes(0, 1).reshape(w.shape), case, "o_net")
    centred = out - out.mean(axis=-1, keepdims=True)
    out = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
    out = out * case["layer_norm.weight"] + case["layer_norm.bias"]
    np.testing.assert_allclose(out, case["out"], rtol=5e-5, atol=5e-6)

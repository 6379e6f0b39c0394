"""Inputs, the rule that judges results, and the public cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

import attn_mlir as am
from attn_mlir._layout import layout_of

DATA = Path(__file__).resolve().parent.parent / "data"

DTYPES = {
    "f64": np.dtype(np.float64),
    "f32": np.dtype(np.float32),
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
}
# Off-tile sizes and the usual ones; D likewise.
LENGTHS = (1, 3, 17, 33, 65, 127, 129, 257, 1000)
WIDTHS = (1, 5, 16, 40, 64, 80, 96, 128, 160, 256)

Array = np.ndarray[Any, Any]


def draw(
    *,
    B: int = 1,
    H: int = 2,
    G: int | None = None,
    L: int = 33,
    S: int | None = None,
    D: int = 16,
    Dv: int | None = None,
    dtype: str = "f32",
    layout: str = "bhld",
    seed: int = 0,
) -> tuple[Array, Array, Array]:
    """q, k, v: logits have a standard deviation of 2, values both signs."""
    G, S, Dv = G or H, L if S is None else S, D if Dv is None else Dv
    random = np.random.default_rng(seed)
    names = layout_of(layout)
    q = 2.0 * random.standard_normal(names.shape(B, H, L, D))
    k = random.standard_normal(names.shape(B, G, S, D))
    v = random.standard_normal(names.shape(B, G, S, Dv))
    return tuple(x.astype(DTYPES[dtype]) for x in (q, k, v))  # type: ignore[return-value]


def judge(out: Any, q: Array, k: Array, v: Array, **arguments: Any) -> None:
    """max|out - reference| <= 2 max|unfused - reference| + floor; same for lse."""
    lse = None
    if arguments.get("return_lse"):
        out, lse = out
    arguments["return_lse"] = True
    expected, expected_lse = am.reference.attention(q, k, v, **arguments)
    rounded, rounded_lse = am.reference.unfused(q, k, v, **arguments)
    compare(out, expected, rounded, q.dtype)
    if lse is not None:
        compute = np.float64 if q.dtype == np.float64 else np.float32
        assert lse.dtype == compute
        compare(lse, expected_lse, rounded_lse, q.dtype)


def compare(out: Any, expected: Array, rounded: Array, dtype: Any) -> None:
    got = np.asarray(out).astype(np.float64)
    assert got.shape == expected.shape
    odd = ~np.isfinite(expected)
    np.testing.assert_array_equal(got[odd], expected[odd])
    finite = np.isfinite(expected)
    assert np.isfinite(got[finite]).all()
    error = float(np.max(np.abs(got[finite] - expected[finite]), initial=0.0))
    assert error <= am.reference.allowed_error(expected, rounded, dtype)


def check(q: Array, k: Array, v: Array, **arguments: Any) -> Any:
    """Run am.attention and judge it; returns the result."""
    out = am.attention(q, k, v, **arguments)
    judge(out, q, k, v, **{n: a for n, a in arguments.items() if n != "options"})
    return out


def golden(name: str) -> dict[str, Array]:
    with np.load(DATA / "goldens" / f"{name}.npz") as stored:
        return dict(stored)


ONNX_CASES: dict[str, dict[str, Any]] = json.loads(
    (DATA / "onnx_attention" / "cases.json").read_text(encoding="utf-8")
)


def onnx_case(name: str) -> tuple[list[Array], dict[str, Any], Array]:
    """q, k, v, the keywords of am.attention, and the expected output."""
    attributes = ONNX_CASES[name]["attributes"]
    with np.load(DATA / "onnx_attention" / f"{name}.npz") as stored:
        arrays = dict(stored)
    q, k, v, expected = (arrays[each] for each in "QKVY")
    keywords: dict[str, Any] = {"layout": "bhld"}
    if q.ndim == 3:
        heads, groups = attributes["q_num_heads"], attributes["kv_num_heads"]
        q, k, v, expected = (
            x.reshape(*x.shape[:2], n, -1)
            for x, n in ((q, heads), (k, groups), (v, groups), (expected, heads))
        )
        keywords["layout"] = "blhd"
    past = 0
    if "past_key" in arrays:
        past = arrays["past_key"].shape[2]
        if keywords["layout"] == "blhd":
            q, k, v, expected = (x.swapaxes(1, 2) for x in (q, k, v, expected))
            keywords["layout"] = "bhld"
        k = np.concatenate([arrays["past_key"], k], axis=2)
        v = np.concatenate([arrays["past_value"], v], axis=2)
    keys = k.shape[layout_of(keywords["layout"]).axis("l")]
    queries = q.shape[layout_of(keywords["layout"]).axis("l")]
    if "scale" in attributes:
        keywords["scale"] = attributes["scale"]
    masks, score = [], None
    offset: Any = past
    if "nonpad_kv_seqlen" in arrays:
        lengths = arrays["nonpad_kv_seqlen"]
        masks.append(am.masks.key_lengths(lengths))
        offset = lengths - queries
    if attributes.get("is_causal"):
        masks.append(am.masks.causal(offset=offset))
    left = attributes.get("left_window_size", -1)
    right = attributes.get("right_window_size", -1)
    if (left, right) != (-1, -1):
        masks.append(am.masks.window(left, right, offset))
    if attributes.get("softcap"):
        score = am.scores.softcap(attributes["softcap"])
    if "attn_mask" in arrays:
        given = arrays["attn_mask"]
        is_bool = given.dtype == np.bool_
        missing = keys - given.shape[-1]
        pad = [(0, 0)] * (given.ndim - 1) + [(0, missing)]
        given = np.pad(given, pad, constant_values=False if is_bool else -np.inf)
        if is_bool:
            masks.append(am.masks.array(given))
        else:
            bias = am.scores.bias(given)
            score = bias if score is None else score.then(bias)
    mask = None
    for each in masks:
        mask = each if mask is None else mask & each
    return [q, k, v], {**keywords, "mask": mask, "score": score}, expected

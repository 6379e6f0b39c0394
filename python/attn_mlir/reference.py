"""The definition of attention, evaluated in float64 with NumPy.

Deliberately simple: the whole [B, H, L, S] matrix exists. This is what every
kernel is compared with, and what decides when a document is unclear.

    x[b,h,i,j] = score(scale * sum_d q[b,h,i,d] k[b,g,j,d])    g = h // (H / G)
    lse[b,h,i] = log(exp(sinks[h]) + sum_j exp(x[b,h,i,j]))    over kept j
    out[b,h,i] = sum_j exp(x[b,h,i,j] - lse[b,h,i]) v[b,g,j]   0 without a key
"""

from __future__ import annotations

import math
from typing import Any, Literal, overload

import numpy as np

from ._arrays import Array, as_numpy, element_of_dtype
from ._layout import Layout, layout_of
from .masks import as_mask
from .scores import as_score
from .trace import grid

__all__ = ["allowed_error", "attention", "longformer", "unfused"]

Float64 = np.ndarray[Any, np.dtype[np.float64]]

# Absolute floors of the error rule; those marked relative scale with max|out|.
_FLOORS = {"f64": (1e-13, True), "f32": (1e-6, True), "f16": (1e-3, False)}
_FLOORS["bf16"] = (8e-3, False)


@overload
def attention(
    q: Array,
    k: Array,
    v: Array,
    *,
    scale: float | None = None,
    mask: object = None,
    score: object = None,
    sinks: Array | None = None,
    layout: str = "bhld",
    return_lse: Literal[False] = False,
) -> Float64: ...


@overload
def attention(
    q: Array,
    k: Array,
    v: Array,
    *,
    scale: float | None = None,
    mask: object = None,
    score: object = None,
    sinks: Array | None = None,
    layout: str = "bhld",
    return_lse: Literal[True],
) -> tuple[Float64, Float64]: ...


def attention(
    q: Array,
    k: Array,
    v: Array,
    *,
    scale: float | None = None,
    mask: object = None,
    score: object = None,
    sinks: Array | None = None,
    layout: str = "bhld",
    return_lse: bool = False,
) -> Float64 | tuple[Float64, Float64]:
    """`am.attention` in float64; the arguments have the same meaning.

    Returns the output in `layout`, and with `return_lse` the log-sum-exp
    [B, H, L] without the letters the layout misses.
    """
    out, lse = _evaluate(q, k, v, scale, mask, score, sinks, layout_of(layout), None)
    return (out, lse) if return_lse else out


def unfused(
    q: Array,
    k: Array,
    v: Array,
    *,
    dtype: object = None,
    scale: float | None = None,
    mask: object = None,
    score: object = None,
    sinks: Array | None = None,
    layout: str = "bhld",
    return_lse: bool = False,
) -> Any:
    """The same steps one after the other, each rounded to `dtype`.

    What a framework without a fused kernel computes; its error is the measure
    for ours. In f64, where nothing is rounded, the sums run in another order
    instead. dtype: f64, f32, f16 or bf16 (name or dtype), default that of q.
    The result is float64 with rounded values.
    """
    element = _element(dtype if dtype is not None else q.dtype)
    out, lse = _evaluate(q, k, v, scale, mask, score, sinks, layout_of(layout), element)
    return (out, lse) if return_lse else out


def longformer(
    q: Array,
    k: Array,
    v: Array,
    q_global: Array,
    k_global: Array,
    v_global: Array,
    is_global: Array,
    *,
    window: int,
    scale: float | None = None,
    layout: str = "bhld",
) -> Float64:
    """`am.nn.longformer` in float64; the arguments have the same meaning."""
    names = layout_of(layout)
    flags = np.asarray(as_numpy(is_global), np.bool_)
    tokens = np.arange(flags.shape[-1])
    near = np.abs(tokens[:, None] - tokens) <= window
    # [B, 1, 1, L] and [1, 1, L, L]
    keys = flags.reshape(-1, 1, 1, flags.shape[-1])
    ordinary = attention(q, k, v, scale=scale, mask=near | keys, layout=layout)
    rows = attention(q_global, k_global, v_global, scale=scale, layout=layout)
    chosen = np.where(
        np.swapaxes(keys, 2, 3), names.to_bhld(rows), names.to_bhld(ordinary)
    )
    return names.from_bhld(chosen)


def allowed_error(
    reference: Array,
    unfused: Array,
    dtype: object,
    *,
    factor: float = 2.0,
) -> float:
    """What a kernel's max|out - reference| may be.

    `factor * max|unfused - reference|` plus a floor of the dtype; infinities at
    the same places (log-sum-exp of empty rows) do not count.
    """
    exact, rounded = (np.asarray(each, np.float64) for each in (reference, unfused))
    finite = np.isfinite(exact) & np.isfinite(rounded)
    exact, rounded = exact[finite], rounded[finite]
    floor, relative = _FLOORS[_element(dtype)]
    if relative:
        floor *= float(np.max(np.abs(exact), initial=0.0))
    worst = float(np.max(np.abs(rounded - exact), initial=0.0))
    return factor * worst + floor


def _element(dtype: object) -> str:
    if isinstance(dtype, str) and dtype in _FLOORS:
        return dtype
    element = element_of_dtype(dtype)
    if element is None and not isinstance(dtype, str):
        element = element_of_dtype(np.dtype(dtype))  # type: ignore[call-overload]
    if element not in _FLOORS:
        raise ValueError(f"dtype expects a float type, but got {dtype!r}")
    return element


def _rounded(x: Any, element: str | None) -> Any:
    """Values of `x` rounded to a narrower type, kept in a wider one."""
    if element is None or element == "f64":
        return np.asarray(x, np.float64)
    if element == "f32":
        return np.asarray(x, np.float32)
    with np.errstate(over="ignore"):
        if element == "f16":
            return np.asarray(x, np.float16).astype(np.float32)
        return _to_bf16(np.asarray(x, np.float32))


def _to_bf16(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Rounded to nearest even, in float32."""
    bits = np.ascontiguousarray(x).view(np.uint32)
    even = (bits >> np.uint32(16)) & np.uint32(1)
    rounded = (bits + np.uint32(0x7FFF) + even) & np.uint32(0xFFFF0000)
    return np.where(np.isfinite(x), rounded.view(np.float32), x)


def _evaluate(
    q: Array,
    k: Array,
    v: Array,
    scale: float | None,
    mask: object,
    score: object,
    sinks: Array | None,
    layout: Layout,
    element: str | None,
) -> tuple[Float64, Float64]:
    """Float64 without an element, else each step rounded to it."""
    query, key, value = (
        _rounded(layout.to_bhld(as_numpy(each)), element) for each in (q, k, v)
    )
    B, H, L, D = query.shape
    G, S = key.shape[1], key.shape[2]
    # Contiguous groups: query heads h * H/G ... share the key head h.
    key, value = (np.repeat(each, H // G, axis=1) for each in (key, value))
    at = grid(B, H, L, S)
    factor = 1.0 / math.sqrt(D) if scale is None and D else scale
    factor = 1.0 if factor is None else float(np.asarray(factor))

    with np.errstate(all="ignore"):
        if element == "f64":  # the reference's own type: another order
            logits = (query * factor)[..., ::-1] @ np.swapaxes(key, -1, -2)[
                ..., ::-1, :
            ]
        else:
            product = _rounded(query @ np.swapaxes(key, -1, -2), element)
            logits = _rounded(product * np.asarray(factor, product.dtype), element)
        if score is not None:
            logits = _rounded(as_score("score", score).apply(logits, at), element)
        keep = np.broadcast_to(np.True_, (B, H, L, S))
        if mask is not None:
            chosen = as_mask("mask", mask).predicate(at)
            keep = np.broadcast_to(np.asarray(chosen, np.bool_), (B, H, L, S))
        logits = np.where(keep, logits, -np.inf)
        out, lse = _softmax_product(logits, value, sinks, element)
    return layout.from_bhld(np.asarray(out, np.float64)), layout.from_bhl(
        np.asarray(lse, np.float64)
    )


def _softmax_product(
    logits: Any, value: Any, sinks: Array | None, element: str | None
) -> tuple[Any, Any]:
    wide = np.float64 if element in (None, "f64") else np.float32
    x = logits.astype(wide)
    H = x.shape[1]
    sink = np.full((1, H, 1, 1), -np.inf, wide)
    if sinks is not None:
        sink = as_numpy(sinks).astype(wide).reshape(1, H, 1, 1)
    top = np.maximum(np.max(x, axis=-1, keepdims=True, initial=-np.inf), sink)
    top = np.where(np.isneginf(top), 0.0, top).astype(wide)
    weight = np.exp(x - top)
    total = weight.sum(axis=-1, keepdims=True) + np.exp(sink - top)
    lse = (np.log(total) + top)[..., 0]
    share = _rounded(np.where(total == 0, 0.0, weight / total), element)
    return _rounded(_weighted_sum(share, value), element), lse


def _weighted_sum(share: Any, value: Any) -> Any:
    """share @ value, where a value of weight 0 never counts, not even nan."""
    if np.isfinite(value).all():
        return share @ value
    clean = np.where(np.isfinite(value), value, 0).astype(value.dtype)
    result = share @ clean
    for b, h, j, e in np.argwhere(~np.isfinite(value)):
        used = share[b, h, :, j] != 0
        result[b, h, used, e] += share[b, h, used, j] * value[b, h, j, e]
    return result

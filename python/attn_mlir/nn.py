"""Kinds of attention that have a name, one function each.

    out = am.nn.longformer(q, k, v, q_g, k_g, v_g, is_global, window=256)

Arrays are those of `am.attention`: NumPy, torch or anything with DLPack, in f64,
f32, f16 or bf16. Definitions: `am.reference`.
"""

from __future__ import annotations

from typing import Any

from . import _native, cache
from ._arrays import Array, adopt, framework_of, kernel_array
from ._attention import (
    class_options,
    common_element,
    problem_sizes,
    scale_key_of,
    size_class_of,
)
from ._checks import bools, fits, integer
from ._kernel import native_compile, result_dtype, run
from ._layout import Layout, layout_of
from ._lower import Problem, emit_longformer
from .emit import Argument
from .errors import ArgumentError
from .options import Options

__all__ = ["longformer"]


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
    scale: float | Array | None = None,
    layout: str = "bhld",
) -> Any:
    """A window, and global tokens with projections of their own.

    Rows i that are global: `softmax(scale q_global k_global^T) v_global` over all
    keys. Other rows: `softmax(scale q k^T) v` over the keys with
    `|i - j| <= window` and the global ones.

    q, q_global: [B, H, L, D]; k, k_global: [B, G, L, D]; v, v_global:
        [B, G, L, Dv], H a multiple of G; all of one dtype.
    is_global: bool [L] or [B, L].
    window: one-sided, 0 or more.
    scale: a number (compiled in) or a 0-d array; default 1/sqrt(D).
    layout: "bhld", "blhd", "hld", "lhd" or "bld".

    Returns [B, H, L, Dv], an array of q's framework.
    """
    framework, names = framework_of(q), layout_of(layout)
    own = [adopt(name, each) for name, each in zip("qkv", (q, k, v), strict=True)]
    others = [
        _like(f"{name}_global", each, name, first)
        for name, each, first in zip(
            "qkv", (q_global, k_global, v_global), own, strict=True
        )
    ]
    B, H, G, L, S, D, Dv = problem_sizes(names, own[0], own[1], own[2])
    element = common_element(own[0], own[1], own[2])
    if S != L:
        raise ArgumentError(
            f"argument 'k' expects as many keys as queries, S = L = {L}, but got {S}"
        )
    width = integer("window", window, 0)
    flags = _flags(names, is_global, B, L)
    scale_key, argument = scale_key_of(scale)
    shape = names.shape(B, H, L, Dv)
    dtype = result_dtype(framework, element)
    if 0 in (B, H, L):
        out = framework.empty(shape, dtype)
    else:
        if scale_key is None and D == 0:
            scale_key = 1.0  # the logits are 0 whatever it is
        problem = Problem(names, element, H, G, D, Dv, scale_key, False, False)
        kernel = _kernel(problem, width, flags.ndim, size_class_of(L * (H // G), L))
        inputs = [*own, *others, kernel_array("is_global", flags)]
        if argument is not None:
            inputs.append(argument)
        out = run(kernel, inputs, lambda number, size: framework.empty(size, dtype))[0]
    return out if framework.finish is None else framework.finish(out)


def _like(name: str, value: object, other: str, first: Array) -> Array:
    """An array of the shape and dtype of another argument."""
    array = adopt(name, value)
    if tuple(array.shape) != tuple(first.shape) or array.dtype != first.dtype:
        raise ArgumentError(
            f"argument '{name}' expects the shape and dtype of '{other}', "
            f"{tuple(first.shape)} of {first.dtype}, but got {tuple(array.shape)} of "
            f"{array.dtype}"
        )
    return array


def _flags(layout: Layout, is_global: object, B: int, L: int) -> Array:
    """bool [L], or [B, L] where the layout has a batch."""
    flags = bools("is_global", is_global, 1, 2)
    fits("is_global", flags, -1, L, "L")
    if flags.ndim == 2:
        fits("is_global", flags, 0, B, "B")
        if layout.axis("b") < 0:
            return flags[0]
    return flags


def _kernel(
    problem: Problem, window: int, flags_rank: int, size_class: int
) -> _native.Kernel:
    key = ("longformer", problem, window, flags_rank, size_class)
    kernel: _native.Kernel | None = cache.plans.get(key)
    if kernel is None:
        text = emit_longformer(
            problem, window, Argument("%is_global", "i1", flags_rank)
        )
        kernel = native_compile(
            text,
            file_name="<longformer>",
            options=class_options(Options(), size_class),
            cached=cache.plans.enabled,
        )
        cache.plans.put(key, kernel)
    return kernel

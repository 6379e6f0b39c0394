"""Mask objects: which query-key pairs may attend.

Every object is a predicate over batch b, head h, query position i and key
position j, with sizes B, H, L (queries) and S (keys); compose with `&`, `|` and
`~`. Arrays are captured by reference and read when a kernel runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from .._arrays import Array
from .._masksummary import TileSummary
from ..errors import ArgumentError
from ._base import DenseArray, Function, Mask, Predicate
from ._base import as_mask as as_mask
from ._positions import (
    Causal,
    Dilated,
    KeyLengths,
    Neighborhood,
    Prefix,
    Segments,
    Window,
)
from ._tables import BigBird, Blocks, Documents, GlobalTokens, Longformer

__all__ = [
    "Mask",
    "TileSummary",
    "array",
    "bigbird",
    "blocks",
    "causal",
    "dilated",
    "documents",
    "fn",
    "global_tokens",
    "key_lengths",
    "longformer",
    "neighborhood",
    "prefix",
    "segments",
    "window",
]


# --- constructors -----------------------------------------------------------


def causal(
    align: Literal["top_left", "bottom_right"] = "top_left",
    offset: int | Array = 0,
) -> Mask:
    """`j <= i + offset`, plus S - L for "bottom_right".

    offset: an int, or an int array [B].
    """
    return Causal(align, offset)


def window(left: int, right: int, offset: int | Array = 0) -> Mask:
    """`i + offset - left <= j <= i + offset + right`; -1 = unbounded.

    Both bounds are inclusive. offset: an int, or an int array [B].
    """
    return Window(left, right, offset)


def dilated(window: int, step: int | Sequence[int]) -> Mask:
    """`|i - j| <= window` (in tokens) and `(i - j) % step == 0`.

    step: an int, or one for each of the H heads.
    """
    return Dilated(window, step)


def prefix(n: int | Array) -> Mask:
    """`j < n` only; compose with `| causal()`. n: an int or int array [B]."""
    return Prefix(n)


def documents(q_ids: Array, kv_ids: Array | None = None) -> Mask:
    """Equal document ids; int arrays [L] or [B, L], keys [S] or [B, S].

    Without `kv_ids` the query's ids serve for both (L = S).
    """
    return Documents(q_ids, kv_ids)


def global_tokens(is_global: Array, symmetric: bool = True) -> Mask:
    """The key is global, or (symmetric) the query is.

    is_global: bool [S] or [B, S]; symmetric masks need L = S.
    """
    return GlobalTokens(is_global, symmetric)


def key_lengths(lengths: Array) -> Mask:
    """`j < lengths[b]`; lengths: int [B]."""
    return KeyLengths(lengths)


def blocks(table: Array | tuple[Array, Array], block_q: int, block_kv: int) -> Mask:
    """`table[.., i // block_q, j // block_kv]`.

    table: bool [nq, nk], [H, nq, nk] or [B, H, nq, nk] (size 1 broadcasts), or
    a CSR pair (indptr [nq + 1], indices) of the kept blocks.
    """
    return Blocks(table, block_q, block_kv)


def longformer(window: int, is_global: Array) -> Mask:
    """`|i - j| <= window`, or the query or the key is global.

    is_global: bool [L] or [B, L], L = S.
    """
    return Longformer(window, is_global)


def bigbird(
    block: int,
    random_table: Array,
    window_blocks: int = 1,
    global_blocks: int = 1,
) -> Mask:
    """BigBird over blocks I = i // block, J = j // block.

    `|I - J| <= window_blocks`, or I or J among the first or last
    `global_blocks` blocks, or J in `random_table[I]` (int [n, r] or
    [H, n, r]).
    """
    return BigBird(block, random_table, window_blocks, global_blocks)


def neighborhood(
    shape: int | tuple[int, ...],
    window: int | tuple[int, ...],
    dilation: int | tuple[int, ...] = 1,
) -> Mask:
    """Tokens of a grid `shape` near each other on every axis.

    window: full odd width per axis, moved inside at the borders, so that every
    token has the same number of neighbours.
    """
    return Neighborhood(shape, window, dilation)


def segments(length: int) -> Mask:
    """`i // length == j // length`."""
    return Segments(length)


def fn(function: Predicate) -> Mask:
    """A callable `(b, h, i, j) -> bool`, traced once and never called per pair."""
    if not callable(function):
        raise ArgumentError(
            "argument 'function' expects a callable (b, h, i, j) -> bool, but "
            f"got {type(function).__name__}"
        )
    return Function(function)


def array(mask: Array) -> Mask:
    """A bool array that broadcasts to [B, H, L, S] by NumPy's rules."""
    return DenseArray("mask", mask)

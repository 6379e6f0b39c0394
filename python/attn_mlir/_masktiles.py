"""The tiles of a mask as the compiler sees them, and its pairs.

A kernel made by the pass attn-mask-tiles walks over the keys of each block of
rows as the attention kernels do. Pairs are evaluated only in tiles that it
visits and does not prove full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from . import _native, cache
from ._arrays import FLOATS, Array, element_of_dtype, kernel_array
from ._kernel import native_compile, run
from ._layout import layout_of
from ._lower import Problem, emit_module, lower_mask, whole_lines
from .errors import ArgumentError
from .masks import Mask
from .options import Options
from .ranges import accesses
from .trace import points

_MAX_TILES = 1 << 25
_MAX_BLOCK = 1 << 20
_PAIRS_AT_ONCE = 1 << 20
_PASS = "attn-mask-tiles"

Sizes: TypeAlias = tuple[int, int, int, int]  # B, H, L, S
Counts: TypeAlias = np.ndarray[Any, np.dtype[np.integer[Any]]]


@dataclass(frozen=True)
class Walk:
    """What the kernel visits: per tile of rows and block of keys, [nq, nk].

    visited, full: keys visited, and those in runs of which every pair is kept.
    first, end: where the keys visited begin and end. rows: of each tile, [nq].
    computed: pairs computed by a kernel with such tiles, with the rows arranged
    as it arranges them.
    """

    visited: Counts
    full: Counts
    first: Counts
    end: Counts
    rows: Counts
    computed: int
    kind: int
    reason: str
    sizes: Sizes


def _sizes(mask: Mask, L: int, S: int, batch: int, head: int) -> Sizes:
    """B, H, L, S that fit the mask."""
    fixed = mask.leading()
    B, H = (
        index + 1 if size is None else size
        for size, index in zip(fixed, (batch, head), strict=True)
    )
    for name, index, size in (("batch", batch, B), ("head", head, H)):
        if index >= size:
            raise ArgumentError(
                f"argument '{name}' expects an index below {size}, which the mask is "
                f"made for, but got {index}"
            )
    mask.check(B, H, L, S)
    return B, H, L, S


def _argument(array: Array) -> Any:
    if array.ndim > 0:
        return kernel_array("captured array", array)
    number = element_of_dtype(array.dtype) in FLOATS
    return float(array) if number else int(array)


class _Tiles:
    """The kernels of one mask and one pair of sizes."""

    def __init__(self, mask: Mask, sizes: Sizes) -> None:
        _, H, L, _ = sizes
        self._arrays: Sequence[Array] = mask.signature().arrays
        if 0 not in sizes and any(0 in each.shape for each in self._arrays):
            raise ArgumentError("a captured array expects elements, but has none")
        self._sizes = sizes
        lowered = lower_mask(mask, self._arrays, H)
        shapes = [tuple(each.shape) for each in self._arrays]
        named = dict(zip("BHLS", sizes, strict=True))
        graph = lowered.graph
        access = () if graph is None else accesses(graph, named, shapes)
        problem = Problem(
            layout_of("bhld"),
            "f32",
            heads=H,
            kv_heads=H,
            qk_width=1,
            v_width=1,
            scale=1.0,
            sinks=False,
            return_lse=False,
            queries=whole_lines(lowered, L),
        )
        self._text = emit_module(problem, lowered, mask_access=access)

    def compile(self, block_q: int, block_kv: int, analysis: str) -> _native.Kernel:
        options = Options(block_queries=block_q, block_keys=block_kv)
        return native_compile(
            self._text,
            file_name="<mask>",
            options=options,
            analysis=analysis,
            cached=cache.plans.enabled,
        )

    def run(self, kernel: _native.Kernel, batch: int, head: int) -> tuple[Any, Any]:
        """The kernel's map [nq, nk, 4] and rows [nq]."""
        B, H, L, S = self._sizes
        # Never read: only their sizes matter.
        query, key = (np.zeros((B, H, size, 1), np.float32) for size in (L, S))
        inputs = [query, key, key, *(_argument(each) for each in self._arrays)]
        tiles, rows = run(kernel, [*inputs, batch, head], _empty)
        return tiles, rows.astype(np.int64)


def _empty(number: int, shape: tuple[int, ...]) -> Any:
    return np.empty(shape, np.int32)


def _describe(kernel: _native.Kernel) -> tuple[int, bool, str]:
    """The mask's class, whether the rows are split, and the reason."""
    kind, split, reasons = 1, False, []
    for _, pass_name, message, _, _, _, fields in kernel.remarks:
        if pass_name != _PASS:
            continue
        reasons.append(message)
        if "Class" in fields:
            kind, split = int(fields["Class"]), fields["Split"] == "yes"
    return kind, split, "; ".join(reasons)


def walk(
    mask: Mask, L: int, S: int, block_q: int, block_kv: int, batch: int, head: int
) -> Walk:
    sizes = _sizes(mask, L, S, batch, head)
    block_q, block_kv = min(block_q, max(L, 1)), min(block_kv, max(S, 1))
    shape = (-(-L // block_q), -(-S // block_kv))
    if shape[0] * shape[1] > _MAX_TILES or max(block_q, block_kv) > _MAX_BLOCK:
        raise ArgumentError(
            "arguments 'block_q' and 'block_kv' expect blocks of at most 2^20 that "
            f"give at most 2^25 tiles, but got {block_q} and {block_kv} for "
            f"{L} x {S} pairs"
        )
    tiles = _Tiles(mask.of_head(head), sizes)
    kernel = tiles.compile(block_q, block_kv, "mask-tiles")
    kind, split, reason = _describe(kernel)
    if 0 in shape:
        none = np.zeros(shape, np.int64)
        rows = np.zeros(shape[0], np.int64)
        return Walk(none, none, none, none, rows, 0, kind, reason, sizes)
    found, rows = tiles.run(kernel, batch, head)
    visited, full, first, end = np.moveaxis(found, 2, 0)
    computed = int((visited.sum(axis=1, dtype=np.int64) * rows).sum())
    if split:
        whole = tiles.compile(block_q, _MAX_BLOCK, "mask-tiles-split")
        found, own = tiles.run(whole, batch, head)
        keys = found[:, :, 0].sum(axis=1, dtype=np.int64)
        computed = int((keys * own).sum())
    return Walk(visited, full, first, end, rows, computed, kind, reason, sizes)


# --- pairs ------------------------------------------------------------------


def kept_pairs(mask: Mask, found: Walk, block_q: int, batch: int, head: int) -> Counts:
    """The kept pairs of each tile: counted where proved, else evaluated."""
    proved = found.visited == found.full
    kept: Counts = np.where(proved, found.visited * found.rows[:, None], 0)
    rows, blocks = np.nonzero(~proved)
    if rows.size == 0:
        return kept
    first, end = found.first[rows, blocks], found.end[rows, blocks]
    width = int((end - first).max())
    L, S = found.sizes[2:]
    height = min(block_q, L, max(1, _PAIRS_AT_ONCE // width))
    strips = -(-min(block_q, L) // height)
    together = max(1, _PAIRS_AT_ONCE // (height * width))
    down = np.arange(height)[:, None]
    across = np.arange(width)[None, :]
    for start in range(0, rows.size * strips, together):
        tile, strip = np.divmod(
            np.arange(start, min(start + together, rows.size * strips)), strips
        )
        row, block = rows[tile], blocks[tile]
        offset = strip * height
        i = (row * block_q + offset)[:, None, None] + down
        j = first[tile][:, None, None] + across
        inside = (i < (row * block_q + found.rows[row])[:, None, None]) & (
            j < end[tile][:, None, None]
        )
        i, j = np.minimum(i, L - 1), np.minimum(j, S - 1)
        at = points(found.sizes, (batch, head), i, j)
        keep = np.asarray(mask.predicate(at), dtype=np.bool_) & inside
        np.add.at(kept, (row, block), keep.sum(axis=(1, 2), dtype=np.int64))
    return kept

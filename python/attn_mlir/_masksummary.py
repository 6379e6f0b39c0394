"""Views of a mask: dense, by tiles, drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import ArgumentError
from .trace import grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .masks import Mask

_MAX_PAIRS = 1 << 31
_SYMBOLS = " +#"  # empty, partial, full


@dataclass(frozen=True)
class TileSummary:
    """Tiles of block_q x block_kv pairs of one batch element and head.

    `rows` has one string per block row: "#" full, "+" partial, " " empty.
    `pairs` counts the kept pairs.
    """

    empty: int
    full: int
    partial: int
    pairs: int
    rows: tuple[str, ...]

    @property
    def visited(self) -> float:
        """The share of tiles that is not empty."""
        tiles = self.empty + self.full + self.partial
        return (tiles - self.empty) / tiles if tiles else 0.0

    def __str__(self) -> str:
        head = (
            f"{self.full} full (#), {self.partial} partial (+), {self.empty} "
            f"empty; {self.pairs} pairs"
        )
        return "\n".join((head, *(f"|{row}|" for row in self.rows)))


def _sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise ArgumentError(
                f"argument '{name}' expects an integer >= 0, but got {size!r}"
            )


def evaluate(
    mask: Mask, B: int, H: int, L: int, S: int, rows: tuple[int, int]
) -> np.ndarray[Any, Any]:
    """Rows [first, last) of the mask, broadcast to [B, H, rows, S]."""
    keep = np.asarray(mask.predicate(grid(B, H, L, S, rows)), dtype=np.bool_)
    return np.broadcast_to(keep, (B, H, rows[1] - rows[0], S))


def dense(mask: Mask, B: int, H: int, L: int, S: int) -> np.ndarray[Any, Any]:
    _sizes(B=B, H=H, L=L, S=S)
    if B * H * L * S > _MAX_PAIRS:
        raise ArgumentError(
            f"a dense mask expects at most 2^31 pairs, but got {B * H * L * S}"
        )
    mask.check(B, H, L, S)
    return np.array(evaluate(mask, B, H, L, S, (0, L)))


def summarize(
    mask: Mask,
    L: int,
    S: int,
    block_q: int,
    block_kv: int,
    batch: int,
    head: int,
) -> TileSummary:
    _sizes(L=L, S=S, batch=batch, head=head)
    for name, block in (("block_q", block_q), ("block_kv", block_kv)):
        if isinstance(block, bool) or not isinstance(block, int) or block < 1:
            raise ArgumentError(
                f"argument '{name}' expects an integer >= 1, but got {block!r}"
            )
    rows, totals, pairs = [], [0, 0, 0], 0
    starts = np.arange(0, S, block_kv)
    widths = np.minimum(starts + block_kv, S) - starts
    for first in range(0, L, block_q):
        last = min(first + block_q, L)
        keep = evaluate(mask, batch + 1, head + 1, L, S, (first, last))
        columns = keep[batch, head].sum(axis=0, dtype=np.int64)
        counts = np.add.reduceat(columns, starts) if S else np.zeros(0, np.int64)
        area = widths * (last - first)
        kinds = np.where(counts == 0, 0, np.where(counts == area, 2, 1))
        rows.append("".join(_SYMBOLS[kind] for kind in kinds))
        for kind in range(3):
            totals[kind] += int((kinds == kind).sum())
        pairs += int(counts.sum())
    empty, partial, full = totals
    return TileSummary(empty, full, partial, pairs, tuple(rows))


def plot(mask: Mask, L: int, S: int, batch: int, head: int, ax: Axes | None) -> Axes:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            "plotting a mask needs matplotlib: pip install attn-mlir[plot]"
        ) from error
    _sizes(L=L, S=S, batch=batch, head=head)
    keep = evaluate(mask, batch + 1, head + 1, L, S, (0, L))[batch, head]
    if ax is None:
        ax = pyplot.subplots()[1]
    ax.imshow(keep, cmap="Greys", vmin=0, vmax=1, interpolation="nearest")
    ax.set(xlabel="key j", ylabel="query i", title=repr(mask))
    return ax

"""Views of a mask: dense, by tiles, drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import ArgumentError
from .trace import grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ._masktiles import Walk
    from .masks import Mask

_MAX_PAIRS = 1 << 31
_SYMBOLS = np.frombuffer(b" +#", np.uint8)  # empty, partial, full
_MOST_SHOWN = 64


@dataclass(frozen=True)
class TileSummary:
    """Tiles of block_q x block_kv pairs of one batch element and head.

    empty, full, partial: how many tiles are so; `rows` has one string per block
        row: "#" full, "+" partial, " " empty.
    pairs: the kept pairs, exactly.
    proved_empty, proved_full: the tiles that the compiler's analysis knows to
        be so: kernels skip the former and run no mask code in the latter.
    computed: the pairs that a kernel with such tiles computes.
    ranges: for each block row, the key intervals [first, end) a kernel visits;
        gaps within a tile are not shown.
    kind: the mask's class: 1 closed form in i and j, 2 with captured integers,
        3 with captured booleans, 4 evaluated element by element.
    reason: why, in words, with what the analysis did not understand.
    """

    empty: int
    full: int
    partial: int
    pairs: int
    rows: tuple[str, ...]
    proved_empty: int
    proved_full: int
    computed: int
    ranges: tuple[tuple[tuple[int, int], ...], ...]
    kind: int
    reason: str

    @property
    def visited(self) -> float:
        """The share of tiles that is not empty."""
        tiles = self.empty + self.full + self.partial
        return (tiles - self.empty) / tiles if tiles else 0.0

    @property
    def in_vain(self) -> float:
        """The share of the computed pairs that is masked."""
        return 1.0 - self.pairs / self.computed if self.computed else 0.0

    def __str__(self) -> str:
        tiles = (
            f"{self.full} full (#), {self.partial} partial (+), {self.empty} empty "
            f"tiles; proved: {self.proved_full} full, {self.proved_empty} empty"
        )
        pairs = (
            f"{self.pairs} pairs kept, {self.computed} computed, "
            f"{100 * self.in_vain:.1f} % of these in vain"
        )
        rows, scale = _shrink(self.rows)
        if scale > 1:
            pairs += f"; a character stands for {scale} x {scale} tiles"
        return "\n".join((self.reason, tiles, pairs, *(f"|{row}|" for row in rows)))


def _shrink(rows: tuple[str, ...]) -> tuple[list[str], int]:
    """The map in at most 64 x 64 characters, and the tiles of each."""
    longest = max(len(rows), len(rows[0]) if rows else 0)
    scale = -(-longest // _MOST_SHOWN)
    if scale <= 1:
        return list(rows), 1
    shown = []
    for first in range(0, len(rows), scale):
        group = rows[first : first + scale]
        parts = (
            {tile for row in group for tile in row[at : at + scale]}
            for at in range(0, len(rows[0]), scale)
        )
        shown.append("".join(p.pop() if len(p) == 1 else "+" for p in parts))
    return shown, scale


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


def _analyse(
    mask: Mask,
    L: int,
    S: int,
    block_q: int,
    block_kv: int,
    batch: int,
    head: int,
) -> tuple[Walk, Any, Any]:
    """What kernels visit, the kept pairs of each tile, the keys of each block."""
    _sizes(L=L, S=S, batch=batch, head=head)
    for name, block in (("block_q", block_q), ("block_kv", block_kv)):
        if isinstance(block, bool) or not isinstance(block, int) or block < 1:
            raise ArgumentError(
                f"argument '{name}' expects an integer >= 1, but got {block!r}"
            )
    # The compiler needs masks, which need the views here.
    from ._masktiles import kept_pairs, walk

    found = walk(mask, L, S, block_q, block_kv, batch, head)
    kept = kept_pairs(mask, found, min(block_q, max(L, 1)), batch, head)
    widths = np.minimum(S - np.arange(kept.shape[1]) * block_kv, block_kv)
    return found, kept, widths


def _counts(kinds: Any) -> list[int]:
    """How many tiles are empty, partial and full."""
    return [int((kinds == kind).sum()) for kind in range(3)]


def summarize(
    mask: Mask,
    L: int,
    S: int,
    block_q: int,
    block_kv: int,
    batch: int,
    head: int,
) -> TileSummary:
    found, kept, widths = _analyse(mask, L, S, block_q, block_kv, batch, head)
    areas = found.rows[:, None] * widths
    kinds = np.where(kept == 0, 0, np.where(kept == areas, 2, 1))
    empty, partial, full = _counts(kinds)
    return TileSummary(
        empty,
        full,
        partial,
        pairs=int(kept.sum()),
        rows=tuple(_SYMBOLS[row].tobytes().decode() for row in kinds),
        proved_empty=int((found.visited == 0).sum()),
        proved_full=int((found.full == widths).sum()),
        computed=found.computed,
        ranges=_ranges(found),
        kind=found.kind,
        reason=found.reason,
    )


def _ranges(found: Walk) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Of each block row; blocks whose keys touch make one interval."""
    result = []
    for visited, first, end in zip(found.visited, found.first, found.end, strict=True):
        (blocks,) = np.nonzero(visited)
        starts, ends = first[blocks], end[blocks]
        opens = np.append(True, starts[1:] != ends[:-1])[: starts.size]
        closes = np.append(opens[1:], True)[: starts.size]
        pairs = zip(starts[opens].tolist(), ends[closes].tolist(), strict=True)
        result.append(tuple(pairs))
    return tuple(result)


_COLOURS = {"empty": "#ffffff", "partial": "#f4b942", "full": "#4a7fb5"}
_MOST_PAIRS = 512 * 512


def plot(
    mask: Mask,
    L: int,
    S: int,
    block_q: int,
    block_kv: int,
    batch: int,
    head: int,
    ax: Axes | None,
) -> Axes:
    try:
        from matplotlib import colors, patches, pyplot
    except ImportError as error:
        raise ImportError(
            "plotting a mask needs matplotlib: pip install attn-mlir[plot]"
        ) from error
    found, kept, widths = _analyse(mask, L, S, block_q, block_kv, batch, head)
    # As kernels treat them, which is what the mask is where that was proved.
    kinds = np.where(found.visited == 0, 0, np.where(found.full == widths, 2, 1))
    counts = dict(zip(_COLOURS, _counts(kinds), strict=True))
    in_vain = 1.0 - kept.sum() / found.computed if found.computed else 0.0
    if ax is None:
        ax = pyplot.subplots()[1]
    if kinds.size:
        extent = (0, kinds.shape[1] * block_kv, kinds.shape[0] * block_q, 0)
        map = colors.ListedColormap(list(_COLOURS.values()))
        ax.imshow(
            kinds, cmap=map, vmin=0, vmax=2, extent=extent, interpolation="nearest"
        )
        if L * S <= _MOST_PAIRS:
            keep = evaluate(mask, batch + 1, head + 1, L, S, (0, L))[batch, head]
            dark = colors.ListedColormap(["#00000000", "#00000073"])
            smooth: Any = {
                "interpolation": "antialiased",
                "interpolation_stage": "rgba",
            }
            ax.imshow(keep, cmap=dark, vmin=0, vmax=1, extent=(0, S, L, 0), **smooth)
    ax.set(xlabel="key j", ylabel="query i", xlim=(0, S or 1), ylim=(L or 1, 0))
    ax.set_title(
        f"{counts['full']} full, {counts['partial']} partial, {counts['empty']} empty "
        f"tiles\nof {block_q} x {block_kv}; {100 * in_vain:.0f} % computed in vain",
        fontsize="medium",
    )
    handles = [
        patches.Patch(facecolor=_COLOURS[name], edgecolor="black", label=name)
        for name, count in counts.items()
        if count
    ]
    ax.legend(handles=handles, loc="upper right", fontsize="small")
    return ax

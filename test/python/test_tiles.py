"""`Mask.tiles` and `Mask.plot`: the compiler's view of a mask."""

from __future__ import annotations

import builtins
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import attn_mlir as am
from attn_mlir import masks
from attn_mlir._kernel import native_compile

L = S = 100
RNG = np.random.default_rng(4)
IDS = np.sort(RNG.integers(0, 7, 100)).astype(np.int32)
GLOBAL = RNG.random(100) < 0.05
GRID = (10, 10)

# The mask and its class.
NAMED: dict[str, tuple[masks.Mask, int]] = {
    "causal": (masks.causal(), 1),
    "bottom right": (masks.causal("bottom_right", offset=-3), 1),
    "window": (masks.window(9, 4), 1),
    "dilated": (masks.dilated(24, 3), 1),
    "dilated heads": (masks.dilated(24, [2, 5]), 1),
    "prefix": (masks.prefix(11) | masks.causal(), 1),
    "segments": (masks.segments(17), 1),
    "neighborhood": (masks.neighborhood(GRID, (5, 3)), 1),
    "dilated neighborhood": (masks.neighborhood(GRID, 3, 2), 1),
    "lengths": (masks.key_lengths(np.array([100, 31])), 1),
    "documents": (masks.documents(IDS), 2),
    "shuffled documents": (masks.documents(RNG.permutation(IDS)), 2),
    "causal documents": (masks.documents(IDS) & masks.causal(), 2),
    "global": (masks.global_tokens(GLOBAL), 3),
    "longformer": (masks.longformer(8, GLOBAL), 3),
    "fn": (masks.fn(lambda b, h, i, j: (i * j) % 5 == 0), 4),
    "array": (masks.array(RNG.random((100, 100)) < 0.3), 3),
    "blocks": (masks.blocks(RNG.random((7, 10)) < 0.3, 16, 10), 3),
    "nothing": (masks.causal() & masks.window(-1, -1, 0) & masks.prefix(0), 1),
    "everything": (masks.window(-1, -1), 1),
}


def check(
    summary: masks.TileSummary, dense: np.ndarray[Any, Any], q: int, k: int
) -> None:
    """All that a summary says, against the pairs."""
    rows = []
    in_ranges = np.zeros_like(dense)
    for n, i in enumerate(range(0, dense.shape[0], q)):
        tiles = (dense[i : i + q, j : j + k] for j in range(0, dense.shape[1], k))
        rows.append("".join("#" if t.all() else "+" if t.any() else " " for t in tiles))
        last = -1
        for first, end in summary.ranges[n]:
            assert last < first < end <= dense.shape[1]
            in_ranges[i : i + q, first:end] = True
            last = end
    assert summary.rows == tuple(rows)
    text = "".join(rows)
    counts = (summary.empty, summary.partial, summary.full)
    assert counts == tuple(text.count(each) for each in " +#")
    assert summary.pairs == dense.sum()
    assert not (dense & ~in_ranges).any()
    assert summary.pairs <= summary.computed <= dense.size
    assert summary.proved_empty <= summary.empty
    assert summary.proved_full <= summary.full


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("blocks", [(16, 32), (7, 9), (64, 64), (200, 300)])
def test_named_masks(name: str, blocks: tuple[int, int]) -> None:
    mask, kind = NAMED[name]
    head = 1 if name == "dilated heads" else 0
    batch = 1 if name == "lengths" else 0
    summary = mask.tiles(L, S, *blocks, batch=batch, head=head)
    dense = mask.dense(batch + 1 or 1, 2 if head else 1, L, S)
    check(summary, dense[batch, head], *blocks)
    assert summary.kind == kind, summary.reason
    # Kernels do not use flat tiles for residues and grids.
    if kind == 1 and "dilated" not in name and "neighborhood" not in name:
        assert summary.proved_empty == summary.empty


@pytest.mark.parametrize(
    "lengths", [(0, 5), (5, 0), (0, 0), (1, 1), (3, 130), (130, 3)]
)
def test_odd_lengths(lengths: tuple[int, int]) -> None:
    for mask in (masks.causal("bottom_right"), masks.window(3, 2)):
        check(mask.tiles(*lengths, 8, 16), mask.dense(1, 1, *lengths)[0, 0], 8, 16)


def seen(dense: np.ndarray[Any, Any], tiles: list[np.ndarray[Any, Any]]) -> int:
    """Rows times the keys that some row of the tile sees, over all tiles."""
    rows = np.concatenate(tiles)
    assert sorted(rows.tolist()) == list(range(len(dense)))
    return int(sum(dense[tile].any(axis=0).sum() * len(tile) for tile in tiles))


@pytest.mark.parametrize("length", [512, 500])
def test_residues_cost_the_keys_they_see(length: int) -> None:
    mask = masks.dilated(96, 16)
    rows = np.arange(length)
    tiles = [rows[r::16][n : n + 8] for r in range(16) for n in range(0, 32, 8)]
    summary = mask.tiles(length, length, 8, 64)
    assert "residue modulo 16" in summary.reason
    dense = mask.dense(1, 1, length, length)[0, 0]
    assert summary.computed == seen(dense, [tile for tile in tiles if tile.size])


def test_heads_are_split() -> None:
    both = masks.dilated(96, [4, 16]) & masks.causal()
    one = masks.dilated(96, 16) & masks.causal()
    summary = both.tiles(512, 512, 8, 64, head=1)
    assert summary == one.tiles(512, 512, 8, 64)
    assert "residue modulo 16" in summary.reason
    assert (~both).tiles(64, 64, head=1).pairs == (~one).tiles(64, 64).pairs


@pytest.mark.parametrize("shape", [(24, 32), (10, 20)])
def test_patches_cost_the_keys_they_see(shape: tuple[int, int]) -> None:
    mask = masks.neighborhood(shape, (5, 7))
    lines, columns = shape
    rows = np.arange(lines * columns).reshape(shape)
    tiles = [
        rows[y : y + 4, x : x + 8].ravel()
        for y in range(0, lines, 4)
        for x in range(0, columns, 8)
    ]
    summary = mask.tiles(rows.size, rows.size, 32, 64)
    assert f"patches of a grid with lines of {columns}" in summary.reason
    dense = mask.dense(1, 1, rows.size, rows.size)[0, 0]
    assert summary.computed == seen(dense, tiles)


def test_strided_captures() -> None:
    ids = np.repeat(IDS, 2)[::2]
    mask = masks.documents(ids)
    check(mask.tiles(L, S, 16, 16), mask.dense(1, 1, L, S)[0, 0], 16, 16)


def test_an_unknown_analysis_is_refused() -> None:
    text = (
        "func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> { return %x : tensor<4xf32> }"
    )
    with pytest.raises(am.CompileError, match="expected 'analysis' to be 'mask-tiles'"):
        native_compile(text, options=am.Options(), analysis="mask")


def test_reason_names_what_was_not_understood() -> None:
    summary = masks.fn(lambda b, h, i, j: am.sin((i - j) * 1.0) > 0.5).tiles(64, 64)
    assert summary.kind == 4
    assert "evaluated element by element" in summary.reason
    assert "not understood: sin(i - j) > 0.5" in summary.reason


def test_values_are_read_at_each_call() -> None:
    lengths = np.array([10])
    mask = masks.key_lengths(lengths)
    assert mask.tiles(32, 32).pairs == 320
    lengths[0] = 20
    assert mask.tiles(32, 32).pairs == 640


def test_indices_outside_stay_inside() -> None:
    # A negative index wraps once, others clamp: as in kernels.
    table = np.arange(8)
    mask = masks.fn(lambda b, h, i, j: table[i - 4] <= table[j * 3])
    check(mask.tiles(20, 20, 4, 4), mask.dense(1, 1, 20, 20)[0, 0], 4, 4)


@pytest.mark.parametrize(
    "make",
    [
        lambda L: masks.window(256, 0),
        lambda L: masks.documents(np.arange(L) // 500) & masks.causal(),
        lambda L: masks.causal(),
    ],
    ids=["window", "documents", "causal"],
)
def test_long_masks_are_quick_and_small(make: Callable[[int], masks.Mask]) -> None:
    length = 65_536
    mask = make(length)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    summary = mask.tiles(length, length)
    assert time.monotonic() - start < 10
    # The map has 2^20 tiles of 16 bytes; L * S pairs would be 4 GiB.
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 512 * 1024
    rows = np.arange(length)
    if summary.kind == 2:
        rows = rows % 500
    elif "window" in repr(mask):
        rows = np.minimum(rows, 256)
    assert summary.pairs == int((rows + 1).sum())
    assert summary.in_vain < 0.25
    lines = str(summary).splitlines()
    assert len(lines) == 3 + 64
    assert "stands for 16 x 16 tiles" in lines[2]


def test_errors() -> None:
    with pytest.raises(am.ArgumentError, match="'batch' expects an index below 2"):
        masks.key_lengths(np.array([1, 2])).tiles(4, 4, batch=2)
    with pytest.raises(am.ArgumentError, match="'head' expects an index below 2"):
        masks.dilated(4, [1, 2]).tiles(4, 4, head=2)
    with pytest.raises(am.ArgumentError, match=r"at most 2\^25 tiles"):
        masks.causal().tiles(1 << 20, 1 << 20, 16, 16)
    with pytest.raises(am.ArgumentError, match="'q_ids' expects size L = 9"):
        masks.documents(IDS).tiles(9, 9)
    with pytest.raises(am.ArgumentError, match="'shape' expects a product of L"):
        masks.neighborhood(GRID, 3).tiles(64, 64)
    with pytest.raises(am.ArgumentError, match="expects elements"):
        nothing = np.zeros(0)
        masks.fn(lambda b, h, i, j: nothing[i] > 0).tiles(4, 4)


# --- plots ------------------------------------------------------------------


def _axes() -> Any:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    return pytest.importorskip("matplotlib.pyplot").subplots()[1]


def test_plot_shows_tiles_and_pairs() -> None:
    axes = _axes()
    assert masks.causal().plot(8, 8, 4, 4, ax=axes) is axes
    tiles, pairs = axes.images
    assert tiles.get_array().tolist() == [[1, 0], [2, 1]]
    assert pairs.get_array().sum() == 36
    assert (
        axes.get_title()
        == "1 full, 2 partial, 1 empty tiles\nof 4 x 4; 25 % computed in vain"
    )
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["empty", "partial", "full"]


def test_plot_shows_what_kernels_do() -> None:
    # Nothing is kept, but no kernel knows.
    mask = masks.fn(lambda b, h, i, j: am.sin((i - j) * 1.0) > 2)
    assert mask.tiles(8, 8, 4, 4).rows == ("  ", "  ")
    axes = mask.plot(8, 8, 4, 4, ax=_axes())
    assert axes.images[0].get_array().tolist() == [[1, 1], [1, 1]]
    assert "0 full, 4 partial, 0 empty" in axes.get_title()
    assert "100 % computed in vain" in axes.get_title()


def test_plot_of_many_pairs_shows_tiles_alone() -> None:
    axes = masks.causal().plot(1024, 1024, ax=_axes())
    assert len(axes.images) == 1
    assert axes.get_xlim() == (0, 1024)


def test_plot_of_nothing() -> None:
    axes = masks.causal().plot(0, 4, ax=_axes())
    assert not axes.images


def test_plot_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(
        ImportError, match=r"needs matplotlib: pip install attn-mlir\[plot\]"
    ):
        masks.causal().plot(4, 4)

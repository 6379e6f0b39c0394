"""Mask objects against loops over pairs and public definitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import check, draw, golden

import attn_mlir as am

B, H, L, S = 2, 3, 14, 17
Pair = Callable[[int, int, int, int], bool]


def brute(pair: Pair, sizes: tuple[int, int, int, int] = (B, H, L, S)) -> Any:
    result = np.zeros(sizes, np.bool_)
    for index in np.ndindex(*sizes):
        result[index] = pair(*index)
    return result


OFFSETS = np.array([2, -4])
LENGTHS = np.array([0, 11], np.int32)
RANDOM = np.random.default_rng(0)
QIDS = RANDOM.integers(0, 3, (B, L))
KIDS = RANDOM.integers(0, 3, S)
KEYS = RANDOM.random((B, S)) < 0.2
TABLE = RANDOM.random((H, 4, 6)) < 0.5

CASES: list[tuple[am.masks.Mask, Pair]] = [
    (am.masks.causal(), lambda b, h, i, j: j <= i),
    (am.masks.causal("bottom_right"), lambda b, h, i, j: j <= i + S - L),
    (am.masks.causal(offset=2), lambda b, h, i, j: j <= i + 2),
    (am.masks.causal("bottom_right", -1), lambda b, h, i, j: j <= i + S - L - 1),
    (am.masks.causal(offset=OFFSETS), lambda b, h, i, j: j <= i + OFFSETS[b]),
    (am.masks.window(3, 1), lambda b, h, i, j: i - 3 <= j <= i + 1),
    (am.masks.window(-1, 1), lambda b, h, i, j: j <= i + 1),
    (am.masks.window(2, -1, offset=3), lambda b, h, i, j: i + 1 <= j),
    (am.masks.window(-1, -1), lambda b, h, i, j: True),
    (
        am.masks.window(0, 0, offset=OFFSETS),
        lambda b, h, i, j: j == i + OFFSETS[b],
    ),
    (am.masks.dilated(6, 3), lambda b, h, i, j: abs(i - j) <= 6 and (i - j) % 3 == 0),
    (
        am.masks.dilated(6, [1, 3, 3]),
        lambda b, h, i, j: abs(i - j) <= 6 and (i - j) % (1, 3, 3)[h] == 0,
    ),
    (am.masks.prefix(5), lambda b, h, i, j: j < 5),
    (am.masks.prefix(LENGTHS), lambda b, h, i, j: j < LENGTHS[b]),
    (am.masks.prefix(5) | am.masks.causal(), lambda b, h, i, j: j < 5 or j <= i),
    (am.masks.key_lengths(LENGTHS), lambda b, h, i, j: j < LENGTHS[b]),
    (am.masks.segments(4), lambda b, h, i, j: i // 4 == j // 4),
    (am.masks.documents(QIDS, KIDS), lambda b, h, i, j: QIDS[b, i] == KIDS[j]),
    (am.masks.global_tokens(KEYS, symmetric=False), lambda b, h, i, j: KEYS[b, j]),
    (am.masks.blocks(TABLE, 4, 3), lambda b, h, i, j: TABLE[h, i // 4, j // 3]),
    (
        am.masks.blocks((np.array([0, 1, 1, 3, 4]), np.array([2, 0, 5, 1])), 4, 3),
        lambda b, h, i, j: j // 3 in {0: [2], 2: [0, 5], 3: [1]}.get(i // 4, []),
    ),
    (
        am.masks.causal() & ~am.masks.segments(5),
        lambda b, h, i, j: j <= i and i // 5 != j // 5,
    ),
    (
        am.masks.fn(lambda b, h, i, j: (i + h) % 2 == (j + b) % 2),
        lambda b, h, i, j: (i + h) % 2 == (j + b) % 2,
    ),
    (
        am.masks.causal() & (lambda b, h, i, j: h > 0),
        lambda b, h, i, j: j <= i and h > 0,
    ),
]


@pytest.mark.parametrize(("mask", "pair"), CASES, ids=lambda x: repr(x)[:60])
def test_dense_equals_a_loop(mask: am.masks.Mask, pair: Pair) -> None:
    np.testing.assert_array_equal(mask.dense(B, H, L, S), brute(pair))


def test_square_masks() -> None:
    n = 16
    is_global = RANDOM.random(n) < 0.2
    table = RANDOM.integers(0, 4, (H, 4, 2))
    sizes = (B, H, n, n)

    def longformer(b: int, h: int, i: int, j: int) -> bool:
        return bool(abs(i - j) <= 2 or is_global[i] or is_global[j])

    def bigbird(b: int, h: int, i: int, j: int) -> bool:
        row, column = i // 4, j // 4
        edge = {row, column} & {0, 3}
        return bool(edge) or abs(row - column) <= 1 or column in table[h, row]

    np.testing.assert_array_equal(
        am.masks.longformer(2, is_global).dense(*sizes), brute(longformer, sizes)
    )
    np.testing.assert_array_equal(
        am.masks.bigbird(4, table).dense(*sizes), brute(bigbird, sizes)
    )
    np.testing.assert_array_equal(
        am.masks.global_tokens(is_global).dense(*sizes),
        brute(lambda b, h, i, j: is_global[i] or is_global[j], sizes),
    )


def natten(x: int, size: int, width: int, step: int) -> set[int]:
    """The neighbours of a position on one axis."""
    line = list(range(x % step, size, step))
    start = min(max(x // step - width // 2, 0), len(line) - width)
    return set(line[start : start + width])


@pytest.mark.parametrize(
    ("shape", "window", "dilation"),
    [
        ((11,), 3, 1),
        ((4, 5), (3, 5), 1),
        ((6, 9), (3, 3), (2, 3)),
        ((2, 3, 5), (1, 3, 3), 1),
    ],
)
def test_neighborhood(shape: Any, window: Any, dilation: Any) -> None:
    axes = len(shape)
    widths = (window,) * axes if isinstance(window, int) else window
    steps = (dilation,) * axes if isinstance(dilation, int) else dilation
    n = int(np.prod(shape))
    mask = am.masks.neighborhood(shape, window, dilation).dense(1, 1, n, n)[0, 0]
    for i in range(n):
        for j in range(n):
            x, y = np.unravel_index(i, shape), np.unravel_index(j, shape)
            near = all(
                int(y[a]) in natten(int(x[a]), shape[a], widths[a], steps[a])
                for a in range(axes)
            )
            assert mask[i, j] == near


def test_public_definitions() -> None:
    case = golden("mask_natten_8x8_k3")
    mask = am.masks.neighborhood((8, 8), 3)
    np.testing.assert_array_equal(mask.dense(1, 1, 64, 64)[0, 0], case["mask"])
    case = golden("mask_sliding_window_7")
    mask = am.masks.window(7, 0)
    np.testing.assert_array_equal(mask.dense(1, 1, 64, 64)[0, 0], case["mask"])
    case = golden("mask_doc_causal")
    ids = np.repeat(np.arange(4), np.diff([0, 13, 20, 41, 64]))
    mask = am.masks.documents(ids) & am.masks.causal()
    np.testing.assert_array_equal(mask.dense(1, 1, 64, 64)[0, 0], case["mask"])
    case = golden("bigbird_mask_n64_b8_r1")
    # The published table leaves out the first and last block row.
    table = np.pad(case["rand_attn"], ((1, 1), (0, 0)), mode="edge")
    mask = am.masks.bigbird(8, table)
    np.testing.assert_array_equal(mask.dense(1, 1, 64, 64)[0, 0], case["out_mask"])


def test_openai_strided_and_fixed_patterns() -> None:
    length, c = 4, 1
    strided = am.masks.causal() & (
        am.masks.window(length - 1, 0) | (lambda b, h, i, j: (i - j) % length == 0)
    )
    fixed = am.masks.causal() & (
        am.masks.segments(length)
        | am.masks.fn(lambda b, h, i, j: j % length >= length - c)
    )
    for mask, pair in (
        (strided, lambda i, j: (i - j < length) or ((i - j) % length == 0)),
        (
            fixed,
            lambda i, j: (j // length == i // length) or (j % length >= length - c),
        ),
    ):
        expected = brute(lambda b, h, i, j, p=pair: j <= i and p(i, j), (1, 1, 13, 13))
        np.testing.assert_array_equal(mask.dense(1, 1, 13, 13), expected)


def test_arrays_are_read_when_used() -> None:
    lengths = np.array([1, 2])
    mask = am.masks.key_lengths(lengths)
    lengths[:] = [3, 4]
    assert mask.dense(2, 1, 1, 6).sum(axis=-1).ravel().tolist() == [3, 4]


@given(
    left=st.integers(-1, 9),
    right=st.integers(-1, 9),
    offset=st.integers(-12, 12),
    rows=st.integers(0, 12),
    keys=st.integers(0, 12),
    block_q=st.integers(1, 5),
    block_kv=st.integers(1, 5),
)
def test_tiles_summarize_the_dense_mask(
    left: int,
    right: int,
    offset: int,
    rows: int,
    keys: int,
    block_q: int,
    block_kv: int,
) -> None:
    mask = am.masks.window(left, right, offset)
    dense = mask.dense(1, 1, rows, keys)[0, 0]
    summary = mask.tiles(rows, keys, block_q, block_kv)
    kinds = []
    for i in range(0, rows, block_q):
        for j in range(0, keys, block_kv):
            tile = dense[i : i + block_q, j : j + block_kv]
            kinds.append("#" if tile.all() else "+" if tile.any() else " ")
    assert "".join(summary.rows) == "".join(kinds)
    counts = (summary.empty, summary.partial, summary.full)
    assert counts == tuple(kinds.count(each) for each in " +#")
    assert summary.pairs == dense.sum()


def test_tiles_of_a_long_mask() -> None:
    summary = am.masks.causal().tiles(4096, 4096, 512, 512)
    assert (summary.full, summary.partial, summary.empty) == (28, 8, 28)
    assert summary.pairs == 4096 * 4097 // 2
    assert summary.visited == 36 / 64
    assert (summary.proved_full, summary.proved_empty) == (28, 28)
    assert summary.computed == 36 * 512 * 512
    assert summary.in_vain == 1 - summary.pairs / summary.computed
    assert summary.ranges[2] == ((0, 3 * 512),)
    lines = str(summary).splitlines()
    assert lines[0] == summary.reason
    assert "28 full (#), 8 partial (+), 28 empty" in lines[1]
    assert "11.1 % of these in vain" in lines[2]
    assert lines[3] == "|+       |"


def test_attribute_forms_agree_with_the_predicate() -> None:
    # The short form is chosen for conjunctions only.
    assert (am.masks.causal() & am.masks.window(3, 0)).attributes() is not None
    assert (am.masks.causal() | am.masks.window(3, 0)).attributes() is None
    assert (~am.masks.causal()).attributes() is None
    assert am.masks.fn(lambda b, h, i, j: i > j).attributes() is None


@pytest.mark.parametrize("keys", [7, 40, 64, 200])
@pytest.mark.parametrize("queries", [5, 70])
def test_truth_tables_of_any_size(queries: int, keys: int) -> None:
    """Scanned in vectors where a run is as long as one, evaluated in squares."""
    rng = np.random.default_rng(keys)
    q = rng.standard_normal((2, 2, queries, 16), np.float32)
    k, v = rng.standard_normal((2, 2, 2, keys, 16), np.float32)
    for sizes in ((queries, keys), (2, 1, queries, keys), (2, queries, keys)):
        table = rng.random(sizes) < 0.5
        table[..., : keys // 2] &= rng.random(sizes[-2])[:, None] < 0.5
        masks = am.masks.array(table), ~am.masks.array(table)
        for mask in (*masks, masks[0] & am.masks.window(30, 9)):
            check(q, k, v, mask=mask)


def test_a_run_ends_before_another_that_is_full() -> None:
    """Global keys within a block that only global rows see whole."""
    is_global = np.random.default_rng(0).random(72) < 0.5
    is_global[64:] = True
    is_global[68] = False
    grid = np.ones((8, 8), np.bool_)

    def kept(b: Any, h: Any, i: Any, j: Any) -> Any:
        return (is_global[i] | is_global[j]) & grid[i // 9, j // 9]

    q, k, v = draw(B=1, H=1, L=72, D=16)
    check(q, k, v, mask=am.masks.fn(kept), options=am.Options(block_queries=32))


def test_numpy_on_the_left_composes() -> None:
    array = np.ones((L, S), np.bool_)
    combined = array & am.masks.causal()
    np.testing.assert_array_equal(
        combined.dense(1, 1, L, S), am.masks.causal().dense(1, 1, L, S)
    )


@pytest.mark.parametrize("rest", [0, 1])
def test_residues_of_quotients(rest: int) -> None:
    """Whole blocks of 8 keys, every third one: a period of 24 keys."""
    rng = np.random.default_rng(rest)
    q = rng.standard_normal((1, 2, 97, 16), np.float32)
    k, v = rng.standard_normal((2, 1, 2, 211, 16), np.float32)
    mask = am.masks.fn(lambda b, h, i, j: (i // 8 - j // 8) % 3 == rest)
    check(q, k, v, mask=mask)
    tiles = mask.tiles(97, 211, 8, 8)
    assert (tiles.empty, tiles.partial) == (tiles.proved_empty, 0)

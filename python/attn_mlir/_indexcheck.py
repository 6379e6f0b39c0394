"""`Options(check_indices=True)`: find captured accesses that are outside.

Evaluates masks and scores for all pairs with NumPy, some rows at a time: slow,
for debugging.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from ._arrays import Array, as_numpy
from ._masksummary import evaluate as evaluate_mask
from .errors import ArgumentError
from .masks import Mask
from .ranges import evaluate
from .scores import Score
from .trace import Tracing, grid

_PAIRS_AT_ONCE = 1 << 20


def check_indices(
    mask: Mask | None,
    mask_arrays: Sequence[Array],
    score: Score | None,
    score_arrays: Sequence[Array],
    sizes: tuple[int, int, int, int],
) -> None:
    """Raise ArgumentError for the first unmasked pair with an index outside."""
    if 0 in sizes:
        return
    traced = []
    if mask is not None:
        tracing = Tracing(mask_arrays, sizes[1])
        mask.predicate(tracing.position)
        traced.append(("mask", tracing, [as_numpy(each) for each in mask_arrays]))
    if score is not None:
        tracing = Tracing(score_arrays, sizes[1])
        score.apply(tracing.graph.variable("s"), tracing.position)
        traced.append(("score", tracing, [as_numpy(each) for each in score_arrays]))
    B, H, L, S = sizes
    step = max(1, _PAIRS_AT_ONCE // (B * H * S))
    for first in range(0, L, step):
        rows = (first, min(first + step, L))
        keep = np.broadcast_to(np.True_, (B, H, rows[1] - rows[0], S))
        if mask is not None:
            keep = evaluate_mask(mask, B, H, L, S, rows)
        for name, tracing, arrays in traced:
            _check_rows(name, tracing, arrays, keep, sizes, rows)


def _check_rows(
    name: str,
    tracing: Tracing,
    arrays: Sequence[np.ndarray[Any, Any]],
    keep: np.ndarray[Any, Any],
    sizes: tuple[int, int, int, int],
    rows: tuple[int, int],
) -> None:
    at = grid(*sizes, rows)
    values: dict[str, Any] = dict(zip("bhij", at.indices, strict=True))
    values.update(zip("BHLS", sizes, strict=True))
    values["s"] = np.float64(0)

    def outside(slot: int, axis: int, bad: Any, extent: int) -> None:
        wrong = np.broadcast_to(bad, keep.shape) & keep
        if wrong.any():
            first = np.argwhere(wrong)[0] + np.array([0, 0, rows[0], 0])
            _report(name, slot, axis, extent, first)

    with np.errstate(all="ignore"):
        evaluate(tracing.graph, values, arrays, outside)


def _report(name: str, slot: int, axis: int, extent: int, pair: Any) -> NoReturn:
    b, h, i, j = (int(each) for each in pair)
    raise ArgumentError(
        f"argument '{name}' expects indices in [-{extent}, {extent}) for "
        f"dimension {axis} of its captured array {slot}, but the pair "
        f"(b={b}, h={h}, i={i}, j={j}) is outside"
    )

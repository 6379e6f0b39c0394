"""Random masks through whole kernels: what they keep is what the reference keeps.

Keys that no row may attend hold NaN. `ATTN_LONG=1` runs many more; `ATTN_SEED=n`
starts elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from random_masks import Array, Case, MaskWriter
from support import compare, draw

import attn_mlir as am

LONG = os.environ.get("ATTN_LONG") == "1"
SEED = int(os.environ.get("ATTN_SEED", "0"))
CASES = 4000 if LONG else 150
OUTSIDE = 1000 if LONG else 40
GROUP = 10


def spoil(array: Array, kept: Array, heads: int) -> Array:
    """NaN in the rows of keys or values that no query of their group sees."""
    B, G, S, _ = array.shape
    seen = kept.any(axis=2).reshape(B, G, heads // G, S).any(axis=2)
    spoiled = array.copy()
    spoiled[~seen] = np.nan
    return spoiled


def check_case(case: Case, seed: int) -> None:
    q, k, v = draw(**case.sizes, seed=seed)
    kept = np.broadcast_to(
        case.mask.dense(case.B, case.H, case.L, case.S),
        (case.B, case.H, case.L, case.S),
    )
    out, lse = am.attention(
        q,
        spoil(k, kept, case.H),
        spoil(v, kept, case.H),
        mask=case.mask,
        return_lse=True,
        options=case.options,
    )
    arguments: dict[str, Any] = {"mask": case.mask, "return_lse": True}
    expected, expected_lse = am.reference.attention(q, k, v, **arguments)
    rounded, rounded_lse = am.reference.unfused(q, k, v, **arguments)
    empty = ~kept.any(axis=3)
    assert not np.asarray(out)[empty].any()
    assert (np.asarray(lse)[empty] == -np.inf).all()
    compare(out, expected, rounded, q.dtype)
    compare(lse, expected_lse, rounded_lse, q.dtype)


def run(writer: MaskWriter) -> None:
    case = writer.case()
    try:
        check_case(case, writer.seed)
    except Exception as error:
        raise AssertionError(
            f"seed {writer.seed}: {case.text}, {case.sizes}, {case.options}: {error}"
        ) from error


@pytest.mark.parametrize("first", range(SEED, SEED + CASES, GROUP))
def test_random_masks(first: int) -> None:
    for seed in range(first, first + GROUP):
        run(MaskWriter(seed))


@pytest.mark.parametrize("first", range(SEED, SEED + OUTSIDE, GROUP))
def test_indices_outside_of_captured_arrays(
    first: int, guarded: Callable[[Array, str], Array]
) -> None:
    """An index wraps once and is clamped; memory beside the array is not read."""
    for seed in range(first, first + GROUP):
        run(MaskWriter(seed, hold=guarded, outside=True))

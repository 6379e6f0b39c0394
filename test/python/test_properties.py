"""Properties that hold for every attention, with drawn sizes and masks."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import check, draw, judge

import attn_mlir as am

FEW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

problems = st.fixed_dictionaries(
    {
        "B": st.integers(1, 3),
        "G": st.integers(1, 2),
        "L": st.integers(1, 70),
        "S": st.integers(1, 90),
        "D": st.sampled_from([8, 20]),
        "Dv": st.sampled_from([8, 12]),
        "seed": st.integers(0, 1 << 16),
    }
)
simple_masks = st.one_of(
    st.builds(
        am.masks.causal,
        st.sampled_from(["top_left", "bottom_right"]),
        st.integers(-20, 20),
    ),
    st.builds(
        am.masks.window, st.integers(-1, 30), st.integers(-1, 30), st.integers(-9, 9)
    ),
    st.builds(am.masks.prefix, st.integers(0, 60)),
    st.builds(am.masks.segments, st.integers(1, 60)),
    st.builds(
        am.masks.dilated,
        st.integers(0, 60),
        st.integers(1, 9) | st.lists(st.integers(1, 5), min_size=2, max_size=2),
    ),
)


def problem(sizes: dict[str, int]) -> Any:
    return draw(H=2, dtype="f64", **sizes)


@FEW
@given(sizes=problems, mask=st.none() | simple_masks)
def test_equals_the_definition(sizes: dict[str, int], mask: Any) -> None:
    q, k, v = draw(H=2, **sizes)  # type: ignore[arg-type]
    check(q, k, v, mask=mask, return_lse=True)


@FEW
@given(sizes=problems, first=simple_masks, second=simple_masks)
def test_composed_masks(sizes: dict[str, int], first: Any, second: Any) -> None:
    q, k, v = draw(H=2, **sizes)  # type: ignore[arg-type]
    for mask in (first & second, first | second, first & ~second):
        check(q, k, v, mask=mask, return_lse=True)


@FEW
@given(sizes=problems)
def test_the_order_of_keys_does_not_matter(sizes: dict[str, int]) -> None:
    q, k, v = problem(sizes)
    order = np.random.default_rng(sizes["seed"]).permutation(sizes["S"])
    out = am.attention(q, k[:, :, order], v[:, :, order])
    np.testing.assert_allclose(out, am.attention(q, k, v), rtol=1e-10, atol=1e-12)


@FEW
@given(sizes=problems, where=st.floats(0, 1))
def test_parts_merge_through_the_lse(sizes: dict[str, int], where: float) -> None:
    q, k, v = problem(sizes)
    cut = int(where * sizes["S"])
    whole, whole_lse = am.attention(q, k, v, return_lse=True)
    parts = [
        am.attention(q, k[:, :, each], v[:, :, each], return_lse=True)
        for each in (slice(0, cut), slice(cut, None))
    ]
    total = np.logaddexp(parts[0][1], parts[1][1])
    merged = sum(out * np.exp(lse - total)[..., None] for out, lse in parts)
    np.testing.assert_allclose(merged, whole, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(total, whole_lse, rtol=1e-10, atol=1e-12)


@FEW
@given(sizes=problems, shift=st.floats(-50, 50))
def test_a_shift_of_the_scores(sizes: dict[str, int], shift: float) -> None:
    q, k, v = problem(sizes)
    bias = np.array(shift)
    out, lse = am.attention(q, k, v, return_lse=True)
    moved, moved_lse = am.attention(
        q, k, v, score=lambda s, b, h, i, j: s + bias, return_lse=True
    )
    np.testing.assert_allclose(moved, out, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(moved_lse, lse + shift, rtol=1e-9, atol=1e-9)


@FEW
@given(sizes=problems)
def test_constant_values_come_back(sizes: dict[str, int]) -> None:
    q, k, v = problem(sizes)
    np.testing.assert_allclose(
        am.attention(q, k, np.full_like(v, 3.25)), 3.25, rtol=1e-12
    )


@FEW
@given(sizes=problems)
def test_masked_rows_are_zero(sizes: dict[str, int]) -> None:
    q, k, v = draw(H=2, **sizes)  # type: ignore[arg-type]
    rows = np.random.default_rng(sizes["seed"]).random(sizes["L"]) < 0.5
    out, lse = am.attention(q, k, v, mask=rows[:, None], return_lse=True)
    assert not out[:, :, ~rows].any()
    assert np.isneginf(lse[:, :, ~rows]).all()
    judge((out, lse), q, k, v, mask=rows[:, None], return_lse=True)


@FEW
@given(sizes=problems, sink=st.floats(-5, 5))
def test_a_sink_scales_the_output(sizes: dict[str, int], sink: float) -> None:
    q, k, v = problem(sizes)
    sinks = np.array([sink, -sink])
    out, lse = am.attention(q, k, v, return_lse=True)
    with_sinks, total = am.attention(q, k, v, sinks=sinks, return_lse=True)
    np.testing.assert_allclose(
        total, np.logaddexp(lse, sinks[:, None]), rtol=1e-10, atol=1e-10
    )
    np.testing.assert_allclose(
        with_sinks, out * np.exp(lse - total)[..., None], rtol=1e-9, atol=1e-11
    )

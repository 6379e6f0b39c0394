"""Masks travel as attributes of the IR: the same numbers as their predicates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import check, draw, judge

import attn_mlir as am
from attn_mlir._layout import layout_of
from attn_mlir._lower import Problem, emit_module, lower_mask

B, H, N = 2, 4, 36
RANDOM = np.random.default_rng(3)
IDS = np.sort(RANDOM.integers(0, 4, (B, N)), axis=1)
MORE = RANDOM.integers(0, 4, N).astype(np.int32)
TOKENS = RANDOM.random((B, N)) < 0.2
BLOCKS = RANDOM.random((1, H, 8, 10)) < 0.5
PICKS = RANDOM.integers(-1, 9, (H, 9, 2))

m = am.masks
CASES: dict[str, m.Mask] = {
    "#attn.causal<offset = -2>": m.causal(offset=-2),
    "#attn.window<left = 3, right = 1>": m.window(3, 1),
    "#attn.prefix<5>": m.prefix(5),
    "#attn.dilated<window = 7, step = 3>": m.dilated(7, 3),
    "#attn.dilated<window = 9, steps = [1, 2, 2, 4]>": m.dilated(9, [1, 2, 2, 4]),
    "#attn.segments<8>": m.segments(8),
    "#attn.documents(%mask0 : tensor<?x?xi64>)": m.documents(IDS),
    "#attn.documents(%mask0, %mask1 : tensor<?xi32>, tensor<?xi32>)": m.documents(
        MORE, MORE[::-1]
    ),
    "#attn.global_tokens(%mask0 : tensor<?x?xi8>)": m.global_tokens(TOKENS),
    "#attn.global_tokens<symmetric = false>(%mask0 : tensor<?xi8>)": m.global_tokens(
        TOKENS[0], symmetric=False
    ),
    "#attn.longformer<2>(%mask0 : tensor<?x?xi8>)": m.longformer(2, TOKENS),
    "#attn.blocks<block_q = 5, block_kv = 4>(%mask0 : tensor<1x?x?x?xi8>)": m.blocks(
        BLOCKS, 5, 4
    ),
    "#attn.bigbird<block = 4>(%mask0 : tensor<?x?x2xi64>)": m.bigbird(4, PICKS),
    "#attn.bigbird<block = 4, window_blocks = 0, global_blocks = 2>": m.bigbird(
        4, PICKS[0, :, :1], 0, 2
    ),
    "#attn.bigbird<block = 5, window_blocks = 2, global_blocks = 0>": m.bigbird(
        5, PICKS[1], 2, 0
    ),
    "#attn.neighborhood<shape = [36], window = [7]>": m.neighborhood(36, 7),
    "#attn.neighborhood<shape = [6, 6], window = [3, 5]>": m.neighborhood(
        (6, 6), (3, 5)
    ),
    "#attn.neighborhood<shape = [4, 9], window = [1, 3], dilation = [2, 2]>": (
        m.neighborhood((4, 9), (1, 3), 2)
    ),
    "#attn.neighborhood<shape = [3, 2, 6], window = [3, 1, 3]": m.neighborhood(
        (3, 2, 6), (3, 1, 3), (1, 2, 2)
    ),
    "#attn.causal, #attn.documents(%mask0 : tensor<?x?xi64>)": (
        m.causal() & m.documents(IDS)
    ),
}


def text_of(mask: m.Mask) -> str:
    problem = Problem(layout_of("bhld"), "f32", H, H, 16, 16, None, False, False)
    return emit_module(problem, lower_mask(mask, mask.signature().arrays, H))


@pytest.mark.parametrize("attribute", CASES)
def test_attribute_in_the_kernel(attribute: str) -> None:
    mask = CASES[attribute]
    text = text_of(mask)
    assert f"masks({attribute}" in text
    kernel = am.compile(text)
    assert f"masks({attribute.split('(')[0]}" in kernel.ir["input"]
    assert "masks(" not in kernel.ir["expand"]
    q, k, v = draw(B=B, H=H, L=N)
    arrays = [
        np.ascontiguousarray(each.view(np.uint8) if each.dtype == bool else each)
        for each in mask.signature().arrays
    ]
    judge(kernel(q, k, v, *arrays), q, k, v, mask=mask)


@pytest.mark.parametrize("attribute", CASES)
def test_attribute_and_predicate_agree(attribute: str) -> None:
    q, k, v = draw(B=B, H=H, L=N, seed=1)
    mask = CASES[attribute]
    assert mask.attributes() is not None
    region = mask | m.fn(lambda b, h, i, j: j < 0)
    assert region.attributes() is None
    out = check(q, k, v, mask=mask, return_lse=True)
    expected = am.attention(q, k, v, mask=region, return_lse=True)
    for got, wanted in zip(out, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("rows", "keys"), [(1, 1), (5, 130), (130, 5), (97, 97)])
def test_sizes_that_are_no_multiple_of_a_block(rows: int, keys: int) -> None:
    q, k, v = draw(H=H, L=rows, S=keys)
    table = RANDOM.random((-(-rows // 16), -(-keys // 8))) < 0.5
    picks = RANDOM.integers(0, -(-keys // 8), (H, -(-rows // 8), 2))
    for mask in (
        m.blocks(table, 16, 8),
        m.bigbird(8, picks, 1, 1),
        m.dilated(11, (3, 1, 4, 2)),
        m.segments(7),
        m.documents(np.arange(rows) // 9, np.arange(keys) // 9),
        m.global_tokens(np.arange(keys) % 5 == 0, symmetric=False),
    ):
        check(q, k, v, mask=mask)


def test_one_kernel_serves_all_sizes() -> None:
    mask = m.blocks(np.ones((4, 4), np.bool_), 8, 8) & m.causal()
    kernel = am.compile(text_of(mask))
    for size, blocks in ((32, 4), (9, 2), (64, 8)):
        q, k, v = draw(H=H, L=size)
        table = RANDOM.random((blocks, blocks)) < 0.6
        out = kernel(q, k, v, table.view(np.uint8))
        judge(out, q, k, v, mask=m.blocks(table, 8, 8) & m.causal())


def test_tables_that_are_too_small_are_refused() -> None:
    q, k, v = draw(B=B, H=H, L=N)

    def call(mask: m.Mask, *arrays: Any) -> None:
        am.compile(text_of(mask))(q, k, v, *arrays)

    ids = np.zeros((B, N - 1), np.int64)
    with pytest.raises(am.ArgumentError, match="'mask0' to be at least"):
        call(m.documents(IDS), ids)
    with pytest.raises(am.ArgumentError, match="'mask0' to be at least"):
        call(m.documents(IDS), np.zeros((B - 1, N), np.int64))
    with pytest.raises(am.ArgumentError, match=r"ceildiv 5\) \(8\), but got 7"):
        call(m.blocks(BLOCKS, 5, 4), np.ones((1, H, 7, 10), np.uint8))
    with pytest.raises(am.ArgumentError, match=r"ceildiv 4\) \(9\), but got 8"):
        call(m.bigbird(4, PICKS), np.ones((H, 8, 2), np.int64))
    with pytest.raises(am.ArgumentError, match=r"expects shape \[\?, \?, 2\]"):
        call(m.bigbird(4, PICKS), np.ones((H, 9, 3), np.int64))


def test_ids_of_two_types_stay_a_region() -> None:
    mask = m.documents(IDS[0], MORE)
    assert mask.attributes() is None
    q, k, v = draw(H=H, L=N)
    check(q, k, v, mask=mask)


def test_a_table_used_twice() -> None:
    table = np.ones((1, 8, 10), np.bool_)
    table[0, 1] = False
    mask = m.blocks(table, 5, 4) & m.blocks(table, 6, 4)
    q, k, v = draw(H=H, L=N)
    check(q, k, v, mask=mask)


def test_steps_of_other_heads_are_refused() -> None:
    q, k, v = draw(H=H, L=N)
    with pytest.raises(
        am.ArgumentError, match="one for each of H = 4 heads, but got 3"
    ):
        am.attention(q, k, v, mask=m.dilated(4, (1, 2, 3)))
    with pytest.raises(am.ArgumentError, match="'step' expects an integer >= 1"):
        m.dilated(4, (1, 0))

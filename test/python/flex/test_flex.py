"""Sizes, types, block masks, options, errors and caching of flex_attention."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest
from oracle import check, close, draw, expected, ours, theirs, torch

import attn_mlir as am


def causal(b: Any, h: Any, q: Any, kv: Any) -> Any:
    return q >= kv


def bias(score: Any, b: Any, h: Any, q: Any, kv: Any) -> Any:
    return score + 0.125 * (h + 1) * (q - kv)


DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lengths", [(1, 1), (17, 130), (130, 17), (65, 65)])
def test_sizes(dtype: Any, lengths: tuple[int, int]) -> None:
    L, S = lengths
    check(bias, causal, B=2, L=L, S=S, D=24, Dv=40, dtype=dtype)


@pytest.mark.parametrize("width", [1, 3, 80, 96, 160])
def test_widths(width: int) -> None:
    check(bias, causal, L=33, D=width)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_grouped_heads(groups: int) -> None:
    check(bias, causal, H=8, G=groups, L=40, enable_gqa=True)
    check(None, None, H=8, G=groups, L=40, enable_gqa=True)


def test_scale() -> None:
    check(bias, causal, scale=0.5)
    check(None, None, scale=1.0)


def test_strided_inputs() -> None:
    q, k, v = (each.transpose(1, 2).contiguous().transpose(1, 2) for each in draw())
    out = ours.flex_attention(q, k, v, bias)
    close(out, expected(q, k, v, bias)[0], q.dtype)


def test_batch_of_one_for_keys() -> None:
    q, k, v = draw(B=3)
    block_mask = ours.create_block_mask(causal, 3, 1, 96, 96)
    out = ours.flex_attention(q, k[:1], v[:1], None, block_mask)
    wanted = expected(q, k[:1].expand(k.shape), v[:1].expand(v.shape), None, causal)
    close(out, wanted[0], q.dtype)
    with pytest.raises(am.ArgumentError, match="argument 'key' expects the batch size"):
        ours.flex_attention(q, k[:1], v[:1])


def test_empty() -> None:
    q, k, v = draw(L=0, S=4)
    assert ours.flex_attention(q, k, v, bias).shape == (1, 2, 0, 16)
    q, k, v = draw(L=3, S=0)
    request = ours.AuxRequest(lse=True, max_scores=True)
    out, aux = ours.flex_attention(q, k, v, bias, return_aux=request)
    assert bool((out == 0).all())
    assert bool((aux.lse == -math.inf).all() and (aux.max_scores == -math.inf).all())


def test_signatures() -> None:
    for name in ("flex_attention", "create_block_mask", "noop_mask", "and_masks"):
        mine = inspect.signature(getattr(ours, name)).parameters
        official = inspect.signature(getattr(theirs, name)).parameters
        assert list(mine) == list(official), name
        for parameter, own in mine.items():
            assert own.kind == official[parameter].kind
            if parameter != "device":
                assert own.default == official[parameter].default


def test_results() -> None:
    q, k, v = draw(dtype=torch.bfloat16)
    out, lse = ours.flex_attention(q, k, v, return_lse=True)
    assert (out.dtype, lse.dtype) == (torch.bfloat16, torch.float32)
    request = theirs.AuxRequest(lse=True)
    aux = ours.flex_attention(q, k, v, return_aux=request)[1]
    assert isinstance(aux, theirs.AuxOutput)
    assert torch.equal(aux.lse, lse) and aux.max_scores is None
    with torch.no_grad():
        again = ours.flex_attention(q.requires_grad_(), k, v)
    assert torch.equal(again, out) and not again.requires_grad


# --- block masks ------------------------------------------------------------


def test_objects_of_the_package() -> None:
    q, k, v = draw()
    window = am.masks.window(9, 0)
    block_mask = ours.create_block_mask(window, None, None, 96, 96)
    out = ours.flex_attention(q, k, v, am.scores.softcap(2.0), block_mask)
    wanted, _ = expected(
        q,
        k,
        v,
        lambda score, b, h, i, j: 2.0 * torch.tanh(score / 2.0),
        lambda b, h, i, j: (j <= i) & (j >= i - 9),
    )
    close(out, wanted, q.dtype)


def test_no_pair_is_enumerated() -> None:
    length = 1 << 40
    block_mask = ours.create_block_mask(causal, 1, 1, length, length)
    assert block_mask.shape == (1, 1, length, length)
    assert block_mask.numel() == length * length
    assert block_mask.to("cpu") is block_mask
    assert "mask_mod=causal" in repr(block_mask)


def test_adjusted_and_sliced() -> None:
    q, k, v = draw(L=40)
    whole = ours.create_block_mask(causal, 1, 1, 96, 96)
    out = ours.flex_attention(q, k, v, None, whole._adjust(40, 40))
    close(out, expected(q, k, v, None, causal)[0], q.dtype)
    part = whole[:, :, 0]._adjust(40, 40)
    with pytest.raises(am.ArgumentError, match="expects a mask_mod after slicing"):
        ours.flex_attention(q, k, v, None, part)
    part.mask_mod = causal
    assert torch.equal(ours.flex_attention(q, k, v, None, part), out)


@pytest.mark.parametrize("block", [16, 128, (32, 16)])
def test_block_mask_of_torch(block: Any) -> None:
    widths = torch.tensor([[5, 40], [0, 96]])

    def window(b: Any, h: Any, q: Any, kv: Any) -> Any:
        return (q - kv).abs() <= widths[b, h]

    q, k, v = draw(B=2, L=96, S=80)
    for mod, batch, heads in ((causal, None, None), (window, 2, 2)):
        for separate in (True, False):
            block_mask = theirs.create_block_mask(
                mod,
                batch,
                heads,
                96,
                80,
                device="cpu",
                BLOCK_SIZE=block,
                separate_full_blocks=separate,
            )
            out = ours.flex_attention(q, k, v, bias, block_mask)
            close(out, expected(q, k, v, bias, mod)[0], q.dtype)


def test_sliced_block_mask_of_torch() -> None:
    q, k, v = draw()
    part = theirs.create_block_mask(causal, 1, 1, 96, 96, "cpu", 32)[:, :, :]
    with pytest.raises(am.TraceError, match="from a sliced BlockMask"):
        ours.flex_attention(q, k, v, None, part)
    part.mask_mod = causal
    out = ours.flex_attention(q, k, v, None, part)
    close(out, expected(q, k, v, None, causal)[0], q.dtype)


def blocks(rows: list[list[int]], width: int) -> tuple[Any, Any]:
    """Counts and columns of one batch element and head."""
    counts = torch.tensor([len(row) for row in rows], dtype=torch.int32)
    columns = torch.full((len(rows), width), 99, dtype=torch.int32)
    for n, row in enumerate(rows):
        columns[n, : len(row)] = torch.tensor(row, dtype=torch.int32)
    return counts[None, None], columns[None, None]


@pytest.mark.parametrize("with_full", [True, False])
@pytest.mark.parametrize("mod", [causal, None])
def test_block_tables(with_full: bool, mod: Any) -> None:
    """Partial blocks apply the mask_mod, full ones do not, others do not exist."""
    partial = [[0], [0, 2], [], [5, 1]]
    full = [[5], [4], [1, 3], []] if with_full else [[]] * 4
    tables = blocks(partial, 6)
    if with_full:
        tables = (*tables, *blocks(full, 6))
    block_mask = theirs.BlockMask.from_kv_blocks(
        *tables,
        BLOCK_SIZE=(20, 16),
        mask_mod=mod,
        seq_lengths=(75, 90),
        compute_q_blocks=False,
    )
    i, j = torch.arange(75)[:, None], torch.arange(90)
    keep = torch.zeros(75, 90, dtype=torch.bool)
    for row in range(4):
        inside = i // 20 == row
        for column in partial[row]:
            keep |= inside & (j // 16 == column) & (True if mod is None else i >= j)
        for column in full[row]:
            keep |= inside & (j // 16 == column)
    q, k, v = draw(L=75, S=90)
    for score_mod in (None, bias):
        out = ours.flex_attention(q, k, v, score_mod, block_mask)
        wanted = expected(q, k, v, score_mod, lambda b, h, i, j: keep[i, j])
        close(out, wanted[0], q.dtype)


def test_block_tables_that_change() -> None:
    counts, columns = blocks([[0], [1]], 2)
    block_mask = theirs.BlockMask.from_kv_blocks(counts, columns, BLOCK_SIZE=16)
    q, k, v = draw(L=32)
    first = ours.flex_attention(q, k, v, None, block_mask)
    counts[0, 0, 1] = 2
    columns[0, 0, 1] = torch.tensor([0, 1])
    second = ours.flex_attention(q, k, v, None, block_mask)
    assert torch.equal(first[:, :, :16], second[:, :, :16])
    wanted = expected(q, k, v, None, lambda b, h, i, j: (i >= 16) | (j < 16))
    close(second, wanted[0], q.dtype)


def test_block_mask_of_no_mask() -> None:
    q, k, v = draw()
    block_mask = theirs._create_empty_block_mask(q, k)
    assert torch.equal(
        ours.flex_attention(q, k, v, None, block_mask), ours.flex_attention(q, k, v)
    )


# --- options and errors -----------------------------------------------------


def test_kernel_options() -> None:
    q, k, v = draw()
    wanted = ours.flex_attention(q, k, v, bias)
    accepted = dict.fromkeys(theirs.FlexKernelOptions.__annotations__, 1)
    accepted |= {"fwd_BLOCK_M": 64, "bwd_BLOCK_M1": 32}
    out = ours.flex_attention(q, k, v, bias, kernel_options=accepted)
    assert torch.equal(out, wanted)
    options = am.Options(block_queries=16)
    close(ours.flex_attention(q, k, v, bias, kernel_options=options), wanted, q.dtype)
    with pytest.raises(am.ArgumentError, match="FlexKernelOptions, but got 'BLOCK'"):
        ours.flex_attention(q, k, v, kernel_options={"BLOCK": 64})
    with pytest.raises(am.ArgumentError, match=r"expects a dict or am\.Options"):
        ours.flex_attention(q, k, v, kernel_options=3)


@pytest.mark.parametrize("make", [ours.create_block_mask, theirs.create_block_mask])
@pytest.mark.parametrize(
    ("lengths", "relation"),
    [((97, 96), "larger"), ((95, 96), "smaller"), ((96, 90), "smaller")],
)
def test_wrong_lengths(make: Any, lengths: Any, relation: str) -> None:
    q, k, v = draw()
    block_mask = make(causal, 1, 1, *lengths, device="cpu")
    with pytest.raises(ValueError, match=f"it is for a {relation} length"):
        ours.flex_attention(q, k, v, None, block_mask)
    with pytest.raises(ValueError, match=relation):
        theirs.flex_attention(
            q,
            k,
            v,
            None,
            theirs.create_block_mask(causal, 1, 1, *lengths, device="cpu"),
        )


ERRORS: dict[str, tuple[dict[str, Any], str]] = {
    "rank": ({"query": torch.ones(2, 3)}, "'query' expects a dense tensor of 4"),
    "type": ({"key": [1]}, "'key' expects a torch.Tensor, but got list"),
    "heads": ({"key": torch.ones(1, 1, 96, 16)}, r"\(or enable_gqa=True\)"),
    "width": ({"key": torch.ones(1, 2, 96, 8)}, "expects size D = 16"),
    "lengths": ({"value": torch.ones(1, 2, 9, 16)}, "expects size S = 96"),
    "dtype": ({"key": torch.ones(1, 2, 96, 16).double()}, "expects the dtype of 'q'"),
    "grad": (
        {"query": torch.ones(1, 2, 96, 16, requires_grad=True)},
        "'query' requires grad, but there is no backward yet",
    ),
    "mask": ({"block_mask": causal}, "pass it to create_block_mask"),
    "mask object": ({"block_mask": am.masks.causal()}, "expects a BlockMask"),
    "mask type": ({"block_mask": 3}, "expects a BlockMask, but got int"),
    "score arguments": ({"score_mod": causal}, "but got one of 4 arguments"),
    "score type": ({"score_mod": 3}, r"expects a callable \(score, b, h, q_idx"),
    "both": (
        {"return_lse": True, "return_aux": ours.AuxRequest(lse=True)},
        "'return_lse' expects False when return_aux is given",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str) -> None:
    arguments, message = ERRORS[name]
    q, k, v = draw()
    given = {"query": q, "key": k, "value": v, **arguments}
    with pytest.raises(am.ArgumentError, match=message):
        ours.flex_attention(**given)


MASK_ERRORS: dict[str, tuple[dict[str, Any], str]] = {
    "arguments": ({"mask_mod": bias}, "but got one of 5 arguments"),
    "type": ({"mask_mod": 3}, "'mask_mod' expects a callable"),
    "device": ({"device": "cuda"}, "'device' expects 'cpu'"),
    "block": ({"BLOCK_SIZE": (1, 2, 3)}, "'BLOCK_SIZE' expects an int or two"),
    "zero block": ({"BLOCK_SIZE": 0}, "'BLOCK_SIZE' expects an integer >= 1"),
    "batch": ({"B": 0}, "'B' expects an integer >= 1"),
    "heads": ({"H": "2"}, "'H' expects an integer >= 1"),
    "length": ({"Q_LEN": -1}, "'Q_LEN' expects an integer >= 0"),
    "keys": ({"KV_LEN": 1.5}, "'KV_LEN' expects an integer >= 0"),
}


@pytest.mark.parametrize("name", MASK_ERRORS)
def test_block_mask_errors(name: str) -> None:
    arguments, message = MASK_ERRORS[name]
    given = {"mask_mod": causal, "B": 1, "H": 1, "Q_LEN": 9, "KV_LEN": 9, **arguments}
    with pytest.raises(am.ArgumentError, match=message):
        ours.create_block_mask(**given)


def test_batch_and_heads_of_a_block_mask() -> None:
    q, k, v = draw(B=2)
    for sizes, letter in (((3, 2), "B"), ((2, 3), "H")):
        block_mask = ours.create_block_mask(causal, *sizes, 96, 96)
        with pytest.raises(am.ArgumentError, match=f"expects {letter} = 2 or 1"):
            ours.flex_attention(q, k, v, None, block_mask)


def test_combinations_need_callables() -> None:
    for combine in (ours.and_masks, ours.or_masks):
        with pytest.raises(am.ArgumentError, match="'mask_mods' expects callables"):
            combine(causal, 3)


# --- caching ----------------------------------------------------------------


def compilations() -> int:
    return am.cache.info().misses


def windowed(width: Any, ids: Any, slopes: Any) -> tuple[Any, Any]:
    def mask_mod(b: Any, h: Any, q: Any, kv: Any) -> Any:
        return (q - kv <= width) & (q >= kv) & (ids[q] == ids[kv])

    def score_mod(score: Any, b: Any, h: Any, q: Any, kv: Any) -> Any:
        return score + slopes[h] * (kv - q)

    return mask_mod, score_mod


def run(length: int, width: Any, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.arange(length) // (9 + seed)
    slopes = torch.rand(2, generator=generator)
    mask_mod, score_mod = windowed(width, ids, slopes)
    q, k, v = draw(L=length, seed=seed)
    block_mask = ours.create_block_mask(mask_mod, None, None, length, length)
    out = ours.flex_attention(q, k, v, score_mod, block_mask)
    close(out, expected(q, k, v, score_mod, mask_mod)[0], q.dtype)


def test_same_code_is_compiled_once() -> None:
    """Other captured values, windows as tensors and lengths reuse the kernel."""
    am.cache.clear()
    run(100, torch.tensor(17), 0)
    before = compilations()
    for length, width, seed in ((100, 3, 1), (64, 40, 2), (150, 0, 3), (77, 200, 4)):
        run(length, torch.tensor(width), seed)
    assert compilations() == before


def test_python_numbers_are_constants() -> None:
    am.cache.clear()
    run(100, 17, 0)
    before = compilations()
    run(80, 17, 1)
    assert compilations() == before
    run(100, 18, 0)
    assert compilations() == before + 1


def test_same_text_is_compiled_once() -> None:
    """Other code that computes the same finds the machine code by its text."""
    q, k, v = draw()

    def first(b: Any, h: Any, q: Any, kv: Any) -> Any:
        return q - kv <= 21

    def second(b: Any, h: Any, row: Any, column: Any) -> Any:
        distance = row - column
        return distance <= 20 + 1

    ours.flex_attention(q, k, v, None, ours.create_block_mask(first, 1, 1, 96, 96))
    before = compilations()
    ours.flex_attention(q, k, v, None, ours.create_block_mask(second, 1, 1, 96, 96))
    assert compilations() == before

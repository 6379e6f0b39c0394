"""What of torch is traced, against torch; what is not, with the line."""

from __future__ import annotations

import collections
import dataclasses
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from oracle import check, draw, expected, ours, torch

import attn_mlir as am
from attn_mlir.torch.mods import CallableMod

Body = Callable[[Any, Any, Any], Any]

# Of the score, the query index and the key index.
SCORES: dict[str, Body] = {
    "arithmetic": lambda s, i, j: (2 * s - i) / 3 + j * 0.5 - (-s) + (+s),
    "reversed": lambda s, i, j: 1 - s + 3.0 / (2 + s * s) - (7 - j) * 0.1,
    "power": lambda s, i, j: s**2 + 0.5**s + (i - j) ** 3 * 1e-4 + torch.pow(s, 3),
    "floor of negatives": lambda s, i, j: s + (i - j) // 4 + (i - j) % 4,
    "divisor negative": lambda s, i, j: s + (i - j) // -3 + (i - j) % -3,
    "floor_divide": lambda s, i, j: s + torch.floor_divide(i - j, 5),
    "remainder": lambda s, i, j: s + torch.remainder(i - j, 5) + (s % 0.75),
    "fmod": lambda s, i, j: s + torch.fmod(i - j, 5) + torch.fmod(s, 0.75),
    "trunc": lambda s, i, j: s + torch.div(i - j, 4, rounding_mode="trunc"),
    "trunc float": lambda s, i, j: s + torch.div(s, 0.3, rounding_mode="trunc"),
    "trunc symbols": lambda s, i, j: (
        s + torch.div(i - j, j - 20 - (j == 20).int(), rounding_mode="trunc")
    ),
    "floor mode": lambda s, i, j: s + torch.div(i - j, 4, rounding_mode="floor"),
    "true division": lambda s, i, j: s + torch.true_divide(i - j, 4) + (i - j) / 8,
    "float floor": lambda s, i, j: s + s // 0.3,
    "rounding": lambda s, i, j: s.floor() + s.ceil() + torch.round(s) + s.trunc(),
    "frac": lambda s, i, j: s.frac() + torch.sign(s) + torch.sign(i - j),
    "clamp": lambda s, i, j: torch.clamp(s, -0.5, 0.5) + (i - j).clamp(min=-3, max=4),
    "clamp one side": lambda s, i, j: s.clamp(min=0.1) + torch.clamp((i - j), max=5),
    "clamp_min": lambda s, i, j: s.clamp_min(0.1) + (i - j).clamp_max(5) + s.clip(0, 1),
    "extremes": lambda s, i, j: (
        torch.maximum(s, -s) + torch.min(i, j) + torch.max(i, j)
    ),
    "extreme of numbers": lambda s, i, j: s + torch.minimum(i, torch.tensor(9)) * 0.1,
    "abs": lambda s, i, j: s.abs() + torch.abs(i - j) + abs(s) + (i - j).abs(),
    "exponentials": lambda s, i, j: (
        s.exp() * 0.1 + torch.exp2(s) * 0.1 + s.expm1() * 0.1
    ),
    "logarithms": lambda s, i, j: (
        (s * s + 1).log() + torch.log2(j + 1) + (i + 1).log10()
    ),
    "log1p": lambda s, i, j: torch.log1p(s * s) + (s * s + 1).sqrt() + (i + 1).rsqrt(),
    "trigonometry": lambda s, i, j: torch.sin(s) + (i * 0.1).cos() + torch.tan(s * 0.1),
    "hyperbolic": lambda s, i, j: s.tanh() + torch.sinh(s * 0.5) + torch.cosh(s * 0.5),
    "activations": lambda s, i, j: (
        s.sigmoid() + s.relu() + torch.nn.functional.silu(s) + torch.erf(s)
    ),
    "more activations": lambda s, i, j: (
        torch.nn.functional.gelu(s)
        + torch.nn.functional.gelu(s, approximate="tanh")
        + torch.nn.functional.softplus(s)
        + torch.nn.functional.leaky_relu(s, 0.2)
    ),
    "reciprocal": lambda s, i, j: (s * s + 1).reciprocal() + s.square() * 0.1,
    "where": lambda s, i, j: torch.where((i > j) & (i != 7), s, s * 0.5) - 0.1,
    "where method": lambda s, i, j: s.where(i > j, 0.25) + s.masked_fill(j > i, 2.0),
    "where of integers": lambda s, i, j: s + torch.where(i > j, i - j, 0),
    "comparisons": lambda s, i, j: (
        s
        + torch.eq(i, j)
        + i.ne(j)
        + torch.gt(i, j).float()
        + (i >= j).to(s.dtype)
        + j.lt(i).int()
        + torch.le(i, j).long()
    ),
    "logic": lambda s, i, j: torch.where(
        torch.logical_and(i > 3, torch.logical_not(j > 5))
        | torch.logical_xor(i, j > 7),
        s,
        -s,
    ),
    "bits": lambda s, i, j: (
        s + ((i & 12) | (j ^ 5)) * 0.1 + torch.bitwise_and(i, 3) + (~j) * 0.01
    ),
    "shifts": lambda s, i, j: s + (i << 2) * 0.01 + torch.bitwise_right_shift(j, 1),
    "bool arithmetic": lambda s, i, j: (
        s + ((i > j) + (j > i)) * 2.0 + (i > 3) * (j > 3)
    ),
    "casts": lambda s, i, j: (
        s + (s * 3).int() + (s * 3).to(torch.int64) + (i - j).float() + i.bool()
    ),
    "narrow casts": lambda s, i, j: (
        s + (i * 7).to(torch.uint8) * 0.01 + (i * 9 - j * 9).to(torch.int8) * 0.01
    ),
    "type": lambda s, i, j: s + i.type_as(s) + j.to(s) + i.to(torch.float32),
    "constants": lambda s, i, j: (
        s + s.new_ones(()) + i.new_full((), 3) + torch.zeros_like(s) + s.new_tensor(0.5)
    ),
    "made inside": lambda s, i, j: s * torch.tensor(0.5) + torch.ones(()) - torch.pi,
    "vectors": lambda s, i, j: (
        s + (torch.arange(4) * i).sum() * 0.01 + torch.stack([s, s * 2]).mean()
    ),
    "reductions": lambda s, i, j: (
        s
        + torch.tensor([1.0, 3.0]).mul(s).amax()
        + (torch.arange(5) == i).any()
        + (torch.arange(3) < j).all()
        + (torch.arange(6) < i).sum() * 0.1
        + (torch.tensor([1.0, 2.0]) + s).prod() * 0.1
    ),
    "nan checks": lambda s, i, j: torch.where(
        torch.isnan(s / s) | torch.isinf(s) | s.isneginf(), 0.0, s
    ),
    "isfinite": lambda s, i, j: torch.where(torch.isfinite(1.0 / (i - j)), s, 0.5),
    "lerp": lambda s, i, j: torch.lerp(s, -s, 0.25) + torch.add(s, i, alpha=0.1),
    "keywords": lambda s, i, j: torch.where(input=s, condition=i > j, other=0.5),
    "attributes": lambda s, i, j: s + i.dim() + s.ndim + j.numel() + len(s.shape),
    "aten": lambda s, i, j: torch.ops.aten.add(s, i) * 0.1,
}


@pytest.fixture
def exact() -> Iterator[None]:
    """torch computes numbers and integers in float64, as the scores here."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("name", SCORES)
def test_functions(name: str) -> None:
    body = SCORES[name]
    check(lambda score, b, h, i, j: body(score, i, j), L=40, S=30, dtype=torch.float64)


def captures() -> dict[str, Any]:
    ids = torch.arange(50) // 7
    table = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    rows = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    return {
        "loads": lambda s, i, j: s + table[i % 3, j % 6] + table[i % 3][j % 6],
        "negative index": lambda s, i, j: (
            s + table[-1, i % 6] + table[(i - j) % 3 - 3, 2]
        ),
        "computed index": lambda s, i, j: s + table[ids[i] % 3, ids[j] // 2],
        "rows": lambda s, i, j: s + (table[i % 3] * table[j % 3]).sum(),
        "dot": lambda s, i, j: s + torch.dot(table[i % 3], table[j % 3]),
        "matmul": lambda s, i, j: s + (rows @ table[:, i % 6]).sum() * 0.1,
        "vector matrix": lambda s, i, j: s + (table[:, j % 6] @ table)[2],
        "columns": lambda s, i, j: (
            s + table[:, i % 6].mean() + table[..., j % 6].amax()
        ),
        "slices": lambda s, i, j: (
            s + table[1:, 2:5][i % 2, j % 3] + table[0, ::2][i % 3]
        ),
        "new axis": lambda s, i, j: s + table[None, :, i % 6].sum(),
        "elements": lambda s, i, j: s + sum(each[i % 6] for each in table),
        "shapes": lambda s, i, j: s + table[i % table.shape[0], j % table.size(1)],
        "gather": lambda s, i, j: s + table[ids[:3] % 3, i % 6].sum(),
        "whole tensor": lambda s, i, j: s + (table * 2 + 1).abs()[i % 3, j % 6],
        "broadcast": lambda s, i, j: s + (table + rows[0][:, None])[i % 3, j % 6],
        "cast": lambda s, i, j: (
            s + table.to(torch.int32)[i % 3, j % 6] + ids.float()[i]
        ),
        "transposed": lambda s, i, j: s + table.t()[j % 6, i % 3],
        "method": lambda s, i, j: s + ids[i].eq(ids[j]) + (ids == ids[i]).sum() * 0.1,
        "sum of an axis": lambda s, i, j: (
            s + table.sum(-1)[i % 3] + table.mean(0)[j % 6]
        ),
        "kept axis": lambda s, i, j: s + table.sum(dim=1, keepdim=True)[i % 3, 0],
    }


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("name", captures())
def test_captured_tensors(name: str) -> None:
    body = captures()[name]
    check(lambda score, b, h, i, j: body(score, i, j), L=40, S=30, dtype=torch.float64)


@pytest.mark.parametrize(
    "dtype",
    [
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
    ],
)
def test_captured_dtypes(dtype: Any) -> None:
    table, scalar = torch.arange(5).to(dtype), torch.tensor(1).to(dtype)
    check(
        lambda score, b, h, i, j: score + table[i % 5] * 1.0 + scalar * 0.5,
        L=20,
        dtype=torch.float64,
    )


class Pair(NamedTuple):
    first: Any
    second: float


def test_where_they_are_captured() -> None:
    table = torch.randn(2)

    class Bias(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(table, requires_grad=False)
            self.inner = torch.nn.Embedding(96, 1).requires_grad_(False)
            self.nested = {"list": [torch.tensor(0.25), (torch.tensor(2),)]}

        def forward(self, score: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
            first, (second,) = self.nested["list"]
            bias = self.weight[h] * first + self.inner.weight[j, 0]
            return score + bias + (i // second) * 0.1

    module = Bias()
    check(module)
    check(module.forward)

    class Callable:
        def __init__(self) -> None:
            self.table = table

        def __call__(self, score: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
            return score * self.table[h]

    check(Callable())
    check(functools.partial(lambda t, score, b, h, i, j: score * t[h], table))
    check(lambda score, b, h, i, j, t=table: score * t[h])
    ordered = collections.OrderedDict(table=Pair(table, 2.0))
    check(
        lambda score, b, h, i, j: (
            score * ordered["table"].first[h] + ordered["table"].second
        )
    )
    arrays = np.random.default_rng(0).standard_normal(2)
    q, k, v = draw()
    out = ours.flex_attention(q, k, v, lambda score, b, h, i, j: score * arrays[h])
    wanted = torch.from_numpy(arrays)
    other, _ = expected(q, k, v, lambda score, b, h, i, j: score * wanted[h])
    torch.testing.assert_close(out.double(), other, atol=1e-5, rtol=1e-5)


def test_captured_values_are_read_when_called() -> None:
    limit = torch.tensor(5)
    q, k, v = draw()
    block_mask = ours.create_block_mask(
        lambda b, h, i, j: (i - j).abs() <= limit, 1, 1, 96, 96
    )
    for width in (5, 40, 0):
        limit.fill_(width)
        out = ours.flex_attention(q, k, v, block_mask=block_mask)
        wanted, _ = expected(q, k, v, mask_mod=block_mask.mask_mod)
        torch.testing.assert_close(out.double(), wanted, atol=1e-5, rtol=1e-5)


def test_indices_outside_are_clamped() -> None:
    table = torch.randn(2, 10)
    q, k, v = draw(L=40)
    out = ours.flex_attention(q, k, v, lambda s, b, h, i, j: s + table[h, i + j])
    wanted, _ = expected(
        q, k, v, lambda s, b, h, i, j: s + table[h, (i + j).clamp(max=9)]
    )
    torch.testing.assert_close(out.double(), wanted, atol=1e-5, rtol=1e-5)
    with pytest.raises(am.ArgumentError, match="but the pair"):
        ours.flex_attention(
            q,
            k,
            v,
            lambda s, b, h, i, j: s + table[h, i + j],
            kernel_options=am.Options(check_indices=True),
        )


# --- what is not traced -----------------------------------------------------

LARGE = torch.randn(3000)
VECTOR = torch.randn(4)


@dataclasses.dataclass(frozen=True, slots=True)
class Hidden:
    """Slots are not searched for tensors."""

    table: Any


HIDDEN = Hidden(torch.randn(4))

REFUSED: dict[str, tuple[Body, str]] = {
    "branch": (lambda s, i, j: s if i > j else -s, "not known while tracing"),
    "chain": (lambda s, i, j: s * (0 <= i < 3), "not known while tracing"),
    "in place": (lambda s, i, j: s.add_(1), "changes a traced value in place"),
    "unknown function": (lambda s, i, j: torch.special.i0(s), "cannot be traced"),
    "unknown method": (lambda s, i, j: s.i0(), "is not supported"),
    "float": (lambda s, i, j: s + float(i), "need a number"),
    "math": (lambda s, i, j: s + math.exp(s), "need a number"),
    "list index": (lambda s, i, j: s + [1, 2][i], "cannot index a list"),
    "rounding cast": (lambda s, i, j: s.half(), "it would round"),
    "float index": (lambda s, i, j: s + VECTOR[i / 2], "must be an integer"),
    "bool index": (lambda s, i, j: s + VECTOR[i > 2], "indexed by a condition"),
    "too many indices": (lambda s, i, j: s + VECTOR[i, j], "2 indices for a captured"),
    "long sum": (lambda s, i, j: s + LARGE.sum(), "at most 1024"),
    "sort": (lambda s, i, j: s + torch.sort(VECTOR)[0][i], "cannot be traced"),
    "cumsum": (lambda s, i, j: s + VECTOR.cumsum(0)[i], "is not supported"),
    "reshape": (lambda s, i, j: s + VECTOR.view(2, 2)[0, i], "is not supported"),
    "truth": (lambda s, i, j: s * bool(VECTOR), "not known while tracing"),
    "tensor inside": (lambda s, i, j: s + torch.arange(9)[i], "made inside"),
    "hidden": (lambda s, i, j: s + HIDDEN.table[i], "in a way that is not traced"),
    "vector": (lambda s, i, j: VECTOR * s, "TracedTensor"),
    "nothing": (lambda s, i, j: None, "NoneType"),
    "error": (lambda s, i, j: s.undefined.thing, "is not supported"),
    "raises": (lambda s, i, j: {}["key"], "KeyError"),
    "bool difference": (lambda s, i, j: s + ((i > 1) - (j > 1)), "subtract bools"),
    "device": (lambda s, i, j: s.to("cuda"), "stays on the CPU"),
    "rounding mode": (lambda s, i, j: torch.div(s, 2, rounding_mode="up"), "'up'"),
    "scalar index": (lambda s, i, j: s[0], "cannot be indexed"),
    "max with dim": (lambda s, i, j: s + VECTOR.max(0)[0], "use torch.amax"),
    "list of indices": (lambda s, i, j: s + VECTOR[[0, 1]].sum(), "indexed by a list"),
    "empty clamp": (lambda s, i, j: s.clamp(), "'min' or 'max'"),
    "arguments": (lambda s, i, j: torch.tanh(s, s), "argument"),
    "out": (lambda s, i, j: torch.tanh(s, out=VECTOR), "out="),
    "condition": (lambda s, i, j: torch.where(i, s, 0.0), "bool condition"),
    "shapes": (lambda s, i, j: s + (LARGE + VECTOR)[0], "do not broadcast"),
    "iterate": (lambda s, i, j: s + sum(i), "iterate"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_the_line(name: str) -> None:
    body, message = REFUSED[name]
    q, k, v = draw(L=20)
    with pytest.raises(am.TraceError, match=message) as caught:
        ours.flex_attention(q, k, v, lambda score, b, h, i, j: body(score, i, j))
    assert caught.value.file.endswith("test_tracing.py")
    assert name in caught.value.source or "body(" in caught.value.source


def test_tensors_that_require_grad() -> None:
    weight = torch.nn.Parameter(torch.randn(2))
    q, k, v = draw()

    def score_mod(score: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return score * weight[h]

    with pytest.raises(am.ArgumentError, match="captures a tensor of shape"):
        ours.flex_attention(q, k, v, score_mod)
    with torch.no_grad():
        check(score_mod)


def test_captured_tensors_that_are_not_read() -> None:
    """Weights beside the tensors a method reads are no arguments of the kernel."""

    class Layer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.project = torch.nn.Linear(8, 8)
            self.unused = torch.nn.Parameter(torch.tensor(2.0))
            self.register_buffer("table", torch.randn(2))
            self.register_buffer("shape_only", torch.zeros(7))

        def score_mod(self, score: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
            self.project.weight[i % 8, j % 8] + self.unused + self.project.bias[i % 8]
            return score * self.table[h]

        def keep(self, b: Any, h: Any, i: Any, j: Any) -> Any:
            return (i - j) % self.shape_only.shape[0] < 3

    layer = Layer()
    check(layer.score_mod, lambda b, h, i, j: layer.keep(b, h, i, j))
    layer.shape_only = torch.zeros(5)
    check(layer.score_mod, lambda b, h, i, j: layer.keep(b, h, i, j))
    mod = CallableMod("score_mod", layer.score_mod, False)
    assert len(mod.arrays) == 5
    assert mod.restricted(score=True).arrays == (layer.table,)


def test_dense_masks_and_tiles() -> None:
    ids = torch.arange(32) // 10
    block_mask = ours.create_block_mask(
        lambda b, h, i, j: (ids[i] == ids[j]) & (i >= j), 1, 1, 32, 32, BLOCK_SIZE=8
    )
    keep = (ids[:, None] == ids) & torch.ones(32, 32).tril().bool()
    np.testing.assert_array_equal(
        block_mask.mask().dense(1, 1, 32, 32)[0, 0], keep.numpy()
    )
    blocks = keep.unflatten(0, (4, 8)).unflatten(2, (4, 8)).any(3).any(1)
    assert torch.equal(block_mask.to_dense()[0, 0], blocks.int())
    assert block_mask.sparsity() == pytest.approx(100 * (1 - blocks.float().mean()))

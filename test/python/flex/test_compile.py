"""torch.compile and torch.export keep each attention call as one operator."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import draw, ours, theirs, torch

import attn_mlir as am

testing = pytest.importorskip("torch._dynamo.testing")
GLOBAL = torch.arange(96) // 20
WIDTH = 7


@pytest.fixture(autouse=True)
def reset() -> None:
    torch._dynamo.reset()


def compiled(function: Callable[..., Any], backend: str = "eager") -> tuple[Any, Any]:
    counter = testing.CompileCounterWithBackend(backend)
    return torch.compile(function, backend=counter, fullgraph=True), counter


def operators(graph: Any) -> list[str]:
    """What a graph calls, besides taking results of it apart."""
    calls = [node for node in graph.nodes if node.op.startswith("call")]
    names = [str(node.target) for node in calls]
    return [name for name in names if "getitem" not in name]


ONE = ["attn_mlir.flex.default"]


def attend(q: Any, k: Any, v: Any, score_mod: Any, block_mask: Any) -> Any:
    return ours.flex_attention(
        q, k, v, score_mod, block_mask, return_aux=ours.AuxRequest(lse=True)
    )


def same(actual: Any, wanted: Any) -> None:
    assert torch.equal(actual[0], wanted[0])
    assert torch.equal(actual[1].lse, wanted[1].lse)


def scaled(factor: Any, bias: Any) -> Any:
    def score_mod(score: Any, b: Any, h: Any, q: Any, kv: Any) -> Any:
        return score * factor + bias[h] * (q - kv)

    return score_mod


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_one_operator(backend: str) -> None:
    q, k, v = draw()
    block_mask = ours.create_block_mask(
        lambda b, h, i, j: (i >= j) & (GLOBAL[i] == GLOBAL[j]), None, None, 96, 96
    )
    function, counter = compiled(attend, backend)
    score_mod = scaled(0.5, torch.randn(2))
    same(
        function(q, k, v, score_mod, block_mask), attend(q, k, v, score_mod, block_mask)
    )
    assert [operators(each.graph) for each in counter.graphs] == [ONE]


def test_captures_are_inputs() -> None:
    q, k, v = draw()
    function, counter = compiled(attend)
    for seed in range(3):
        bias = torch.randn(2, generator=torch.Generator().manual_seed(seed))
        mod = scaled(torch.tensor(0.5 + seed), bias)
        same(function(q, k, v, mod, None), attend(q, k, v, mod, None))
    bias.mul_(2)
    same(function(q, k, v, mod, None), attend(q, k, v, mod, None))
    assert counter.frame_count == 1


@pytest.mark.parametrize("factors", [(2, 3, 4, 2), (0.5, 1.5, 0.25, 0.5)])
def test_captured_numbers_are_guarded(factors: tuple[Any, ...]) -> None:
    q, k, v = draw()
    function, counter = compiled(attend)
    bias = torch.randn(2)
    for factor in factors:
        mod = scaled(factor, bias)
        same(function(q, k, v, mod, None), attend(q, k, v, mod, None))
    assert counter.frame_count == 3


def test_captured_functions_are_guarded() -> None:
    q, k, v = draw()

    def near(b: Any, h: Any, i: Any, j: Any) -> Any:
        return (i - j).abs() < 9

    def even(b: Any, h: Any, i: Any, j: Any) -> Any:
        return (i - j) % 2 == 0

    function, _ = compiled(attend)
    for combine in (ours.and_masks, theirs.or_masks):
        for masks in ((near, near), (near, even), (even, even)):
            block_mask = ours.create_block_mask(combine(*masks), 1, 2, 96, 96)
            same(function(q, k, v, None, block_mask), attend(q, k, v, None, block_mask))


def test_captured_tensors_that_are_one() -> None:
    q, k, v = draw()

    def two(x: Any, y: Any) -> Any:
        return lambda score, b, h, i, j: score + x[h] - 2 * y[h]

    function, _ = compiled(attend)
    x, y = torch.randn(2), torch.randn(2)
    for mod in (two(x, x), two(x, y), two(y, y)):
        same(function(q, k, v, mod, None), attend(q, k, v, mod, None))


def test_captured_globals_objects_and_partials() -> None:
    q, k, v = draw()

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Parameter(torch.randn(2), requires_grad=False)
            self.register_buffer("ids", torch.arange(96) // 11)
            self.widths = {"left": torch.tensor(5), "right": [torch.tensor(3)]}

        def bias(self, factor: Any, score: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
            return score + self.table[h] * factor

        def keep(self, b: Any, h: Any, i: Any, j: Any) -> Any:
            near = (i - j <= self.widths["left"]) & (j - i <= self.widths["right"][0])
            return near | (self.ids[i] == GLOBAL[j]) | (i - j == WIDTH)

        def forward(self, q: Any, k: Any, v: Any, block_mask: Any) -> Any:
            mod = functools.partial(self.bias, 2.0)
            return attend(q, k, v, mod, block_mask)

    model = Model()
    block_mask = ours.create_block_mask(model.keep, None, None, 96, 96)
    counter = testing.CompileCounterWithBackend("eager")
    function = torch.compile(model, backend=counter)
    for _ in range(2):
        same(function(q, k, v, block_mask), model(q, k, v, block_mask))
        model.table.data = torch.randn(2)
        model.widths["left"] = torch.tensor(40)


def test_shapes_that_a_mod_reads_are_guarded() -> None:
    q, k, v = draw(L=12)

    def last(table: Any) -> Any:
        return lambda score, b, h, i, j: score + table[(i + j) % table.shape[0]]

    function, _ = compiled(attend)
    for size in (3, 4, 5, 6, 3):
        mod = last(torch.randn(size))
        same(function(q, k, v, mod, None), attend(q, k, v, mod, None))


def test_lengths_are_dynamic() -> None:
    function, counter = compiled(attend)
    mod = scaled(0.5, torch.randn(2))
    for length in (40, 50, 60, 70):
        q, k, v = draw(L=length)
        same(function(q, k, v, mod, None), attend(q, k, v, mod, None))
    assert counter.frame_count == 2


def test_block_mask_of_torch() -> None:
    q, k, v = draw()
    block_mask = theirs.create_block_mask(
        lambda b, h, i, j: (i >= j) & (GLOBAL[i] == GLOBAL[j]), 1, 1, 96, 96, "cpu", 16
    )
    function, counter = compiled(attend)
    same(function(q, k, v, None, block_mask), attend(q, k, v, None, block_mask))
    assert operators(counter.graphs[0].graph) == ONE


def test_block_mask_made_inside() -> None:
    q, k, v = draw()

    def keep(b: Any, h: Any, i: Any, j: Any) -> Any:
        return GLOBAL[i] == GLOBAL[j]

    def function(q: Any, k: Any, v: Any) -> Any:
        return attend(q, k, v, None, ours.create_block_mask(keep, 1, 1, 96, 96))

    fast, counter = compiled(function)
    same(fast(q, k, v), function(q, k, v))
    assert operators(counter.graphs[0].graph) == ONE


def test_mods_made_inside_leave_the_graph() -> None:
    q, k, v = draw()

    def function(q: Any, k: Any, v: Any, bias: Any) -> Any:
        def score_mod(score: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
            return score + bias[h]

        return attend(q + 1, k, v, score_mod, None)

    bias = torch.randn(2)
    fast = torch.compile(function, backend="eager")
    for factor in (1, 2):
        same(fast(q, k, v, bias * factor), function(q, k, v, bias * factor))


def test_mask_objects_leave_the_graph() -> None:
    q, k, v = draw()
    block_mask = ours.create_block_mask(am.masks.causal(), 1, 1, 96, 96)
    fast = torch.compile(attend, backend="eager")
    same(fast(q, k, v, None, block_mask), attend(q, k, v, None, block_mask))
    options = am.Options(block_queries=16)
    fast = torch.compile(ours.flex_attention, backend="eager")
    wanted = ours.flex_attention(q, k, v, kernel_options=options)
    assert torch.equal(fast(q, k, v, kernel_options=options), wanted)


def test_numpy_arrays_are_refused() -> None:
    q, k, v = draw()
    table = np.ones(2)
    fast = torch.compile(attend, backend="eager")
    with pytest.raises(Exception, match=r"captures torch tensors under torch\.compile"):
        fast(q, k, v, lambda score, b, h, i, j: score * table[h], None)


def test_all_outputs() -> None:
    def function(q: Any, k: Any, v: Any) -> Any:
        request = ours.AuxRequest(lse=True, max_scores=True)
        return ours.flex_attention(q, k, v, enable_gqa=True, return_aux=request)

    q, k, v = draw(H=4, G=2, Dv=5, dtype=torch.bfloat16)
    fast, _ = compiled(function, "aot_eager")
    actual, wanted = fast(q, k, v), function(q, k, v)
    same(actual, wanted)
    assert torch.equal(actual[1].max_scores, wanted[1].max_scores)


def test_operator_checks() -> None:
    q, k, v = draw(L=20)
    tensors = [torch.randn(2)]
    from attn_mlir.torch.mods import CallableMod
    from attn_mlir.torch.structure import serialize

    text = serialize(CallableMod("score_mod", scaled(2.0, tensors[0]), False), 2, True)
    arguments = (q, k, v, tensors, [], [], text, None, [1, 1], None, True, True)
    torch.library.opcheck(torch.ops.attn_mlir.flex.default, arguments)
    with pytest.raises(am.ArgumentError, match="argument 'tensors' expects captured"):
        torch.ops.attn_mlir.flex(q, k, v, [], *arguments[4:])
    with pytest.raises(am.ArgumentError, match="argument 'structure' expects format 1"):
        torch.ops.attn_mlir.flex(*arguments[:6], '{"format": 7}', *arguments[7:])


class Layer(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bias", torch.randn(2))

    def forward(self, q: Any, k: Any, v: Any) -> Any:
        mod = self.score_mod
        block_mask = ours.create_block_mask(
            lambda b, h, i, j: i >= j, None, None, q.shape[2], k.shape[2]
        )
        return ours.flex_attention(q, k, v, mod, block_mask)

    def score_mod(self, score: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return score + self.bias[h] * (i - j)


PROGRAM = """
import sys
import torch
import attn_mlir.torch
q, k, v, wanted = torch.load(sys.argv[2])
assert torch.equal(torch.export.load(sys.argv[1]).module()(q, k, v), wanted)
"""


def test_exported_programs_run_elsewhere(tmp_path: Path) -> None:
    q, k, v = draw()
    layer = Layer()
    program = torch.export.export(layer, (q, k, v))
    torch.export.save(program, tmp_path / "program.pt2")
    torch.save((q, k, v, layer(q, k, v)), tmp_path / "tensors.pt")
    paths = [str(tmp_path / name) for name in ("program.pt2", "tensors.pt")]
    subprocess.run([sys.executable, "-c", PROGRAM, *paths], check=True)


def test_export() -> None:
    q, k, v = draw()
    layer = Layer()
    program = torch.export.export(layer, (q, k, v))
    assert operators(program.graph) == ONE
    assert torch.equal(program.module()(q, k, v), layer(q, k, v))


def test_export_strict() -> None:
    q, k, v = draw()
    bias = torch.randn(2)

    def score_mod(score: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return score + bias[h] * (i - j)

    class Plain(torch.nn.Module):
        def forward(self, q: Any, k: Any, v: Any) -> Any:
            return ours.flex_attention(q, k, v, score_mod)

    program = torch.export.export(Plain(), (q, k, v), strict=True)
    assert operators(program.graph) == ONE
    assert torch.equal(program.module()(q, k, v), Plain()(q, k, v))


def test_export_of_dynamic_lengths() -> None:
    class Plain(torch.nn.Module):
        def forward(self, q: Any, k: Any, v: Any) -> Any:
            return ours.flex_attention(q, k, v, scaled(2.0, BIAS))

    length = torch.export.Dim("length", min=2, max=4096)
    program = torch.export.export(
        Plain(), draw(), dynamic_shapes=[{2: length}] * 3, strict=False
    )
    other = draw(L=33)
    assert torch.equal(program.module()(*other), Plain()(*other))


BIAS = torch.randn(2)


@pytest.mark.parametrize(
    ("mask_mod", "options", "message"),
    [
        (am.masks.causal(), None, "argument 'block_mask' expects a torch callable"),
        (ours.noop_mask, am.Options(), "expects a dict under torch.export"),
    ],
)
def test_export_of_objects(mask_mod: Any, options: Any, message: str) -> None:
    class Plain(torch.nn.Module):
        def forward(self, q: Any, k: Any, v: Any) -> Any:
            block_mask = ours.create_block_mask(mask_mod, 1, 1, 96, 96)
            return ours.flex_attention(
                q, k, v, None, block_mask, kernel_options=options
            )

    with pytest.raises(am.ArgumentError, match=message):
        torch.export.export(Plain(), draw())


def test_compiled_inputs_that_require_grad_raise() -> None:
    q, k, v = draw()
    q.requires_grad_()
    fast = torch.compile(ours.flex_attention, backend="eager")
    with pytest.raises(am.ArgumentError, match="'query' requires grad"):
        fast(q, k, v)
    with torch.no_grad():
        assert torch.equal(fast(q, k, v), ours.flex_attention(q.detach(), k, v))

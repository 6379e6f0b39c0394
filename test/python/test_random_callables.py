"""Random masks and scores in user code: kernel, reference and NumPy agree."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support import check, draw

import attn_mlir as am
from attn_mlir.ranges import evaluate
from attn_mlir.symbolic import as_bool
from attn_mlir.trace import Tracing, grid

B, H, L, S = 2, 3, 19, 23
IDS = np.random.default_rng(0).integers(-3, 4, 21).astype(np.int32)
FLAGS = np.random.default_rng(1).random((H, 11)) < 0.5
TABLE = np.random.default_rng(2).standard_normal((H, 9)).astype(np.float32)
NAMES: dict[str, Any] = {"am": am, "ids": IDS, "flags": FLAGS, "table": TABLE}


class Writer:
    """Writes random expressions as Python source."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def integer(self, depth: int) -> str:
        choose = self.random
        if depth == 0:
            return choose.choice(["b", "h", "i", "j", str(choose.randint(-7, 40))])
        x, y = self.integer(depth - 1), self.integer(depth - 1)
        return choose.choice(
            [
                f"({x} + {y})",
                f"({x} - {y})",
                f"({x} * {choose.randint(-3, 3)})",
                f"({x} // {choose.choice([-4, -1, 1, 2, 3, 7, 8])})",
                f"({x} % {choose.choice([-3, 1, 2, 5, 16])})",
                f"({x} // (1 + abs({y})))",
                f"am.minimum({x}, {y})",
                f"am.maximum({x}, {y})",
                f"am.where({self.condition(depth - 1)}, {x}, {y})",
                f"am.abs({x})",
                f"ids[{x}]",
                f"({x} ^ {y})",
                f"({x} >> 1)",
            ]
        )

    def condition(self, depth: int) -> str:
        choose = self.random
        x, y = self.integer(max(depth - 1, 0)), self.integer(max(depth - 1, 0))
        compare = f"({x} {choose.choice(['<', '<=', '>', '>=', '==', '!='])} {y})"
        if depth == 0:
            return compare
        p, r = self.condition(depth - 1), self.condition(depth - 1)
        return choose.choice(
            [
                compare,
                f"({p} & {r})",
                f"({p} | {r})",
                f"({p} ^ {r})",
                f"~{p}",
                f"flags[h, {x}]",
            ]
        )

    def number(self, depth: int) -> str:
        choose = self.random
        if depth == 0:
            scaled = f"({self.integer(1)} * {choose.choice([0.01, -0.03, 0.125])})"
            return choose.choice(["s", scaled, f"table[h, {self.integer(1)}]"])
        x, y = self.number(depth - 1), self.number(depth - 1)
        return choose.choice(
            [
                f"({x} + {y})",
                f"({x} - {y})",
                f"(0.5 * {x})",
                f"am.tanh({x})",
                f"am.sigmoid({x})",
                f"am.exp(-am.abs({x}))",
                f"am.log1p(am.abs({x}))",
                f"am.sqrt(am.abs({x}) + 1.0)",
                f"am.maximum({x}, {y})",
                f"am.where({self.condition(1)}, {x}, {y})",
                f"am.cos({x})",
            ]
        )


def build(arguments: str, text: str) -> Callable[..., Any]:
    return eval(f"lambda {arguments}: {text}", dict(NAMES))  # type: ignore[no-any-return]


@pytest.mark.parametrize("seed", range(40))
def test_kernel_equals_reference(seed: int) -> None:
    writer = Writer(seed)
    mask_text, score_text = writer.condition(3), f"s + {writer.number(2)}"
    print(f"mask: {mask_text}\nscore: {score_text}")
    mask = build("b, h, i, j", mask_text)
    score = build("s, b, h, i, j", score_text)
    q, k, v = draw(B=B, H=H, L=L, S=S, D=8, dtype="f32" if seed % 4 else "f64")
    check(q, k, v, mask=mask, score=score, return_lse=True)


@pytest.mark.parametrize("seed", range(200))
def test_graph_equals_numpy(seed: int) -> None:
    text = Writer(1000 + seed).condition(4)
    print(f"mask: {text}")
    mask = am.masks.fn(build("b, h, i, j", text))
    arrays = mask.signature().arrays
    tracing = Tracing(arrays, H)
    root = as_bool(tracing.graph.lift(mask.predicate(tracing.position)))
    at = grid(B, H, L, S)
    values = dict(zip("bhijBHLS", (*at.indices, B, H, L, S), strict=True))
    with np.errstate(all="ignore"):
        found = evaluate(tracing.graph, values, arrays)[root.node]
        expected = mask.dense(B, H, L, S)
    np.testing.assert_array_equal(np.broadcast_to(found, expected.shape), expected)

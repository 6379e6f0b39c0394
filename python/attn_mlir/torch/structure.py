"""Traced mods as text, so that an operator can carry them as an argument.

The text holds the expression and its constants; captured tensors travel beside
it. It means the same in every process, so exported programs keep working.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch

from .._arrays import element_of_dtype
from ..errors import ArgumentError
from ..symbolic import Symbol
from ..trace import Position, Tracing
from .mods import Mod

__all__ = ["GraphMod", "is_pinned", "serialize"]

_FORMAT = 1


def serialize(mod: Mod, heads: int, score: bool) -> str:
    """The expression a mod computes, for `GraphMod`."""
    return _text(*_traced(mod, heads, score))


def is_pinned(mod: Mod, heads: int, score: bool) -> bool:
    """Whether the expression depends on the shapes of captured tensors."""
    return _traced(mod, heads, score)[0].pinned


def _traced(mod: Mod, heads: int, score: bool) -> tuple[Tracing, Symbol]:
    tracing = Tracing(mod.arrays, heads)
    args: tuple[Symbol, ...] = tracing.position.indices
    if score:
        args = (tracing.graph.variable("s"), *args)
    return tracing, mod.trace(args, tracing.position)


def _text(tracing: Tracing, root: Symbol) -> str:
    graph = tracing.graph
    return json.dumps(
        {
            "format": _FORMAT,
            "nodes": [list(node) for node in graph.nodes],
            "captures": [list(each) for each in graph.captures],
            "root": root.node,
        },
        separators=(",", ":"),
    )


@lru_cache(maxsize=256)
def _parsed(text: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(text)
    if parsed.get("format") != _FORMAT:
        raise ArgumentError(
            f"argument 'structure' expects format {_FORMAT}, but got "
            f"{parsed.get('format')!r}"
        )
    return parsed


class GraphMod(Mod):
    """A mod from its text and its captured tensors."""

    def __init__(self, text: str, tensors: Sequence[torch.Tensor]) -> None:
        self._parsed = _parsed(text)
        self.arrays = tuple(each.detach() for each in tensors)
        self.key = text
        wanted = [tuple(each) for each in self._parsed["captures"]]
        got = [(element_of_dtype(each.dtype), each.ndim) for each in tensors]
        if got != wanted:
            raise ArgumentError(
                f"argument 'tensors' expects captured tensors (dtype, rank) {wanted}, "
                f"but got {got}"
            )

    def trace(self, args: tuple[Symbol, ...], at: Position) -> Symbol:
        graph = at.i.graph
        variables = dict(zip("sbhij"[-len(args) :], args, strict=True))
        variables |= {"B": at.B, "H": at.H, "L": at.L, "S": at.S}
        found: list[Symbol] = []
        for op, kind, inputs, attr in self._parsed["nodes"]:
            if op == "var":
                symbol = variables[attr]
            elif op == "load":
                symbol = self._load(at, attr, [found[n] for n in inputs])
            else:
                nodes = tuple(found[n].node for n in inputs)
                symbol = graph.add(op, kind, nodes, attr)
            found.append(symbol)
        root: int = self._parsed["root"]
        return found[root]

    def _load(self, at: Position, slot: int, indices: list[Symbol]) -> Symbol:
        stand_in = at.wrap(self.arrays[slot])
        symbol: Symbol = stand_in[tuple(indices)] if indices else stand_in
        return symbol

"""Masks and scores from torch callables: `mask_mod` and `score_mod`.

The callables are traced, never called per pair. Captured tensors are arguments
of the kernel, so that other values, also of 0-dimensional tensors, reuse it;
Python numbers are constants of it.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from functools import partial
from types import FunctionType
from typing import Any

import torch

from .._arrays import Array, as_numpy, is_torch
from .._checks import Signature
from ..capture import Snapshot, rebuild
from ..errors import ArgumentError
from ..masks import Mask
from ..ranges import evaluate
from ..scores import Score
from ..symbolic import Graph, Node, Symbol, Value, constant_value, reachable
from ..trace import Position, Tracing, invoke
from ._values import WIDE, Guard, TorchSymbol, captured, unread

__all__ = ["and_masks", "noop_mask", "or_masks"]

Callback = Callable[..., Any]


def noop_mask(batch: Any, head: Any, token_q: Any, token_kv: Any) -> Any:
    """The mask_mod that keeps every pair."""
    return batch.new_ones(size=(), dtype=torch.bool, device=batch.device)


def and_masks(*mask_mods: Callback) -> Callback:
    """The mask_mod of pairs that every mask_mod keeps."""
    _check_callables(mask_mods)

    def and_mask(b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
        result = b.new_ones((), dtype=torch.bool)
        for mask in mask_mods:
            result = result & mask(b, h, q_idx, kv_idx)
        return result

    return and_mask


def or_masks(*mask_mods: Callback) -> Callback:
    """The mask_mod of pairs that at least one mask_mod keeps."""
    _check_callables(mask_mods)

    def or_mask(b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
        result = b.new_zeros((), dtype=torch.bool)
        for mask in mask_mods:
            result = result | mask(b, h, q_idx, kv_idx)
        return result

    return or_mask


def _check_callables(mask_mods: tuple[Any, ...]) -> None:
    for each in mask_mods:
        if not callable(each):
            raise ArgumentError(
                f"argument 'mask_mods' expects callables, but got {each!r}"
            )


def check_mod(name: str, mod: object, count: int) -> None:
    """A mod must be a callable of `count` arguments."""
    names = "(b, h, q_idx, kv_idx)" if count == 4 else "(score, b, h, q_idx, kv_idx)"
    if not callable(mod):
        raise ArgumentError(
            f"argument '{name}' expects a callable {names}, but got "
            f"{type(mod).__name__}"
        )
    needed = _needed(mod)
    if needed is not None and needed != count:
        raise ArgumentError(
            f"argument '{name}' expects a callable {names}, but got one of {needed} "
            "arguments"
        )


def _needed(mod: Callback) -> int | None:
    """How many positional arguments a callable needs, None if it takes any."""
    if type(mod) is FunctionType:  # a tenth of the time of inspect.signature
        code = mod.__code__
        if code.co_flags & inspect.CO_VARARGS:
            return None
        return code.co_argcount - len(mod.__defaults__ or ())
    try:
        parameters = inspect.signature(mod).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(each.kind == inspect.Parameter.VAR_POSITIONAL for each in parameters):
        return None
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(
        each.kind in kinds and each.default is inspect.Parameter.empty
        for each in parameters
    )


class Mod(ABC):
    """A callable's captured tensors, its key, and its trace."""

    arrays: tuple[Array, ...]
    key: Hashable

    def restricted(self, score: bool) -> Mod:
        """With only the tensors that are read, for a score_mod or a mask_mod."""
        return self

    @abstractmethod
    def trace(self, args: tuple[Symbol, ...], at: Position) -> Symbol:
        """The symbol the callable computes from symbols."""

    def values(self, at: Position, root: Callable[[Tracing], Symbol], s: Value) -> Any:
        """A symbol's value at NumPy positions, by evaluating the trace."""
        tracing = Tracing(self.arrays, at.heads)
        symbol = root(tracing)
        values: dict[str, Any] = dict(zip("bhij", at.indices, strict=True))
        values.update(B=at.B, H=at.H, L=at.L, S=at.S, s=s)
        arrays = [as_numpy(each) for each in self.arrays]
        return evaluate(tracing.graph, values, arrays)[symbol.node]


class CallableMod(Mod):
    """A torch callable with what it captures now."""

    def __init__(self, name: str, function: Callback, wide: bool) -> None:
        self.name = name
        self.function = function
        self.wide = wide
        snapshot = Snapshot(function)
        self.originals = snapshot.arrays
        self.arrays = tuple(_detached(each) for each in snapshot.arrays)
        self.key: Hashable = (snapshot.key, wide)
        self._shaped: set[int] = set()  # whose shapes the callable asked for

    def restricted(self, score: bool) -> CallableMod:
        """Without what it can reach but does not read, e.g. weights of `self`."""
        slots = self._read(score)
        self.originals = [self.originals[slot] for slot in slots]
        for each in self.originals:
            self._check(each)
        self.arrays = tuple(self.arrays[slot] for slot in slots)
        self.key = (self.key, slots)
        return self

    def _read(self, score: bool) -> tuple[int, ...]:
        if not self.arrays:
            return ()
        shapes = tuple(tuple(each.shape) for each in self.arrays)
        # Some expressions depend on the shapes of what they capture.
        for key in ((self.key, score), (self.key, score, shapes)):
            found = _slots.get(key)
            if found is not None:
                return found
        tracing = Tracing(self.arrays, 1)
        args: tuple[Symbol, ...] = tracing.position.indices
        if score:
            args = (tracing.graph.variable("s"), *args)
        root = self.trace(args, tracing.position)
        nodes = [tracing.graph.nodes[n] for n in reachable(tracing.graph, root.node)]
        read = {int(str(node.attr)) for node in nodes if node.op == "load"}
        read |= {n for n, x in enumerate(self.originals) if id(x) in self._shaped}
        found = tuple(sorted(read))
        if len(_slots) >= _MAX_KNOWN:
            _slots.clear()
        _slots[key if tracing.pinned else (self.key, score)] = found
        return found

    def _check(self, array: Array) -> None:
        if not is_torch(array):
            return
        if array.device.type != "cpu":
            raise ArgumentError(
                f"argument '{self.name}' expects captured tensors on the CPU, but got "
                f"one on '{array.device}'"
            )
        if array.requires_grad and torch.is_grad_enabled():
            raise ArgumentError(
                f"argument '{self.name}' captures a tensor of shape "
                f"{tuple(array.shape)} that requires grad, but there is no backward "
                "yet; use torch.no_grad() or detach()"
            )

    def trace(self, args: tuple[Symbol, ...], at: Position) -> Symbol:
        graph = at.i.graph
        plain = {id(x): y for x, y in zip(self.originals, self.arrays, strict=True)}

        def wrap(array: Array) -> Any:
            own = plain.get(id(array))
            stand_in = unread(graph, array) if own is None else at.wrap(own)
            if array.ndim == 0:
                return stand_in
            asked = partial(self._shaped.add, id(array))
            return captured(graph, array, stand_in, asked)

        before, graph.symbol = graph.symbol, TorchSymbol
        token = WIDE.set(self.wide)
        try:
            given = [TorchSymbol(each.graph, each.node) for each in args]
            copy = rebuild(self.function, wrap)
            with Guard():
                result = invoke(copy, given)
                if isinstance(result, torch.Tensor):
                    result = result.item()
            return Symbol(graph, graph.lift(result).node)
        finally:
            graph.symbol = before
            WIDE.reset(token)


_MAX_KNOWN = 1024
_slots: dict[Hashable, tuple[int, ...]] = {}


def _detached(array: Array) -> Array:
    """Kernels read tensors that autograd follows as they are."""
    return array.detach() if is_torch(array) and array.requires_grad else array


class ModMask(Mask):
    """A mask_mod."""

    def __init__(self, mod: Mod) -> None:
        self._mod = mod.restricted(score=False)

    def signature(self) -> Signature:
        return Signature(("torch mask", self._mod.key), self._mod.arrays)

    def predicate(self, at: Position) -> Value:
        if isinstance(at.i, Symbol):
            return self._mod.trace(at.indices, at)
        return self._mod.values(at, lambda own: self.predicate(own.position), None)

    def __repr__(self) -> str:
        return "<mask_mod>"


class ModScore(Score):
    """A score_mod without its -inf branches: those are its `ModKeeps`."""

    def __init__(self, mod: Mod) -> None:
        self.mod = mod.restricted(score=True)

    def signature(self) -> Signature:
        return Signature(("torch score", self.mod.key), self.mod.arrays)

    def apply(self, s: Value, at: Position) -> Value:
        if not isinstance(at.i, Symbol):
            return self.mod.values(at, self._root, s)
        root = self.mod.trace((s, *at.indices), at)
        return Symbol(root.graph, _finite(root.graph, root.node))

    def _root(self, own: Tracing) -> Symbol:
        score = own.graph.variable("s")
        return self.mod.trace((score, *own.position.indices), own.position)

    def keeps(self, heads: int) -> Mask | None:
        """The pairs whose score can be above -inf, None for all."""
        return ModKeeps(self.mod) if _masks(self.mod, heads) else None

    def __repr__(self) -> str:
        return "<score_mod>"


class ModKeeps(Mask):
    """Where a score_mod does not choose the constant -inf."""

    def __init__(self, mod: Mod) -> None:
        self._mod = mod

    def signature(self) -> Signature:
        return Signature(("torch keeps", self._mod.key), self._mod.arrays)

    def predicate(self, at: Position) -> Value:
        if not isinstance(at.i, Symbol):
            return self._mod.values(at, lambda own: self.predicate(own.position), 0.0)
        score = at.i.graph.variable("s")
        root = self._mod.trace((score, *at.indices), at)
        return root.graph.lift(_kept(root.graph, root.node))

    def __repr__(self) -> str:
        return "<-inf of score_mod>"


_known: dict[Hashable, bool] = {}


def _masks(mod: Mod, heads: int) -> bool:
    """Whether a score_mod has branches that are -inf; traced once per kind."""
    plain = (mod.key, heads)
    found = _known.get(plain)
    if found is not None:
        return found
    # Some expressions depend on the shapes of what they capture.
    shaped = (*plain, tuple(tuple(each.shape) for each in mod.arrays))
    found = _known.get(shaped)
    if found is not None:
        return found
    tracing = Tracing(mod.arrays, heads)
    keep = ModKeeps(mod).predicate(tracing.position)
    found = not _is_constant(tracing.graph, tracing.graph.lift(keep).node, True)
    if len(_known) >= _MAX_KNOWN:
        _known.clear()
    _known[shaped if tracing.pinned else plain] = found
    return found


def _is_constant(graph: Graph, number: int, value: object) -> bool:
    node = graph.nodes[number]
    return node.op == "const" and bool(constant_value(node) == value)


def _uses_score(graph: Graph, number: int) -> bool:
    nodes = (graph.nodes[each] for each in reachable(graph, number))
    return any(node.op == "var" and node.attr == "s" for node in nodes)


_MINUS_INFINITY = -float("inf")


def _choice(graph: Graph, node: Node) -> tuple[Symbol, int] | None:
    """For select(c, x, -inf) or its mirror: the condition and x."""
    if node.op != "select" or _uses_score(graph, node.args[0]):
        return None
    condition = Symbol(graph, node.args[0])
    if _is_constant(graph, node.args[2], _MINUS_INFINITY):
        return condition, node.args[1]
    if _is_constant(graph, node.args[1], _MINUS_INFINITY):
        return ~condition, node.args[2]
    return None


def _kept(graph: Graph, number: int) -> Any:
    """The condition under which a score is not the constant -inf."""
    node = graph.nodes[number]
    if node.op == "add":
        return graph.lift(_kept(graph, node.args[0])) & _kept(graph, node.args[1])
    choice = _choice(graph, node)
    if choice is None:
        return graph.lift(True)
    return choice[0] & _kept(graph, choice[1])


def _finite(graph: Graph, number: int) -> int:
    """The score where `_kept` holds."""
    node = graph.nodes[number]
    if node.op == "add":
        a, b = (_finite(graph, arg) for arg in node.args)
        for x, y in ((a, b), (b, a)):
            if _is_constant(graph, x, 0.0):
                return y
        return graph.add("add", node.type, (a, b)).node
    choice = _choice(graph, node)
    return number if choice is None else _finite(graph, choice[1])

"""How to reach what a callable captures, as text.

torch.compile guards what the code that it traces reads. Under it, the captures
of a mod are therefore read again along these paths: tensors become inputs of
the compiled graph, and everything else a reason to compile anew when it changes.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from .._arrays import is_array
from ..capture import (
    DICTS,
    MAX_LEAVES,
    global_names,
    is_opaque,
    is_record,
    is_torch_module,
    state_of,
)
from ..errors import ArgumentError

__all__ = ["follow", "is_readable", "paths"]

_STEP, _FIELD, _LEAF = "\x1f", "\x1e", "\x1d"
_MODULE_STATE = frozenset(torch.nn.Module().__dict__)


def paths(function: Callable[..., Any], arrays: Sequence[Any]) -> str:
    """Leaves as "kind, slot, path"; kinds: t tensor, n number, v other value.

    Slots are positions in `arrays`, the captures that a `Snapshot` lists; a tensor
    that is reached twice is there twice.
    """
    slots = {id(each): slot for slot, each in enumerate(arrays)}
    lines = []
    for count, (kind, path, value) in enumerate(_leaves(function, (), ())):
        if count >= MAX_LEAVES:
            raise ArgumentError(
                f"a mod captures at most {MAX_LEAVES} values under torch.compile"
            )
        slot = slots.get(id(value), -1) if kind == "t" else -1
        if kind == "t" and slot < 0:  # reached, but not read
            continue
        if kind == "t" and not isinstance(value, torch.Tensor):
            raise ArgumentError(
                "a mod captures torch tensors under torch.compile, but got a "
                f"{type(value).__name__}"
            )
        lines.append(_FIELD.join((kind, str(slot), _STEP.join(path))))
    return _LEAF.join(lines)


_Leaf = tuple[str, tuple[str, ...], Any]


def _leaves(
    value: Any, path: tuple[str, ...], inside: tuple[int, ...]
) -> Iterator[_Leaf]:
    kind = type(value)
    if kind in (int, float):
        yield "n", path, value
        return
    if is_array(value):
        yield "t", path, value
        return
    if id(value) in inside:  # a function that calls itself
        return
    if kind is types.FunctionType or not isinstance(value, (tuple, list, dict)):
        yield "v", path, value
    for step, each in _parts(value, kind):
        yield from _leaves(each, (*path, step), (*inside, id(value)))


def _parts(value: Any, kind: type) -> Iterator[tuple[str, Any]]:
    if kind is types.FunctionType:
        if not is_opaque(value):
            yield from _function_parts(value)
    elif kind in (tuple, list) or is_record(value):
        yield from ((f"i{n}", each) for n, each in enumerate(value))
    elif kind in DICTS:
        for name, each in value.items():
            if isinstance(name, (int, str)):
                yield f"{'i' if isinstance(name, int) else 's'}{name}", each
    elif kind is types.MethodType:
        yield "a__func__", value.__func__
        yield "a__self__", value.__self__
    elif kind is functools.partial:
        yield "afunc", value.func
        yield "aargs", value.args
        yield "akeywords", value.keywords
    elif not isinstance(value, np.generic):
        yield from _object_parts(value)


def _function_parts(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for n, cell in enumerate(function.__closure__ or ()):
        try:
            yield f"c{n}", cell.cell_contents
        except ValueError:  # not bound yet
            continue
    scope = function.__globals__
    for name in global_names(function.__code__):
        if name in scope and type(scope[name]) is not types.ModuleType:
            yield f"g{name}", scope[name]
    for name in ("__defaults__", "__kwdefaults__"):
        if getattr(function, name):
            yield f"a{name}", getattr(function, name)


def _object_parts(value: Any) -> Iterator[tuple[str, Any]]:
    state = state_of(value)
    if state is None:
        return
    if is_torch_module(value):
        own = {k: v for k, v in state.items() if k not in _MODULE_STATE}
        for group in ("_parameters", "_buffers", "_modules"):
            own |= {k: v for k, v in state[group].items() if v is not None}
        state = own
    yield from ((f"a{name}", each) for name, each in state.items())


# --- read again, under torch.compile ----------------------------------------


def follow(function: Any, text: str) -> tuple[list[Any], list[Any]]:
    """Tensors by slot, and the other values; written for Dynamo to trace."""
    tensors: dict[int, Any] = {}
    others: list[Any] = []
    if text == "":
        return [], others
    for line in text.split(_LEAF):
        kind, slot, path = line.split(_FIELD)
        value = function
        if path != "":
            for step in path.split(_STEP):
                value = _next(value, step[0], step[1:])
        if kind == "n":
            # The hash makes Dynamo specialise on the number.
            others.append(hash(value))
        elif kind == "v":
            others.append(value)
        else:
            # Looked at even if it is there twice: that must stay so.
            others.append(value.dim())
            tensors[int(slot)] = value
    return [tensors[slot] for slot in range(len(tensors))], others


def is_readable(function: Any) -> bool:
    """Leaves the graph where Dynamo itself made the function, which has no
    closure that could be read."""
    if isinstance(function, functools.partial):
        return is_readable(function.func)
    if isinstance(function, types.FunctionType):
        return function.__closure__ is None or len(function.__closure__) > 0
    return True


def _next(value: Any, kind: str, name: str) -> Any:
    if kind == "c":
        return value.__closure__[int(name)].cell_contents
    if kind == "g":
        return value.__globals__[name]
    if kind == "a":
        return getattr(value, name)
    return value[int(name)] if kind == "i" else value[name]

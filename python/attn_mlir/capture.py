"""What a Python callable captures: a key, its arrays, and a rebuilt callable.

Tracing replaces every array a callable can reach (closure cells, globals,
defaults, bound objects, containers, helper functions) by a stand-in that can be
indexed with symbols. The `Snapshot` of the same walk is what decides whether
an earlier trace still holds: scalars by value, arrays by dtype and rank only.
"""

from __future__ import annotations

import collections
import dis
import functools
import inspect
import math
import sys
import types
from collections.abc import Callable, Hashable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ._arrays import Array, element_of_dtype, is_array
from .errors import ArgumentError
from .symbolic import fail

MAX_LEAVES = 512
_OPAQUE_MODULES = frozenset(
    {"attn_mlir", "numpy", "torch", "jax", "math", "builtins", "ml_dtypes"}
)
_PLAIN = (bool, int, str, bytes, complex, type(None), type(Ellipsis))


class Identity:
    """Keys an object by identity and keeps it alive."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self.value is other.value


def scalar_key(value: object) -> Hashable:
    """A key that tells 1, 1.0, True, -0.0 and nan apart."""
    if isinstance(value, (float, np.floating)):
        number = float(value)
        if number == 0.0 or number != number:
            return (type(value), number.hex(), math.copysign(1.0, number))
        return (type(value), number)
    return (type(value), value)


_globals_read: WeakKeyDictionary[types.CodeType, tuple[str, ...]] = WeakKeyDictionary()


def global_names(code: types.CodeType) -> tuple[str, ...]:
    """Names the code and the functions inside it read from the globals."""
    found = _globals_read.get(code)
    if found is None:
        names: dict[str, None] = {}
        pending = [code]
        while pending:
            each = pending.pop()
            for instruction in dis.get_instructions(each):
                if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                    names[str(instruction.argval)] = None
            pending += [
                const for const in each.co_consts if isinstance(const, types.CodeType)
            ]
        found = _globals_read[code] = tuple(names)
    return found


# Functions made there close over a user's functions.
_COMBINATORS = ("attn_mlir.torch.mods", "torch.nn.attention.flex_attention")


def is_opaque(value: object) -> bool:
    """Functions that work on symbols as they are, or not at all."""
    module = getattr(value, "__module__", None) or ""
    if module in _COMBINATORS and getattr(value, "__closure__", None):
        return False
    return module.split(".")[0] in _OPAQUE_MODULES


DICTS = (dict, collections.OrderedDict)


def is_record(value: object) -> bool:
    """Whether a value is a named tuple."""
    return isinstance(value, tuple) and hasattr(type(value), "_fields")


def is_torch_module(value: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def state_of(value: object) -> dict[str, Any] | None:
    """The attributes of an ordinary object, None for anything special."""
    if isinstance(value, (type, types.ModuleType, types.BuiltinFunctionType)):
        return None
    opaque = is_opaque(value) or is_opaque(type(value))
    if opaque and not is_torch_module(value):
        return None
    state = getattr(value, "__dict__", None)
    return state if type(state) is dict else None


class Snapshot:
    """The key of a callable and the arrays it captures, in a fixed order."""

    __slots__ = ("_parts", "_seen", "arrays")

    def __init__(self, function: Callable[..., Any]) -> None:
        self.arrays: list[Array] = []
        self._parts: list[Any] = []
        self._seen: dict[int, int] = {}
        self._add(function)

    @property
    def key(self) -> Hashable:
        return tuple(self._parts)

    def _add(self, value: Any) -> None:
        parts = self._parts
        kind = type(value)
        if kind in _PLAIN or isinstance(value, np.generic) or kind is float:
            parts.append(scalar_key(value))
            return
        seen = self._seen.get(id(value))
        if seen is not None:
            parts.append(("seen", seen))
            return
        self._seen[id(value)] = len(self._seen)
        if len(self._seen) > MAX_LEAVES:
            fail(
                f"the callable captures more than {MAX_LEAVES} objects; "
                "capture the arrays it needs directly"
            )
        if kind is types.FunctionType:
            self._add_function(value)
        elif is_array(value):
            self._add_array(value)
        elif kind in (tuple, list) or is_record(value):
            parts.append((kind, len(value)))
            for each in value:
                self._add(each)
        elif kind in DICTS:
            parts.append((kind, len(value)))
            for name, each in value.items():
                self._add(name)
                self._add(each)
        elif kind is types.MethodType:
            parts.append(kind)
            self._add(value.__func__)
            self._add(value.__self__)
        elif kind is functools.partial:
            parts.append(kind)
            for each in (value.func, value.args, value.keywords):
                self._add(each)
        elif (state := state_of(value)) is not None:
            parts.append(Identity(kind))
            if callable(value):
                self._add(kind.__call__)
            self._add(state)
        else:
            parts.append(Identity(value))

    def _add_function(self, function: types.FunctionType) -> None:
        if is_opaque(function):
            self._parts.append(Identity(function))
            return
        code = function.__code__
        self._parts.append(Identity(code))
        for cell in function.__closure__ or ():
            try:
                value = cell.cell_contents
            except ValueError:
                self._parts.append("not bound yet")
            else:
                self._add(value)
        scope = function.__globals__
        for name in global_names(code):
            if name in scope:
                value = scope[name]
                if type(value) is not types.ModuleType:
                    self._add(value)
        for defaults in (function.__defaults__, function.__kwdefaults__):
            if defaults:
                self._add(defaults)

    def _add_array(self, array: Array) -> None:
        element = element_of_dtype(array.dtype)
        if element is None:
            raise ArgumentError(
                "a captured array expects a numeric or bool dtype, but got "
                f"{array.dtype}"
            )
        self._parts.append(("array", len(self.arrays), element, array.ndim))
        self.arrays.append(array)


class Rebuild:
    """A copy of a callable in which `wrap(array)` stands for each array."""

    def __init__(self, wrap: Callable[[Array], Any]) -> None:
        self._wrap = wrap
        self._done: dict[int, Any] = {}
        self._alive: list[Any] = []

    def __call__(self, value: Any) -> Any:
        kind = type(value)
        if kind in _PLAIN or isinstance(value, np.generic) or kind is float:
            return value
        if id(value) in self._done:
            return self._done[id(value)]
        self._alive.append(value)
        result = self._build(value, kind)
        self._done[id(value)] = result
        return result

    def _build(self, value: Any, kind: type) -> Any:
        if kind is types.FunctionType:
            return value if is_opaque(value) else self._function(value)
        if is_array(value):
            return self._wrap(value)
        if kind is tuple:
            return tuple(self(each) for each in value)
        if kind is list:
            return [self(each) for each in value]
        if is_record(value):
            return kind(*(self(each) for each in value))
        if kind in DICTS:
            return kind((name, self(each)) for name, each in value.items())
        if kind is types.MethodType:
            return types.MethodType(self(value.__func__), self(value.__self__))
        if kind is functools.partial:
            return functools.partial(
                self(value.func), *self(value.args), **self(value.keywords)
            )
        state = state_of(value)
        if state is None:
            return value
        try:
            shadow: Any = object.__new__(kind)
        except TypeError:  # a kind with a layout of its own
            return value
        self._done[id(value)] = shadow
        shadow.__dict__.update(self(state))
        return shadow

    def _function(self, function: types.FunctionType) -> Any:
        code = function.__code__
        scope = dict(function.__globals__)
        cells = tuple(types.CellType() for _ in function.__closure__ or ())
        result = types.FunctionType(code, scope, function.__name__, None, cells or None)
        # Known before its captures are visited: functions may be recursive.
        self._done[id(function)] = result
        for cell, old in zip(cells, function.__closure__ or (), strict=True):
            try:
                value = old.cell_contents
            except ValueError:  # not bound yet
                continue
            cell.cell_contents = self(value)
        for name in global_names(code):
            if name in scope and type(scope[name]) is not types.ModuleType:
                scope[name] = self(scope[name])
        result.__defaults__ = self(function.__defaults__)
        result.__kwdefaults__ = self(function.__kwdefaults__)
        return result


def rebuild(
    function: Callable[..., Any], wrap: Callable[[Array], Any]
) -> Callable[..., Any]:
    """The callable with its arrays replaced; objects keep their classes."""
    build = Rebuild(wrap)
    result: Callable[..., Any] = build(function)
    call = inspect.getattr_static(type(function), "__call__", None)
    if type(call) is types.FunctionType:  # an object that is callable
        return types.MethodType(build(call), result)
    return result

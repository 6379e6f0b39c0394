"""Integer ranges of a graph's nodes, and its evaluation with NumPy.

Ranges decide which captured array accesses need no wrap and no clamp for given
sizes; the evaluation serves `Options(check_indices=True)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np

from .symbolic import BOOL, FLOAT, INDEX, Graph, Node, constant_value

Range: TypeAlias = tuple[float, float]  # inclusive; integers or infinities

ANY: Range = (-math.inf, math.inf)
_INT64 = 1 << 63
# Index of each position and the size it stays below.
_POSITIONS = {"b": "B", "h": "H", "i": "L", "j": "S"}


class Access(IntEnum):
    """What an index needs before it may be used."""

    PLAIN = 0  # always inside
    CLAMP = 1  # never negative
    WRAP = 2  # wrap once, then clamp


def _product(a: float, b: float) -> float:
    return 0 if a == 0 or b == 0 else a * b


def _corners(a: Range, b: Range, f: Callable[[float, float], float]) -> Range:
    values = [f(x, y) for x in a for y in b]
    return min(values), max(values)


def _floordiv(a: Range, b: Range) -> Range:
    if b[0] != b[1] or b[0] <= 0:
        return ANY
    return (
        a[0] // b[0] if math.isfinite(a[0]) else a[0],
        a[1] // b[0] if math.isfinite(a[1]) else a[1],
    )


def _mod(a: Range, b: Range) -> Range:
    if b[0] != b[1] or b[0] <= 0:
        return ANY
    if a[0] >= 0 and a[1] < b[0]:
        return a
    return 0, b[0] - 1


def _abs(a: Range) -> Range:
    if a[0] >= 0:
        return a
    return (-a[1], -a[0]) if a[1] <= 0 else (0, max(-a[0], a[1]))


_RANGES: dict[str, Callable[..., Range]] = {
    "add": lambda a, b: (a[0] + b[0], a[1] + b[1]),
    "sub": lambda a, b: (a[0] - b[1], a[1] - b[0]),
    "mul": lambda a, b: _corners(a, b, _product),
    "neg": lambda a: (-a[1], -a[0]),
    "abs": _abs,
    "min": lambda a, b: (min(a[0], b[0]), min(a[1], b[1])),
    "max": lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
    "floordiv": _floordiv,
    "mod": _mod,
    "cast": lambda a: a,
    "select": lambda c, a, b: (min(a[0], b[0]), max(a[1], b[1])),
}


def _node_range(node: Node, args: list[Range], sizes: Mapping[str, int]) -> Range:
    if node.type == BOOL:
        return 0, 1
    if node.type == FLOAT:
        return ANY
    if node.op == "const":
        value = constant_value(node)
        return value, value
    if node.op == "var":
        name = str(node.attr)
        if name in sizes:
            return sizes[name], sizes[name]
        return 0, max(sizes[_POSITIONS[name]] - 1, 0)
    rule = _RANGES.get(node.op)
    found = ANY if rule is None else rule(*args)
    # Past 64 bits the machine wraps around.
    return found if found[0] >= -_INT64 and found[1] < _INT64 else ANY


def ranges(graph: Graph, sizes: Mapping[str, int]) -> list[Range]:
    """The range of each node for sizes B, H, L, S."""
    found: list[Range] = []
    for node in graph.nodes:
        args = [found[arg] for arg in node.args]
        found.append(_node_range(node, args, sizes))
    return found


def accesses(
    graph: Graph, sizes: Mapping[str, int], shapes: Sequence[tuple[int, ...]]
) -> tuple[Access, ...]:
    """What each index of each load needs, in the order of `load_indices`."""
    found = ranges(graph, sizes)
    result = []
    for arg, slot, axis in load_indices(graph):
        low, high = found[arg]
        if low < 0:
            result.append(Access.WRAP)
        elif high < shapes[slot][axis]:
            result.append(Access.PLAIN)
        else:
            result.append(Access.CLAMP)
    return tuple(result)


def load_indices(graph: Graph) -> Iterable[tuple[int, int, int]]:
    """(index node, slot, axis) of every index of every load."""
    for node in graph.nodes:
        if node.op == "load":
            slot = int(str(node.attr))
            for axis, arg in enumerate(node.args):
                yield arg, slot, axis


def _integer_division(a: Any, b: Any) -> Any:
    with np.errstate(divide="ignore"):
        return np.floor_divide(a, b)


def _integer_remainder(a: Any, b: Any) -> Any:
    with np.errstate(divide="ignore"):
        return np.remainder(a, b)


_EVALUATE: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "floordiv": _integer_division,
    "mod": _integer_remainder,
    "pow": np.power,
    "neg": np.negative,
    "abs": np.abs,
    "min": np.minimum,
    "max": np.maximum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "not": np.invert,
    "shl": np.left_shift,
    "shr": np.right_shift,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "select": np.where,
    "exp": np.exp,
    "exp2": np.exp2,
    "log": np.log,
    "log2": np.log2,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1.0 / np.sqrt(x),
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "sin": np.sin,
    "cos": np.cos,
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.round,
}
_LIMIT = 2.0**62  # of floats that become integers, as in kernels


def _cast(value: np.ndarray[Any, Any], kind: str) -> np.ndarray[Any, Any]:
    if value.dtype.kind == "f" and kind == INDEX:
        value = np.clip(np.nan_to_num(value, posinf=_LIMIT), -_LIMIT, _LIMIT)
    return value.astype(_NUMPY_TYPES[kind])


_NUMPY_TYPES = {INDEX: np.int64, BOOL: np.bool_, FLOAT: np.float64}

Outside: TypeAlias = Callable[[int, int, Any, int], None]


def evaluate(
    graph: Graph,
    values: Mapping[str, Any],
    arrays: Sequence[np.ndarray[Any, Any]],
    outside: Outside | None = None,
) -> list[Any]:
    """The value of every node; `values` has the variables as NumPy arrays.

    `outside(slot, axis, where, extent)` is told where an index is outside.
    """
    found: list[Any] = []
    for node in graph.nodes:
        args = [found[arg] for arg in node.args]
        if node.op == "const":
            found.append(_NUMPY_TYPES[node.type](constant_value(node)))
        elif node.op == "var":
            found.append(values[str(node.attr)])
        elif node.op == "cast":
            found.append(_cast(np.asarray(args[0]), node.type))
        elif node.op == "load":
            slot = int(str(node.attr))
            indices = []
            for axis, index in enumerate(args):
                extent = arrays[slot].shape[axis]
                if outside is not None:
                    bad = (index < -extent) | (index >= extent)
                    outside(slot, axis, bad, extent)
                indices.append(inside(index, extent))
            loaded = np.asarray(arrays[slot][tuple(indices)])
            found.append(loaded.astype(_NUMPY_TYPES[node.type]))
        else:
            found.append(_EVALUATE[node.op](*args))
    return found


def inside(index: Any, extent: int) -> Any:
    """An index wrapped once, then clamped, as kernels do it."""
    wrapped = np.where(np.less(index, 0), np.add(index, extent), index)
    return np.clip(wrapped, 0, extent - 1)

"""Where masks and scores are evaluated: on symbols or on NumPy grids.

One predicate serves both: a `Position` gives it b, h, i, j and the sizes, and
stand-ins for its arrays.
"""

from __future__ import annotations

import linecache
import os
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NoReturn

import numpy as np

from ._arrays import Array, as_numpy, element_of_dtype
from .capture import rebuild
from .errors import ArgumentError, TraceError
from .ranges import inside
from .symbolic import Capture, Graph, Symbol, Value, fail

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class Position:
    """Indices b, h, i, j, sizes B, H, L, S, and access to arrays.

    `heads` is H as a number, known even while tracing.
    """

    def __init__(
        self, values: dict[str, Value], heads: int, wrap: Callable[[Array], Any]
    ) -> None:
        self.heads = heads
        self.b, self.h = values["b"], values["h"]
        self.i, self.j = values["i"], values["j"]
        self.B, self.H = values["B"], values["H"]
        self.L, self.S = values["L"], values["S"]
        self.wrap = wrap

    @property
    def indices(self) -> tuple[Value, Value, Value, Value]:
        return self.b, self.h, self.i, self.j


class _StandIn:
    """What a captured array looks like to the callable."""

    def __init__(self, array: Array) -> None:
        self._array = array

    @property
    def shape(self) -> tuple[int, ...]:
        self._pin()
        return tuple(self._array.shape)

    @property
    def ndim(self) -> int:
        return int(self._array.ndim)

    @property
    def dtype(self) -> Any:
        return self._array.dtype

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=object))

    def __len__(self) -> int:
        return self.shape[0]

    def _pin(self) -> None:
        """The shape becomes part of what is compiled."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        fail(
            f"'.{name}' of a captured array is not traced; index the array "
            "with b, h, i, j and compute with the elements"
        )

    def _refuse(self, *args: object) -> NoReturn:
        fail(
            "a captured array can only be indexed here; index it with b, h, i, "
            "j and compute with the elements"
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _refuse
    __truediv__ = __rtruediv__ = __floordiv__ = __mod__ = __pow__ = _refuse
    __and__ = __or__ = __xor__ = __invert__ = __neg__ = __abs__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __iter__ = __bool__ = _refuse
    __array__ = __array_ufunc__ = __array_function__ = _refuse
    __eq__ = __ne__ = _refuse
    __hash__ = object.__hash__


def _as_indices(key: object) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


class SymbolicArray(_StandIn):
    """Indexing gives load nodes; partial indexing gives a smaller stand-in."""

    def __init__(
        self, array: Array, tracing: Tracing, slot: int, taken: tuple[Symbol, ...]
    ) -> None:
        super().__init__(array)
        self._tracing = tracing
        self._slot = slot
        self._taken = taken

    def _pin(self) -> None:
        self._tracing.pinned = True

    @property
    def shape(self) -> tuple[int, ...]:
        return super().shape[len(self._taken) :]

    @property
    def ndim(self) -> int:
        return super().ndim - len(self._taken)

    def __getitem__(self, key: object) -> Any:
        graph = self._tracing.graph
        given = _as_indices(key)
        taken = list(self._taken)
        for index in given:
            if isinstance(index, (slice, type(None), type(Ellipsis), list)):
                fail("a captured array is indexed by positions, not by slices")
            symbol = graph.lift(index)
            if symbol.type != "index":
                fail(f"an array index must be an integer, not a {symbol.type}")
            taken.append(symbol)
        rank = int(self._array.ndim)
        if len(taken) > rank:
            fail(f"{len(taken)} indices for a captured array of rank {rank}")
        if len(taken) < rank:
            return SymbolicArray(self._array, self._tracing, self._slot, tuple(taken))
        return graph.load(self._slot, taken)


class GridArray(_StandIn):
    """Indexing evaluates with NumPy: negatives wrap once, then clamp."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        super().__init__(array)
        self._taken: tuple[Any, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        return super().shape[len(self._taken) :]

    @property
    def ndim(self) -> int:
        return super().ndim - len(self._taken)

    def __getitem__(self, key: object) -> Any:
        taken = self._taken + _as_indices(key)
        rank = self._array.ndim
        if len(taken) > rank:
            fail(f"{len(taken)} indices for a captured array of rank {rank}")
        if len(taken) < rank:
            part = GridArray(self._array)
            part._taken = taken
            return part
        return self._array[
            tuple(
                inside(index, extent)
                for index, extent in zip(taken, self._array.shape, strict=True)
            )
        ]


class Tracing:
    """One graph under construction and the arrays it may capture."""

    def __init__(self, arrays: Sequence[Array], heads: int) -> None:
        self.graph = Graph()
        self.pinned = False  # whether the callable looked at a shape
        self._slots: dict[int, int] = {}
        for slot, array in enumerate(arrays):
            element = element_of_dtype(array.dtype)
            assert element is not None
            self.graph.captures.append(Capture(element, array.ndim))
            self._slots.setdefault(id(array), slot)
        names = ("b", "h", "i", "j", "B", "H", "L", "S")
        values = {name: self.graph.variable(name) for name in names}
        self.position = Position(values, heads, self._wrap)

    def _wrap(self, array: Array) -> Any:
        slot = self._slots[id(array)]
        if array.ndim == 0:
            return self.graph.load(slot, ())
        return SymbolicArray(array, self, slot, ())


def _wrap_numpy(array: Array) -> Any:
    plain = as_numpy(array)
    if plain.dtype.kind == "f":  # everything is computed in float64
        plain = plain.astype(np.float64)
    return plain[()] if plain.ndim == 0 else GridArray(plain)


def grid(
    B: int, H: int, L: int, S: int, rows: tuple[int, int] | None = None
) -> Position:
    """All positions as NumPy arrays that broadcast to [B, H, L, S]."""
    first, last = rows if rows is not None else (0, L)
    values = {
        "b": np.arange(B, dtype=np.int64).reshape(B, 1, 1, 1),
        "h": np.arange(H, dtype=np.int64).reshape(1, H, 1, 1),
        "i": np.arange(first, last, dtype=np.int64).reshape(1, 1, last - first, 1),
        "j": np.arange(S, dtype=np.int64).reshape(1, 1, 1, S),
        "B": B,
        "H": H,
        "L": L,
        "S": S,
    }
    return Position(values, H, _wrap_numpy)


def points(
    sizes: tuple[int, int, int, int], leading: tuple[int, int], i: Any, j: Any
) -> Position:
    """Pairs (i, j), NumPy arrays that broadcast, of one batch element and head."""
    b, h = (np.full((1,) * i.ndim, each, dtype=np.int64) for each in leading)
    values = {"b": b, "h": h, "i": i, "j": j, **dict(zip("BHLS", sizes, strict=True))}
    return Position(values, sizes[1], _wrap_numpy)


def call(
    function: Callable[..., Any], args: Sequence[Value], position: Position
) -> Any:
    """Call a user's callable with stand-ins for its arrays."""
    return invoke(rebuild(function, position.wrap), args)


def invoke(function: Callable[..., Any], args: Sequence[Value]) -> Any:
    """Call a rebuilt callable; its errors name the user's line."""
    try:
        return function(*args)
    except (TraceError, ArgumentError):
        raise
    except Exception as error:
        _raise_trace_error(error, error.__traceback__)


def _raise_trace_error(error: Exception, traceback: TracebackType | None) -> NoReturn:
    """A TraceError at the innermost line of the user's code."""
    file, line, source = "", 0, ""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        path = code.co_filename
        own = path.startswith(_PACKAGE) or "site-packages" in path
        if not own or not file:
            file, line = path, traceback.tb_lineno
            source = linecache.getline(path, line, traceback.tb_frame.f_globals)
        traceback = traceback.tb_next
    message = f"cannot be traced: {type(error).__name__}: {error}"
    raise TraceError(message, file, line, source.strip()) from error

"""Score objects: what happens to a scaled logit before the mask.

`f.then(g)` applies f first. `f + g` adds the terms of additive scores (bias,
alibi, t5_bias, relative) to the result of the other one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ._arrays import FLOATS, Array, adopt, element_of_dtype, is_array
from ._checks import (
    Attribute,
    Fixed,
    Signature,
    check_broadcast,
    fits,
    integer,
    listed,
    rank,
    static_ones,
)
from .capture import Snapshot
from .emit import float_text
from .errors import ArgumentError
from .symbolic import Value, exp2, maximum, minimum, tanh, where
from .trace import Position, call

__all__ = [
    "Score",
    "alibi",
    "alibi_slopes",
    "bias",
    "fn",
    "relative",
    "softcap",
    "t5_bias",
    "t5_bucket",
]

Modifier = Callable[[Value, Value, Value, Value, Value], Value]


class Score:
    """A function (s, b, h, i, j) -> s of a scaled logit."""

    additive = False  # whether it adds a term that does not depend on s

    def then(self, other: object) -> Score:
        """This score, then the other one on its result."""
        return _Chain([*self.steps(), *as_score("score", other).steps()])

    def __add__(self, other: object) -> Score:
        return _add(self, as_score("score", other))

    def __radd__(self, other: object) -> Score:
        return _add(as_score("score", other), self)

    # A NumPy array on the left must not broadcast over the object.
    __array_ufunc__ = None

    # --- for the package ----------------------------------------------------

    def steps(self) -> list[Score]:
        """The primitive scores, in the order they are applied."""
        return [self]

    def signature(self) -> Signature:
        raise TypeError(f"{type(self).__name__} is not a score of this package")

    def apply(self, s: Value, at: Position) -> Value:
        raise TypeError(f"{type(self).__name__} is not a score of this package")

    def attribute(self) -> Attribute | None:
        """The equivalent IR attribute, if there is one."""
        return None

    def check(self, B: int, H: int, L: int, S: int) -> None:
        """Raise ArgumentError when the score does not fit the sizes."""


def _add(left: Score, right: Score) -> Score:
    if right.additive:
        return left.then(right)
    if left.additive:
        return right.then(left)
    raise ArgumentError(
        "'+' expects an additive score (bias, alibi, t5_bias, relative) on at "
        f"least one side, but got {left!r} and {right!r}; use .then()"
    )


class _Chain(Score):
    def __init__(self, steps: list[Score]) -> None:
        self._steps = steps
        self.additive = all(step.additive for step in steps)

    def steps(self) -> list[Score]:
        return list(self._steps)

    def signature(self) -> Signature:
        parts = [step.signature() for step in self._steps]
        arrays = tuple(each for part in parts for each in part.arrays)
        return Signature(tuple(part.key for part in parts), arrays)

    def apply(self, s: Value, at: Position) -> Value:
        for step in self._steps:
            s = step.apply(s, at)
        return s

    def check(self, B: int, H: int, L: int, S: int) -> None:
        for step in self._steps:
            step.check(B, H, L, S)

    def __repr__(self) -> str:
        first, *rest = (repr(step) for step in self._steps)
        return first + "".join(f".then({each})" for each in rest)


class _Known(Fixed, Score):
    _module = "scores"


def as_score(name: str, value: object) -> Score:
    """A score object from anything the `score` argument takes."""
    if isinstance(value, Score):
        return value
    if is_array(value):
        return _Bias(name, value)
    if callable(value):
        return _Function(value)
    raise ArgumentError(
        f"argument '{name}' expects None, a score object, a callable (s, b, h, "
        f"i, j) -> s or a float array, but got {type(value).__name__}"
    )


def _floats(name: str, value: object, *ranks: int) -> Array:
    array = adopt(name, value) if is_array(value) else listed(name, value)
    element = element_of_dtype(array.dtype)
    if element not in FLOATS:
        hint = "; a bool array is a mask" if element == "i1" else ""
        raise ArgumentError(
            f"argument '{name}' expects a float array, but got dtype "
            f"{array.dtype}{hint}"
        )
    return rank(name, array, *ranks)


class _Bias(_Known):
    additive = True

    def __init__(self, name: str, value: object) -> None:
        self._argument = name
        self.array = _floats(name, value, 0, 1, 2, 3, 4)
        self.ones = tuple(size == 1 for size in self.array.shape)
        super().__init__("bias(...)", self.ones, self.array)

    def apply(self, s: Value, at: Position) -> Value:
        view = at.wrap(self.array)
        if self.array.ndim == 0:
            return s + view
        indices = at.indices[4 - self.array.ndim :]
        pairs = zip(self.ones, indices, strict=True)
        return s + view[tuple(0 if one else index for one, index in pairs)]

    def attribute(self) -> Attribute | None:
        if self.array.ndim == 0:
            return None
        ones = static_ones(self.array.shape)
        return Attribute("#attn.bias", (self.array,), (ones,))

    def check(self, B: int, H: int, L: int, S: int) -> None:
        check_broadcast(self._argument, self.array, (B, H, L, S))


class _Softcap(_Known):
    def __init__(self, c: object) -> None:
        if isinstance(c, bool) or not isinstance(c, (int, float, np.number)):
            raise ArgumentError(
                f"argument 'c' expects a positive number, but got {c!r}"
            )
        self.cap = float(c)
        if not 0 < self.cap < math.inf:
            raise ArgumentError(
                f"argument 'c' expects a positive number, but got {self.cap}"
            )
        super().__init__(f"softcap({self.cap})", self.cap)

    def apply(self, s: Value, at: Position) -> Value:
        return self.cap * tanh(s / self.cap)

    def attribute(self) -> Attribute | None:
        return Attribute(f"#attn.softcap<{float_text(self.cap, 'f64')}>")


def alibi_slopes(heads: int) -> list[float]:
    """The published slopes: 2^(-8 (h + 1) / H) for H a power of two.

    Otherwise those of the lower power of two, then every second one of the
    next.
    """
    power = 1 << (heads.bit_length() - 1) if heads > 0 else 0
    slopes = [2.0 ** (-8.0 * (h + 1) / power) for h in range(power)]
    rest = heads - power
    return slopes + [2.0 ** (-4.0 * (2 * h + 1) / power) for h in range(rest)]


def _published_slope(at: Position) -> Value:
    """alibi_slopes(H)[h] as an expression."""
    power = 1 << (at.heads.bit_length() - 1)
    slope = exp2((at.h + 1) * (-8.0 / power))
    if power == at.heads:
        return slope
    rest = exp2((2 * (at.h - power) + 1) * (-4.0 / power))
    return where(at.h < power, slope, rest)


class _Alibi(_Known):
    additive = True

    def __init__(self, slopes: object | None) -> None:
        self.slopes = None if slopes is None else _floats("slopes", slopes, 1)
        arrays = () if self.slopes is None else (self.slopes,)
        super().__init__("alibi()", None, *arrays)

    def apply(self, s: Value, at: Position) -> Value:
        if self.slopes is not None:
            slope = at.wrap(self.slopes)[at.h]
        else:
            slope = _published_slope(at)
        return s - slope * (at.i - at.j)

    def attribute(self) -> Attribute | None:
        return Attribute("#attn.alibi", self.signature().arrays)

    def check(self, B: int, H: int, L: int, S: int) -> None:
        if self.slopes is not None:
            fits("slopes", self.slopes, 0, H, "H")


def t5_bucket(
    distance: int, buckets: int, bidirectional: bool, max_distance: int
) -> int:
    """T5's bucket of the distance j - i."""
    base = 0
    if bidirectional:
        buckets //= 2
        base = buckets if distance > 0 else 0
        distance = abs(distance)
    else:
        distance = max(-distance, 0)
    exact = buckets // 2
    if distance < exact:
        return base + distance
    step = math.log(distance / exact) / math.log(max_distance / exact)
    return base + min(buckets - 1, exact + int(step * (buckets - exact)))


class _T5Bias(_Known):
    additive = True

    def __init__(
        self, table: object, bidirectional: object, max_distance: object
    ) -> None:
        self.table = _floats("table", table, 2)
        self.reach = integer("max_distance", max_distance, 1)
        if not isinstance(bidirectional, (bool, np.bool_)):
            raise ArgumentError(
                f"argument 'bidirectional' expects a bool, but got {bidirectional!r}"
            )
        buckets = int(self.table.shape[0])
        least = 4 if bidirectional else 2
        half = buckets // 2 if bidirectional else buckets
        if buckets < least or self.reach <= half // 2 or self.reach > 1 << 24:
            raise ArgumentError(
                f"argument 'table' expects at least {least} buckets and "
                "'max_distance' more than the exact ones (at most 2^24), but "
                f"got {buckets} buckets and max_distance {self.reach}"
            )
        # Beyond max_distance the bucket no longer changes.
        self.buckets = np.array(
            [
                t5_bucket(each, buckets, bool(bidirectional), self.reach)
                for each in range(-self.reach, self.reach + 1)
            ],
            dtype=np.int32,
        )
        text = f"t5_bias(..., {bidirectional}, {self.reach})"
        super().__init__(text, self.reach, self.buckets, self.table)

    def apply(self, s: Value, at: Position) -> Value:
        distance = minimum(maximum(at.j - at.i, -self.reach), self.reach)
        bucket = at.wrap(self.buckets)[distance + self.reach]
        return s + at.wrap(self.table)[bucket, at.h]

    def check(self, B: int, H: int, L: int, S: int) -> None:
        fits("table", self.table, 1, H, "H")


class _Relative(_Known):
    additive = True

    def __init__(self, table: object) -> None:
        self.table = _floats("table", table, 1, 2)
        width = int(self.table.shape[-1])
        if width % 2 == 0:
            raise ArgumentError(
                "argument 'table' expects an odd last dimension 2 n + 1, but "
                f"got shape {tuple(self.table.shape)}"
            )
        self.reach = width // 2
        super().__init__("relative(...)", self.reach, self.table)

    def apply(self, s: Value, at: Position) -> Value:
        distance = minimum(maximum(at.j - at.i, -self.reach), self.reach)
        view = at.wrap(self.table)
        column = distance + self.reach
        return s + (view[column] if self.table.ndim == 1 else view[at.h, column])

    def check(self, B: int, H: int, L: int, S: int) -> None:
        if self.table.ndim == 2:
            fits("table", self.table, 0, H, "H")


class _Function(Score):
    def __init__(self, function: Modifier) -> None:
        self.function = function

    def signature(self) -> Signature:
        snapshot = Snapshot(self.function)
        return Signature(("fn", snapshot.key), tuple(snapshot.arrays))

    def apply(self, s: Value, at: Position) -> Value:
        return call(self.function, (s, *at.indices), at)

    def __repr__(self) -> str:
        return f"am.scores.fn({self.function!r})"


def bias(array: Array) -> Score:
    """`s + array`, floats that broadcast to [B, H, L, S] by NumPy's rules."""
    return _Bias("array", array)


def softcap(c: float) -> Score:
    """`c * tanh(s / c)`, c > 0."""
    return _Softcap(c)


def alibi(slopes: Array | None = None) -> Score:
    """`s - slopes[h] * (i - j)`; slopes: float [H], default the published ones."""
    return _Alibi(slopes)


def t5_bias(table: Array, bidirectional: bool, max_distance: int) -> Score:
    """`s + table[bucket(j - i), h]` with T5's buckets; table: float [n, H].

    T5 itself uses scale = 1.
    """
    return _T5Bias(table, bidirectional, max_distance)


def relative(table: Array) -> Score:
    """`s + table[h, clip(j - i, -n, n) + n]`; table: [2 n + 1] or [H, 2 n + 1]."""
    return _Relative(table)


def fn(function: Modifier) -> Score:
    """A callable `(s, b, h, i, j) -> s`, traced once and never called per pair."""
    if not callable(function):
        raise ArgumentError(
            "argument 'function' expects a callable (s, b, h, i, j) -> s, but "
            f"got {type(function).__name__}"
        )
    return _Function(function)

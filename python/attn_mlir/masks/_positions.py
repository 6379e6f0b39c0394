"""Masks that are arithmetic of positions, with at most an offset per batch."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import groupby

import numpy as np

from .._checks import Attribute, fits, integer, integers
from ..errors import ArgumentError
from ..symbolic import Value, abs, maximum, minimum
from ..trace import Position
from ._base import Known, Leading, Mask, attribute_text


class Offset(Known):
    """An int, or an int array [B], named `offset`."""

    def __init__(self, text: str, key: Hashable, name: str, value: object) -> None:
        self.constant, self.operand = 0, None
        if isinstance(value, (int, np.integer)):
            self.constant = integer(name, value)
        else:
            self.operand = integers(name, value, 1)
        self._name = name
        arrays = () if self.operand is None else (self.operand,)
        super().__init__(text, (key, self.constant), *arrays)

    def value(self, at: Position) -> Value:
        if self.operand is None:
            return self.constant
        return at.wrap(self.operand)[at.b]

    def leading(self) -> Leading:
        return None if self.operand is None else len(self.operand), None

    def check(self, B: int, H: int, L: int, S: int) -> None:
        if self.operand is not None:
            fits(self._name, self.operand, 0, B, "B")


class Causal(Offset):
    def __init__(self, align: str, offset: object) -> None:
        if align not in ("top_left", "bottom_right"):
            raise ArgumentError(
                "argument 'align' expects 'top_left' or 'bottom_right', but "
                f"got {align!r}"
            )
        self.align = align
        text = f"causal(align={align!r}, offset={_brief(offset)})"
        super().__init__(text, align, "offset", offset)

    def predicate(self, at: Position) -> Value:
        limit = at.i
        if self.align == "bottom_right":
            limit = limit + (at.S - at.L)
        if self.operand is not None or self.constant != 0:
            limit = limit + self.value(at)
        return at.j <= limit

    def attributes(self) -> list[Attribute] | None:
        parameters = [] if self.align == "top_left" else [self.align]
        if self.constant != 0:
            parameters.append(f"offset = {self.constant}")
        return [
            Attribute(attribute_text("causal", parameters), self.signature().arrays)
        ]


class Window(Offset):
    def __init__(self, left: object, right: object, offset: object) -> None:
        self.left = integer("left", left, -1)
        self.right = integer("right", right, -1)
        text = f"window({self.left}, {self.right}, offset={_brief(offset)})"
        super().__init__(text, (self.left, self.right), "offset", offset)

    def predicate(self, at: Position) -> Value:
        # The same sum for both bounds, so that traces share it.
        centre = at.i
        if self.operand is not None or self.constant != 0:
            centre = centre + self.value(at)
        keep: Value = True
        if self.left >= 0:
            keep = at.j >= centre - self.left
        if self.right >= 0:
            upper = at.j <= centre + self.right
            keep = upper if keep is True else keep & upper
        return keep

    def attributes(self) -> list[Attribute] | None:
        parameters = []
        for name, value in (("left", self.left), ("right", self.right)):
            if value >= 0:
                parameters.append(f"{name} = {value}")
        if self.constant != 0:
            parameters.append(f"offset = {self.constant}")
        return [
            Attribute(attribute_text("window", parameters), self.signature().arrays)
        ]


class Prefix(Offset):
    def __init__(self, n: object) -> None:
        super().__init__(f"prefix({_brief(n)})", None, "n", n)

    def predicate(self, at: Position) -> Value:
        return at.j < self.value(at)

    def attributes(self) -> list[Attribute] | None:
        parameters = [str(self.constant)] if self.constant != 0 else []
        return [
            Attribute(attribute_text("prefix", parameters), self.signature().arrays)
        ]


class KeyLengths(Known):
    def __init__(self, lengths: object) -> None:
        self.lengths = integers("lengths", lengths, 1)
        super().__init__("key_lengths(...)", None, self.lengths)

    def predicate(self, at: Position) -> Value:
        return at.j < at.wrap(self.lengths)[at.b]

    def attributes(self) -> list[Attribute] | None:
        return [Attribute("#attn.key_lengths", (self.lengths,))]

    def leading(self) -> Leading:
        return len(self.lengths), None

    def check(self, B: int, H: int, L: int, S: int) -> None:
        fits("lengths", self.lengths, 0, B, "B")


class Dilated(Known):
    """One step for all heads, or one for each."""

    def __init__(self, window: object, step: object) -> None:
        self.window = integer("window", window, 0)
        self.is_list = not isinstance(step, (int, np.integer))
        self.steps = tuple_of_integers("step", step, None)
        key = (self.window, self.steps, self.is_list)
        shown = list(self.steps) if self.is_list else self.steps[0]
        super().__init__(f"dilated({self.window}, {shown})", key)

    def predicate(self, at: Position) -> Value:
        distance = at.i - at.j
        near = abs(distance) <= self.window
        if len(set(self.steps)) == 1:
            return near & (distance % self.steps[0] == 0)
        first, any_head = 0, None
        for step, heads in groupby(self.steps):
            last = first + len(list(heads))
            own = (at.h >= first) & (at.h < last) & (distance % step == 0)
            any_head = own if any_head is None else any_head | own
            first = last
        return near & any_head

    def attributes(self) -> list[Attribute] | None:
        step = f"step = {self.steps[0]}"
        if len(self.steps) > 1:
            step = f"steps = [{_listed(self.steps)}]"
        return [Attribute(f"#attn.dilated<window = {self.window}, {step}>")]

    def of_head(self, head: int) -> Mask:
        return Dilated(self.window, self.steps[head]) if self.is_list else self

    def leading(self) -> Leading:
        return None, len(self.steps) if self.is_list else None

    def check(self, B: int, H: int, L: int, S: int) -> None:
        if self.is_list and len(self.steps) != H:
            raise ArgumentError(
                f"argument 'step' expects an integer or one for each of H = {H} "
                f"heads, but got {len(self.steps)}"
            )


class Segments(Known):
    def __init__(self, length: object) -> None:
        self.length = integer("length", length, 1)
        super().__init__(f"segments({self.length})", self.length)

    def predicate(self, at: Position) -> Value:
        return at.i // self.length == at.j // self.length

    def attributes(self) -> list[Attribute] | None:
        return [Attribute(f"#attn.segments<{self.length}>")]


class Neighborhood(Known):
    """NATTEN's rule per axis, windows moved inside at the borders."""

    def __init__(self, shape: object, window: object, dilation: object) -> None:
        self.shape = tuple_of_integers("shape", shape, None)
        self.window = tuple_of_integers("window", window, len(self.shape))
        self.dilation = tuple_of_integers("dilation", dilation, len(self.shape))
        for size, width, step in zip(
            self.shape, self.window, self.dilation, strict=True
        ):
            if width % 2 == 0:
                raise ArgumentError(
                    f"argument 'window' expects odd widths, but got {width}"
                )
            if width * step > size:
                raise ArgumentError(
                    "argument 'window' expects window * dilation <= shape on "
                    f"each axis, but got {width} * {step} > {size}"
                )
        key = (self.shape, self.window, self.dilation)
        super().__init__(f"neighborhood({self.shape}, {self.window})", key)

    def predicate(self, at: Position) -> Value:
        keep: Value = None
        stride = 1
        axes = list(zip(self.shape, self.window, self.dilation, strict=True))
        for size, width, step in reversed(axes):
            x, y = at.i // stride, at.j // stride
            if stride * size != int(np.prod(self.shape, dtype=object)):
                x, y = x % size, y % size
            axis = _near(x, y, size, width, step)
            keep = axis if keep is None else keep & axis
            stride *= size
        return keep

    def attributes(self) -> list[Attribute] | None:
        parameters = [
            f"shape = [{_listed(self.shape)}]",
            f"window = [{_listed(self.window)}]",
        ]
        if set(self.dilation) != {1}:
            parameters.append(f"dilation = [{_listed(self.dilation)}]")
        return [Attribute(attribute_text("neighborhood", parameters))]

    def check(self, B: int, H: int, L: int, S: int) -> None:
        tokens = int(np.prod(self.shape, dtype=object))
        if (tokens, tokens) != (L, S):
            raise ArgumentError(
                f"argument 'shape' expects a product of L = {L} and S = {S}, "
                f"but got {self.shape}"
            )


def _near(x: Value, y: Value, size: int, width: int, step: int) -> Value:
    if step == 1:
        start = minimum(maximum(x - width // 2, 0), size - width)
        return (y >= start) & (y < start + width)
    # Tokens of one residue form their own shorter axis.
    count = (size - 1 - x % step) // step + 1
    start = minimum(maximum(x // step - width // 2, 0), count - width)
    inside = (y // step >= start) & (y // step < start + width)
    return (x % step == y % step) & inside


def tuple_of_integers(name: str, value: object, length: int | None) -> tuple[int, ...]:
    if isinstance(value, (int, np.integer)):
        value = (value,) * (length or 1)
    if not isinstance(value, (tuple, list)) or not value:
        raise ArgumentError(
            f"argument '{name}' expects an integer or a tuple of integers, but "
            f"got {value!r}"
        )
    if length is not None and len(value) != length:
        raise ArgumentError(
            f"argument '{name}' expects {length} integers, one per axis, but "
            f"got {len(value)}"
        )
    return tuple(integer(name, each, 1) for each in value)


def _brief(value: object) -> str:
    return str(value) if isinstance(value, (int, np.integer)) else "..."


def _listed(values: Sequence[int]) -> str:
    return ", ".join(str(value) for value in values)

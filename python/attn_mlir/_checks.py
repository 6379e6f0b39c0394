"""Checks of the arguments of mask and score objects."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from ._arrays import Array, adopt, element_of_dtype, is_array, kernel_array
from .errors import ArgumentError


class Attribute(NamedTuple):
    """A short form in the IR: its text and the arrays that go with it.

    `static` has, for each array, the sizes that are part of the compiled code,
    None for the others; empty when there are none.
    """

    text: str
    arrays: tuple[Array, ...] = ()
    static: tuple[tuple[int | None, ...], ...] = ()


def static_ones(sizes: Sequence[int]) -> tuple[int | None, ...]:
    """Sizes of 1, which are broadcast."""
    return tuple(1 if size == 1 else None for size in sizes)


class Signature(NamedTuple):
    """What decides the compiled code, and the arrays bound at each call."""

    key: Hashable
    arrays: tuple[Array, ...]


class Fixed:
    """A mask or score whose signature never changes; `_module` is in its repr."""

    _module: str
    _signature: Signature
    _text: str

    def __init__(self, text: str, key: Hashable, *arrays: Array) -> None:
        self._text = text
        elements = tuple((element_of_dtype(each.dtype), each.ndim) for each in arrays)
        self._signature = Signature((type(self), key, elements), arrays)

    def signature(self) -> Signature:
        return self._signature

    def __repr__(self) -> str:
        return f"am.{self._module}.{self._text}"


def integer(name: str, value: object, low: int | None = None) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise ArgumentError(f"argument '{name}' expects an integer, but got {value!r}")
    number = int(value)
    if low is not None and number < low:
        raise ArgumentError(
            f"argument '{name}' expects an integer >= {low}, but got {number}"
        )
    if not -(1 << 62) < number < 1 << 62:
        raise ArgumentError(
            f"argument '{name}' expects an integer below 2^62, but got {number}"
        )
    return number


def rank(name: str, value: Array, *ranks: int) -> Array:
    if value.ndim not in ranks:
        expected = " or ".join(str(rank) for rank in ranks)
        raise ArgumentError(
            f"argument '{name}' expects an array of rank {expected}, but got "
            f"shape {tuple(value.shape)}"
        )
    return value


def integers(name: str, value: object, *ranks: int) -> Array:
    array = adopt(name, value) if is_array(value) else listed(name, value)
    return rank(name, kernel_array(name, array, integers=True), *ranks)


def bools(name: str, value: object, *ranks: int) -> Array:
    array = adopt(name, value) if is_array(value) else listed(name, value)
    if element_of_dtype(array.dtype) != "i1":
        raise ArgumentError(
            f"argument '{name}' expects a bool array, but got dtype {array.dtype}"
        )
    return rank(name, array, *ranks)


def listed(name: str, value: object) -> Array:
    if not isinstance(value, (list, tuple)):
        raise ArgumentError(
            f"argument '{name}' expects an array, but got {type(value).__name__}"
        )
    return np.asarray(value)


def fits(name: str, array: Array, axis: int, size: int, letter: str) -> None:
    got = array.shape[axis]
    if got != size:
        raise ArgumentError(
            f"argument '{name}' expects size {letter} = {size} in dimension "
            f"{axis % array.ndim}, but got shape {tuple(array.shape)}"
        )


def check_broadcast(name: str, array: Array, sizes: tuple[int, int, int, int]) -> None:
    """An array must broadcast to [B, H, L, S], right-aligned."""
    shape = tuple(array.shape)
    wanted = sizes[4 - len(shape) :]
    if any(got not in (1, size) for got, size in zip(shape, wanted, strict=True)):
        raise ArgumentError(
            f"argument '{name}' expects a shape that broadcasts to [B, H, L, "
            f"S] = {list(sizes)}, but got {list(shape)}"
        )

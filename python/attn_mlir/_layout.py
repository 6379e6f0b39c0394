"""Which axis of an array is which: the `layout` argument."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .errors import ArgumentError

_NAMES = ("bhld", "blhd", "hld", "lhd", "bld")
# Dimensions of the iteration space (b, h, m, n, d, e), by the axis letter and
# by whether the array is indexed by queries or by keys.
_HEADER = "(b, h, m, n, d, e)"


@dataclass(frozen=True)
class Layout:
    """The axis letters of query, key, value and output.

    `l` is the sequence: queries for query and output, keys for key and value.
    A letter that is missing has size 1.
    """

    name: str

    @cached_property
    def rank(self) -> int:
        return len(self.name)

    def axis(self, letter: str) -> int:
        """The axis of a letter, -1 when missing."""
        return self.name.find(letter)

    def shape(self, B: int, H: int, L: int, D: int) -> tuple[int, ...]:
        sizes = {"b": B, "h": H, "l": L, "d": D}
        return tuple(sizes[letter] for letter in self.name)

    def lse_shape(self, B: int, H: int, L: int) -> tuple[int, ...]:
        """[B, H, L] without the letters that are missing."""
        sizes = {"b": B, "h": H, "l": L}
        return tuple(sizes[each] for each in "bhl" if each in self.name)

    def to_bhld(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """A view with all four axes."""
        order = [self.name.index(each) for each in "bhld" if each in self.name]
        missing = [n for n, each in enumerate("bhld") if each not in self.name]
        return np.expand_dims(array.transpose(order), tuple(missing))

    def from_bhld(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        missing = [n for n, each in enumerate("bhld") if each not in self.name]
        kept = "".join(each for each in "bhld" if each in self.name)
        squeezed = np.squeeze(array, tuple(missing))
        return squeezed.transpose([kept.index(each) for each in self.name])

    def from_bhl(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        missing = [n for n, each in enumerate("bhl") if each not in self.name]
        return np.squeeze(array, tuple(missing))

    def indexing_maps(self, group: int, lse: bool) -> list[str] | None:
        """Affine maps of query, key, value, output[, lse]; None = defaults."""
        if self.name in ("bhld", "hld"):
            return None
        head = "h" if group == 1 else f"h floordiv {group}"
        roles = [("h", "m", "d"), (head, "n", "d"), (head, "n", "e"), ("h", "m", "e")]
        maps = []
        for heads, sequence, features in roles:
            names = {"b": "b", "h": heads, "l": sequence, "d": features}
            maps.append([names[letter] for letter in self.name])
        if lse:
            names = {"b": "b", "h": "h", "l": "m"}
            maps.append([names[each] for each in "bhl" if each in self.name])
        return [f"affine_map<{_HEADER} -> ({', '.join(each)})>" for each in maps]


_LAYOUTS = {name: Layout(name) for name in _NAMES}


def layout_of(name: object) -> Layout:
    found = _LAYOUTS.get(name) if isinstance(name, str) else None
    if found is None:
        expected = ", ".join(repr(each) for each in _NAMES)
        raise ArgumentError(
            f"argument 'layout' expects one of {expected}, but got {name!r}"
        )
    return found

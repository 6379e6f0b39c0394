"""What every mask is, and how masks combine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arrays import is_array
from .._checks import Attribute, Fixed, Signature, bools, check_broadcast
from .._masksummary import TileSummary, dense, plot, summarize
from ..capture import Snapshot
from ..errors import ArgumentError
from ..symbolic import Value
from ..trace import Position, call

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Leading = tuple[int | None, int | None]
Predicate = Callable[[Value, Value, Value, Value], Value]


class Mask:
    """A predicate over (b, h, i, j): True = the query may attend to the key."""

    def __and__(self, other: object) -> Mask:
        return _combine(And, self, other)

    def __rand__(self, other: object) -> Mask:
        return _combine(And, other, self)

    def __or__(self, other: object) -> Mask:
        return _combine(Or, self, other)

    def __ror__(self, other: object) -> Mask:
        return _combine(Or, other, self)

    def __invert__(self) -> Mask:
        return Not(self)

    # A NumPy array on the left must not broadcast over the object.
    __array_ufunc__ = None

    def dense(self, B: int, H: int, L: int, S: int) -> np.ndarray[Any, Any]:
        """The mask as a bool array [B, H, L, S], for small sizes."""
        return dense(self, B, H, L, S)

    def tiles(
        self,
        L: int,
        S: int,
        block_q: int = 64,
        block_kv: int = 64,
        *,
        batch: int = 0,
        head: int = 0,
    ) -> TileSummary:
        """How many tiles are empty, full and partial, and where they are.

        Found by the compiler's analysis: pairs are evaluated only in the tiles
        that kernels with such blocks visit and do not know to be full.
        """
        return summarize(self, L, S, block_q, block_kv, batch, head)

    def plot(
        self,
        L: int,
        S: int,
        block_q: int = 64,
        block_kv: int = 64,
        *,
        batch: int = 0,
        head: int = 0,
        ax: Axes | None = None,
    ) -> Axes:
        """Draw the tiles of one batch element and head (needs matplotlib).

        Tiles are empty, full or partial as kernels treat them: a kernel skips an
        empty tile and evaluates the mask in a partial one. Kept pairs are drawn
        where there are few pairs (L * S <= 512^2).
        """
        return plot(self, L, S, block_q, block_kv, batch, head, ax)

    # --- for the package ----------------------------------------------------

    def signature(self) -> Signature:
        raise TypeError(f"{type(self).__name__} is not a mask of this package")

    def predicate(self, at: Position) -> Value:
        raise TypeError(f"{type(self).__name__} is not a mask of this package")

    def attributes(self) -> list[Attribute] | None:
        """The equivalent conjunction of IR attributes, if there is one."""
        return None

    def leading(self) -> Leading:
        """B and H, where the mask is made for one number of them."""
        return None, None

    def of_head(self, head: int) -> Mask:
        """The mask that the kernels of one head run, where heads have their own."""
        return self

    def check(self, B: int, H: int, L: int, S: int) -> None:
        """Raise ArgumentError when the mask does not fit the sizes."""


class Known(Fixed, Mask):
    """A mask whose signature never changes."""

    _module = "masks"


# --- composition ------------------------------------------------------------


class _Pair(Mask):
    symbol = ""

    def __init__(self, left: Mask, right: Mask) -> None:
        self.left, self.right = left, right

    def signature(self) -> Signature:
        left, right = self.left.signature(), self.right.signature()
        return Signature((self.symbol, left.key, right.key), left.arrays + right.arrays)

    def of_head(self, head: int) -> Mask:
        left, right = self.left.of_head(head), self.right.of_head(head)
        same = left is self.left and right is self.right
        return self if same else type(self)(left, right)

    def leading(self) -> Leading:
        pairs = zip(self.left.leading(), self.right.leading(), strict=True)
        B, H = (a if b is None else b for a, b in pairs)
        return B, H

    def check(self, B: int, H: int, L: int, S: int) -> None:
        self.left.check(B, H, L, S)
        self.right.check(B, H, L, S)

    def __repr__(self) -> str:
        return f"({self.left!r} {self.symbol} {self.right!r})"


class And(_Pair):
    symbol = "&"

    def predicate(self, at: Position) -> Value:
        return self.left.predicate(at) & self.right.predicate(at)

    def attributes(self) -> list[Attribute] | None:
        left, right = self.left.attributes(), self.right.attributes()
        return None if left is None or right is None else left + right


class Or(_Pair):
    symbol = "|"

    def predicate(self, at: Position) -> Value:
        return self.left.predicate(at) | self.right.predicate(at)


class Not(Mask):
    def __init__(self, inner: Mask) -> None:
        self.inner = inner

    def signature(self) -> Signature:
        inner = self.inner.signature()
        return Signature(("~", inner.key), inner.arrays)

    def predicate(self, at: Position) -> Value:
        inner = self.inner.predicate(at)
        return not inner if isinstance(inner, bool) else ~inner

    def of_head(self, head: int) -> Mask:
        inner = self.inner.of_head(head)
        return self if inner is self.inner else Not(inner)

    def leading(self) -> Leading:
        return self.inner.leading()

    def check(self, B: int, H: int, L: int, S: int) -> None:
        self.inner.check(B, H, L, S)

    def __repr__(self) -> str:
        return f"~{self.inner!r}"


def _combine(kind: type[_Pair], left: object, right: object) -> Mask:
    return kind(as_mask("mask", left), as_mask("mask", right))


def as_mask(name: str, value: object) -> Mask:
    """A mask object from anything the `mask` argument takes."""
    if isinstance(value, Mask):
        return value
    if is_array(value):
        return DenseArray(name, value)
    if callable(value):
        return Function(value)
    raise ArgumentError(
        f"argument '{name}' expects None, a mask object, a callable (b, h, i, "
        f"j) -> bool or a bool array, but got {type(value).__name__}"
    )


# --- callables and arrays ---------------------------------------------------


class Function(Mask):
    def __init__(self, function: Predicate) -> None:
        self.function = function

    def signature(self) -> Signature:
        snapshot = Snapshot(self.function)
        return Signature(("fn", snapshot.key), tuple(snapshot.arrays))

    def predicate(self, at: Position) -> Value:
        return call(self.function, at.indices, at)

    def __repr__(self) -> str:
        return f"am.masks.fn({self.function!r})"


class DenseArray(Known):
    """A bool array that broadcasts to [B, H, L, S] by NumPy's rules."""

    def __init__(self, name: str, value: object) -> None:
        self._argument = name
        self.array = bools(name, value, 0, 1, 2, 3, 4)
        ones = tuple(size == 1 for size in self.array.shape)
        super().__init__("array(...)", ones, self.array)

    def predicate(self, at: Position) -> Value:
        view = at.wrap(self.array)
        if self.array.ndim == 0:
            return view
        indices = at.indices[4 - self.array.ndim :]
        pairs = zip(self.array.shape, indices, strict=True)
        return view[tuple(0 if size == 1 else index for size, index in pairs)]

    def leading(self) -> Leading:
        B, H = (*(1,) * (4 - self.array.ndim), *self.array.shape)[:2]
        return None if B == 1 else B, None if H == 1 else H

    def check(self, B: int, H: int, L: int, S: int) -> None:
        check_broadcast(self._argument, self.array, (B, H, L, S))


def attribute_text(name: str, parameters: Sequence[str]) -> str:
    return f"#attn.{name}" + (f"<{', '.join(parameters)}>" if parameters else "")

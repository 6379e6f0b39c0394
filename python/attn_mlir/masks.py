"""Mask objects: which query-key pairs may attend.

Every object is a predicate over batch b, head h, query position i and key
position j, with sizes B, H, L (queries) and S (keys); compose with `&`, `|` and
`~`. Arrays are captured by reference and read when a kernel runs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ._arrays import Array, element_of_dtype, is_array
from ._checks import (
    Attribute,
    Signature,
    bools,
    check_broadcast,
    fits,
    integer,
    integers,
)
from ._masksummary import TileSummary, dense, plot, summarize
from .capture import Snapshot
from .errors import ArgumentError
from .symbolic import Value, abs, maximum, minimum
from .trace import Position, call

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "Mask",
    "TileSummary",
    "array",
    "bigbird",
    "blocks",
    "causal",
    "dilated",
    "documents",
    "fn",
    "global_tokens",
    "key_lengths",
    "longformer",
    "neighborhood",
    "prefix",
    "segments",
    "window",
]

Predicate = Callable[[Value, Value, Value, Value], Value]


class Mask:
    """A predicate over (b, h, i, j): True = the query may attend to the key."""

    def __and__(self, other: object) -> Mask:
        return _combine(_And, self, other)

    def __rand__(self, other: object) -> Mask:
        return _combine(_And, other, self)

    def __or__(self, other: object) -> Mask:
        return _combine(_Or, self, other)

    def __ror__(self, other: object) -> Mask:
        return _combine(_Or, other, self)

    def __invert__(self) -> Mask:
        return _Not(self)

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
        """How many tiles are empty, full and partial, and where they are."""
        return summarize(self, L, S, block_q, block_kv, batch, head)

    def plot(
        self,
        L: int,
        S: int,
        *,
        batch: int = 0,
        head: int = 0,
        ax: Axes | None = None,
    ) -> Axes:
        """Draw the mask of one batch element and head (needs matplotlib)."""
        return plot(self, L, S, batch, head, ax)

    # --- for the package ----------------------------------------------------

    def signature(self) -> Signature:
        raise TypeError(f"{type(self).__name__} is not a mask of this package")

    def predicate(self, at: Position) -> Value:
        raise TypeError(f"{type(self).__name__} is not a mask of this package")

    def attributes(self) -> list[Attribute] | None:
        """The equivalent conjunction of IR attributes, if there is one."""
        return None

    def check(self, B: int, H: int, L: int, S: int) -> None:
        """Raise ArgumentError when the mask does not fit the sizes."""


class _Known(Mask):
    """A mask whose signature never changes."""

    _signature: Signature
    _text: str

    def __init__(self, text: str, key: Hashable, *arrays: Array) -> None:
        self._text = text
        elements = tuple((element_of_dtype(each.dtype), each.ndim) for each in arrays)
        self._signature = Signature((type(self), key, elements), arrays)

    def signature(self) -> Signature:
        return self._signature

    def __repr__(self) -> str:
        return f"am.masks.{self._text}"


# --- composition ------------------------------------------------------------


class _Pair(Mask):
    symbol = ""

    def __init__(self, left: Mask, right: Mask) -> None:
        self.left, self.right = left, right

    def signature(self) -> Signature:
        left, right = self.left.signature(), self.right.signature()
        return Signature((self.symbol, left.key, right.key), left.arrays + right.arrays)

    def check(self, B: int, H: int, L: int, S: int) -> None:
        self.left.check(B, H, L, S)
        self.right.check(B, H, L, S)

    def __repr__(self) -> str:
        return f"({self.left!r} {self.symbol} {self.right!r})"


class _And(_Pair):
    symbol = "&"

    def predicate(self, at: Position) -> Value:
        return self.left.predicate(at) & self.right.predicate(at)

    def attributes(self) -> list[Attribute] | None:
        left, right = self.left.attributes(), self.right.attributes()
        return None if left is None or right is None else left + right


class _Or(_Pair):
    symbol = "|"

    def predicate(self, at: Position) -> Value:
        return self.left.predicate(at) | self.right.predicate(at)


class _Not(Mask):
    def __init__(self, inner: Mask) -> None:
        self.inner = inner

    def signature(self) -> Signature:
        inner = self.inner.signature()
        return Signature(("~", inner.key), inner.arrays)

    def predicate(self, at: Position) -> Value:
        inner = self.inner.predicate(at)
        return not inner if isinstance(inner, bool) else ~inner

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
        return _Array(name, value)
    if callable(value):
        return _Function(value)
    raise ArgumentError(
        f"argument '{name}' expects None, a mask object, a callable (b, h, i, "
        f"j) -> bool or a bool array, but got {type(value).__name__}"
    )


# --- tokens -----------------------------------------------------------------


def _per_token(at: Position, array: Array, index: Value) -> Value:
    """An element of an array [N] or [B, N]."""
    view = at.wrap(array)
    return view[index] if array.ndim == 1 else view[at.b, index]


def _check_tokens(
    name: str, array: Array, B: int, sizes: Sequence[tuple[str, int]]
) -> None:
    for letter, size in sizes:
        fits(name, array, -1, size, letter)
    if array.ndim == 2:
        fits(name, array, 0, B, "B")


# --- kinds ------------------------------------------------------------------


class _Offset(_Known):
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

    def check(self, B: int, H: int, L: int, S: int) -> None:
        if self.operand is not None:
            fits(self._name, self.operand, 0, B, "B")


class _Causal(_Offset):
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
        return [Attribute(_attribute("causal", parameters), self.operand)]


class _Window(_Offset):
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
        return [Attribute(_attribute("window", parameters), self.operand)]


class _Prefix(_Offset):
    def __init__(self, n: object) -> None:
        super().__init__(f"prefix({_brief(n)})", None, "n", n)

    def predicate(self, at: Position) -> Value:
        return at.j < self.value(at)

    def attributes(self) -> list[Attribute] | None:
        parameters = [str(self.constant)] if self.constant != 0 else []
        return [Attribute(_attribute("prefix", parameters), self.operand)]


class _KeyLengths(_Known):
    def __init__(self, lengths: object) -> None:
        self.lengths = integers("lengths", lengths, 1)
        super().__init__("key_lengths(...)", None, self.lengths)

    def predicate(self, at: Position) -> Value:
        return at.j < at.wrap(self.lengths)[at.b]

    def attributes(self) -> list[Attribute] | None:
        return [Attribute("#attn.key_lengths", self.lengths)]

    def check(self, B: int, H: int, L: int, S: int) -> None:
        fits("lengths", self.lengths, 0, B, "B")


class _Dilated(_Known):
    def __init__(self, window: object, step: object) -> None:
        self.window = integer("window", window, 0)
        self.step = integer("step", step, 1)
        key = (self.window, self.step)
        super().__init__(f"dilated({self.window}, {self.step})", key)

    def predicate(self, at: Position) -> Value:
        distance = at.i - at.j
        return (abs(distance) <= self.window) & (distance % self.step == 0)


class _Segments(_Known):
    def __init__(self, length: object) -> None:
        self.length = integer("length", length, 1)
        super().__init__(f"segments({self.length})", self.length)

    def predicate(self, at: Position) -> Value:
        return at.i // self.length == at.j // self.length


class _Documents(_Known):
    def __init__(self, q_ids: object, kv_ids: object | None) -> None:
        self.q_ids = integers("q_ids", q_ids, 1, 2)
        self.shared = kv_ids is None
        self.kv_ids = self.q_ids if kv_ids is None else integers("kv_ids", kv_ids, 1, 2)
        arrays = (self.q_ids,) if self.shared else (self.q_ids, self.kv_ids)
        super().__init__("documents(...)", self.shared, *arrays)

    def predicate(self, at: Position) -> Value:
        query = _per_token(at, self.q_ids, at.i)
        return query == _per_token(at, self.kv_ids, at.j)

    def check(self, B: int, H: int, L: int, S: int) -> None:
        sizes = [("L", L), ("S", S)] if self.shared else [("L", L)]
        _check_tokens("q_ids", self.q_ids, B, sizes)
        if not self.shared:
            _check_tokens("kv_ids", self.kv_ids, B, [("S", S)])


class _GlobalTokens(_Known):
    def __init__(self, is_global: object, symmetric: bool) -> None:
        self.is_global = bools("is_global", is_global, 1, 2)
        self.symmetric = bool(symmetric)
        text = f"global_tokens(..., symmetric={self.symmetric})"
        super().__init__(text, self.symmetric, self.is_global)

    def predicate(self, at: Position) -> Value:
        key = _per_token(at, self.is_global, at.j)
        if not self.symmetric:
            return key
        return _per_token(at, self.is_global, at.i) | key

    def check(self, B: int, H: int, L: int, S: int) -> None:
        sizes = [("S", S), ("L", L)] if self.symmetric else [("S", S)]
        _check_tokens("is_global", self.is_global, B, sizes)


class _Blocks(_Known):
    def __init__(self, table: object, block_q: object, block_kv: object) -> None:
        self.block_q = integer("block_q", block_q, 1)
        self.block_kv = integer("block_kv", block_kv, 1)
        if isinstance(table, tuple):
            table = _from_csr(table)
        self.table = bools("table", table, 2, 3, 4)
        key = (self.block_q, self.block_kv, tuple(self.table.shape[:-2]))
        super().__init__(f"blocks(..., {block_q}, {block_kv})", key, self.table)

    def predicate(self, at: Position) -> Value:
        leading = (at.b, at.h)[4 - self.table.ndim :]
        view = at.wrap(self.table)
        index = [
            0 if size == 1 else position
            for size, position in zip(self.table.shape, leading, strict=False)
        ]
        return view[(*index, at.i // self.block_q, at.j // self.block_kv)]

    def check(self, B: int, H: int, L: int, S: int) -> None:
        rows, columns = self.table.shape[-2:]
        if rows * self.block_q < L or columns * self.block_kv < S:
            raise ArgumentError(
                f"argument 'table' expects at least {-(-L // self.block_q)} x "
                f"{-(-S // self.block_kv)} blocks, but got {rows} x {columns}"
            )
        sizes = (("B", B), ("H", H))[4 - self.table.ndim :]
        for axis, (letter, size) in enumerate(sizes):
            if self.table.shape[axis] != 1:
                fits("table", self.table, axis, size, letter)


def _from_csr(pair: tuple[object, ...]) -> np.ndarray[Any, Any]:
    """A bool block table from (indptr, indices)."""
    if len(pair) != 2:
        raise ArgumentError(
            "argument 'table' expects a bool array or a pair (indptr, "
            f"indices), but got a tuple of {len(pair)}"
        )
    indptr, indices = (np.asarray(each) for each in pair)
    whole = indptr.dtype.kind in "iu" and indices.dtype.kind in "iu"
    valid = whole and indptr.ndim == 1 and indices.ndim == 1 and indptr.size > 0
    if (
        not valid
        or indptr[0] != 0
        or indptr[-1] != indices.size
        or np.any(np.diff(indptr) < 0)
        or np.any(indices < 0)
    ):
        raise ArgumentError(
            "argument 'table' expects integer arrays (indptr, indices) with "
            "indptr rising from 0 to len(indices) and indices >= 0"
        )
    columns = int(indices.max()) + 1 if indices.size else 1
    rows = np.repeat(np.arange(indptr.size - 1), np.diff(indptr))
    table = np.zeros((indptr.size - 1, columns), dtype=np.bool_)
    table[rows, indices] = True
    return table


class _BigBird(_Known):
    def __init__(
        self, block: object, table: object, window_blocks: object, global_blocks: object
    ) -> None:
        self.block = integer("block", block, 1)
        self.table = integers("random_table", table, 2, 3)
        self.window_blocks = integer("window_blocks", window_blocks, 0)
        self.global_blocks = integer("global_blocks", global_blocks, 0)
        self.picks = int(self.table.shape[-1])
        key = (self.block, self.window_blocks, self.global_blocks, self.picks)
        super().__init__(f"bigbird({self.block}, ...)", key, self.table)

    def predicate(self, at: Position) -> Value:
        row, column = at.i // self.block, at.j // self.block
        last_row, last_column = (at.L - 1) // self.block, (at.S - 1) // self.block
        keep = abs(row - column) <= self.window_blocks
        if self.global_blocks > 0:
            for index, last in ((row, last_row), (column, last_column)):
                keep = keep | (index < self.global_blocks)
                keep = keep | (index > last - self.global_blocks)
        view = at.wrap(self.table)
        for pick in range(self.picks):
            head = (row, pick) if self.table.ndim == 2 else (at.h, row, pick)
            keep = keep | (view[head] == column)
        return keep

    def check(self, B: int, H: int, L: int, S: int) -> None:
        rows = self.table.shape[-2]
        if rows * self.block < L:
            raise ArgumentError(
                "argument 'random_table' expects at least "
                f"{-(-L // self.block)} block rows, but got {rows}"
            )
        if self.table.ndim == 3:
            fits("random_table", self.table, 0, H, "H")


class _Neighborhood(_Known):
    """NATTEN's rule per axis, windows moved inside at the borders."""

    def __init__(self, shape: object, window: object, dilation: object) -> None:
        self.shape = _tuple("shape", shape, None)
        self.window = _tuple("window", window, len(self.shape))
        self.dilation = _tuple("dilation", dilation, len(self.shape))
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


def _tuple(name: str, value: object, length: int | None) -> tuple[int, ...]:
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


class _Function(Mask):
    def __init__(self, function: Predicate) -> None:
        self.function = function

    def signature(self) -> Signature:
        snapshot = Snapshot(self.function)
        return Signature(("fn", snapshot.key), tuple(snapshot.arrays))

    def predicate(self, at: Position) -> Value:
        return call(self.function, at.indices, at)

    def __repr__(self) -> str:
        return f"am.masks.fn({self.function!r})"


class _Array(_Known):
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

    def check(self, B: int, H: int, L: int, S: int) -> None:
        check_broadcast(self._argument, self.array, (B, H, L, S))


def _attribute(name: str, parameters: Sequence[str]) -> str:
    return f"#attn.{name}" + (f"<{', '.join(parameters)}>" if parameters else "")


def _brief(value: object) -> str:
    return str(value) if isinstance(value, (int, np.integer)) else "..."


# --- constructors -----------------------------------------------------------


def causal(
    align: Literal["top_left", "bottom_right"] = "top_left",
    offset: int | Array = 0,
) -> Mask:
    """`j <= i + offset`, plus S - L for "bottom_right".

    offset: an int, or an int array [B].
    """
    return _Causal(align, offset)


def window(left: int, right: int, offset: int | Array = 0) -> Mask:
    """`i + offset - left <= j <= i + offset + right`; -1 = unbounded.

    Both bounds are inclusive. offset: an int, or an int array [B].
    """
    return _Window(left, right, offset)


def dilated(window: int, step: int) -> Mask:
    """`|i - j| <= window` (in tokens) and `(i - j) % step == 0`."""
    return _Dilated(window, step)


def prefix(n: int | Array) -> Mask:
    """`j < n` only; compose with `| causal()`. n: an int or int array [B]."""
    return _Prefix(n)


def documents(q_ids: Array, kv_ids: Array | None = None) -> Mask:
    """Equal document ids; int arrays [L] or [B, L], keys [S] or [B, S].

    Without `kv_ids` the query's ids serve for both (L = S).
    """
    return _Documents(q_ids, kv_ids)


def global_tokens(is_global: Array, symmetric: bool = True) -> Mask:
    """The key is global, or (symmetric) the query is.

    is_global: bool [S] or [B, S]; symmetric masks need L = S.
    """
    return _GlobalTokens(is_global, symmetric)


def key_lengths(lengths: Array) -> Mask:
    """`j < lengths[b]`; lengths: int [B]."""
    return _KeyLengths(lengths)


def blocks(table: Array | tuple[Array, Array], block_q: int, block_kv: int) -> Mask:
    """`table[.., i // block_q, j // block_kv]`.

    table: bool [nq, nk], [H, nq, nk] or [B, H, nq, nk] (size 1 broadcasts), or
    a CSR pair (indptr [nq + 1], indices) of the kept blocks.
    """
    return _Blocks(table, block_q, block_kv)


def longformer(window: int, is_global: Array) -> Mask:
    """`|i - j| <= window`, or the query or the key is global.

    is_global: bool [L] or [B, L], L = S.
    """
    width = integer("window", window, 0)
    return _Window(width, width, 0) | _GlobalTokens(is_global, True)


def bigbird(
    block: int,
    random_table: Array,
    window_blocks: int = 1,
    global_blocks: int = 1,
) -> Mask:
    """BigBird over blocks I = i // block, J = j // block.

    `|I - J| <= window_blocks`, or I or J among the first or last
    `global_blocks` blocks, or J in `random_table[I]` (int [n, r] or
    [H, n, r]).
    """
    return _BigBird(block, random_table, window_blocks, global_blocks)


def neighborhood(
    shape: int | tuple[int, ...],
    window: int | tuple[int, ...],
    dilation: int | tuple[int, ...] = 1,
) -> Mask:
    """Tokens of a grid `shape` near each other on every axis.

    window: full odd width per axis, moved inside at the borders, so that every
    token has the same number of neighbours.
    """
    return _Neighborhood(shape, window, dilation)


def segments(length: int) -> Mask:
    """`i // length == j // length`."""
    return _Segments(length)


def fn(function: Predicate) -> Mask:
    """A callable `(b, h, i, j) -> bool`, traced once and never called per pair."""
    if not callable(function):
        raise ArgumentError(
            "argument 'function' expects a callable (b, h, i, j) -> bool, but "
            f"got {type(function).__name__}"
        )
    return _Function(function)


def array(mask: Array) -> Mask:
    """A bool array that broadcasts to [B, H, L, S] by NumPy's rules."""
    return _Array("mask", mask)

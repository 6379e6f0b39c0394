"""Masks that read a table for each pair: of tokens or of blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._arrays import Array, element_of_dtype
from .._checks import Attribute, bools, fits, integer, integers, static_ones
from ..errors import ArgumentError
from ..symbolic import Value, abs
from ..trace import Position
from ._base import Known, Leading, attribute_text

# --- tokens -----------------------------------------------------------------


def _per_token(at: Position, array: Array, index: Value) -> Value:
    """An element of an array [N] or [B, N]."""
    view = at.wrap(array)
    return view[index] if array.ndim == 1 else view[at.b, index]


def _batches(*arrays: Array) -> Leading:
    """Of arrays [N] or [B, N]."""
    sizes = [int(each.shape[0]) for each in arrays if each.ndim == 2]
    return sizes[0] if sizes else None, None


def _check_tokens(
    name: str, array: Array, B: int, sizes: Sequence[tuple[str, int]]
) -> None:
    for letter, size in sizes:
        fits(name, array, -1, size, letter)
    if array.ndim == 2:
        fits(name, array, 0, B, "B")


class Documents(Known):
    def __init__(self, q_ids: object, kv_ids: object | None) -> None:
        self.q_ids = integers("q_ids", q_ids, 1, 2)
        self.shared = kv_ids is None
        self.kv_ids = self.q_ids if kv_ids is None else integers("kv_ids", kv_ids, 1, 2)
        arrays = (self.q_ids,) if self.shared else (self.q_ids, self.kv_ids)
        super().__init__("documents(...)", self.shared, *arrays)

    def predicate(self, at: Position) -> Value:
        query = _per_token(at, self.q_ids, at.i)
        return query == _per_token(at, self.kv_ids, at.j)

    def attributes(self) -> list[Attribute] | None:
        arrays = self.signature().arrays
        if len({element_of_dtype(each.dtype) for each in arrays}) > 1:
            return None
        return [Attribute("#attn.documents", arrays)]

    def leading(self) -> Leading:
        return _batches(self.q_ids, self.kv_ids)

    def check(self, B: int, H: int, L: int, S: int) -> None:
        sizes = [("L", L), ("S", S)] if self.shared else [("L", L)]
        _check_tokens("q_ids", self.q_ids, B, sizes)
        if not self.shared:
            _check_tokens("kv_ids", self.kv_ids, B, [("S", S)])


class GlobalTokens(Known):
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

    def attributes(self) -> list[Attribute] | None:
        parameters = [] if self.symmetric else ["symmetric = false"]
        text = attribute_text("global_tokens", parameters)
        return [Attribute(text, (self.is_global,))]

    def leading(self) -> Leading:
        return _batches(self.is_global)

    def check(self, B: int, H: int, L: int, S: int) -> None:
        sizes = [("S", S), ("L", L)] if self.symmetric else [("S", S)]
        _check_tokens("is_global", self.is_global, B, sizes)


class Longformer(Known):
    def __init__(self, window: object, is_global: object) -> None:
        self.window = integer("window", window, 0)
        self.tokens = GlobalTokens(is_global, symmetric=True)
        super().__init__(
            f"longformer({self.window}, ...)", self.window, self.tokens.is_global
        )

    def predicate(self, at: Position) -> Value:
        near = abs(at.i - at.j) <= self.window
        return near | self.tokens.predicate(at)

    def attributes(self) -> list[Attribute] | None:
        text = f"#attn.longformer<{self.window}>"
        return [Attribute(text, (self.tokens.is_global,))]

    def leading(self) -> Leading:
        return self.tokens.leading()

    def check(self, B: int, H: int, L: int, S: int) -> None:
        self.tokens.check(B, H, L, S)


class Blocks(Known):
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

    def attributes(self) -> list[Attribute] | None:
        text = f"#attn.blocks<block_q = {self.block_q}, block_kv = {self.block_kv}>"
        static = (*static_ones(self.table.shape[:-2]), None, None)
        return [Attribute(text, (self.table,), (static,))]

    def leading(self) -> Leading:
        shape = (*(1,) * (4 - self.table.ndim), *self.table.shape)
        B, H = (None if size == 1 else int(size) for size in shape[:2])
        return B, H

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


class BigBird(Known):
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

    def attributes(self) -> list[Attribute] | None:
        parameters = [f"block = {self.block}"]
        for name in ("window_blocks", "global_blocks"):
            if getattr(self, name) != 1:
                parameters.append(f"{name} = {getattr(self, name)}")
        static = (*(None,) * (self.table.ndim - 1), self.picks)
        text = attribute_text("bigbird", parameters)
        return [Attribute(text, (self.table,), (static,))]

    def leading(self) -> Leading:
        return None, int(self.table.shape[0]) if self.table.ndim == 3 else None

    def check(self, B: int, H: int, L: int, S: int) -> None:
        rows = self.table.shape[-2]
        if rows * self.block < L:
            raise ArgumentError(
                "argument 'random_table' expects at least "
                f"{-(-L // self.block)} block rows, but got {rows}"
            )
        if self.table.ndim == 3:
            fits("random_table", self.table, 0, H, "H")

"""Attention under a named sparse mask: its pairs, its check, its peers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

import attn_mlir as am

from .._masksummary import evaluate
from . import onnx
from .cases import BF16, Problem
from .measure import Action, optional

# Queries in each place where a result is compared with the reference.
_ROWS = 16
_CHUNK_PAIRS = 1 << 24


def _part(size: int, shrink: int, least: int = 1) -> int:
    return max(size // shrink, least)


def _flags(length: int, positions: list[int]) -> Any:
    flags = np.zeros(length, bool)
    flags[[each for each in positions if each < length]] = True
    return flags


def random_blocks(length: int, block: int, count: int = 3) -> Any:
    """`count` different key blocks for each query block."""
    blocks = -(-length // block)
    random = np.random.default_rng(1)
    first = random.integers(0, blocks, (blocks, 1))
    # Steps without wrap-around, so that no block is drawn twice.
    steps = np.sort(random.integers(0, max(blocks - count, 1), (blocks, count - 1)))
    offsets = np.concatenate([first, first + 1 + steps + np.arange(count - 1)], axis=1)
    return (offsets % blocks).astype(np.int32)


def _window(length: int, shrink: int) -> am.masks.Mask:
    return am.masks.window(_part(256, shrink) - 1, 0)


def document_ids(length: int, shrink: int) -> Any:
    return (np.arange(length) // _part(512, shrink)).astype(np.int32)


def _documents(length: int, shrink: int) -> am.masks.Mask:
    return am.masks.documents(document_ids(length, shrink)) & am.masks.causal()


def _segments(length: int, shrink: int) -> am.masks.Mask:
    """The pairs of `_documents`, in closed form."""
    return am.masks.segments(_part(512, shrink)) & am.masks.causal()


def _keyless(length: int, shrink: int) -> am.masks.Mask:
    """Documents none of which has a key."""
    ids = document_ids(length, shrink)
    return am.masks.documents(ids, ids + np.int32(length)) & am.masks.causal()


def _no_pair(length: int, shrink: int) -> am.masks.Mask:
    return am.masks.causal(offset=-length)


def _prefix(length: int, shrink: int) -> am.masks.Mask:
    return am.masks.prefix(_part(512, shrink)) | am.masks.causal()


def _global_front(length: int, shrink: int) -> am.masks.Mask:
    flags = _flags(length, list(range(8)))
    return am.masks.longformer(_part(256, shrink), flags)


def _global_scattered(length: int, shrink: int) -> am.masks.Mask:
    places = [length // 40, length * 3 // 10, length * 11 // 20, length * 4 // 5]
    return am.masks.longformer(_part(256, shrink), _flags(length, places))


def _bigbird(length: int, shrink: int) -> am.masks.Mask:
    return am.masks.bigbird(64, random_blocks(length, 64))


def _neighborhood(length: int, shrink: int) -> am.masks.Mask:
    height = min(64, length)
    width = length // height
    most = (min(13, height), min(13, width))
    window = (most[0] - 1 + most[0] % 2, most[1] - 1 + most[1] % 2)
    return am.masks.neighborhood((height, width), window)


def _dilated(step: int) -> Callable[[int, int], am.masks.Mask]:
    def build(length: int, shrink: int) -> am.masks.Mask:
        return am.masks.dilated(_part(128, shrink) * step, step)

    return build


def _dilated_heads(length: int, shrink: int) -> am.masks.Mask:
    """A step for each of four heads."""
    return am.masks.dilated(_part(512, shrink), (1, 2, 4, 8))


PATTERNS: dict[str, Callable[[int, int], am.masks.Mask]] = {
    "causal window 256": _window,
    "documents of 512, causal": _documents,
    "segments of 512, causal": _segments,
    "documents without keys": _keyless,
    "no pair, in closed form": _no_pair,
    "prefix 512 or causal": _prefix,
    "window 256 + 8 global": _global_front,
    "window 256 + 4 scattered global": _global_scattered,
    "BigBird, blocks of 64": _bigbird,
    "neighbourhood 13x13": _neighborhood,
    "dilated, step 4": _dilated(4),
    "dilated, step 16": _dilated(16),
    "dilated, steps 1 2 4 8 by head": _dilated_heads,
}


@dataclass(frozen=True)
class Masked(Problem):
    """Self-attention under one of PATTERNS; its lengths are divided by `shrink`."""

    pattern: str = ""
    shrink: int = 1

    @cached_property
    def mask(self) -> am.masks.Mask | None:
        if not self.pattern:
            return None
        return PATTERNS[self.pattern](self.queries, self.shrink)

    def _kept(self, step: int) -> Iterator[Any]:
        """The mask of all heads, some rows at a time."""
        if self.mask is None:
            return
        for first in range(0, self.queries, step):
            rows = (first, min(first + step, self.queries))
            yield evaluate(self.mask, 1, self.heads, self.queries, self.queries, rows)

    @cached_property
    def all_pairs(self) -> int:
        """Pairs of all heads that the mask keeps."""
        if self.mask is None:
            return self.heads * self.queries**2
        step = max(_CHUNK_PAIRS // (self.queries * self.heads), 1)
        return sum(int(np.count_nonzero(keep)) for keep in self._kept(step))

    @property
    def operations(self) -> float:
        return 4.0 * self.all_pairs * self.width

    @property
    def dense(self) -> Masked:
        """The same without a mask."""
        return replace(self, pattern="")

    def boolean(self) -> Any:
        """The mask as an array."""
        keep = np.concatenate(list(self._kept(1024)), axis=2)
        # One head is enough where all are the same.
        same = all(np.array_equal(keep[:, 0], keep[:, n]) for n in range(self.heads))
        return np.ascontiguousarray(keep[:, :1] if same else keep)

    def array(self) -> Action:
        """Ours, with the mask as a boolean array."""
        q, k, v = self.arrays()
        mask = am.masks.array(self.boolean())
        out = am.attention(q, k, v, mask=mask)
        return lambda: am.attention(q, k, v, mask=mask, out=out)

    def sdpa(self) -> Action | None:
        """torch's SDPA with a boolean mask."""
        torch = optional("torch")
        if torch is None:
            return None
        arrays = self.arrays()
        q, k, v = (x if self.dtype == BF16 else torch.from_numpy(x) for x in arrays)
        keep = torch.from_numpy(self.boolean())
        attend = torch.nn.functional.scaled_dot_product_attention

        def run() -> None:
            with torch.no_grad():
                attend(q, k, v, attn_mask=keep)

        return run

    def windowed(self) -> Action | None:
        """ONNX Runtime's GroupQueryAttention, which has a window; f32 only."""
        if self.dtype != "f32" or self.pattern != "causal window 256":
            return None
        window = _part(256, self.shrink)
        return onnx.windowed(self.arrays(), window, am.get_num_threads())

    def check(self) -> tuple[float, float]:
        """Error and allowed error in some rows: the first, middle and last."""
        q, k, v = self.arrays()
        got = am.attention(q, k, v, mask=self.mask)
        if self.dtype == BF16 and hasattr(got, "float"):
            q, k, v, got = (x.float().numpy() for x in (q, k, v, got))
        q, k, v, got = (np.asarray(x, np.float32) for x in (q, k, v, got))
        error = allowed = 0.0
        length = self.queries
        for middle in (0, length // 2, length):
            first = min(max(middle - _ROWS // 2, 0), max(length - _ROWS, 0))
            rows = slice(first, min(first + _ROWS, length))
            keep, used = None, slice(None)
            if self.mask is not None:
                span = (rows.start, rows.stop)
                keep = evaluate(self.mask, 1, self.heads, length, length, span)
                # Only the keys that some row needs: the length may be a million.
                used = np.flatnonzero(keep.any(axis=(0, 1, 2)))  # type: ignore[assignment]
                keep = keep[..., used]
            part = (q[:, :, rows], k[:, :, used], v[:, :, used])
            exact = am.reference.attention(*part, mask=keep)
            plain = am.reference.unfused(*part, dtype=self.dtype, mask=keep)
            error = max(error, float(np.max(np.abs(got[:, :, rows] - exact))))
            limit = am.reference.allowed_error(exact, plain, self.dtype)
            allowed = max(allowed, limit)
        return error, allowed

    @property
    def name(self) -> str:
        size = f"H={self.heads} N={self.queries} D={self.width}"
        return f"{self.pattern or 'dense'} {size}"

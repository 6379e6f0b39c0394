"""Attention problems: their arrays, their cost, their peers, their check."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

import attn_mlir as am

from . import onnx
from .measure import Action, optional

BF16 = "bf16"


@dataclass(frozen=True)
class Problem:
    """Self-attention of `heads` over `key_heads`, or `queries` of `keys`."""

    queries: int
    width: int
    heads: int = 1
    keys: int = 0
    key_heads: int = 0
    causal: bool = False
    window: int = 0
    dtype: str = "f32"

    @cached_property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        keys = self.keys or self.queries
        key_heads = self.key_heads or self.heads
        return (
            (1, self.heads, self.queries, self.width),
            (1, key_heads, keys, self.width),
        )

    @property
    def mask(self) -> Any:
        if self.window:
            return am.masks.window(self.window - 1, 0)
        return am.masks.causal() if self.causal else None

    @property
    def pairs(self) -> int:
        """Pairs of one head that the mask keeps."""
        rows, keys = self.shapes[0][2], self.shapes[1][2]
        if not self.causal and not self.window:
            return rows * keys
        last = np.minimum(np.arange(rows) + 1, keys)
        first = np.maximum(np.arange(rows) - self.window + 1, 0) if self.window else 0
        return int(np.maximum(last - first, 0).sum())

    @property
    def operations(self) -> float:
        return 4.0 * self.heads * self.pairs * self.width

    @property
    def key_bytes(self) -> int:
        """Bytes of K and V together."""
        size = 2 if self.dtype == BF16 else 4
        return 2 * math.prod(self.shapes[1]) * size

    def arrays(self) -> tuple[Any, Any, Any]:
        """Logits with a standard deviation of 2, values of both signs."""
        random = np.random.default_rng(0)
        query, key = self.shapes
        arrays = (
            2 * random.standard_normal(query, dtype=np.float32),
            random.standard_normal(key, dtype=np.float32),
            random.standard_normal(key, dtype=np.float32),
        )
        if self.dtype != BF16:
            return arrays
        torch = optional("torch")
        if torch is not None:
            q, k, v = (torch.from_numpy(x).bfloat16() for x in arrays)
            return q, k, v
        bfloat16 = optional("ml_dtypes").bfloat16
        q, k, v = (x.astype(bfloat16) for x in arrays)
        return q, k, v

    def ours(self) -> Action:
        q, k, v = self.arrays()
        mask = self.mask
        out = am.attention(q, k, v, mask=mask)
        return lambda: am.attention(q, k, v, mask=mask, out=out)

    def torch(self) -> Action | None:
        """torch's SDPA; a window is given to it as a dense boolean mask."""
        torch = optional("torch")
        if torch is None:
            return None
        arrays = self.arrays()
        q, k, v = (x if self.dtype == BF16 else torch.from_numpy(x) for x in arrays)
        options: dict[str, Any] = {"is_causal": self.causal and not self.window}
        if self.window:
            rows, keys = self.shapes[0][2], self.shapes[1][2]
            dense = self.mask.dense(1, 1, rows, keys)[0, 0]
            options["attn_mask"] = torch.from_numpy(np.ascontiguousarray(dense))
        if self.shapes[0][1] != self.shapes[1][1]:
            options["enable_gqa"] = True
        attend = torch.nn.functional.scaled_dot_product_attention

        def run() -> None:
            with torch.no_grad():
                attend(q, k, v, **options)

        return run

    def onnxruntime(self) -> Action | None:
        """ONNX Runtime's attention; it has heads in equal number only."""
        if self.window or self.dtype != "f32" or self.shapes[0][1] != self.shapes[1][1]:
            return None
        return onnx.attention(self.arrays(), self.causal, am.get_num_threads())

    def numpy(self) -> Action:
        """What a NumPy user writes: all logits at once."""
        q, k, v = (
            np.asarray(x, np.float32) for x in replace(self, dtype="f32").arrays()
        )
        group = q.shape[1] // k.shape[1]
        keep = None
        if self.mask is not None:
            keep = self.mask.dense(1, 1, q.shape[2], k.shape[2])

        def run() -> None:
            keys, values = (np.repeat(x, group, axis=1) for x in (k, v))
            logits = q @ keys.swapaxes(-1, -2)
            logits *= np.float32(1 / math.sqrt(self.width))
            if keep is not None:
                np.copyto(logits, -np.inf, where=~keep)
            logits -= logits.max(axis=-1, keepdims=True)
            np.exp(logits, out=logits)
            logits /= logits.sum(axis=-1, keepdims=True)
            logits @ values

        return run

    def small(self) -> Problem:
        """The same code on few enough pairs for the float64 reference."""
        limit = 193 if self.window < 193 else self.window + 65
        return replace(
            self,
            queries=min(self.queries, limit),
            keys=min(self.keys, 1025),
            heads=min(self.heads, 4),
            key_heads=min(self.key_heads, 1),
        )

    def check(self) -> tuple[float, float]:
        """Error and allowed error of the small form."""
        problem = self.small()
        q, k, v = problem.arrays()
        got = am.attention(q, k, v, mask=problem.mask)
        if problem.dtype == BF16 and hasattr(got, "float"):
            q, k, v, got = (x.float().numpy() for x in (q, k, v, got))
        q, k, v, got = (np.asarray(x, np.float64) for x in (q, k, v, got))
        exact = am.reference.attention(q, k, v, mask=problem.mask)
        plain = am.reference.unfused(q, k, v, dtype=problem.dtype, mask=problem.mask)
        error = float(np.max(np.abs(got - exact)))
        return error, am.reference.allowed_error(exact, plain, problem.dtype)

    @property
    def name(self) -> str:
        kind = "causal" if self.causal else "dense"
        if self.window:
            kind = f"window {self.window}"
        heads = f"{self.heads}"
        if self.key_heads and self.key_heads != self.heads:
            heads += f" over {self.key_heads}"
        length = f"N={self.queries}"
        if self.keys and self.keys != self.queries:
            length = f"L={self.queries} S={self.keys}"
        return f"{kind} H={heads} {length} D={self.width}"

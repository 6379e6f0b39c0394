"""torch's FlexAttention beside ours: the same callables on both sides."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import attn_mlir as am

from .cases import Problem
from .measure import as_user
from .patterns import document_ids

CASES = ("causal window 256", "documents of 512, causal", "ALiBi, causal", "softcap 20")
_PLACES = 16


class NotCompiled(Exception):
    """torch ran something else than its C++ kernel."""


@dataclass(frozen=True)
class FlexCase:
    """Tensors with a mask_mod, a score_mod or both."""

    kind: str
    length: int
    heads: int
    shrink: int = 1
    # Makes the code of the mask another one, so that no cache knows it.
    variant: int = 0

    @property
    def name(self) -> str:
        return f"{self.kind} H={self.heads} N={self.length} D=64"

    def tensors(self) -> tuple[Any, Any, Any]:
        import torch

        arrays = Problem(self.length, 64, self.heads).arrays()
        q, k, v = (torch.from_numpy(each) for each in arrays)
        return q, k, v

    def mods(self) -> tuple[Callable[..., Any] | None, Callable[..., Any] | None]:
        """(score_mod, mask_mod), ordinary callables of torch."""
        score, mask = self._callables()
        return score and as_user(score), mask and as_user(mask)

    def _callables(
        self,
    ) -> tuple[Callable[..., Any] | None, Callable[..., Any] | None]:
        import torch

        shift = self.variant
        if self.kind == CASES[0]:
            window = max(256 // self.shrink, 1) + shift
            return None, lambda b, h, i, j: (i >= j) & (i - j < window)
        if self.kind == CASES[1]:
            ids = torch.from_numpy(document_ids(self.length, self.shrink))
            return None, lambda b, h, i, j: (ids[i] == ids[j]) & (i + shift >= j)
        if self.kind == CASES[2]:
            slopes = torch.exp2(-8.0 * torch.arange(1, self.heads + 1) / self.heads)

            def alibi(score: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
                return score + slopes[h] * (j - i)

            return alibi, lambda b, h, i, j: i + shift >= j
        limit = 20.0 + shift
        return lambda score, b, h, i, j: limit * torch.tanh(score / limit), None

    def block_mask(self, create: Callable[..., Any]) -> Any:
        mask = self.mods()[1]
        if mask is None:
            return None
        return create(mask, None, None, self.length, self.length, device="cpu")

    def ours(self) -> Callable[[], Any]:
        import torch

        from attn_mlir.torch import create_block_mask, flex_attention

        tensors = self.tensors()
        score = self.mods()[0]
        blocks = self.block_mask(create_block_mask)

        def run() -> Any:
            with torch.no_grad():
                return flex_attention(*tensors, score, blocks)

        return run

    def theirs(self) -> Callable[[], Any]:
        """torch's compiled kernel with its block mask made before."""
        import torch
        from torch.nn.attention.flex_attention import create_block_mask

        tensors = self.tensors()
        score = self.mods()[0]
        blocks = self.block_mask(create_block_mask)
        compiled = compiled_flex(tensors, score, blocks)

        def run() -> Any:
            with torch.no_grad():
                return compiled(*tensors, score, blocks)

        return run

    @property
    def operations(self) -> float:
        """4 * D for each pair of each head that the mask keeps."""
        import torch

        mask = self.mods()[1]
        pairs = 0
        for first in range(0, self.length, 512):
            i = torch.arange(first, min(first + 512, self.length))[:, None]
            j = torch.arange(self.length)
            keep = mask(0, 0, i, j) if mask is not None else j >= 0 * i
            pairs += int(keep.sum())
        return 4.0 * self.heads * pairs * 64

    def errors(self, results: list[Any]) -> tuple[list[float], float]:
        """The error of each result in some rows, and the allowed one."""
        rows = np.linspace(0, self.length - 1, _PLACES).astype(np.int64)
        exact, plain = (self._rows(rows, wide) for wide in (True, False))
        found = [each.numpy()[:, :, rows] - exact for each in results]
        errors = [float(np.max(np.abs(each))) for each in found]
        return errors, am.reference.allowed_error(exact, plain, "f32")

    def _rows(self, rows: Any, wide: bool) -> Any:
        """Some rows, unfused, with torch's operators on all their pairs."""
        import torch

        dtype = torch.float64 if wide else torch.float32
        q, k, v = (each.to(dtype) for each in self.tensors())
        index = torch.from_numpy(rows)
        b = torch.zeros((1, 1, 1, 1), dtype=torch.int64)
        h = torch.arange(self.heads)[:, None, None]
        i, j = index[:, None], torch.arange(self.length)
        logits = q[:, :, index] @ k.mT / math.sqrt(64)
        score, mask = self.mods()
        if score is not None:
            logits = score(logits, b, h, i, j)
        if mask is not None:
            logits = torch.where(mask(b, h, i, j), logits, -math.inf)
        return (torch.softmax(logits, -1) @ v).double().numpy()

    def first_call(self, ours: bool) -> float:
        """Seconds of a first call: the mask's blocks, compilation, the result.
        Imports are made before."""
        import torch
        from torch.nn.attention import flex_attention as theirs

        import attn_mlir.torch as own

        tensors = self.tensors()
        start = time.perf_counter()
        score = self.mods()[0]
        with torch.no_grad():
            if ours:
                blocks = self.block_mask(own.create_block_mask)
                own.flex_attention(*tensors, score, blocks)
            else:
                blocks = self.block_mask(theirs.create_block_mask)
                compiled_flex(tensors, score, blocks)
        return time.perf_counter() - start


def compiled_flex(tensors: Any, score: Any, blocks: Any) -> Callable[..., Any]:
    """flex_attention through torch.compile after its first call.

    After a few masks torch stops compiling and runs the eager function without
    saying so; it starts anew here, and the code it made is looked at.
    """
    import torch
    from torch._inductor.utils import run_and_get_code
    from torch.nn.attention.flex_attention import flex_attention

    torch._dynamo.reset()
    compiled: Callable[..., Any] = torch.compile(
        flex_attention, fullgraph=True, dynamic=False
    )
    with torch.no_grad():
        _, codes = run_and_get_code(compiled, *tensors, score, blocks)
    if not any("cpp_fused" in code and "kv_num_blocks" in code for code in codes):
        raise NotCompiled("torch did not use its C++ kernel of FlexAttention")
    return compiled

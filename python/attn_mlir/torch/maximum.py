"""The largest score of each row, for `AuxRequest(max_scores=True)`.

Kernels keep the running maximum to themselves, so this is a second pass in
blocks of rows with torch and NumPy: memory stays bounded, time does not follow
the mask.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from .._masksummary import evaluate
from ..masks import Mask
from ..scores import Score
from ..trace import grid

_PAIRS_AT_ONCE = 1 << 22


def max_scores(
    query: torch.Tensor,
    key: torch.Tensor,
    scale: float | None,
    score: Score | None,
    mask: Mask | None,
) -> torch.Tensor:
    """[B, H, L] in float32 (float64 for float64), -inf for rows without keys."""
    B, H, L, D = query.shape
    S = key.shape[2]
    wide = torch.float64 if query.dtype == torch.float64 else torch.float32
    result = torch.full((B, H, L), -math.inf, dtype=wide)
    if 0 in (B, H, L, S):
        return result
    factor = 1.0 / math.sqrt(D) if scale is None and D else scale or 0.0
    keys = key.to(wide).transpose(-1, -2).repeat_interleave(H // key.shape[1], dim=1)
    step = max(1, _PAIRS_AT_ONCE // (B * H * S))
    for first in range(0, L, step):
        rows = (first, min(first + step, L))
        logits = (query[:, :, rows[0] : rows[1]].to(wide) @ keys) * factor
        values: Any = logits.numpy()
        if score is not None:
            at = grid(B, H, L, S, rows)
            for each in score.steps():
                with np.errstate(all="ignore"):
                    values = each.apply(values, at)
        if mask is not None:
            keep = evaluate(mask, B, H, L, S, rows)
            values = np.where(keep, values, -np.inf)
        full = np.broadcast_to(values, logits.shape)
        result[:, :, rows[0] : rows[1]] = torch.from_numpy(full.max(axis=-1))
    return result

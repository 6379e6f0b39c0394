"""The operators of `torch.library`: each attention call is one opaque node.

`attn_mlir::sdpa` is scaled_dot_product_attention. `attn_mlir::flex` is
flex_attention, whose callables cannot be arguments of an operator: they are
traced, and the text of the traced expressions is a string argument with the
captured tensors beside it. New values of captured tensors need no compilation;
a program exported with torch.export runs in another process.
"""

from __future__ import annotations

from typing import Any

import torch

from .. import masks
from .._attention import attention
from ..masks import Mask
from ..scores import Score
from .block_mask import table_mask
from .maximum import max_scores
from .mods import ModMask, ModScore
from .structure import GraphMod

__all__ = ["flex_op", "run_flex", "run_sdpa", "sdpa_op"]

Tensor = torch.Tensor
_CAUSAL = masks.causal()


# --- sdpa -------------------------------------------------------------------


def run_sdpa(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    is_causal: bool,
    scale: float | None,
) -> Tensor:
    mask: Any = _CAUSAL if is_causal else None
    score = None
    if attn_mask is not None:
        if attn_mask.dtype == torch.bool:
            mask = attn_mask
        else:
            score = attn_mask
    result: Tensor = attention(query, key, value, scale=scale, mask=mask, score=score)
    return result


@torch.library.custom_op("attn_mlir::sdpa", mutates_args=(), device_types="cpu")
def sdpa_op(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    is_causal: bool,
    scale: float | None,
) -> Tensor:
    return run_sdpa(query, key, value, attn_mask, is_causal, scale)


@sdpa_op.register_fake
def _sdpa_fake(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    is_causal: bool,
    scale: float | None,
) -> Tensor:
    return query.new_empty((*query.shape[:-1], value.shape[-1]))


# --- flex -------------------------------------------------------------------


def run_flex(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score: Score | None,
    mask: Mask | None,
    scale: float | None,
    lse: bool,
    maximum: bool,
    options: Any = None,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """out, and what was asked for of lse and the largest scores."""
    q, k, v = (each.detach() for each in (query, key, value))
    if k.shape[0] != q.shape[0]:
        k, v = (each.expand(q.shape[0], *each.shape[1:]) for each in (k, v))
    if isinstance(score, ModScore):
        # -inf of a score becomes part of the mask, which skips the pairs.
        keeps = score.keeps(q.shape[1])
        if keeps is not None:
            mask = keeps if mask is None else mask & keeps
    result = attention(
        q,
        k,
        v,
        scale=scale,
        mask=mask,
        score=score,
        return_lse=lse,
        options=options,
    )
    out, sums = result if lse else (result, None)
    return out, sums, max_scores(q, k, scale, score, mask) if maximum else None


@torch.library.custom_op("attn_mlir::flex", mutates_args=(), device_types="cpu")
def flex_op(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_tensors: list[Tensor],
    mask_tensors: list[Tensor],
    block_tensors: list[Tensor],
    score_structure: str | None,
    mask_structure: str | None,
    block_size: list[int],
    scale: float | None,
    lse: bool,
    max_scores: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """flex_attention with traced mods; outputs not asked for are empty.

    block_tensors, block_size: kv_num_blocks, kv_indices and perhaps the full
    ones of a torch BlockMask, and its (query, key) BLOCK_SIZE.
    """
    score: Score | None = None
    mask: Mask | None = None
    if score_structure is not None:
        score = ModScore(GraphMod(score_structure, score_tensors))
    if mask_structure is not None:
        mask = ModMask(GraphMod(mask_structure, mask_tensors))
    if block_tensors:
        mask = table_mask(block_tensors, block_size, mask)
    results = run_flex(query, key, value, score, mask, scale, lse, max_scores)
    out, sums, largest = results
    nothing = query.new_empty(0) if sums is None else sums
    return out, nothing, query.new_empty(0) if largest is None else largest


@flex_op.register_fake
def _flex_fake(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_tensors: list[Tensor],
    mask_tensors: list[Tensor],
    block_tensors: list[Tensor],
    score_structure: str | None,
    mask_structure: str | None,
    block_size: list[int],
    scale: float | None,
    lse: bool,
    max_scores: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    wide = torch.float64 if query.dtype == torch.float64 else torch.float32
    out = query.new_empty((*query.shape[:-1], value.shape[-1]))

    def rows(wanted: bool) -> Tensor:
        if not wanted:
            return query.new_empty(0)
        return query.new_empty(query.shape[:-1], dtype=wide)

    return out, rows(lse), rows(max_scores)

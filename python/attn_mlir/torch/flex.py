"""`flex_attention` with torch's signature and semantics."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from .._attention import attention
from ..errors import ArgumentError
from ..masks import Mask
from ..options import Options
from ..scores import Score
from .block_mask import BlockMask, check_lengths, from_torch
from .maximum import max_scores
from .mods import CallableMod, ModScore, check_mod

__all__ = ["AuxOutput", "AuxRequest", "flex_attention"]

Tensor = torch.Tensor


class AuxRequest(NamedTuple):
    """Which auxiliary outputs to return."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """Auxiliary outputs; those not asked for are None."""

    lse: Tensor | None = None
    max_scores: Tensor | None = None


# torch's FlexKernelOptions; each also with the prefix fwd_ or bwd_.
KERNEL_OPTIONS = frozenset(
    {
        "BACKEND",
        "BLOCKS_ARE_CONTIGUOUS",
        "BLOCK_M",
        "BLOCK_M1",
        "BLOCK_M2",
        "BLOCK_N",
        "BLOCK_N1",
        "BLOCK_N2",
        "FORCE_USE_FLEX_ATTENTION",
        "PRESCALE_QK",
        "ROWS_GUARANTEED_SAFE",
        "USE_TMA",
        "WRITE_DQ",
        "kpack",
        "matrix_instr_nonkdim",
        "num_stages",
        "num_warps",
        "waves_per_eu",
    }
)


def flex_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_mod: Any = None,
    block_mask: Any = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    kernel_options: Any = None,
    *,
    return_aux: Any = None,
) -> Any:
    """`torch.nn.attention.flex_attention.flex_attention` for CPU tensors.

    query [B, Hq, L, E], key [B, Hkv, S, E], value [B, Hkv, S, Ev]; f64, f32, f16
    or bf16. Hq may be a multiple of Hkv with enable_gqa.
    score_mod: a torch callable (score, b, h, q_idx, kv_idx) -> score, traced;
        -inf masks the pair. Or a score object of `am.scores`.
    block_mask: of our `create_block_mask`, or torch's.
    kernel_options: torch's options are for its kernels and are ignored; unknown
        names raise. An `am.Options` is used.
    return_aux: an AuxRequest (ours or torch's). max_scores is computed in a
        second pass over blocks of rows.

    Returns out [B, Hq, L, Ev]; with return_lse (out, lse); with return_aux
    (out, AuxOutput). Rows without a key give 0, lse and max_scores -inf.
    """
    options = _options(kernel_options)
    _check_tensors(query, key, value, enable_gqa, block_mask)
    if return_lse and return_aux is not None:
        raise ArgumentError(
            "argument 'return_lse' expects False when return_aux is given, but got both"
        )
    B, H, L = query.shape[:3]
    if block_mask is not None:
        _check_block_mask(block_mask)
        check_lengths(block_mask, B, H, L, key.shape[2])
    if score_mod is not None and not isinstance(score_mod, Score):
        check_mod("score_mod", score_mod, 5)
    want_lse = return_lse or (return_aux is not None and return_aux.lse)
    q, k, v = (each.detach() for each in (query, key, value))
    if k.shape[0] != B:
        k, v = (each.expand(B, *each.shape[1:]) for each in (k, v))
    score, mask = _parts(score_mod, block_mask, H, q.dtype)
    result = attention(
        q,
        k,
        v,
        scale=scale,
        mask=mask,
        score=score,
        return_lse=want_lse,
        options=options,
    )
    out, lse = result if want_lse else (result, None)
    if return_aux is None:
        return (out, lse) if return_lse else out
    largest = None
    if return_aux.max_scores:
        largest = max_scores(q, k, scale, score, mask)
    return out, _aux_type(return_aux)(lse=lse, max_scores=largest)


def _aux_type(request: Any) -> Any:
    """torch's AuxOutput for torch's AuxRequest."""
    if isinstance(request, AuxRequest):
        return AuxOutput
    from torch.nn.attention import flex_attention as theirs

    return theirs.AuxOutput


def _parts(
    score_mod: Any, block_mask: Any, heads: int, dtype: torch.dtype
) -> tuple[Score | None, Mask | None]:
    """The score and mask objects; -inf of a score becomes part of the mask."""
    mask = None
    if isinstance(block_mask, BlockMask):
        mask = block_mask.mask()
    elif block_mask is not None:
        mask = from_torch(block_mask)
    if score_mod is None or isinstance(score_mod, Score):
        return score_mod, mask
    score = ModScore(CallableMod("score_mod", score_mod, dtype == torch.float64))
    keeps = score.keeps(heads)
    if keeps is not None:
        mask = keeps if mask is None else mask & keeps
    return score, mask


def _options(kernel_options: Any) -> Options | None:
    if kernel_options is None or isinstance(kernel_options, Options):
        return kernel_options
    if not isinstance(kernel_options, dict):
        raise ArgumentError(
            "argument 'kernel_options' expects a dict or am.Options, but got "
            f"{type(kernel_options).__name__}"
        )
    for name in kernel_options:
        plain = name.removeprefix("fwd_").removeprefix("bwd_")
        if plain not in KERNEL_OPTIONS:
            raise ArgumentError(
                f"argument 'kernel_options' expects options of torch's "
                f"FlexKernelOptions, but got {name!r}"
            )
    return None


def _check_block_mask(block_mask: Any) -> None:
    if isinstance(block_mask, BlockMask):
        return
    if type(block_mask).__module__.startswith("torch.") and hasattr(
        block_mask, "kv_indices"
    ):
        return
    hint = ""
    if callable(block_mask) or isinstance(block_mask, Mask):
        hint = "; pass it to create_block_mask"
    raise ArgumentError(
        "argument 'block_mask' expects a BlockMask, but got "
        f"{type(block_mask).__name__}{hint}"
    )


def _check_tensors(
    query: Tensor, key: Tensor, value: Tensor, enable_gqa: bool, block_mask: Any
) -> None:
    for name, each in (("query", query), ("key", key), ("value", value)):
        if not isinstance(each, torch.Tensor):
            raise ArgumentError(
                f"argument '{name}' expects a torch.Tensor, but got "
                f"{type(each).__name__}"
            )
        if each.is_nested or each.dim() != 4:
            raise ArgumentError(
                f"argument '{name}' expects a dense tensor of 4 dimensions, but got "
                f"{'a nested tensor' if each.is_nested else tuple(each.shape)}"
            )
        if each.requires_grad and torch.is_grad_enabled():
            raise ArgumentError(
                f"argument '{name}' requires grad, but there is no backward yet; "
                "use torch.no_grad() or detach()"
            )
    heads, groups = query.shape[1], key.shape[1]
    if heads != groups and not enable_gqa:
        raise ArgumentError(
            f"argument 'key' expects {heads} heads as 'query' has (or "
            f"enable_gqa=True), but got {groups}"
        )
    if query.shape[0] != key.shape[0] and (
        block_mask is None or key.shape[0] != 1 or value.shape[0] != 1
    ):
        raise ArgumentError(
            f"argument 'key' expects the batch size {query.shape[0]} of 'query' (or "
            f"1 with a block_mask), but got {key.shape[0]}"
        )

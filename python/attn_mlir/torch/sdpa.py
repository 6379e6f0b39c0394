"""`scaled_dot_product_attention` with torch's signature and semantics."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..errors import ArgumentError
from .library import run_sdpa, sdpa_op

__all__ = ["scaled_dot_product_attention"]

Tensor = torch.Tensor


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """`torch.nn.functional.scaled_dot_product_attention` for CPU tensors.

    query [..., Hq, L, E], key [..., H, S, E], value [..., H, S, Ev]; leading
    dimensions broadcast. attn_mask: bool (True = attend) or float (added to the
    logits), broadcastable to [..., Hq, L, S]. is_causal: top-left aligned.
    Rows without a key give 0. No dropout, and no backward yet: dropout_p > 0
    and inputs that require grad raise.
    """
    # Tensors that nobody differentiates skip the dispatcher, which costs as much
    # as a small kernel; torch.compile and torch.export see the operator.
    if (
        attn_mask is None
        and dropout_p == 0.0
        and _is_plain(query, key, value, enable_gqa)
        and not torch.compiler.is_compiling()
    ):
        return run_sdpa(query, key, value, None, is_causal, scale)
    _check(query, key, value, attn_mask, dropout_p, is_causal, enable_gqa)
    q, k, v = _shaped(query, key, value)
    bias = None if attn_mask is None else _shaped_mask(attn_mask, query, q, key)
    if torch.compiler.is_compiling():
        out: Tensor = sdpa_op(q, k, v, bias, is_causal, scale)
    else:
        out = run_sdpa(q, k, v, bias, is_causal, scale)
    if query.dim() == 4 and out.shape[0] == query.shape[0]:
        return out
    lead = _leading(query, key, value)
    heads = query.shape[-3:-2] if query.dim() > 2 else ()
    return out.reshape(*lead, *heads, query.shape[-2], value.shape[-1])


def _is_plain(query: Any, key: Any, value: Any, enable_gqa: bool) -> bool:
    """Whether the tensors are what am.attention takes, without broadcasting."""
    try:
        batch, heads, _, width = query.shape
        key_batch, groups, keys, key_width = key.shape
        value_batch, value_groups, value_keys, _ = value.shape
    except (AttributeError, ValueError):
        return False
    return bool(
        batch == key_batch == value_batch
        and groups == value_groups
        and keys == value_keys
        and width == key_width
        and (heads == groups or enable_gqa)
        and not (query.requires_grad or key.requires_grad or value.requires_grad)
    )


def _check(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    dropout_p: float,
    is_causal: bool,
    enable_gqa: bool,
) -> None:
    for name, each in (("query", query), ("key", key), ("value", value)):
        if not isinstance(each, torch.Tensor):
            raise ArgumentError(
                f"argument '{name}' expects a torch.Tensor, but got "
                f"{type(each).__name__}"
            )
        if each.dim() < 2:
            raise ArgumentError(
                f"argument '{name}' expects at least 2 dimensions, but got shape "
                f"{tuple(each.shape)}"
            )
        if each.dim() != query.dim():
            raise ArgumentError(
                f"argument '{name}' expects {query.dim()} dimensions as 'query' "
                f"has, but got shape {tuple(each.shape)}"
            )
    if dropout_p != 0.0:
        raise ArgumentError(
            f"argument 'dropout_p' expects 0, dropout is not supported, but got "
            f"{dropout_p}"
        )
    if attn_mask is not None and is_causal:
        raise ArgumentError(
            "argument 'attn_mask' expects None when is_causal is set, but got both"
        )
    named = {"query": query, "key": key, "value": value, "attn_mask": attn_mask}
    for name, tensor in named.items():
        if tensor is not None and tensor.requires_grad and torch.is_grad_enabled():
            raise ArgumentError(
                f"argument '{name}' requires grad, but there is no backward yet; "
                "use torch.no_grad() or detach()"
            )
    if query.dim() < 3:
        return
    heads, groups = query.shape[-3], key.shape[-3]
    if value.shape[-3] != groups:
        raise ArgumentError(
            f"argument 'value' expects {groups} heads as 'key' has, but got "
            f"{value.shape[-3]}"
        )
    if heads != groups and not enable_gqa:
        raise ArgumentError(
            f"argument 'key' expects {heads} heads as 'query' has (or "
            f"enable_gqa=True), but got {groups}"
        )


def _leading(*tensors: Tensor) -> torch.Size:
    """The batch dimensions in front of the heads, broadcast."""
    shapes = [each.shape[:-3] for each in tensors]
    try:
        return torch.Size(np.broadcast_shapes(*shapes))
    except ValueError as error:
        listed = ", ".join(str(tuple(shape)) for shape in shapes)
        raise ArgumentError(
            f"arguments 'query', 'key', 'value' expect batch dimensions that "
            f"broadcast, but got {listed}"
        ) from error


def _shaped(query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
    """Each as a tensor [B, H, L, E] without grad."""
    tensors = [each.detach() for each in (query, key, value)]
    if query.dim() == 4 and query.shape[0] == key.shape[0] == value.shape[0]:
        return tensors
    if query.dim() == 2:
        return [each[None, None] for each in tensors]
    lead = _leading(*tensors)
    count = lead.numel()
    return [
        each.expand(*lead, *each.shape[-3:]).reshape(count, *each.shape[-3:])
        for each in tensors
    ]


def _shaped_mask(attn_mask: Tensor, query: Tensor, q: Tensor, key: Tensor) -> Tensor:
    """A mask that broadcasts to [B, H, L, S]."""
    mask = attn_mask.detach()
    if mask.dtype != torch.bool and mask.dtype != query.dtype:
        raise ArgumentError(
            "argument 'attn_mask' expects dtype bool or that of 'query' "
            f"({query.dtype}), but got {mask.dtype}"
        )
    if query.dim() <= 4:
        return mask
    lead = query.shape[:-3]
    full = mask.expand(*lead, *_last(mask, (q.shape[1], q.shape[2], key.shape[-2])))
    return full.reshape(q.shape[0], *full.shape[-3:])


def _last(mask: Tensor, sizes: tuple[int, int, int]) -> tuple[int, ...]:
    """The last three sizes of a mask with leading ones added."""
    shape = (1, 1, 1, *mask.shape)[-3:]
    return tuple(
        own if own == 1 else size for own, size in zip(shape, sizes, strict=True)
    )

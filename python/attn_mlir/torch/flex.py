"""`flex_attention` with torch's signature and semantics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import torch

from ..errors import ArgumentError
from ..masks import Mask
from ..options import Options
from ..scores import Score
from .block_mask import (
    BlockMask,
    block_tensors,
    check_lengths,
    from_torch,
    is_whole,
)
from .library import flex_op, run_flex
from .mods import CallableMod, ModScore, check_mod
from .paths import follow, is_readable, paths
from .structure import is_pinned, serialize

__all__ = ["AuxOutput", "AuxRequest", "flex_attention"]

Tensor = torch.Tensor
_F = TypeVar("_F", bound=Callable[..., Any])
SECTION = "\x1c"  # between the parts of what is traced under Dynamo


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
    if block_mask is not None:
        _check_block_mask(block_mask)
        B, H, L = query.shape[:3]
        check_lengths(block_mask, B, H, L, key.shape[2])
    lse = return_lse or (return_aux is not None and return_aux.lse)
    maximum = return_aux is not None and return_aux.max_scores
    if torch.compiler.is_compiling() and not _has_objects(
        score_mod, block_mask, options
    ):
        out, sums, largest = _as_operator(
            query, key, value, score_mod, block_mask, scale, lse, maximum
        )
    else:
        call = _outside if torch.compiler.is_compiling() else _called
        out, sums, largest = call(
            query, key, value, score_mod, block_mask, scale, lse, maximum, options
        )
    if return_aux is None:
        return (out, sums) if return_lse else out
    return out, _aux_type(return_aux)(lse=sums, max_scores=largest)


def _has_objects(score_mod: Any, block_mask: Any, options: Options | None) -> bool:
    """Whether there are objects of ours, which Dynamo cannot guard."""
    if not torch.compiler.is_dynamo_compiling():
        if options is not None:
            raise ArgumentError(
                "argument 'kernel_options' expects a dict under torch.export, but got "
                "am.Options"
            )
        return False
    mask_mod = None if block_mask is None else block_mask.mask_mod
    return (
        options is not None
        or isinstance(score_mod, Score)
        or isinstance(mask_mod, Mask)
    )


def _called(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_mod: Any,
    block_mask: Any,
    scale: float | None,
    lse: bool,
    maximum: bool,
    options: Options | None,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    score, mask = _parts(score_mod, block_mask, query.dtype)
    return run_flex(query, key, value, score, mask, scale, lse, maximum, options)


_disable: Callable[[_F], _F] = torch.compiler.disable
_outside = _disable(_called)


def _aux_type(request: Any) -> Any:
    """torch's AuxOutput for torch's AuxRequest."""
    if isinstance(request, AuxRequest):
        return AuxOutput
    from torch.nn.attention import flex_attention as theirs

    return theirs.AuxOutput


def _parts(
    score_mod: Any, block_mask: Any, dtype: torch.dtype
) -> tuple[Score | None, Mask | None]:
    """The score and mask objects."""
    mask = None
    if isinstance(block_mask, BlockMask):
        mask = block_mask.mask()
    elif block_mask is not None:
        mask = from_torch(block_mask)
    if score_mod is None or isinstance(score_mod, Score):
        return score_mod, mask
    check_mod("score_mod", score_mod, 5)
    wide = dtype == torch.float64
    return ModScore(CallableMod("score_mod", score_mod, wide)), mask


# --- under torch.compile and torch.export -----------------------------------


def _as_operator(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_mod: Any,
    block_mask: Any,
    scale: float | None,
    lse: bool,
    maximum: bool,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """One operator; its arguments are read so that Dynamo guards them."""
    heads, wide = query.shape[1], query.dtype == torch.float64
    score_text, score_tensors = _traced("score_mod", score_mod, heads, wide)
    mask_text, sizes = None, [1, 1]
    mask_tensors: list[Tensor] = []
    tables: list[Tensor] = []
    if block_mask is not None:
        mask_text, mask_tensors = _traced(
            "block_mask", block_mask.mask_mod, heads, False
        )
        if not isinstance(block_mask, BlockMask) and not is_whole(block_mask):
            tables = block_tensors(block_mask)
            sizes = [block_mask.BLOCK_SIZE[0], block_mask.BLOCK_SIZE[1]]
    out, sums, largest = flex_op(
        query,
        key,
        value,
        score_tensors,
        mask_tensors,
        tables,
        score_text,
        mask_text,
        sizes,
        scale,
        lse,
        maximum,
    )
    return out, sums if lse else None, largest if maximum else None


def _traced(
    name: str, mod: Any, heads: int, wide: bool
) -> tuple[str | None, list[Tensor]]:
    """The text of a mod and the tensors it captures."""
    if mod is None:
        return None, []
    if not torch.compiler.is_dynamo_compiling():
        made = _made(name, mod, wide)
        return serialize(made, heads, name == "score_mod"), list(made.arrays)
    is_readable(mod)
    found = _traced_paths(name, mod, heads, wide)
    text, pinned, leaves = found.split(SECTION)
    tensors, others = follow(mod, leaves)
    if pinned == "1":
        for each in tensors:
            others += [hash(size) for size in each.shape]
    _guarded(*others)
    return text, tensors


def _constant(function: _F) -> _F:
    """Dynamo calls the function while tracing, and takes the result as it is."""
    marker: Callable[[_F], _F] = torch.compiler.assume_constant_result
    return marker(function)


def _made(name: str, mod: Any, wide: bool) -> CallableMod:
    if isinstance(mod, (Mask, Score)):
        raise ArgumentError(
            f"argument '{name}' expects a torch callable under torch.compile and "
            f"torch.export, but got {mod!r}"
        )
    score = name == "score_mod"
    check_mod(name, mod, 5 if score else 4)
    return CallableMod(name, mod, wide).restricted(score)


@_constant
def _traced_paths(name: str, mod: Any, heads: int, wide: bool) -> str:
    """Text, whether shapes matter, and paths of a mod."""
    made = _made(name, mod, wide)
    score = name == "score_mod"
    pinned = "1" if is_pinned(made, heads, score) else "0"
    return SECTION.join(
        (serialize(made, heads, score), pinned, paths(mod, made.originals))
    )


@_constant
def _guarded(*values: Any) -> bool:
    """Makes Dynamo guard values it would otherwise not look at."""
    return True


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

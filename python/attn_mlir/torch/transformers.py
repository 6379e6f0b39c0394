"""Hugging Face transformers: `attn_implementation="attn_mlir"`.

transformers describes a mask by a callable (b, h, q, kv) and lets an attention
implementation decide what to make of it. Here it stays a callable: it is traced
like any mask, so that no [L, S] tensor exists. Models hand it from one layer to
the next as a `PatternMask`, a tensor without storage.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from .. import masks, scores
from .._attention import attention
from .._checks import Attribute, Signature
from ..errors import ArgumentError, TraceError
from ..masks import Mask
from ..symbolic import Value
from ..trace import Position
from .mods import CallableMod, ModMask

__all__ = ["PatternMask", "register_transformers"]

Tensor = torch.Tensor
# What some model hands to every implementation but its own two, and what would
# be wrong without: paged caches, picked blocks of keys, sinks per token.
_UNSUPPORTED = ("cache", "block_indices", "sinks")
_CAUSAL = masks.causal()


# --- masks ------------------------------------------------------------------


class _Fixed(Mask):
    """A mask whose captures are looked up once, not in every layer."""

    def __init__(self, inner: Mask) -> None:
        self._inner = inner
        self._signature = inner.signature()

    def signature(self) -> Signature:
        return self._signature

    def predicate(self, at: Position) -> Value:
        return self._inner.predicate(at)

    def attributes(self) -> list[Attribute] | None:
        return self._inner.attributes()

    def leading(self) -> tuple[int | None, int | None]:
        return self._inner.leading()

    def check(self, B: int, H: int, L: int, S: int) -> None:
        self._inner.check(B, H, L, S)

    def __repr__(self) -> str:
        return repr(self._inner)


class _Shifted(Mask):
    """A mask of positions in the text, where query and key 0 have offsets.

    The offsets are arrays, so that other offsets do not make other kernels.
    """

    def __init__(self, inner: Mask, q_offset: int, kv_offset: int) -> None:
        self._inner = inner
        offsets = (q_offset, kv_offset)
        self._offsets = [np.asarray(each) if each else None for each in offsets]

    def signature(self) -> Signature:
        inner = self._inner.signature()
        given = [each for each in self._offsets if each is not None]
        shifts = tuple(each is not None for each in self._offsets)
        return Signature(("shifted", shifts, inner.key), (*inner.arrays, *given))

    def predicate(self, at: Position) -> Value:
        i, j = (
            index if offset is None else index + at.wrap(offset)
            for index, offset in zip((at.i, at.j), self._offsets, strict=True)
        )
        values = {"b": at.b, "h": at.h, "i": i, "j": j}
        values.update(B=at.B, H=at.H, L=at.L, S=at.S)
        return self._inner.predicate(Position(values, at.heads, at.wrap))

    def __repr__(self) -> str:
        return repr(self._inner)


class _KeyRange(Mask):
    """`starts[b] <= j < ends[b]`, int64 [B]: what padding leaves."""

    def __init__(self, starts: Any, ends: Any) -> None:
        self._arrays = (starts, ends)

    def signature(self) -> Signature:
        return Signature("key range", self._arrays)

    def predicate(self, at: Position) -> Value:
        starts, ends = (at.wrap(each) for each in self._arrays)
        return (at.j >= starts[at.b]) & (at.j < ends[at.b])

    def __repr__(self) -> str:
        return f"key_range{self._arrays}"


class PatternMask(torch.Tensor):
    """A mask [B, 1, L, S] (True = attend) known by its pattern.

    Our attention reads `pattern`, a mask object or None (everything attends).
    A slice of queries or keys is another pattern. Any other operation on the
    tensor sees ordinary values: they are computed then, with a warning, since
    they need L * S elements.
    """

    pattern: Mask | None
    _arguments: dict[str, Any]

    @staticmethod
    def __new__(cls, pattern: Mask | None, arguments: dict[str, Any]) -> PatternMask:
        shape = [arguments[each] for each in ("batch_size", "q_length", "kv_length")]
        made: PatternMask = torch.Tensor._make_wrapper_subclass(
            cls,
            (shape[0], 1, *shape[1:]),
            dtype=torch.bool,
            device=torch.device("cpu"),
        )
        made.pattern = pattern
        made._arguments = arguments
        return made

    def dense(self) -> Tensor:
        """The values as an ordinary bool tensor [B, 1, L, S]."""
        return _values(self._arguments)

    def __repr__(  # type: ignore[override]
        self, *, tensor_contents: Any = None
    ) -> str:
        return f"PatternMask({tuple(self.shape)}, {self.pattern!r})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if _changes_nothing(func, kwargs):
            return cls(args[0].pattern, args[0]._arguments)
        if func is torch.ops.aten.slice.Tensor:
            part = args[0]._slice(*args[1:])
            if part is not None:
                return part
        warnings.warn(
            f"{func} reads an attention mask made for attn_mlir: its "
            "[B, 1, L, S] values are computed",
            stacklevel=2,
        )
        dense = torch.utils._pytree.tree_map_only(cls, cls.dense, (args, kwargs))
        return func(*dense[0], **dense[1])

    def _slice(
        self, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
    ) -> PatternMask | None:
        """aten.slice as a pattern, None where it would not be one."""
        size = self.shape[dim]
        first, last, _ = slice(start, end).indices(size)
        if step == 1 and (first, last) == (0, size):
            return PatternMask(self.pattern, self._arguments)
        if step != 1 or dim % 4 < 2 or last <= first:
            return None
        side = "q" if dim % 4 == 2 else "kv"
        return _pattern_mask(
            {
                **self._arguments,
                f"{side}_offset": self._arguments[f"{side}_offset"] + first,
                f"{side}_length": last - first,
            }
        )


def _changes_nothing(func: Any, kwargs: dict[str, Any]) -> bool:
    """Whether an operation leaves shape, dtype and device of its input alone."""
    aten = torch.ops.aten
    if func in (aten.detach.default, aten.alias.default):
        return True
    same = {"dtype": torch.bool, "device": torch.device("cpu")}
    return func is aten._to_copy.default and all(
        same.get(name, value) == value for name, value in kwargs.items()
    )


def _values(arguments: dict[str, Any]) -> Tensor:
    """What transformers makes of a mask: bool [B, 1, L, S]."""
    from transformers import masking_utils as hf

    dense = hf.sdpa_mask(
        **arguments, allow_is_causal_skip=False, allow_is_bidirectional_skip=False
    )
    assert dense is not None
    return dense.expand(arguments["batch_size"], -1, -1, -1)


def _key_mask(keep: Tensor) -> Mask | None:
    """Which keys are valid: bool [B, S], None when all are.

    One run of keys per sequence, as padding leaves, needs two numbers each.
    """
    table = keep.numpy()
    size = table.shape[1]
    counts = table.sum(axis=1)
    if (counts == size).all():
        return None
    starts = np.where(counts > 0, table.argmax(axis=1), 0)
    ends = np.where(counts > 0, size - table[:, ::-1].argmax(axis=1), 0)
    if not (ends - starts == counts).all():
        return masks.array(keep[:, None, None, :])
    if not starts.any():
        return masks.key_lengths(ends)
    return _KeyRange(starts, ends)


def _pattern_mask(arguments: dict[str, Any]) -> PatternMask:
    from transformers import masking_utils as hf

    mask: Mask | None
    function, padding = arguments["mask_function"], arguments["attention_mask"]
    q_offset, kv_offset = arguments["q_offset"], arguments["kv_offset"]
    if arguments["q_length"] == 1:
        # One query: its row says it all, whatever the callable is.
        mask = _key_mask(_values(arguments)[:, 0, 0])
    else:
        mask = None
        if padding is not None:
            end = kv_offset + arguments["kv_length"]
            padding = torch.nn.functional.pad(
                padding, (0, max(end - padding.shape[-1], 0))
            )
            mask = _key_mask(padding[:, kv_offset:end])
        if function is not hf.bidirectional_mask_function:
            traced = ModMask(CallableMod("mask_function", function, False))
            pattern = _Shifted(traced, q_offset, kv_offset)
            mask = pattern if mask is None else pattern & mask
    return PatternMask(None if mask is None else _Fixed(mask), arguments)


def _make_mask(
    batch_size: int,
    q_length: int,
    kv_length: int,
    q_offset: int | Tensor = 0,
    kv_offset: int | Tensor = 0,
    mask_function: Callable[..., Any] | None = None,
    attention_mask: Tensor | None = None,
    allow_is_bidirectional_skip: bool = False,
    use_vmap: bool = False,
    device: Any = "cpu",
    **kwargs: Any,
) -> Tensor | None:
    """The mask interface; attention_mask: padding, bool [B, tokens so far]."""
    from transformers import masking_utils as hf

    if torch.device(device).type != "cpu":
        raise ArgumentError(
            f"attn_mlir expects a model on the CPU, but got one on '{device}'"
        )
    arguments = {
        "batch_size": batch_size,
        "q_length": q_length,
        "kv_length": kv_length,
        "q_offset": q_offset,
        "kv_offset": kv_offset,
        "mask_function": mask_function or hf.causal_mask_function,
        "attention_mask": attention_mask,
        "use_vmap": use_vmap,
    }
    if torch.compiler.is_compiling():
        return _values(arguments)
    # Static caches count in a tensor, which the model is about to change.
    arguments["q_offset"], arguments["kv_offset"] = int(q_offset), int(kv_offset)
    mask = _pattern_mask(arguments)
    return None if mask.pattern is None and allow_is_bidirectional_skip else mask


# --- attention --------------------------------------------------------------


def _run(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Mask | Tensor | None,
    biases: Sequence[Tensor],
    sinks: Tensor | None,
    scale: float | None,
    softcap: float | None,
) -> Tensor:
    """[B, L, H, Dv] from query [B, H, L, D], key and value [B, G, S, D]."""
    score = None if softcap is None else scores.softcap(softcap)
    for each in biases:
        bias = scores.bias(each.detach())
        score = bias if score is None else score.then(bias)
    out: Tensor = attention(
        query.detach(),
        key.detach(),
        value.detach(),
        scale=scale,
        mask=mask,
        score=score,
        sinks=None if sinks is None else sinks.detach(),
    )
    return out.transpose(1, 2).contiguous()


def _plain(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    is_causal: bool,
    position_bias: Tensor | None,
    sinks: Tensor | None,
    scale: float | None,
    softcap: float | None,
) -> Tensor:
    mask, biases = _split(attn_mask, is_causal, position_bias)
    return _run(query, key, value, mask, biases, sinks, scale, softcap)


_opaque = torch.library.custom_op(
    "attn_mlir::transformers_attention", _plain, mutates_args=(), device_types="cpu"
)


@_opaque.register_fake
def _opaque_fake(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None,
    is_causal: bool,
    position_bias: Tensor | None,
    sinks: Tensor | None,
    scale: float | None,
    softcap: float | None,
) -> Tensor:
    batch, heads, length, _ = query.shape
    return query.new_empty((batch, length, heads, value.shape[-1]))


def _split(
    attn_mask: Tensor | None, is_causal: bool, position_bias: Tensor | None
) -> tuple[Mask | Tensor | None, list[Tensor]]:
    """A mask and the terms added to the logits."""
    mask: Mask | Tensor | None = _CAUSAL if is_causal else None
    biases = [] if position_bias is None else [position_bias]
    if attn_mask is not None:
        if attn_mask.dtype == torch.bool:
            mask = attn_mask
        else:
            biases.append(attn_mask)
    return mask, biases


def _forward(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    position_bias: Tensor | None = None,
    indices: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """The attention interface: output [B, L, H, Dv] and no weights.

    s_aux: sinks [H]. position_bias: broadcastable to [B, H, L, S], added after
    the softcap. indices: int [B, L, k], the only keys each query may attend to.
    """
    _check(query, key, value, attention_mask, dropout, s_aux, position_bias, kwargs)
    if indices is not None:
        attention_mask = _only(indices, attention_mask, key.shape[2])
    queries, keys = query.shape[2], key.shape[2]
    if attention_mask is None:
        # A model that brings no mask says by `is_causal` whether it is a
        # decoder; one query is the last one.
        causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
        is_causal = bool(causal) and queries > 1
        if is_causal and keys > queries:  # the unused part of a static cache
            key, value = key[:, :, :queries], value[:, :, :queries]
            if position_bias is not None:
                position_bias = position_bias[..., :queries]
    else:
        is_causal = False
    if isinstance(attention_mask, PatternMask):
        out = _run_pattern(
            (query, key, value), attention_mask, position_bias, s_aux, scaling, softcap
        )
    else:
        inputs = (query, key, value, attention_mask, is_causal, position_bias)
        call = _opaque if torch.compiler.is_compiling() else _plain
        out = call(*inputs, s_aux, scaling, softcap)
    return out, None


def _only(indices: Tensor, attention_mask: Tensor | None, keys: int) -> Tensor:
    """The mask and the keys a model has picked for each query."""
    if attention_mask is None:
        raise ArgumentError("argument 'indices' expects an attention_mask beside it")
    batch, queries, _ = indices.shape
    picked = torch.zeros(batch, queries, keys, dtype=torch.bool)
    picked = picked.scatter_(-1, indices.long(), True)[:, None]
    if isinstance(attention_mask, PatternMask):  # `picked` is as large
        attention_mask = attention_mask.dense()
    if attention_mask.dtype == torch.bool:
        return attention_mask & picked
    return attention_mask.masked_fill(~picked, torch.finfo(attention_mask.dtype).min)


def _run_pattern(
    inputs: tuple[Tensor, Tensor, Tensor],
    given: PatternMask,
    position_bias: Tensor | None,
    sinks: Tensor | None,
    scale: float | None,
    softcap: float | None,
) -> Tensor:
    biases = [] if position_bias is None else [position_bias]
    rest: dict[str, Any] = {"sinks": sinks, "scale": scale, "softcap": softcap}
    try:
        return _run(*inputs, given.pattern, biases, **rest)
    except TraceError as error:
        warnings.warn(
            f"the mask's [B, 1, L, S] values are computed: {error}", stacklevel=2
        )
    given.pattern = _Fixed(masks.array(given.dense()))
    return _run(*inputs, given.pattern, biases, **rest)


def _check(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float,
    sinks: Tensor | None,
    position_bias: Tensor | None,
    kwargs: dict[str, Any],
) -> None:
    if dropout != 0.0:
        raise ArgumentError(
            f"attn_mlir expects no attention dropout, but got {dropout}; use "
            "model.eval()"
        )
    if torch.is_grad_enabled():
        named = {"query": query, "key": key, "value": value, "s_aux": sinks}
        named["position_bias"] = position_bias
        for name, tensor in named.items():
            if tensor is not None and tensor.requires_grad:
                raise ArgumentError(
                    f"argument '{name}' requires grad, but attn_mlir has no backward "
                    "yet; use torch.no_grad() or torch.inference_mode(), and another "
                    "attn_implementation for training"
                )
    if kwargs.get("output_attentions"):
        raise ArgumentError(
            "attn_mlir never forms the attention weights that output_attentions "
            'asks for; use attn_implementation="eager"'
        )
    for name in _UNSUPPORTED:
        if kwargs.get(name) is not None:
            raise ArgumentError(f"attn_mlir does not support '{name}' yet")
    if attention_mask is not None:
        expected = (*query.shape[:3], key.shape[2])
        got = tuple(attention_mask.shape)
        if len(got) != 4 or any(
            size not in (1, wanted) for size, wanted in zip(got, expected, strict=True)
        ):
            raise ArgumentError(
                "argument 'attention_mask' expects a shape that broadcasts to "
                f"[B, H, L, S] = {expected}, but got {got}"
            )


# --- registration -----------------------------------------------------------


def register_transformers(name: str = "attn_mlir") -> None:
    """Make `attn_implementation=name` known to Hugging Face transformers.

    Registers an attention function and a mask function, for every model that
    uses transformers' `AttentionInterface`; nothing else changes. Needs
    transformers 5.23 or newer.
    """
    try:
        from transformers import AttentionInterface, AttentionMaskInterface
    except ImportError as error:
        raise ImportError(
            "register_transformers needs transformers: pip install "
            "attn-mlir[transformers]"
        ) from error
    # transformers reads a meaning into these: hub kernels, wrappers, its own.
    known = AttentionInterface._global_mapping.get(name)
    reserved = not isinstance(name, str) or not name.isidentifier() or name == "eager"
    if reserved or (known is not None and known is not _forward):
        raise ArgumentError(
            "argument 'name' expects an identifier that is not an attention "
            f"implementation yet, but got {name!r}"
        )
    AttentionInterface.register(name, _forward)
    AttentionMaskInterface.register(name, _make_mask)

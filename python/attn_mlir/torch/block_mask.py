"""Block masks: ours, which is only its mask_mod, and torch's tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.weak import WeakTensorKeyDictionary

from .. import masks
from ..errors import ArgumentError
from ..masks import Mask
from .mods import CallableMod, ModMask, check_mod

__all__ = ["BlockMask", "create_block_mask"]

DEFAULT_BLOCK_SIZE = 128
# What torch uses for the block mask that stands for none.
_WHOLE = 1 << 30


class BlockMask:
    """A mask_mod and the lengths it is for; nothing of size L*S exists.

    mask_mod: a torch callable (b, h, q_idx, kv_idx) -> bool, or a mask object of
        `am.masks`; may be replaced.
    seq_lengths: (Q_LEN, KV_LEN).
    BLOCK_SIZE: (query, key) block of `to_dense` and `sparsity` only.
    """

    def __init__(
        self,
        mask_mod: Any,
        seq_lengths: tuple[int, int],
        BLOCK_SIZE: tuple[int, int],
        batch: tuple[int, int],
    ) -> None:
        self.mask_mod = mask_mod
        self.seq_lengths = seq_lengths
        self.BLOCK_SIZE = BLOCK_SIZE
        self._batch = batch

    @property
    def shape(self) -> tuple[int, ...]:
        """(B, H, Q_LEN, KV_LEN)."""
        return (*self._batch, *self.seq_lengths)

    def numel(self) -> int:
        """Pairs, kept or not."""
        B, H, L, S = self.shape
        return B * H * L * S

    def mask(self) -> Mask:
        """The mask object that runs."""
        return as_mask_object(self.mask_mod)

    def to_dense(self) -> torch.Tensor:
        """int32 [B, H, blocks, blocks]: 1 where a block has a pair to compute."""
        B, H, L, S = self.shape
        rows = [
            [
                self.mask().tiles(L, S, *self.BLOCK_SIZE, batch=b, head=h).rows
                for h in range(H)
            ]
            for b in range(B)
        ]
        table = [
            [[[int(each != " ") for each in row] for row in head] for head in batch]
            for batch in rows
        ]
        return torch.tensor(table, dtype=torch.int32)

    def sparsity(self) -> float:
        """The percentage of blocks without a pair."""
        dense = self.to_dense()
        return 100.0 * (1.0 - float(dense.double().mean())) if dense.numel() else 0.0

    def to(self, device: torch.device | str) -> BlockMask:
        """This mask: it has no tensors of its own, and kernels run on the CPU."""
        _check_device(device)
        return self

    def _adjust(self, new_q_len: int, new_kv_len: int) -> BlockMask:
        """The same mask_mod for other lengths."""
        lengths = (new_q_len, new_kv_len)
        return BlockMask(self.mask_mod, lengths, self.BLOCK_SIZE, self._batch)

    def __getitem__(self, index: Any) -> BlockMask:
        """A slice, as in torch, needs a mask_mod of its own before it is used."""
        return BlockMask(_sliced, self.seq_lengths, self.BLOCK_SIZE, (1, 1))

    def __repr__(self) -> str:
        name = getattr(self.mask_mod, "__name__", repr(self.mask_mod))
        return (
            f"BlockMask(shape={self.shape}, BLOCK_SIZE={self.BLOCK_SIZE}, "
            f"mask_mod={name})"
        )


def _sliced(b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
    raise ArgumentError(
        "argument 'block_mask' expects a mask_mod after slicing; assign one derived "
        "from that of the whole block mask, but got none"
    )


def as_mask_object(mask_mod: Any) -> Mask:
    if isinstance(mask_mod, Mask):
        return mask_mod
    return ModMask(CallableMod("block_mask", mask_mod, False))


def _check_device(device: Any) -> None:
    if device is not None and torch.device(device).type != "cpu":
        raise ArgumentError(
            f"argument 'device' expects 'cpu', kernels run there, but got '{device}'"
        )


def _length(name: str, value: Any, low: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ArgumentError(
            f"argument '{name}' expects an integer >= {low}, but got {value!r}"
        )
    return value


def create_block_mask(
    mask_mod: Any,
    B: int | None,
    H: int | None,
    Q_LEN: int,
    KV_LEN: int,
    device: Any = "cpu",
    BLOCK_SIZE: int | tuple[int, int] = DEFAULT_BLOCK_SIZE,
    _compile: bool = False,
    separate_full_blocks: bool = True,
    compute_dq_write_order: bool = False,
    dq_kv_order: bool = True,
) -> BlockMask:
    """A block mask that costs nothing: the pairs are never enumerated.

    mask_mod: a torch callable (b, h, q_idx, kv_idx) -> bool, traced when
        attention is called, or a mask object of `am.masks`.
    B, H: batch size and number of query heads, None for 1, which fits any.
    Q_LEN, KV_LEN: the lengths of query and key; others raise later.
    BLOCK_SIZE: the blocks of `BlockMask.to_dense` and `sparsity`; kernels choose
        their own. `_compile`, `separate_full_blocks` and the dq arguments are
        accepted and change nothing.
    """
    _check_device(device)
    if not isinstance(mask_mod, Mask) and not torch.compiler.is_compiling():
        check_mod("mask_mod", mask_mod, 4)
    sizes = (
        (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else tuple(BLOCK_SIZE)
    )
    if len(sizes) != 2:
        raise ArgumentError(
            f"argument 'BLOCK_SIZE' expects an int or two, but got {BLOCK_SIZE!r}"
        )
    blocks = (_length("BLOCK_SIZE", sizes[0], 1), _length("BLOCK_SIZE", sizes[1], 1))
    batch = (
        1 if B is None else _length("B", B, 1),
        1 if H is None else _length("H", H, 1),
    )
    lengths = (_length("Q_LEN", Q_LEN, 0), _length("KV_LEN", KV_LEN, 0))
    return BlockMask(mask_mod, lengths, blocks, batch)


# --- torch's ----------------------------------------------------------------


def _table(counts: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    """bool [B, H, query blocks, key blocks] from counts and sorted columns."""
    columns = indices.shape[-1]
    used = torch.arange(columns, device=indices.device) < counts[..., None]
    # Columns that are not used are undefined: they go to one more column.
    target = torch.where(used, indices, columns).long().clamp(0, columns)
    table = torch.zeros(*indices.shape[:-1], columns + 1, dtype=torch.bool)
    table.scatter_(-1, target, True)
    table = table[..., :columns].contiguous()
    return table.reshape((1,) * (4 - table.dim()) + tuple(table.shape))


# By kv_num_blocks: versions, the tensors they are of, and the tables.
_tables: Any = WeakTensorKeyDictionary()


def block_tensors(block_mask: Any) -> list[torch.Tensor]:
    """The counts and columns of a torch BlockMask: partial, then full blocks."""
    tensors = [block_mask.kv_num_blocks, block_mask.kv_indices]
    if block_mask.full_kv_num_blocks is not None:
        tensors += [block_mask.full_kv_num_blocks, block_mask.full_kv_indices]
    return tensors


def is_whole(block_mask: Any) -> bool:
    """Whether this is what torch uses for no block mask."""
    return bool(
        block_mask.BLOCK_SIZE[0] == _WHOLE and block_mask.BLOCK_SIZE[1] == _WHOLE
    )


def table_mask(
    tensors: Sequence[torch.Tensor], block_size: Sequence[int], inner: Mask | None
) -> Mask:
    """Full blocks, and partial ones where the inner mask holds too."""
    for each in tensors:
        if each.device.type != "cpu":
            raise ArgumentError(
                "argument 'block_mask' expects tensors on the CPU, but got one on "
                f"'{each.device}'"
            )
    counts = tensors[0]
    # Tables are kept while the tensors stay unchanged.
    state = [(id(each), each._version) for each in tensors]
    found = _tables.get(counts)
    if found is None or found[0] != state:
        tables = [_table(*tensors[n : n + 2]) for n in range(0, len(tensors), 2)]
        found = (state, list(tensors[1:]), tables)
        _tables[counts] = found
    partial, *full = (masks.blocks(each, *block_size) for each in found[2])
    mask = partial if inner is None else partial & inner
    if full and bool(found[2][1].any()):
        return full[0] | mask
    return mask


def from_torch(block_mask: Any) -> Mask | None:
    """The mask of a torch BlockMask."""
    inner = as_mask_object(block_mask.mask_mod)
    if is_whole(block_mask):
        return inner
    return table_mask(block_tensors(block_mask), block_mask.BLOCK_SIZE, inner)


def check_lengths(block_mask: Any, B: int, H: int, L: int, S: int) -> None:
    """A block mask serves exactly the lengths it was made for."""
    shape = tuple(block_mask.shape)
    if is_whole(block_mask):
        return
    if shape[-2:] != (L, S):
        relation = "smaller" if shape[-2] < L or shape[-1] < S else "larger"
        raise ArgumentError(
            f"argument 'block_mask' expects queries and keys of the lengths it was "
            f"made for ({shape[-2]}, {shape[-1]}), but got ({L}, {S}): it is for a "
            f"{relation} length; create a new one"
        )
    for name, own, size in zip("BH", (1, 1, *shape)[-4:-2], (B, H), strict=True):
        if own not in (1, size):
            raise ArgumentError(
                f"argument 'block_mask' expects {name} = {size} or 1, but got shape "
                f"{shape}"
            )

"""Masks people write for FlexAttention, one test each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from oracle import check, draw, expected, ours, theirs, torch

Mod = Callable[..., Any]


def causal(b: Any, h: Any, q: Any, kv: Any) -> Any:
    return q >= kv


def test_noop() -> None:
    check(mask_mod=theirs.noop_mask)
    check(mask_mod=ours.noop_mask)


def test_causal() -> None:
    check(mask_mod=causal, L=130)


def sliding_window(width: int) -> Mod:
    def window(b: Any, h: Any, q: Any, kv: Any) -> Any:
        return q - kv <= width

    return theirs.and_masks(window, causal)


@pytest.mark.parametrize("width", [0, 13, 1000])
def test_sliding_window(width: int) -> None:
    check(mask_mod=sliding_window(width), L=130)


def test_dilated_sliding_window() -> None:
    def dilated(b: Any, h: Any, q: Any, kv: Any) -> Any:
        distance = torch.abs(q - kv)
        return (distance <= 24) & (distance % 4 == 0)

    check(mask_mod=dilated, L=130)


def test_global_sliding_window() -> None:
    is_global = torch.zeros(130, dtype=torch.bool)
    is_global[[0, 1, 77]] = True

    def longformer(b: Any, h: Any, q: Any, kv: Any) -> Any:
        return (torch.abs(q - kv) <= 9) | is_global[q] | is_global[kv]

    check(mask_mod=longformer, L=130)


def test_prefix_lm() -> None:
    lengths = torch.tensor([5, 0, 60], dtype=torch.int32)

    def prefix(b: Any, h: Any, q: Any, kv: Any) -> Any:
        return kv < lengths[b]

    check(mask_mod=ours.or_masks(prefix, causal), B=3)
    check(mask_mod=theirs.or_masks(prefix, causal), B=3)


def documents(inner: Mod, offsets: Any) -> Mod:
    ids = torch.repeat_interleave(torch.arange(len(offsets) - 1), offsets.diff())

    def inside(b: Any, h: Any, q: Any, kv: Any) -> Any:
        same = ids[q] == ids[kv]
        q_logical = q - offsets[ids[q]]
        kv_logical = kv - offsets[ids[kv]]
        return same & inner(b, h, q_logical, kv_logical)

    return inside


def test_document_mask() -> None:
    offsets = torch.tensor([0, 31, 32, 80, 130])
    check(mask_mod=documents(causal, offsets), L=130)
    check(mask_mod=documents(sliding_window(7), offsets), L=130)


def test_packed_causal_documents() -> None:
    starts = torch.tensor([0] * 40 + [40] * 5 + [45] * 85)

    def packed(b: Any, h: Any, q: Any, kv: Any) -> Any:
        return (kv >= starts[q]) & (kv <= q)

    check(mask_mod=packed, L=130)


def test_shared_prefix() -> None:
    # Tokens 0-19 and 60-69 are prefixes of two groups; documents follow them.
    ids = torch.tensor([0] * 20 + [1] * 25 + [2] * 15 + [3] * 10 + [4] * 20)
    first = torch.tensor([0] * 60 + [60] * 30)
    last = torch.tensor([20] * 60 + [70] * 30)

    def shared(b: Any, h: Any, q: Any, kv: Any) -> Any:
        same = (ids[q] == ids[kv]) & (q >= kv)
        return same | ((kv >= first[q]) & (kv < last[q]) & (q >= kv))

    check(mask_mod=shared, L=90)


def test_batchify() -> None:
    length = 24

    def batched(b: Any, h: Any, q: Any, kv: Any) -> Any:
        inner = causal(b, h, q % length, kv % length)
        return (q // length == kv // length) & inner

    check(mask_mod=batched, L=96)


def test_block_diffusion() -> None:
    half, block = 60, 8

    def diffusion(b: Any, h: Any, q: Any, kv: Any) -> Any:
        q_clean, kv_clean = q >= half, kv >= half
        q_block = torch.where(q_clean, q - half, q) // block
        kv_block = torch.where(kv_clean, kv - half, kv) // block
        noisy = ~q_clean & ~kv_clean & (q_block == kv_block)
        across = ~q_clean & kv_clean & (kv_block < q_block)
        clean = q_clean & kv_clean & (kv_block <= q_block)
        return noisy | across | clean

    check(mask_mod=diffusion, L=2 * half)


def test_flamingo() -> None:
    # Text tokens see the images between their interval's ends.
    first = torch.tensor([0, 30, 70])
    after = torch.tensor([30, 70, 101])
    image = torch.arange(48) // 16

    def flamingo(b: Any, h: Any, q: Any, kv: Any) -> Any:
        return (q >= first[image[kv]]) & (q < after[image[kv]])

    check(mask_mod=flamingo, L=100, S=48)


def ancestors(parents: list[int]) -> Any:
    table = torch.eye(len(parents), dtype=torch.bool)
    for node, parent in enumerate(parents):
        if parent >= 0:
            table[node] |= table[parent]
    return table


def test_tree_inference() -> None:
    prefix = torch.tensor(40)
    table = ancestors([-1, 0, 0, 1, 1, 2, 5, 5, 6])

    def tree(b: Any, h: Any, q: Any, kv: Any) -> Any:
        node = torch.clamp(kv - prefix, min=0)
        return (kv < prefix) | table[q, node]

    check(mask_mod=tree, L=9, S=49)


def test_tree_training() -> None:
    prefix, block = 32, 8

    def tree(b: Any, h: Any, q: Any, kv: Any) -> Any:
        same = (q // block) == ((kv - prefix) // block)
        return (kv < prefix) | (same & (q % block >= (kv - prefix) % block))

    check(mask_mod=tree, L=64, S=96)


# --- images -----------------------------------------------------------------


def natten(position: Mod, height: int, width: int, kernel: int) -> Mod:
    half = kernel // 2

    def neighbourhood(b: Any, h: Any, q: Any, kv: Any) -> Any:
        q_y, q_x = position(q)
        kv_y, kv_x = position(kv)
        centre_y = q_y.clamp(half, height - 1 - half)
        centre_x = q_x.clamp(half, width - 1 - half)
        return ((centre_y - kv_y).abs() <= half) & ((centre_x - kv_x).abs() <= half)

    return neighbourhood


def test_natten() -> None:
    check(mask_mod=natten(lambda n: (n // 14, n % 14), 10, 14, 5), L=140)


def test_tiled_natten() -> None:
    tile, across = 4, 3  # tiles of 4 x 4, 3 of them side by side

    def position(n: Any) -> Any:
        order, inner = n // (tile * tile), n % (tile * tile)
        return (
            order // across * tile + inner // tile,
            order % across * tile + inner % tile,
        )

    check(mask_mod=natten(position, 12, 12, 5), L=144)


def test_morton_natten() -> None:
    def even_bits(n: Any) -> Any:
        n = n & 0x55
        n = (n | (n >> 1)) & 0x33
        return (n | (n >> 2)) & 0x0F

    check(mask_mod=natten(lambda n: (even_bits(n >> 1), even_bits(n)), 8, 8, 3), L=64)


def test_sliding_tile_2d() -> None:
    tile, rows, columns, text = 4, 3, 4, 10
    image = tile * tile * rows * columns

    def tiles(b: Any, h: Any, q: Any, kv: Any) -> Any:
        q_tile, kv_tile = q // (tile * tile), kv // (tile * tile)
        y = (q_tile // columns).clamp(1, rows - 2)
        x = (q_tile % columns).clamp(1, columns - 2)
        near = ((y - kv_tile // columns).abs() <= 1) & (
            (x - kv_tile % columns).abs() <= 1
        )
        both = (q < image) & (kv < image)
        return (both & near) | ~both

    check(mask_mod=tiles, L=image + text, H=1)


def test_sliding_tile_3d() -> None:
    size, (frames, rows, columns), text = 8, (4, 3, 3), 7
    video = size * frames * rows * columns

    def place(n: Any) -> Any:
        tile = n // size
        return (
            tile // (rows * columns),
            tile % (rows * columns) // columns,
            tile % columns,
        )

    def tiles(b: Any, h: Any, q: Any, kv: Any) -> Any:
        near = kv < video
        for own, other, count in zip(
            place(q), place(kv), (frames, rows, columns), strict=True
        ):
            near = near & ((own.clamp(1, count - 2) - other).abs() <= 1)
        is_text = kv.ge(video) & kv.lt(video + text)
        return torch.where(q < video, near | is_text, kv < video + text)

    check(mask_mod=tiles, L=video + text, H=1)


@pytest.mark.parametrize("sink", [False, True])
def test_spatial_head(sink: bool) -> None:
    prompt, per_frame, frames, width = 16, 24, 4, 1.0
    band = -(-int(width * per_frame) // 16) * 16

    def spatial(b: Any, h: Any, q: Any, kv: Any) -> Any:
        keep = (q - kv).abs() < band
        keep = keep | (q < prompt) | (kv < prompt)
        if sink:
            keep = keep | ((kv >= prompt) & (kv < prompt + per_frame))
        return keep

    check(mask_mod=spatial, L=prompt + per_frame * frames)


def test_temporal_head() -> None:
    prompt, per_frame, frames, width = 16, 24, 4, 1.5

    def temporal(b: Any, h: Any, q: Any, kv: Any) -> Any:
        q_token, kv_token = (q - prompt) % per_frame, (kv - prompt) % per_frame
        near = (q_token - kv_token).abs() < width * per_frame / frames
        return near | (q < prompt) | (kv < prompt)

    check(mask_mod=temporal, L=prompt + per_frame * frames)


def test_top_k_tiles() -> None:
    """Coarse attention on pooled tiles chooses the tiles of the fine one."""
    tile = 16
    q, k, _ = draw(B=2, L=96)
    pooled = [each.unflatten(2, (-1, tile)).mean(3) for each in (q, k)]
    coarse = pooled[0] @ pooled[1].transpose(-1, -2)
    chosen = torch.zeros_like(coarse, dtype=torch.bool)
    chosen.scatter_(-1, coarse.topk(2, dim=-1).indices, True)

    def selected(b: Any, h: Any, q: Any, kv: Any) -> Any:
        return chosen[b, h, q // tile, kv // tile]

    check(mask_mod=selected, B=2, L=96)


def test_selected_tokens() -> None:
    """A window, per-token indices, a sink and document ids."""
    generator = torch.Generator().manual_seed(1)
    picked = torch.randint(0, 96, (2, 96, 4), generator=generator)
    ids = torch.arange(96) // 50

    def selected(b: Any, h: Any, q: Any, kv: Any) -> Any:
        window = (q - kv >= 0) & (q - kv < 8)
        listed = (picked[b, q] == kv).any()
        return (window | listed | (kv < 2)) & (ids[q] == ids[kv])

    check(mask_mod=selected, B=2)


def test_compressed_keys() -> None:
    ratio = 4

    def compressed(b: Any, h: Any, q: Any, kv: Any) -> Any:
        return (kv + 1) * ratio <= q + 1

    check(mask_mod=compressed, L=96, S=24)  # the first rows have no key


def test_checkerboard() -> None:
    check(mask_mod=lambda b, h, q, kv: (q - kv) % 2 == 0)
    check(mask_mod=lambda b, h, q, kv: torch.remainder(kv - q, 3) == 1)


def test_stand_alone_self_attention() -> None:
    width, radius = 12, 2

    def local(b: Any, h: Any, q: Any, kv: Any) -> Any:
        q_x, q_y = q // width, q % width
        kv_x, kv_y = kv // width, kv % width
        horizontal = (q_x - kv_x).abs() <= radius
        vertical = (q_y - kv_y).abs() <= radius
        return horizontal & vertical

    check(mask_mod=local, L=144)


def test_jagged() -> None:
    lengths = torch.tensor([17, 3, 40, 36])
    sequence = torch.repeat_interleave(torch.arange(4), lengths)
    offsets = torch.nn.functional.pad(lengths.cumsum(0), (1, 0))

    def jagged(b: Any, h: Any, q: Any, kv: Any) -> Any:
        is_same = sequence[q] == sequence[kv]
        local = q - offsets[sequence[q]] >= kv - offsets[sequence[kv]]
        return is_same & local

    check(mask_mod=jagged)


def test_paged_keys() -> None:
    """Keys in pages; a table maps physical pages to logical ones."""
    page = 8
    logical = torch.tensor([[2, -1, 0, 1, -1, 3], [0, 1, -1, -1, 3, 2]])
    lengths = torch.tensor([29, 17])

    def paged(b: Any, h: Any, q: Any, kv: Any) -> Any:
        own = logical[b, kv // page]
        token = own * page + kv % page
        live = (own >= 0) & (token < lengths[b])
        return torch.where(live, causal(b, h, q + lengths[b] - 5, token), False)

    check(mask_mod=paged, B=2, L=5, S=48)


def test_decode_with_offset() -> None:
    offset = torch.tensor(61)

    def shifted(b: Any, h: Any, q: Any, kv: Any) -> Any:
        return causal(b, h, q + offset, kv)

    check(mask_mod=shifted, L=1, S=96)
    check(mask_mod=shifted, L=3, S=96)


def test_split_attention_merges() -> None:
    """Shared prefix and own keys apart, joined by their log-sum-exp."""
    q, k, v = draw(L=40, S=70)
    parts = [
        ours.flex_attention(q, k[:, :, :30], v[:, :, :30], return_lse=True),
        ours.flex_attention(
            q,
            k[:, :, 30:],
            v[:, :, 30:],
            block_mask=ours.create_block_mask(causal, None, None, 40, 40),
            return_lse=True,
        ),
    ]
    lse = torch.logaddexp(parts[0][1], parts[1][1])
    merged = sum(out * (own - lse).exp()[..., None] for out, own in parts)
    wanted, wanted_lse = expected(
        q, k, v, mask_mod=lambda b, h, q, kv: (kv < 30) | (q >= kv - 30)
    )
    torch.testing.assert_close(merged.double(), wanted, atol=2e-5, rtol=2e-5)
    torch.testing.assert_close(lse.double(), wanted_lse, atol=2e-5, rtol=2e-5)


def test_rows_without_keys() -> None:
    out = check(mask_mod=lambda b, h, q, kv: (q % 5 != 0) & (kv > 3))
    assert bool((out[:, :, ::5] == 0).all())


def test_per_head_and_per_batch() -> None:
    widths = torch.tensor([[3, 50], [0, 9]])

    def window(b: Any, h: Any, q: Any, kv: Any) -> Any:
        return (q - kv).abs() <= widths[b, h]

    check(mask_mod=window, B=2)

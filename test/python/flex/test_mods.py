"""Score modifications people write for FlexAttention, one test each."""

from __future__ import annotations

import math
from typing import Any

import pytest
from oracle import check, draw, expected, ours, torch

DTYPES = (torch.float32, torch.float64)


def random(*shape: int, seed: int = 3) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dtype", DTYPES)
def test_identity(dtype: Any) -> None:
    check(lambda score, b, h, q, kv: score, dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_alibi(dtype: Any) -> None:
    heads = 4

    def alibi(score: Any, b: Any, h: Any, q: Any, kv: Any) -> Any:
        slope = torch.exp2(-((h + 1) * 8.0 / heads))
        return score + (kv - q) * slope

    check(alibi, H=heads, dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tanh_softcap(dtype: Any) -> None:
    def softcap(score: Any, b: Any, h: Any, q: Any, kv: Any) -> Any:
        return 2.0 * torch.tanh(score / 2.0)

    check(softcap, dtype=dtype)
    check(softcap, lambda b, h, q, kv: q >= kv, dtype=dtype)


def test_softcap_of_a_captured_scalar() -> None:
    cap = torch.tensor(1.5)
    check(lambda score, b, h, q, kv: cap * (score / cap).tanh())


@pytest.mark.parametrize("kind", ["sigmoid", "relu"])
def test_activation(kind: str) -> None:
    """log(f(s) + eps) in the softmax, undone by the log-sum-exp."""
    epsilon = 1e-6

    def activation(score: Any, b: Any, h: Any, q: Any, kv: Any) -> Any:
        value = torch.sigmoid(score) if kind == "sigmoid" else torch.relu(score)
        return torch.log(value + epsilon)

    check(activation)
    q, k, v = draw(L=50)
    out, lse = ours.flex_attention(q, k, v, activation, return_lse=True)
    logits = (q @ k.transpose(-1, -2)) / math.sqrt(q.shape[-1])
    weights = logits.sigmoid() if kind == "sigmoid" else logits.relu()
    wanted = (weights + epsilon) @ v
    torch.testing.assert_close(out * lse.exp()[..., None], wanted, atol=1e-4, rtol=1e-4)


def test_graphormer_spatial_bias() -> None:
    generator = torch.Generator().manual_seed(5)
    distance = torch.randint(0, 10, (2, 96, 96), generator=generator)
    table = random(10, 2)

    def spatial(score: Any, b: Any, h: Any, q: Any, kv: Any) -> Any:
        return score + table[distance[b, q, kv], h]

    check(spatial, B=2)


def test_graphormer_edge_bias() -> None:
    generator = torch.Generator().manual_seed(5)
    path = torch.randint(-1, 20, (64, 64, 3), generator=generator)
    table = random(20, 2)

    def edges(score: Any, b: Any, h: Any, q: Any, kv: Any) -> Any:
        total, count = score.new_zeros(()), score.new_zeros(())
        for step in range(3):
            edge = path[q, kv, step]
            total = total + torch.where(edge >= 0, table[edge, h], 0.0)
            count = count + (edge >= 0).float()
        return score + total / torch.clamp(count, min=1.0)

    check(edges, L=64)


def test_graphormer_edge_bias_as_a_mean() -> None:
    generator = torch.Generator().manual_seed(5)
    path = torch.randint(0, 20, (64, 64, 3), generator=generator)
    table = random(20, 2)

    def edges(score: Any, b: Any, h: Any, q: Any, kv: Any) -> Any:
        return score + table[path[q, kv], h].mean()

    check(edges, L=64)


@pytest.mark.parametrize("dtype", DTYPES)
def test_latent_attention_rope(dtype: Any) -> None:
    """The part of the logits that rotary features add."""
    q_rope, k_rope = random(2, 4, 40, 8).to(dtype), random(2, 40, 8, seed=4).to(dtype)

    def rope(score: Any, b: Any, h: Any, q: Any, kv: Any) -> Any:
        return score + 0.3 * torch.dot(q_rope[b, h, q], k_rope[b, kv])

    check(rope, B=2, H=4, L=40, dtype=dtype)


def test_sandwich() -> None:
    width, heads = 16, 4
    frequencies = 1.0 / (10000.0 ** (torch.arange(0, width, 2) / width))

    def sandwich(score: Any, b: Any, h: Any, q: Any, kv: Any) -> Any:
        waves = torch.cos((q - kv) * frequencies).sum()
        return score + waves * (heads / (8.0 * (h + 1)))

    check(sandwich, H=heads, L=64)


def test_relative_position_bias() -> None:
    check(lambda score, b, h, q, kv: score + (q - kv))
    table = random(2, 191)
    check(lambda score, b, h, q, kv: score + table[h, q - kv + 95])


def test_t5_buckets() -> None:
    table, half, limit = random(32, 2), 8, 128

    def t5(score: Any, b: Any, h: Any, q: Any, kv: Any) -> Any:
        relative = kv - q
        side = (relative > 0).to(torch.long) * 16
        distance = torch.abs(relative)
        far = half + (
            torch.log(distance.float() / half) / math.log(limit / half) * (16 - half)
        ).to(torch.long)
        far = torch.min(far, torch.full_like(far, 15))
        bucket = side + torch.where(distance < half, distance, far)
        return score + table[bucket, h]

    check(t5, L=90, dtype=torch.float64)


def test_dense_bias() -> None:
    bias = random(2, 2, 96, 96)
    check(lambda score, b, h, q, kv: score + bias[b, h, q, kv], B=2)


def test_infinite_scores_mask() -> None:
    def causal(score: Any, b: Any, h: Any, q: Any, kv: Any) -> Any:
        return torch.where(q >= kv, score, -float("inf"))

    masked = check(causal, L=130)
    q, k, v = draw(L=130)
    same = ours.flex_attention(
        q,
        k,
        v,
        block_mask=ours.create_block_mask(lambda b, h, q, kv: q >= kv, 1, 1, 130, 130),
    )
    assert torch.equal(masked, same)


def test_infinite_rows() -> None:
    bias = torch.zeros(96)
    bias[40:] = -math.inf

    def rows(score: Any, b: Any, h: Any, q: Any, kv: Any) -> Any:
        return score + bias[q]

    out = check(rows)
    assert bool((out[:, :, 40:] == 0).all())

    def added(score: Any, b: Any, h: Any, q: Any, kv: Any) -> Any:
        inner = torch.where(kv % 3 == 0, -math.inf, 0.0)
        return (score + inner).masked_fill(q > 60, -math.inf) * 1.0

    out = check(added)
    assert bool((out[:, :, 61:] == 0).all())


def test_infinite_scores_with_a_block_mask() -> None:
    keep = torch.rand(96, generator=torch.Generator().manual_seed(1)) < 0.5

    def score_mod(score: Any, b: Any, h: Any, q: Any, kv: Any) -> Any:
        return torch.where(keep[kv], score * 1.5, float("-inf"))

    check(score_mod, lambda b, h, q, kv: q >= kv)


@pytest.mark.parametrize("cut", [-0.5, 0.0])
def test_masks_by_score(cut: float) -> None:
    """-inf that depends on the score is no mask, but acts as one."""
    check(
        lambda score, b, h, q, kv: torch.where(score > cut, score, -math.inf),
        dtype=torch.float64,
    )


def test_max_scores() -> None:
    bias = random(2)

    def score_mod(score: Any, b: Any, h: Any, q: Any, kv: Any) -> Any:
        return torch.where(kv > 2, score + bias[h] * (q - kv), -math.inf)

    q, k, v = draw(B=2, H=4, G=2, L=30, S=50)
    block_mask = ours.create_block_mask(lambda b, h, q, kv: q >= kv, 2, 4, 30, 50)
    bias = random(4)
    out, aux = ours.flex_attention(
        q,
        k,
        v,
        score_mod,
        block_mask,
        enable_gqa=True,
        return_aux=ours.AuxRequest(lse=True, max_scores=True),
    )
    logits = q.double() @ k.double().repeat_interleave(2, 1).transpose(-1, -2) / 4
    i, j = torch.arange(30)[:, None], torch.arange(50)
    logits = logits + bias[:, None, None] * (i - j)
    logits = logits.masked_fill((j <= 2) | (i < j), -math.inf)
    torch.testing.assert_close(
        aux.max_scores.double(), logits.amax(-1), atol=1e-5, rtol=1e-5
    )
    wanted, wanted_lse = expected(
        q, k, v, score_mod, lambda b, h, q, kv: q >= kv, enable_gqa=True
    )
    torch.testing.assert_close(out.double(), wanted, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(aux.lse.double(), wanted_lse, atol=1e-5, rtol=1e-5)
    none = ours.flex_attention(q, k, v, enable_gqa=True, return_aux=ours.AuxRequest())
    assert none[1] == ours.AuxOutput(None, None)

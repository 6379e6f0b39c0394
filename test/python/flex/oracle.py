"""torch's own flex_attention in float64, and the comparison with ours."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
theirs = pytest.importorskip("torch.nn.attention.flex_attention")
ours = pytest.importorskip("attn_mlir.torch")

# Evaluate eagerly: no compiler stands between the definition and the result.
theirs._FLEX_ATTENTION_DISABLE_COMPILE_DEBUG = True

TOLERANCE = {
    torch.float64: 1e-11,
    torch.float32: 2e-5,
    torch.float16: 4e-3,
    torch.bfloat16: 4e-2,
}


def draw(
    B: int = 1,
    H: int = 2,
    L: int = 96,
    S: int | None = None,
    D: int = 16,
    G: int | None = None,
    Dv: int | None = None,
    dtype: Any = torch.float32,
    seed: int = 0,
) -> tuple[Any, Any, Any]:
    generator = torch.Generator().manual_seed(seed)
    S, G, Dv = L if S is None else S, G or H, D if Dv is None else Dv

    def normal(*shape: int) -> Any:
        return torch.randn(*shape, generator=generator).to(dtype)

    return normal(B, H, L, D), normal(B, G, S, D), normal(B, G, S, Dv)


def expected(
    q: Any, k: Any, v: Any, score_mod: Any = None, mask_mod: Any = None, **keywords: Any
) -> tuple[Any, Any]:
    """(out, lse) of torch's eager math path in float64."""
    block_mask = None
    B, H, L, S = *q.shape[:3], k.shape[2]
    if mask_mod is not None:
        block_mask = theirs.create_block_mask(mask_mod, B, H, L, S, device="cpu")
    out, aux = theirs.flex_attention(
        q.double(),
        k.double(),
        v.double(),
        score_mod,
        block_mask,
        return_aux=theirs.AuxRequest(lse=True),
        **keywords,
    )
    return out, aux.lse


def close(actual: Any, wanted: Any, dtype: Any) -> None:
    tolerance = TOLERANCE[dtype]
    torch.testing.assert_close(
        actual.double(), wanted.double(), atol=tolerance, rtol=tolerance
    )


def check(
    score_mod: Any = None,
    mask_mod: Any = None,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
    **sizes: Any,
) -> Any:
    """Our result and lse equal torch's; returns our result."""
    q, k, v = draw(**sizes)
    B, H, L, S = *q.shape[:3], k.shape[2]
    block_mask = None
    if mask_mod is not None:
        block_mask = ours.create_block_mask(mask_mod, B, H, L, S)
    keywords: dict[str, Any] = {"scale": scale, "enable_gqa": enable_gqa}
    out, aux = ours.flex_attention(
        q,
        k,
        v,
        score_mod,
        block_mask,
        return_aux=ours.AuxRequest(lse=True),
        **keywords,
    )
    wanted, wanted_lse = expected(q, k, v, score_mod, mask_mod, **keywords)
    assert out.dtype == q.dtype and out.shape == (*q.shape[:3], v.shape[3])
    close(out, wanted, q.dtype)
    close(aux.lse, wanted_lse, q.dtype)
    return out

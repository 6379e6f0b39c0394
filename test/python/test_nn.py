"""am.nn against its definitions in am.reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import DTYPES, Array, compare, draw

import attn_mlir as am
from attn_mlir._layout import layout_of


def inputs(
    seed: int = 0, share: float = 0.1, batched: bool = True, **sizes: Any
) -> tuple[list[Array], Array]:
    """Six arrays and the flags."""
    arrays = [*draw(seed=seed, **sizes), *draw(seed=seed + 1, **sizes)]
    names = layout_of(sizes.get("layout", "bhld"))
    tokens = arrays[0].shape[names.axis("l")]
    batch = arrays[0].shape[names.axis("b")] if names.axis("b") >= 0 else 1
    flags = np.random.default_rng(seed).random((batch, tokens)) < share
    return arrays, flags if batched else flags[0]


def judge(
    out: Any, arrays: list[Array], flags: Array, window: int, **rest: Any
) -> None:
    """The rule of support.judge for the choice of rows."""
    names = layout_of(rest.get("layout", "bhld"))
    expected = am.reference.longformer(*arrays, flags, window=window, **rest)
    tokens = np.arange(flags.shape[-1])
    near = np.abs(tokens[:, None] - tokens) <= window
    keys = flags.reshape(-1, 1, 1, len(tokens))
    ordinary = am.reference.unfused(*arrays[:3], mask=near | keys, **rest)
    rows = am.reference.unfused(*arrays[3:], **rest)
    rounded = names.from_bhld(
        np.where(np.swapaxes(keys, 2, 3), names.to_bhld(rows), names.to_bhld(ordinary))
    )
    compare(out, expected, rounded, arrays[0].dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_longformer(dtype: str) -> None:
    arrays, flags = inputs(B=2, H=4, G=2, L=130, D=16, Dv=24, dtype=dtype)
    out = am.nn.longformer(*arrays, flags, window=9)
    assert out.dtype == DTYPES[dtype]
    judge(out, arrays, flags, 9)


@pytest.mark.parametrize("layout", ["bhld", "blhd", "hld", "lhd", "bld"])
@pytest.mark.parametrize("batched", [False, True])
def test_longformer_layouts(layout: str, batched: bool) -> None:
    heads = 1 if layout == "bld" else 2
    batch = 3 if "b" in layout else 1
    arrays, flags = inputs(
        seed=3, batched=batched, B=batch, H=heads, L=45, layout=layout
    )
    out = am.nn.longformer(*arrays, flags, window=4, layout=layout)
    judge(out, arrays, flags, 4, layout=layout)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_longformer_of_one_kind_of_rows(share: float) -> None:
    arrays, flags = inputs(share=share, L=70)
    out = am.nn.longformer(*arrays, flags, window=3)
    one = am.reference.attention(
        *(arrays[3:] if share else arrays[:3]),
        mask=None if share else am.masks.window(3, 3),
    )
    np.testing.assert_allclose(out, one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("window", [0, 5, 200])
@pytest.mark.parametrize("tokens", [1, 7, 64])
def test_longformer_windows(window: int, tokens: int) -> None:
    arrays, flags = inputs(L=tokens)
    judge(am.nn.longformer(*arrays, flags, window=window), arrays, flags, window)


def test_longformer_scale() -> None:
    arrays, flags = inputs(L=20)
    for scale in (0.5, np.asarray(0.5)):
        out = am.nn.longformer(*arrays, flags, window=2, scale=scale)
        judge(out, arrays, flags, 2, scale=0.5)


def test_longformer_without_tokens() -> None:
    arrays, flags = inputs(L=0)
    assert am.nn.longformer(*arrays, flags, window=2).shape == (1, 2, 0, 16)


def test_longformer_of_torch() -> None:
    torch = pytest.importorskip("torch")
    arrays, flags = inputs(L=33)
    tensors = [torch.from_numpy(each) for each in arrays]
    out = am.nn.longformer(*tensors, torch.from_numpy(flags), window=4)
    assert isinstance(out, torch.Tensor)
    judge(out.numpy(), arrays, flags, 4)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "shape": (
        {"k_global": np.zeros((1, 2, 8, 8), np.float32)},
        "shape and dtype of 'k'",
    ),
    "dtype": ({"v_global": np.zeros((1, 2, 9, 8))}, "'v_global' expects the shape"),
    "keys": (
        {
            name: np.zeros((1, 2, 7, 8), np.float32)
            for name in ("k", "v", "k_global", "v_global")
        },
        "S = L = 9, but got 7",
    ),
    "flags": ({"is_global": np.zeros(8, np.bool_)}, "'is_global' expects size L = 9"),
    "batch": ({"is_global": np.zeros((2, 9), np.bool_)}, "expects size B = 1"),
    "flag type": ({"is_global": np.zeros(9)}, "'is_global' expects a bool array"),
    "window": ({"window": -1}, "'window' expects an integer >= 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_arguments(name: str) -> None:
    changes, message = REFUSED[name]
    array = np.zeros((1, 2, 9, 8), np.float32)
    names = ("q", "k", "v", "q_global", "k_global", "v_global")
    arguments: dict[str, Any] = dict.fromkeys(names, array)
    arguments |= {"is_global": np.zeros(9, np.bool_), "window": 2, **changes}
    with pytest.raises(am.ArgumentError, match=message):
        am.nn.longformer(**arguments)

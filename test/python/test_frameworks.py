"""torch tensors, other DLPack arrays, and attn_mlir.torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import draw, judge

import attn_mlir as am

torch = pytest.importorskip("torch")
sdpa = pytest.importorskip("attn_mlir.torch").scaled_dot_product_attention
official = torch.nn.functional.scaled_dot_product_attention


def tensors(**sizes: Any) -> Any:
    dtype = sizes.pop("dtype", "f32")
    arrays = draw(**sizes, dtype="f32")
    kind = {"f32": torch.float32, "f64": torch.float64, "f16": torch.float16}
    kind["bf16"] = torch.bfloat16
    return [torch.from_numpy(each).to(kind[dtype]) for each in arrays]


class OnlyDLPack:
    """An array of an unknown framework."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array

    def __dlpack__(self, **keywords: Any) -> Any:
        return self.array.__dlpack__(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()


def test_dlpack_and_buffers() -> None:
    q, k, v = draw()
    expected = am.attention(q, k, v)
    for wrap in (OnlyDLPack, memoryview):
        out = am.attention(wrap(q), wrap(k), wrap(v))
        assert type(out) is np.ndarray
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("dtype", ["f64", "f32", "f16", "bf16"])
def test_torch_tensors(dtype: str) -> None:
    q, k, v = tensors(H=4, G=2, L=33, dtype=dtype)
    out, lse = am.attention(q, k, v, mask=am.masks.causal(), return_lse=True)
    assert isinstance(out, torch.Tensor)
    assert out.dtype == q.dtype
    assert lse.dtype == (torch.float64 if dtype == "f64" else torch.float32)
    arrays = draw(H=4, G=2, L=33, dtype="f32")
    from support import DTYPES

    arrays = tuple(each.astype(DTYPES[dtype]) for each in arrays)
    judge(
        (out.double().numpy(), lse.numpy()),
        *arrays,
        mask=am.masks.causal(),
        return_lse=True,
    )


def test_torch_strides_and_captures() -> None:
    q, k, v = (each.transpose(1, 2) for each in tensors(H=4, L=33, layout="blhd"))
    bias = torch.randn(4, 33, 33, dtype=torch.bfloat16)
    keep = torch.rand(33, 33) < 0.8
    ids = torch.arange(33) // 5
    out = am.attention(q, k, v, score=bias, mask=keep)
    expected = official(q, k, v, attn_mask=bias.float().masked_fill(~keep, -np.inf))
    torch.testing.assert_close(out, expected.nan_to_num(), atol=1e-5, rtol=1e-5)
    out = am.attention(q, k, v, mask=lambda b, h, i, j: ids[i] == ids[j])
    expected = official(q, k, v, attn_mask=ids[:, None] == ids)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)


def test_torch_refusals() -> None:
    q, k, v = tensors()
    with pytest.raises(am.ArgumentError, match="'q' requires grad"):
        am.attention(q.requires_grad_(), k, v)
    q = q.detach()
    with pytest.raises(am.ArgumentError, match="'k' expects a strided tensor"):
        am.attention(q, k.to_sparse(), v)
    with pytest.raises(am.ArgumentError, match="'v' expects a CPU tensor"):
        am.attention(q, k, v.to("meta"))


CALLS: list[dict[str, Any]] = [
    {},
    {"is_causal": True},
    {"scale": 0.3},
    {"attn_mask": "bool"},
    {"attn_mask": "float"},
    {"attn_mask": "bool per head"},
]


@pytest.mark.parametrize("dtype", ["f32", "f64", "bf16"])
@pytest.mark.parametrize("shape", ["2d", "3d", "4d", "5d", "broadcast"])
@pytest.mark.parametrize("keywords", CALLS, ids=str)
def test_sdpa_equals_torch(keywords: dict[str, Any], shape: str, dtype: str) -> None:
    q, k, v = tensors(B=2, H=4, L=17, S=23, D=16, Dv=8, dtype=dtype)
    if shape == "2d":
        q, k, v = (each[0, 0] for each in (q, k, v))
    elif shape == "3d":
        q, k, v = (each[0] for each in (q, k, v))
    elif shape == "5d":
        q, k, v = (each.unflatten(0, (1, 2)) for each in (q, k, v))
    elif shape == "broadcast":
        k, v = k[:1], v[:1]
    keywords = dict(keywords)
    kind = keywords.get("attn_mask")
    if kind is not None:
        generator = torch.Generator().manual_seed(0)
        if kind == "bool per head" and q.dim() > 2:
            size = (q.shape[-3], 17, 23)
        else:
            size = (17, 23)
        noise = torch.rand(size, generator=generator)
        keywords["attn_mask"] = noise < 0.8 if "bool" in kind else noise.to(q.dtype)
    out = sdpa(q, k, v, **keywords)
    expected = official(q, k, v, **keywords)
    assert out.shape == expected.shape
    assert out.dtype == expected.dtype
    tolerance = {"f32": 2e-5, "f64": 1e-10, "bf16": 3e-2}[dtype]
    torch.testing.assert_close(out, expected, atol=tolerance, rtol=tolerance)


def test_sdpa_groups_and_empty_rows() -> None:
    q, k, v = tensors(B=2, H=8, G=2, L=17, S=23)
    torch.testing.assert_close(
        sdpa(q, k, v, enable_gqa=True, is_causal=True),
        official(q, k, v, enable_gqa=True, is_causal=True),
        atol=2e-5,
        rtol=2e-5,
    )
    keep = torch.ones(17, 23, dtype=torch.bool)
    keep[3] = False
    out = sdpa(q, k, v, attn_mask=keep, enable_gqa=True)
    assert not out[:, :, 3].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dropout_p": 0.1}, "'dropout_p' expects 0"),
        (
            {"is_causal": True, "attn_mask": torch.ones(6, 6)},
            "'attn_mask' expects None",
        ),
        (
            {"attn_mask": torch.ones(6, 6, dtype=torch.int32)},
            "'attn_mask' expects dtype",
        ),
        ({"attn_mask": torch.ones(5, 6, dtype=torch.bool)}, "broadcasts to"),
        ({"query": [1.0]}, "'query' expects a torch.Tensor, but got list"),
        ({"query": torch.ones(3)}, "'query' expects at least 2 dimensions"),
        ({"key": torch.ones(2, 6, 16)}, "'key' expects 4 dimensions"),
        ({"key": torch.ones(1, 1, 6, 16)}, "'value' expects 1 heads as 'key' has"),
        ({"query": torch.ones(1, 4, 6, 16)}, "'key' expects 4 heads"),
        ({"query": torch.ones(1, 2, 6, 16).requires_grad_()}, "'query' requires grad"),
        (
            {"key": torch.ones(3, 2, 6, 16), "query": torch.ones(2, 2, 6, 16)},
            "broadcast",
        ),
    ],
    ids=str,
)
def test_sdpa_refusals(change: dict[str, Any], message: str) -> None:
    q, k, v = tensors(L=6)
    arguments = {"query": q, "key": k, "value": v, **change}
    with pytest.raises(am.ArgumentError, match=message):
        sdpa(**arguments)


def test_sdpa_without_grad_mode() -> None:
    q, k, v = tensors(L=6)
    with torch.no_grad():
        out = sdpa(q.requires_grad_(), k, v)
    assert not out.requires_grad
    torch.testing.assert_close(out, official(q, k, v).detach(), atol=1e-5, rtol=1e-5)


def test_one_opaque_operator_under_export() -> None:
    class Model(torch.nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, q: Any, k: Any, v: Any) -> Any:
            return sdpa(q, k, v, is_causal=True) * 2

    q, k, v = tensors(B=2, L=17)
    program = torch.export.export(Model(), (q, k, v))
    names = [
        str(node.target) for node in program.graph.nodes if node.op == "call_function"
    ]
    assert names.count("attn_mlir.sdpa.default") == 1
    torch.testing.assert_close(
        program.module()(q, k, v),
        2 * official(q, k, v, is_causal=True),
        atol=2e-5,
        rtol=2e-5,
    )


def test_operator_registration() -> None:
    q, k, v = tensors(L=9)
    torch.library.opcheck(
        torch.ops.attn_mlir.sdpa.default,
        (q, k, v, None, True, None),
        test_utils=("test_schema", "test_faketensor"),
    )

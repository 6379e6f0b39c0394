"""am.attention on the public ONNX cases and goldens."""

from __future__ import annotations

import numpy as np
import pytest
from support import ONNX_CASES, golden, judge, onnx_case

import attn_mlir as am


@pytest.mark.parametrize("name", sorted(ONNX_CASES))
def test_onnx(name: str) -> None:
    (q, k, v), keywords, expected = onnx_case(name)
    out = am.attention(q, k, v, **keywords)
    # The suite's own tolerance; f16 results differ in the last bit.
    rtol = 2e-3 if q.dtype == np.float16 else 1e-3
    np.testing.assert_allclose(out, expected, rtol=rtol, atol=1e-7)
    judge(out, q, k, v, **keywords)


@pytest.mark.parametrize(
    ("name", "keywords"),
    [
        ("mask_sliding_window_7", {"mask": am.masks.window(7, 0)}),
        ("mask_natten_8x8_k3", {"mask": am.masks.neighborhood((8, 8), 3)}),
        ("local_causal_exact", {"mask": am.masks.window(8, 0)}),
        (
            "longformer_sliding_n32_w4",
            {"mask": am.masks.window(4, 4), "layout": "blhd"},
        ),
        ("fla_attn_window5", {"mask": am.masks.window(4, 0), "layout": "blhd"}),
    ],
)
def test_goldens(name: str, keywords: dict[str, object]) -> None:
    case = golden(name)
    out = am.attention(case["q"], case["k"], case["v"], **keywords)  # type: ignore[arg-type]
    np.testing.assert_allclose(out, case["out"], rtol=2e-5, atol=2e-6)


def test_golden_of_sinks() -> None:
    case = golden("fla_attn_sink")
    out = am.attention(
        *(case[each] for each in "qkv"),
        sinks=case["sink_bias"],
        mask=am.masks.causal(),
        layout="blhd",
    )
    np.testing.assert_allclose(out, case["out"], rtol=2e-5, atol=2e-6)


def test_golden_of_t5() -> None:
    case = golden("t5_attention")
    score = am.scores.t5_bias(case["table"], True, 128)
    out = am.attention(*(case[each] for each in "qkv"), scale=1.0, score=score)
    np.testing.assert_allclose(out, case["out"], rtol=2e-4, atol=2e-5)

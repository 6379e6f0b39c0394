"""Hugging Face models: eager attention against ours, on tiny random models."""

from __future__ import annotations

import functools
import itertools
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import attn_mlir as am

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers", "5.23")
hf = pytest.importorskip("transformers.masking_utils")
am_torch = pytest.importorskip("attn_mlir.torch")

from attn_mlir.torch.transformers import PatternMask  # noqa: E402

VOCABULARY = 64
WINDOW = 8

# Weights of this size make logits with a standard deviation of some units, so
# that attention looks at few keys and a wrong one shows.
SHARED: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 96,
    "initializer_range": 0.2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": None,
}
ALTERNATING = ["sliding_attention", "full_attention"]
DECODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("Llama", {}),
    "mistral": ("Mistral", {"sliding_window": WINDOW}),
    "gemma2": (
        "Gemma2",
        {
            "sliding_window": WINDOW,
            "layer_types": ALTERNATING,
            "attn_logit_softcapping": 5.0,
            "query_pre_attn_scalar": 20,
        },
    ),
    "gpt2": ("GPT2", {"n_positions": 96, "scale_attn_by_inverse_layer_idx": True}),
    "gpt_oss": (
        "GptOss",
        {
            "sliding_window": WINDOW,
            "layer_types": ALTERNATING,
            "num_local_experts": 2,
            "num_experts_per_tok": 1,
        },
    ),
    "llama4": (
        "Llama4",
        {
            "attention_chunk_size": WINDOW,
            "layer_types": ["chunked_attention", "full_attention"],
            "num_local_experts": 2,
            "intermediate_size_mlp": 48,
        },
    ),
}


@functools.cache
def decoder(name: str) -> Any:
    family, extra = DECODERS[name]
    config_name = {"Llama4": "Llama4TextConfig"}.get(family, f"{family}Config")
    model_name = {"GPT2": "GPT2LMHeadModel"}.get(family, f"{family}ForCausalLM")
    torch.manual_seed(0)
    config = getattr(transformers, config_name)(**{**SHARED, **extra})
    model = getattr(transformers, model_name)(config).eval()
    for parameter_name, parameter in model.named_parameters():
        if parameter_name.endswith("sinks"):
            torch.nn.init.normal_(parameter)
    return model


@functools.cache
def seq2seq(name: str) -> Any:
    torch.manual_seed(0)
    ends = {"pad_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 1}
    if name == "t5":
        config = transformers.T5Config(
            vocab_size=VOCABULARY,
            d_model=32,
            d_kv=8,
            d_ff=48,
            num_layers=2,
            num_heads=4,
            **ends,
        )
        return transformers.T5ForConditionalGeneration(config).eval()
    config = transformers.BartConfig(
        vocab_size=VOCABULARY,
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=48,
        decoder_ffn_dim=48,
        max_position_embeddings=96,
        init_std=0.2,
        forced_eos_token_id=None,
        **ends,
    )
    return transformers.BartForConditionalGeneration(config).eval()


def inputs(padding: str, batch: int = 3, length: int = 21) -> dict[str, Any]:
    """Token ids and, with padding, an attention mask.

    The padding is short enough that each window and chunk that matters has a
    key: without one, eager attention takes the mean of what it must not see.
    """
    random = torch.Generator().manual_seed(1)
    ids = torch.randint(3, VOCABULARY, (batch, length), generator=random)
    if padding == "none":
        return {"input_ids": ids}
    mask = torch.ones_like(ids)
    for row, missing in zip(mask, (0, 2, 4), strict=False):
        if padding == "left":
            row[:missing] = 0
        else:
            row[length - missing :] = 0
    return {"input_ids": ids.masked_fill(mask == 0, 0), "attention_mask": mask}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Models this small only wait for threads."""
    before = am.get_num_threads(), torch.get_num_threads()
    am.set_num_threads(1)
    torch.set_num_threads(1)
    yield
    am.set_num_threads(before[0])
    torch.set_num_threads(before[1])


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    """Registered, without gradients, and no mask is made dense unnoticed."""
    am_torch.register_transformers()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*values are computed")
        yield


def both(model: Any, call: Any) -> tuple[Any, Any]:
    """The result with eager attention and with ours."""
    results = []
    for name in ("eager", "attn_mlir"):
        model.set_attn_implementation(name)
        results.append(call(model))
    return results[0], results[1]


def logits(given: dict[str, Any]) -> Any:
    return lambda model: model(**given).logits


def generate(given: dict[str, Any], **options: Any) -> Any:
    options = {"max_new_tokens": 14, "do_sample": False, "pad_token_id": 0, **options}

    def call(model: Any) -> Any:
        made = model.generate(
            **given, **options, output_logits=True, return_dict_in_generate=True
        )
        return made.sequences, torch.stack(made.logits)

    return call


def assert_close(expected: Any, got: Any, mask: Any = None) -> None:
    assert got.isfinite().all()
    if mask is not None:
        expected, got = expected[mask.bool()], got[mask.bool()]
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=3e-5)


PADDINGS = ["none", "left", "right"]


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("name", DECODERS)
def test_logits(name: str, padding: str) -> None:
    given = inputs(padding)
    expected, got = both(decoder(name), logits(given))
    assert expected.std() > 0.3
    assert_close(expected, got, given.get("attention_mask"))


@pytest.mark.parametrize("cache", ["dynamic", "static"])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("name", DECODERS)
def test_generate(name: str, padding: str, cache: str) -> None:
    call = generate(inputs(padding), cache_implementation=cache)
    expected, got = both(decoder(name), call)
    assert torch.equal(got[0], expected[0])
    assert_close(expected[1], got[1])


@pytest.mark.parametrize("name", ["t5", "bart"])
@pytest.mark.parametrize("padding", PADDINGS)
def test_encoder_decoder(name: str, padding: str) -> None:
    given = inputs(padding)
    start = torch.tensor([[1, 5, 9, 33, 7]]).expand(3, -1)
    model = seq2seq(name)
    expected, got = both(model, logits({**given, "decoder_input_ids": start}))
    assert_close(expected, got)
    for options in ({}, {"num_beams": 2}, {"cache_implementation": "static"}):
        first, second = both(model, generate(given, **options))
        assert torch.equal(first[0], second[0])


@pytest.mark.parametrize("padding", PADDINGS)
def test_bert(padding: str) -> None:
    torch.manual_seed(0)
    config = transformers.BertConfig(**SHARED)
    model = transformers.BertForMaskedLM(config).eval()
    given = inputs(padding)
    expected, got = both(model, logits(given))
    assert_close(expected, got, given.get("attention_mask"))


@pytest.mark.parametrize("cache", ["dynamic", "static"])
@pytest.mark.parametrize("name", ["llama", "mistral", "llama4"])
def test_prefill_in_chunks(name: str, cache: str) -> None:
    """Several queries behind a cache: the masks start at an offset."""
    given = inputs("left")

    def call(model: Any) -> Any:
        caches = transformers.DynamicCache(config=model.config)
        if cache == "static":
            caches = transformers.StaticCache(config=model.config, max_cache_len=40)
        parts = []
        for first, last in ((0, 9), (9, 14), (14, 15), (15, 21)):
            mask = given["attention_mask"][:, :last]
            part = given["input_ids"][:, first:last]
            out = model(part, attention_mask=mask, past_key_values=caches)
            parts.append(out.logits)
        return torch.cat(parts, dim=1)

    expected, got = both(decoder(name), call)
    assert_close(expected, got, given["attention_mask"])


@pytest.mark.parametrize("cache", ["dynamic", "static"])
@pytest.mark.parametrize("name", ["llama", "mistral", "gemma2", "llama4"])
def test_decoding_compiles_few_kernels(name: str, cache: str) -> None:
    model = decoder(name)
    model.set_attn_implementation("attn_mlir")
    options = {"cache_implementation": cache, "max_new_tokens": 30}
    am.cache.clear()
    counts = []
    for length in (17, 21, 29):  # one size class of the kernels
        before = am.cache.info().misses
        generate(inputs("left", length=length), **options)(model)
        counts.append(am.cache.info().misses - before)
    # One layer type: prefill, decoding with all keys and with a range of them.
    types = len(set(getattr(model.config, "layer_types", None) or ["full"]))
    assert 2 <= counts[0] <= 1 + 2 * types
    assert counts[1:] == [0, 0]


def test_other_offsets_and_windows() -> None:
    """An offset does not make a kernel; a window does, it is a constant."""
    config = decoder("llama").config
    model = decoder("llama")
    model.set_attn_implementation("attn_mlir")
    assert config._attn_implementation == "attn_mlir"
    q, k, v = torch.randn(3, 1, 4, 6, 16).unbind()
    k, v = torch.randn(2, 1, 2, 50, 16).unbind()
    attention = transformers.AttentionInterface()["attn_mlir"]
    make = transformers.AttentionMaskInterface()["attn_mlir"]
    am.cache.clear()
    before = am.cache.info().misses
    for offset in (3, 17, 44):
        mask = make(1, 6, 50, q_offset=offset)
        attention(model, q, k, v, mask, scaling=0.25)
    assert am.cache.info().misses - before == 1


MASKS = {
    "causal": hf.causal_mask_function,
    "sliding": hf.sliding_window_causal_mask_function(WINDOW),
    "both ways": hf.sliding_window_bidirectional_mask_function(3),
    "chunked": hf.chunked_causal_mask_function(WINDOW, torch.tensor([0, 5])),
    "blockwise": hf.or_masks(
        hf.causal_mask_function,
        hf.blockwise_overlay(torch.arange(60).repeat(2, 1) // 7 - 1),
    ),
    "custom": hf.and_masks(
        hf.causal_mask_function, lambda b, h, q, kv: (q - kv) % 3 != b
    ),
}


def interface(**arguments: Any) -> Any:
    return transformers.AttentionMaskInterface()["attn_mlir"](**arguments)


@pytest.mark.parametrize("name", MASKS)
def test_masks_are_patterns(name: str) -> None:
    padding = torch.ones(2, 40, dtype=torch.bool)
    padding[1, :9] = False
    holes = padding.clone()
    holes[0, 4:30:5] = False
    cases = itertools.product(
        ((0, 0, 13, 13), (0, 0, 13, 24), (11, 4, 13, 20), (23, 0, 1, 24)),
        (None, padding, holes),
    )
    for (q_offset, kv_offset, queries, keys), attention_mask in cases:
        arguments = {
            "batch_size": 2,
            "q_length": queries,
            "kv_length": keys,
            "q_offset": q_offset,
            "kv_offset": kv_offset,
            "mask_function": MASKS[name],
            "attention_mask": attention_mask,
        }
        mask = interface(**arguments)
        expected = hf.sdpa_mask(**arguments, allow_is_causal_skip=False)
        assert isinstance(mask, PatternMask)
        assert mask.shape == expected.shape
        assert torch.equal(mask.dense(), expected)
        if mask.pattern is None:
            assert expected.all()
            continue
        found = mask.pattern.dense(2, 1, queries, keys)
        np.testing.assert_array_equal(found, expected.numpy())
        for array in mask.pattern.signature().arrays:
            assert array.ndim < 3 or array.shape[2] == 1  # never [L, S]


def test_packed_sequences() -> None:
    """Position ids that start again separate sequences in one row."""
    ids = inputs("none", batch=1, length=30)["input_ids"]
    positions = torch.cat([torch.arange(n) for n in (11, 4, 15)])[None]
    given = {"input_ids": ids, "position_ids": positions, "use_cache": False}
    for name in ("llama", "mistral"):
        expected, got = both(decoder(name), logits(given))
        assert_close(expected, got)
    alone = decoder("llama")(ids[:, 15:]).logits
    assert_close(alone, got := decoder("llama")(**given).logits[:, 15:])
    assert got.shape == (1, 15, VOCABULARY)


def test_a_mask_of_the_user() -> None:
    """[B, 1, L, S] tensors: bool is a mask, float is added."""
    ids = inputs("none")["input_ids"]
    random = torch.Generator().manual_seed(3)
    keep = torch.rand(3, 1, 21, 21, generator=random) < 0.4
    keep |= torch.eye(21, dtype=torch.bool)
    bias = torch.where(keep, 0.5, torch.finfo(torch.float32).min)
    model = decoder("llama")
    expected, got = both(model, logits({"input_ids": ids, "attention_mask": bias}))
    assert_close(expected, got)
    assert_close(expected, model(ids, attention_mask=keep).logits)


def test_an_encoder_without_padding_needs_no_mask() -> None:
    given = {"batch_size": 2, "q_length": 9, "kv_length": 9}
    given["mask_function"] = hf.bidirectional_mask_function
    assert interface(**given, allow_is_bidirectional_skip=True) is None
    mask = interface(**given)
    assert mask.pattern is None
    assert mask.dense().all()
    assert mask.dense().shape == (2, 1, 9, 9)


def test_pattern_masks_pass_through_models() -> None:
    mask = interface(batch_size=2, q_length=5, kv_length=7)
    assert mask.dtype == torch.bool
    assert mask.device.type == "cpu"
    for same in (mask.to("cpu"), mask.bool(), mask[:, :, :, :7], mask.detach()):
        assert isinstance(same, PatternMask)
        assert same.pattern is mask.pattern
    assert repr(mask) == f"PatternMask((2, 1, 5, 7), {mask.pattern!r})"
    expected = torch.ones(5, 7, dtype=torch.bool).tril().expand(2, 1, 5, 7)
    for index in (
        (slice(None), slice(None), slice(None), slice(2, 6)),
        (slice(None), slice(None), slice(-3, None)),
        (Ellipsis, slice(1, 2), slice(None, 4)),
        (slice(None), slice(None), slice(1, 3), slice(4, 5)),
    ):
        part = mask[index]
        assert isinstance(part, PatternMask)
        assert torch.equal(part.dense(), expected[index])
        B, H, L, S = part.shape
        assert part.pattern is not None
        found = part.pattern.dense(B, H, L, S)
        np.testing.assert_array_equal(found, expected[index])
    with pytest.warns(UserWarning, match="values are computed"):
        assert torch.equal(mask[:, 0], expected[:, 0])
    with pytest.warns(UserWarning, match="values are computed"):
        assert torch.equal(mask[..., ::2], expected[..., ::2])
    with pytest.warns(UserWarning, match="values are computed"):
        added = torch.where(mask, torch.zeros(()), -1.0)
    assert torch.equal(added, expected.float() - 1)


def test_picked_keys() -> None:
    """Sparse models name the keys of each query."""
    q = torch.randn(2, 2, 6, 8)
    attention = transformers.AttentionInterface()["attn_mlir"]
    indices = torch.stack([torch.randperm(6)[:3] for _ in range(12)]).view(2, 6, 3)
    indices[..., 0] = torch.arange(6)
    picked = torch.zeros(2, 1, 6, 6, dtype=torch.bool)
    picked.scatter_(-1, indices[:, None], True)
    causal = torch.ones(6, 6, dtype=torch.bool).tril().expand(2, 1, 6, 6)
    expected = torch.nn.functional.scaled_dot_product_attention(
        q, q, q, attn_mask=picked & causal
    )
    for mask in (
        interface(batch_size=2, q_length=6, kv_length=6),
        causal,
        torch.where(causal, 0.0, torch.finfo(torch.float32).min),
    ):
        out, _ = attention(torch.nn.Identity(), q, q, q, mask, indices=indices)
        assert_close(expected.transpose(1, 2), out)


def test_a_mask_that_cannot_be_traced() -> None:
    def odd(b: Any, h: Any, q: Any, kv: Any) -> Any:
        return (kv <= q) & (torch.special.bessel_j0(kv.double()) >= -0.3)

    given = {"batch_size": 1, "q_length": 6, "kv_length": 6, "mask_function": odd}
    mask = interface(**given)
    q = torch.randn(1, 2, 6, 8)
    attention = transformers.AttentionInterface()["attn_mlir"]
    with pytest.warns(UserWarning, match="test_transformers.py:.*bessel_j0"):
        out, weights = attention(torch.nn.Identity(), q, q, q, mask)
    assert weights is None
    expected = torch.nn.functional.scaled_dot_product_attention(
        q, q, q, attn_mask=mask.dense()
    )
    assert_close(expected.transpose(1, 2), out)
    attention(torch.nn.Identity(), q, q, q, mask)  # no second warning


def test_without_a_mask_the_module_decides() -> None:
    q, k = torch.randn(1, 2, 4, 8), torch.randn(1, 2, 9, 8)
    attention = transformers.AttentionInterface()["attn_mlir"]
    module = torch.nn.Identity()
    official = torch.nn.functional.scaled_dot_product_attention
    bias = torch.randn(1, 2, 4, 9)
    cases = [
        ({"is_causal": False}, official(q, k, k)),
        ({}, official(q, k[:, :, :4], k[:, :, :4], is_causal=True)),
        (
            {"is_causal": False, "position_bias": bias, "scaling": 0.3},
            official(q, k, k, attn_mask=bias, scale=0.3),
        ),
        (
            {"position_bias": bias},
            official(
                *(q, k[:, :, :4], k[:, :, :4]),
                attn_mask=bias[..., :4].masked_fill(
                    torch.ones(4, 4, dtype=torch.bool).triu(1), -torch.inf
                ),
            ),
        ),
    ]
    for arguments, expected in cases:
        out, _ = attention(module, q, k, k, None, **arguments)
        assert out.is_contiguous()
        assert_close(expected.transpose(1, 2), out)
    one, _ = attention(module, q[:, :, :1], k, k, None)
    assert_close(official(q[:, :, :1], k, k).transpose(1, 2), one)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision(dtype: str) -> None:
    given = inputs("left")
    model = decoder("gemma2")
    expected, _ = both(model, logits(given))
    half = transformers.Gemma2ForCausalLM(model.config).eval()
    half.load_state_dict(model.state_dict())
    eager, got = both(half.to(getattr(torch, dtype)), logits(given))
    keep = given["attention_mask"].bool()
    allowed = (eager - expected)[keep].abs().mean()
    assert (got - expected)[keep].abs().mean() < 1.5 * allowed


def test_inference_mode() -> None:
    with torch.inference_mode():
        expected, got = both(decoder("gpt_oss"), logits(inputs("left")))
    assert_close(expected, got, inputs("left")["attention_mask"])


@pytest.mark.parametrize("name", ["gpt_oss", "gemma2"])
def test_torch_compile_sees_one_operator(name: str) -> None:
    model = decoder(name)
    given = inputs("left")
    expected, _ = both(model, logits(given))
    graphs = []

    def backend(module: Any, example: Any) -> Any:
        graphs.append(module.graph)
        return module

    compiled = torch.compile(model, backend=backend, fullgraph=True)
    got = compiled(**given, use_cache=False).logits
    assert_close(expected, got, given["attention_mask"])
    operator = torch.ops.attn_mlir.transformers_attention.default
    calls = [
        node for graph in graphs for node in graph.nodes if node.target == operator
    ]
    assert len(calls) == model.config.num_hidden_layers


def test_torch_export() -> None:
    model, given = decoder("llama"), inputs("left")
    model.set_attn_implementation("attn_mlir")

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: Any, mask: Any) -> Any:
            return self.model(ids, attention_mask=mask, use_cache=False).logits

    exported = torch.export.export(Logits(), tuple(given.values()))
    operator = torch.ops.attn_mlir.transformers_attention.default
    calls = [node for node in exported.graph.nodes if node.target == operator]
    assert len(calls) == model.config.num_hidden_layers
    got = exported.module()(*given.values())
    assert_close(model(**given).logits, got, given["attention_mask"])


def test_training_raises() -> None:
    model = decoder("llama")
    model.set_attn_implementation("attn_mlir")
    with torch.enable_grad(), pytest.raises(am.ArgumentError, match="no backward yet"):
        model(**inputs("none"))
    config = transformers.LlamaConfig(**SHARED, attention_dropout=0.1)
    training = transformers.LlamaForCausalLM(config).train()
    training.set_attn_implementation("attn_mlir")
    with pytest.raises(am.ArgumentError, match=r"no attention dropout, but got 0\.1"):
        training(**inputs("none"))


def test_arguments_are_checked() -> None:
    q = torch.randn(1, 2, 6, 8)
    attention = transformers.AttentionInterface()["attn_mlir"]
    module = torch.nn.Identity()
    cases: list[tuple[dict[str, Any], str]] = [
        ({"output_attentions": True}, 'use attn_implementation="eager"'),
        ({"cache": object()}, "does not support 'cache' yet"),
        ({"block_indices": q}, "does not support 'block_indices' yet"),
        ({"sinks": q}, "does not support 'sinks' yet"),
        ({"indices": q}, "'indices' expects an attention_mask"),
        ({"attention_mask": torch.ones(1, 6)}, r"expects a shape .* got \(1, 6\)"),
        (
            {"attention_mask": interface(batch_size=1, q_length=6, kv_length=5)},
            r"\(1, 2, 6, 6\), but got \(1, 1, 6, 5\)",
        ),
    ]
    for arguments, message in cases:
        with pytest.raises(am.ArgumentError, match=message):
            attention(module, q, q, q, **{"attention_mask": None, **arguments})
    with pytest.raises(am.ArgumentError, match="on the CPU, but got one on 'cuda"):
        interface(batch_size=1, q_length=6, kv_length=5, device="cuda:0")


def test_registration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sdpa", "eager", "org/kernel", "paged|x", ""):
        with pytest.raises(am.ArgumentError, match="expects an identifier"):
            am_torch.register_transformers(name)
    am_torch.register_transformers("another_name")
    model = decoder("llama")
    given = inputs("none")
    expected, _ = both(model, logits(given))
    model.set_attn_implementation("another_name")
    assert_close(expected, model(**given).logits)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"attn-mlir\[transformers\]"):
        am_torch.register_transformers()

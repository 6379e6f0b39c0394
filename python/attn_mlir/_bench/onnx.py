"""ONNX Runtime's fused attention as a peer, without the onnx package: the model
is one node, and its protocol buffer is written here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .measure import optional

_INT_ATTRIBUTE = 2
_FLOAT32 = 1


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _tensor(name: str, shape: tuple[int, ...]) -> bytes:
    dims = b"".join(_field(1, _field(1, size)) for size in shape)
    tensor = _field(1, _FLOAT32) + _field(2, dims)
    return _field(1, name) + _field(2, _field(1, tensor))


def _model(heads: int, causal: bool, shapes: dict[str, tuple[int, ...]]) -> bytes:
    attributes = {"num_heads": heads, "unidirectional": int(causal)}
    node = b"".join(_field(1, name) for name in ("q", "k", "v"))
    node += _field(2, "out") + _field(4, "MultiHeadAttention")
    for name, value in attributes.items():
        content = _field(1, name) + _field(3, value) + _field(20, _INT_ATTRIBUTE)
        node += _field(5, content)
    node += _field(7, "com.microsoft")
    graph = _field(1, node) + _field(2, "attention")
    for name in ("q", "k", "v"):
        graph += _field(11, _tensor(name, shapes[name]))
    graph += _field(12, _tensor("out", shapes["q"]))
    opsets = (("", 17), ("com.microsoft", 1))
    imports = b"".join(_field(8, _field(1, d) + _field(2, v)) for d, v in opsets)
    return _field(1, 8) + imports + _field(7, graph)


def attention(
    arrays: tuple[Any, Any, Any], causal: bool, threads: int
) -> Callable[[], Any] | None:
    """A call on [1, H, L, D] arrays, given to it as the [1, L, H * D] it wants."""
    runtime = optional("onnxruntime")
    if runtime is None:
        return None
    heads = arrays[0].shape[1]
    inputs = {}
    for name, array in zip(("q", "k", "v"), arrays, strict=True):
        rows = array.swapaxes(1, 2)
        inputs[name] = np.ascontiguousarray(rows).reshape(*rows.shape[:2], -1)
    shapes = {name: array.shape for name, array in inputs.items()}
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = runtime.InferenceSession(
        _model(heads, causal, shapes), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, inputs)[0]

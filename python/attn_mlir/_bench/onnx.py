"""ONNX Runtime's fused attention as a peer, without the onnx package: the model
is one node, and its protocol buffer is written here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .measure import optional

_INT_ATTRIBUTE = 2
_FLOAT32 = 1
_INT32 = 6


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


def _tensor(name: str, shape: tuple[int, ...], element: int = _FLOAT32) -> bytes:
    dims = b"".join(_field(1, _field(1, size)) for size in shape)
    tensor = _field(1, element) + _field(2, dims)
    return _field(1, name) + _field(2, _field(1, tensor))


def _model(
    operator: str,
    attributes: dict[str, int],
    inputs: dict[str, bytes],
    outputs: dict[str, bytes],
) -> bytes:
    """One node; an input without a description is left out."""
    node = b"".join(_field(1, name if inputs[name] else "") for name in inputs)
    node += b"".join(_field(2, name) for name in outputs) + _field(4, operator)
    for name, value in attributes.items():
        content = _field(1, name) + _field(3, value) + _field(20, _INT_ATTRIBUTE)
        node += _field(5, content)
    node += _field(7, "com.microsoft")
    graph = _field(1, node) + _field(2, "attention")
    graph += b"".join(_field(11, each) for each in inputs.values() if each)
    graph += b"".join(_field(12, each) for each in outputs.values())
    opsets = (("", 17), ("com.microsoft", 1))
    imports = b"".join(_field(8, _field(1, d) + _field(2, v)) for d, v in opsets)
    return _field(1, 8) + imports + _field(7, graph)


def _rows(arrays: tuple[Any, Any, Any]) -> dict[str, Any]:
    """[1, H, L, D] arrays as the [1, L, H * D] it wants."""
    inputs = {}
    for name, array in zip(("q", "k", "v"), arrays, strict=True):
        rows = array.swapaxes(1, 2)
        inputs[name] = np.ascontiguousarray(rows).reshape(*rows.shape[:2], -1)
    return inputs


def _session(model: bytes, threads: int) -> Any:
    runtime = optional("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def attention(
    arrays: tuple[Any, Any, Any], causal: bool, threads: int
) -> Callable[[], Any] | None:
    """MultiHeadAttention."""
    if optional("onnxruntime") is None:
        return None
    inputs = _rows(arrays)
    attributes = {"num_heads": arrays[0].shape[1], "unidirectional": int(causal)}
    model = _model(
        "MultiHeadAttention",
        attributes,
        {name: _tensor(name, array.shape) for name, array in inputs.items()},
        {"out": _tensor("out", inputs["q"].shape)},
    )
    session = _session(model, threads)
    return lambda: session.run(None, inputs)[0]


def windowed(
    arrays: tuple[Any, Any, Any], window: int, threads: int
) -> Callable[[], Any] | None:
    """GroupQueryAttention over the last `window` keys, the own one included."""
    if optional("onnxruntime") is None:
        return None
    inputs = _rows(arrays)
    batch, heads, length, width = arrays[1].shape
    attributes = {
        "num_heads": arrays[0].shape[1],
        "kv_num_heads": heads,
        "local_window_size": window,
    }
    described = {name: _tensor(name, array.shape) for name, array in inputs.items()}
    # It appends to a cache that is not there.
    described |= {"past_key": b"", "past_value": b""}
    described["last"] = _tensor("last", (batch,), _INT32)
    described["total"] = _tensor("total", (1,), _INT32)
    outputs = {"out": _tensor("out", inputs["q"].shape)}
    for name in ("present_key", "present_value"):
        outputs[name] = _tensor(name, (batch, heads, length, width))
    model = _model("GroupQueryAttention", attributes, described, outputs)
    session = _session(model, threads)
    inputs["last"] = np.full(batch, length - 1, np.int32)
    inputs["total"] = np.array([length], np.int32)
    return lambda: session.run(["out"], inputs)[0]

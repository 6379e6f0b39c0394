"""Masks no cache has seen: as text of the dialect, and as callables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Body = tuple[str, Callable[..., Any]]

_SPLIT = """%d = arith.subi %i, %j : index
    %zero = arith.constant 0 : index
    %past = arith.cmpi sge, %d, %zero : index"""


def _window(n: int, ids: Any) -> Body:
    limit = 100 + n
    text = f"""{_SPLIT}
    %c = arith.constant {limit} : index
    %near = arith.cmpi slt, %d, %c : index
    %keep = arith.andi %past, %near : i1"""
    return text, lambda b, h, i, j: (i - j >= 0) & (i - j < limit)


def _documents(n: int, ids: Any) -> Body:
    text = f"""{_SPLIT}
    %x = tensor.extract %ids[%i] : tensor<?xi32>
    %y = tensor.extract %ids[%j] : tensor<?xi32>
    %same = arith.cmpi eq, %x, %y : i32
    %c = arith.constant {n} : index
    %first = arith.cmpi slt, %j, %c : index
    %inside = arith.andi %past, %same : i1
    %keep = arith.ori %inside, %first : i1"""
    return text, lambda b, h, i, j: (i >= j) & (ids[i] == ids[j]) | (j < n)


def _dilated(n: int, ids: Any) -> Body:
    limit, step = 200 + n, 2 + n
    text = f"""{_SPLIT}
    %c = arith.constant {limit} : index
    %near = arith.cmpi sle, %d, %c : index
    %s = arith.constant {step} : index
    %rest = arith.remsi %d, %s : index
    %on = arith.cmpi eq, %rest, %zero : index
    %both = arith.andi %past, %near : i1
    %keep = arith.andi %both, %on : i1"""
    return (
        text,
        lambda b, h, i, j: (i - j >= 0) & (i - j <= limit) & ((i - j) % step == 0),
    )


def _sinks(n: int, ids: Any) -> Body:
    first, limit = 4 + n, 64 + n
    text = f"""{_SPLIT}
    %c = arith.constant {limit} : index
    %near = arith.cmpi slt, %d, %c : index
    %s = arith.constant {first} : index
    %sink = arith.cmpi slt, %j, %s : index
    %either = arith.ori %near, %sink : i1
    %keep = arith.andi %past, %either : i1"""
    return text, lambda b, h, i, j: (i - j >= 0) & ((i - j < limit) | (j < first))


def _chunks(n: int, ids: Any) -> Body:
    size = 48 + n
    text = f"""{_SPLIT}
    %c = arith.constant {size} : index
    %x = arith.floordivsi %i, %c : index
    %y = arith.floordivsi %j, %c : index
    %same = arith.cmpi eq, %x, %y : index
    %keep = arith.andi %past, %same : i1"""
    return text, lambda b, h, i, j: (i - j >= 0) & (i // size == j // size)


KINDS: dict[str, Callable[[int, Any], Body]] = {
    "window": _window,
    "documents": _documents,
    "dilated": _dilated,
    "sinks": _sinks,
    "chunks": _chunks,
}


def ids(length: int) -> Any:
    return (np.arange(length) // 100).astype(np.int32)


def source(body: str, dynamic: bool) -> str:
    """A function with `body` as its mask; documents are its last argument."""
    length = "?" if dynamic else "1024"
    tensor = f"tensor<1x8x{length}x64xf32>"
    init = f"%init = tensor.empty() : {tensor}"
    if dynamic:
        init = f"""%two = arith.constant 2 : index
  %length = tensor.dim %q, %two : {tensor}
  %init = tensor.empty(%length) : {tensor}"""
    return f"""func.func @f(%q: {tensor}, %k: {tensor}, %v: {tensor},
    %ids: tensor<?xi32>) -> {tensor} {{
  {init}
  %out = attn.attention ins(%q, %k, %v : {tensor}, {tensor}, {tensor})
    outs(%init : {tensor})
    mask {{
  ^bb0(%b: index, %h: index, %i: index, %j: index):
    {body}
    attn.yield %keep : i1
  }} -> {tensor}
  return %out : {tensor}
}}"""

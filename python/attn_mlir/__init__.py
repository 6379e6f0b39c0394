"""A compiler for attention: from its definition to machine code.

    import attn_mlir as am
    out = am.attention(q, k, v, mask=am.masks.causal(), score=am.scores.alibi())

Masks and scores may be objects, arrays or plain Python callables over symbolic
indices; `am.compile` takes MLIR text.
"""

from __future__ import annotations

from importlib import metadata as _metadata

from . import cache, masks, nn, reference, scores
from ._attention import attention, explain
from ._kernel import Kernel, compile
from ._threads import get_num_threads, set_num_threads
from .errors import (
    ArgumentError,
    CompileError,
    Diagnostic,
    Remark,
    TargetError,
    TraceError,
)
from .options import Options, Target
from .symbolic import (
    abs,
    ceil,
    cos,
    erf,
    exp,
    exp2,
    floor,
    log,
    log1p,
    log2,
    maximum,
    minimum,
    rsqrt,
    sigmoid,
    sin,
    sqrt,
    tanh,
    where,
)

try:
    __version__ = _metadata.version("attn-mlir")
except _metadata.PackageNotFoundError:  # used from a build tree
    __version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "CompileError",
    "Diagnostic",
    "Kernel",
    "Options",
    "Remark",
    "Target",
    "TargetError",
    "TraceError",
    "__version__",
    "abs",
    "attention",
    "cache",
    "ceil",
    "compile",
    "cos",
    "erf",
    "exp",
    "exp2",
    "explain",
    "floor",
    "get_num_threads",
    "log",
    "log1p",
    "log2",
    "masks",
    "maximum",
    "minimum",
    "nn",
    "reference",
    "rsqrt",
    "scores",
    "set_num_threads",
    "sigmoid",
    "sin",
    "sqrt",
    "tanh",
    "where",
]

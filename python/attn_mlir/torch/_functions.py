"""torch's element-wise functions on traced scalars, by name.

The first argument is always a `Symbol`; others may be Python numbers. Integers
are computed in 64 bits and floats in the precision of the kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from .. import symbolic
from ..symbolic import BOOL, FLOAT, INDEX, Symbol, Value, fail, truth, where

__all__ = ["ELEMENTWISE", "cast"]

_WRAPPED = {
    torch.uint8: (0, 256),
    torch.int8: (128, 256),
    torch.int16: (1 << 15, 1 << 16),
}
_INTEGERS = (torch.int64, torch.int32)
_FLOATS = (torch.float64, torch.float32)


def cast(x: Symbol, dtype: torch.dtype) -> Symbol:
    """`x.to(dtype)`: floats truncate towards zero, small integers wrap."""
    if dtype == torch.bool:
        return symbolic.as_kind(x, BOOL)
    if dtype in _FLOATS:
        return symbolic.as_kind(x, FLOAT)
    if dtype in _INTEGERS:
        return symbolic.as_kind(x, INDEX)
    if dtype in _WRAPPED:
        offset, size = _WRAPPED[dtype]
        number = symbolic.as_kind(x, INDEX)
        return (number + offset) % size - offset if offset else number % size
    if x.type != BOOL or not dtype.is_floating_point:
        fail(
            f"a cast to {dtype} cannot be traced, it would round; scores are "
            "computed in float32 (float64 for float64 inputs)"
        )
    return symbolic.as_kind(x, FLOAT)


def _type(value: Value) -> str:
    if isinstance(value, Symbol):
        return value.type
    return (
        BOOL
        if isinstance(value, bool)
        else FLOAT
        if isinstance(value, float)
        else INDEX
    )


def _both_bool(a: Value, b: Value) -> bool:
    return _type(a) == BOOL and _type(b) == BOOL


def _plus(a: Symbol, b: Value, alpha: Value = 1) -> Value:
    if _both_bool(a, b):
        return a | b
    return a + (b if _is_one(alpha) else b * alpha)


def _minus(a: Symbol, b: Value, alpha: Value = 1) -> Value:
    if _type(a) == BOOL or _type(b) == BOOL:
        fail("torch does not subtract bools; use ~, ^ or a cast to an integer")
    return a - (b if _is_one(alpha) else b * alpha)


def _is_one(value: Value) -> bool:
    return not isinstance(value, Symbol) and value == 1


def _times(a: Symbol, b: Value) -> Value:
    return a & b if _both_bool(a, b) else a * b


def _truncated(x: Symbol) -> Value:
    """Rounded towards zero; integers stay."""
    if x.type != FLOAT:
        return x
    return where(x < 0.0, symbolic.ceil(x), symbolic.floor(x))


def _divide(a: Symbol, b: Value, rounding_mode: str | None = None) -> Value:
    if rounding_mode is None:
        return a / b
    if rounding_mode == "floor":
        return a // b
    if rounding_mode != "trunc":
        fail(f"rounding_mode expects None, 'floor' or 'trunc', not {rounding_mode!r}")
    if FLOAT in (a.type, _type(b)):
        return _truncated(a / b)
    if isinstance(b, int) and b > 0:
        return where(a < 0, -((-a) // b), a // b)
    other = a.graph.lift(b)
    size = symbolic.abs(a) // symbolic.abs(other)
    return where((a < 0) ^ (other < 0), -size, size)


def _fmod(a: Symbol, b: Value) -> Value:
    return a - _divide(a, b, "trunc") * b


def _clamp(x: Symbol, min: Value = None, max: Value = None) -> Value:
    if min is None and max is None:
        fail("torch.clamp needs 'min' or 'max'")
    x = x if min is None else symbolic.maximum(x, min)
    return x if max is None else symbolic.minimum(x, max)


def _larger(a: Symbol, b: Value) -> Value:
    return a | b if _both_bool(a, b) else symbolic.maximum(a, b)


def _smaller(a: Symbol, b: Value) -> Value:
    return a & b if _both_bool(a, b) else symbolic.minimum(a, b)


def _sign(x: Symbol) -> Value:
    if x.type == FLOAT:
        return where(x > 0.0, 1.0, where(x < 0.0, -1.0, x))
    return where(x > 0, 1, where(x < 0, -1, 0))


def _is_infinite(x: Symbol) -> Value:
    return symbolic.abs(symbolic.as_kind(x, FLOAT)) == math.inf


def _softplus(x: Symbol, beta: Value = 1, threshold: Value = 20) -> Value:
    scaled = x * beta
    soft = symbolic.log1p(symbolic.exp(scaled)) / beta
    return where(scaled > threshold, symbolic.as_kind(x, FLOAT), soft)


def _gelu(x: Symbol, approximate: str = "none") -> Value:
    if approximate == "tanh":
        inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)
        return 0.5 * x * (1.0 + symbolic.tanh(inner))
    return 0.5 * x * (1.0 + symbolic.erf(x * math.sqrt(0.5)))


def _relu(x: Symbol, inplace: bool = False) -> Value:
    if inplace:
        fail("a traced value cannot be changed in place")
    return symbolic.maximum(x, 0)


def _leaky(x: Symbol, negative_slope: float = 0.01, inplace: bool = False) -> Value:
    return where(x > 0, x, x * negative_slope)


def _choose(condition: Symbol, a: Value, b: Value) -> Value:
    if condition.type != BOOL:
        fail("torch.where needs a bool condition")
    return where(condition, a, b)


def _power(a: Symbol, exponent: Value) -> Value:
    return a**exponent


def _tan(x: Symbol) -> Value:
    return symbolic.sin(x) / symbolic.cos(x)


def _constant(value: Value) -> Callable[..., Value]:
    def function(x: Symbol, *size: Any, **keywords: Any) -> Value:
        dtype = keywords.get("dtype")
        kind = x.type if dtype is None else cast(x, dtype).type
        return symbolic.as_kind(x.graph.lift(value), kind)

    return function


def _full(x: Symbol, fill: Value, **keywords: Any) -> Value:
    value = x.graph.lift(fill)
    dtype = keywords.get("dtype")
    return symbolic.as_kind(value, x.type) if dtype is None else cast(value, dtype)


ELEMENTWISE: dict[str, Callable[..., Value]] = {
    "abs": symbolic.abs,
    "add": _plus,
    "and": lambda a, b: a & b,
    "ceil": symbolic.ceil,
    "clamp": _clamp,
    "clamp_max": lambda x, max: _clamp(x, max=max),
    "clamp_min": lambda x, min: _clamp(x, min=min),
    "cos": symbolic.cos,
    "cosh": lambda x: 0.5 * (symbolic.exp(x) + symbolic.exp(-x)),
    "deg2rad": lambda x: x * (math.pi / 180.0),
    "div": _divide,
    "eq": lambda a, b: a == b,
    "erf": symbolic.erf,
    "erfc": lambda x: 1.0 - symbolic.erf(x),
    "exp": symbolic.exp,
    "exp2": symbolic.exp2,
    "expm1": lambda x: symbolic.exp(x) - 1.0,
    "float_power": lambda a, b: symbolic.as_kind(a, FLOAT) ** b,
    "floor": symbolic.floor,
    "floor_divide": lambda a, b: a // b,
    "fmax": _larger,
    "fmin": _smaller,
    "fmod": _fmod,
    "frac": lambda x: x - _truncated(x),
    "full_like": _full,
    "ge": lambda a, b: a >= b,
    "gelu": _gelu,
    "gt": lambda a, b: a > b,
    "heaviside": lambda x, v: where(x < 0, 0.0, where(x > 0, 1.0, v)),
    "invert": lambda x: ~x,
    "isfinite": lambda x: ~_is_infinite(x) & ~(x != x),
    "isinf": _is_infinite,
    "isnan": lambda x: x != x,
    "isneginf": lambda x: symbolic.as_kind(x, FLOAT) == -math.inf,
    "isposinf": lambda x: symbolic.as_kind(x, FLOAT) == math.inf,
    "le": lambda a, b: a <= b,
    "leaky_relu": _leaky,
    "lerp": lambda x, end, weight: x + (end - x) * weight,
    "log": symbolic.log,
    "log10": lambda x: symbolic.log(x) * (1.0 / math.log(10.0)),
    "log1p": symbolic.log1p,
    "log2": symbolic.log2,
    "logical_and": lambda a, b: truth(a) & truth(b),
    "logical_not": lambda x: ~truth(x),
    "logical_or": lambda a, b: truth(a) | truth(b),
    "logical_xor": lambda a, b: truth(a) ^ truth(b),
    "logsigmoid": lambda x: -_softplus(-x),
    "lshift": lambda a, b: a << b,
    "lt": lambda a, b: a < b,
    "masked_fill": lambda x, mask, value: where(mask, _full(x, value), x),
    "maximum": _larger,
    "minimum": _smaller,
    "mul": _times,
    "ne": lambda a, b: a != b,
    "neg": lambda x: -x,
    "new_full": lambda x, size, fill, **keywords: _full(x, fill, **keywords),
    "new_ones": _constant(1),
    "new_tensor": lambda x, data, **keywords: _full(x, data, **keywords),
    "new_zeros": _constant(0),
    "ones_like": _constant(1),
    "or": lambda a, b: a | b,
    "pos": lambda x: x,
    "pow": _power,
    "rad2deg": lambda x: x * (180.0 / math.pi),
    "reciprocal": lambda x: 1.0 / x,
    "relu": _relu,
    "remainder": lambda a, b: a % b,
    "round": symbolic.round,
    "rshift": lambda a, b: a >> b,
    "rsqrt": symbolic.rsqrt,
    "sigmoid": symbolic.sigmoid,
    "sign": _sign,
    "silu": lambda x, inplace=False: x * symbolic.sigmoid(x),
    "sin": symbolic.sin,
    "sinh": lambda x: 0.5 * (symbolic.exp(x) - symbolic.exp(-x)),
    "softplus": _softplus,
    "sqrt": symbolic.sqrt,
    "square": lambda x: _times(x, x),
    "sub": _minus,
    "tan": _tan,
    "tanh": symbolic.tanh,
    "trunc": _truncated,
    "where": _choose,
    "xor": lambda a, b: a ^ b,
    "zeros_like": _constant(0),
}

# The same functions under their other names.
for _name, _same in (
    ("absolute", "abs"),
    ("bitwise_and", "and"),
    ("bitwise_left_shift", "lshift"),
    ("bitwise_not", "invert"),
    ("bitwise_or", "or"),
    ("bitwise_right_shift", "rshift"),
    ("bitwise_xor", "xor"),
    ("clip", "clamp"),
    ("divide", "div"),
    ("fix", "trunc"),
    ("floordiv", "floor_divide"),
    ("greater", "gt"),
    ("greater_equal", "ge"),
    ("less", "lt"),
    ("less_equal", "le"),
    ("mod", "remainder"),
    ("multiply", "mul"),
    ("negative", "neg"),
    ("not_equal", "ne"),
    ("positive", "pos"),
    ("special_erf", "erf"),
    ("special_expit", "sigmoid"),
    ("subtract", "sub"),
    ("sgn", "sign"),
    ("true_divide", "div"),
    ("truediv", "div"),
):
    ELEMENTWISE[_name] = ELEMENTWISE[_same]

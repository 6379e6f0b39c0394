"""Symbolic indices and scalars: what a traced callable computes with.

A `Symbol` is one node of a `Graph`; operators and the functions of this module
add nodes. Equal nodes are shared, so a graph is also its own structural key.
The functions work on NumPy arrays and Python numbers too, so that one callable
serves the tracer and the reference.
"""

from __future__ import annotations

import linecache
import math
import os
import sys
from collections.abc import Callable, Hashable, Sequence
from types import FrameType
from typing import Any, NamedTuple, NoReturn, TypeAlias

import numpy as np

from .errors import TraceError

__all__ = [
    "abs",
    "ceil",
    "cos",
    "erf",
    "exp",
    "exp2",
    "floor",
    "log",
    "log1p",
    "log2",
    "maximum",
    "minimum",
    "round",
    "rsqrt",
    "sigmoid",
    "sin",
    "sqrt",
    "tanh",
    "where",
]

INDEX, BOOL, FLOAT = "index", "bool", "float"

Value: TypeAlias = Any  # Symbol, NumPy array or Python number

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class Node(NamedTuple):
    """One operation: `op` on the nodes `args`, with a constant `attr`."""

    op: str
    type: str
    args: tuple[int, ...] = ()
    attr: Hashable = None


class Capture(NamedTuple):
    """What a graph knows of a captured array: element type and rank."""

    dtype: str
    ndim: int


def user_frame() -> FrameType | None:
    """The innermost frame outside this package."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return frame


def fail(message: str) -> NoReturn:
    """Raise a TraceError that names the user's line."""
    frame = user_frame()
    if frame is None:
        raise TraceError(message)
    file, line = frame.f_code.co_filename, frame.f_lineno
    source = linecache.getline(file, line, frame.f_globals).strip()
    raise TraceError(message, file, line, source)


class Graph:
    """A hash-consed expression graph over b, h, i, j (and s)."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.captures: list[Capture] = []
        self.symbol = Symbol  # the class of what `add` returns
        self._ids: dict[Node, int] = {}

    def add(
        self,
        op: str,
        type: str,
        args: tuple[int, ...] = (),
        attr: Hashable = None,
    ) -> Symbol:
        node = Node(op, type, args, attr)
        found = self._ids.get(node)
        if found is None:
            found = len(self.nodes)
            self.nodes.append(node)
            self._ids[node] = found
        return self.symbol(self, found)

    def variable(self, name: str) -> Symbol:
        """b, h, i, j (positions), B, H, L, S (sizes) or s (the score)."""
        return self.add("var", FLOAT if name == "s" else INDEX, (), name)

    def constant(self, value: object) -> Symbol:
        if isinstance(value, (bool, np.bool_)):
            return self.add("const", BOOL, (), bool(value))
        if isinstance(value, (int, np.integer)):
            number = int(value)
            if not -(1 << 63) <= number < 1 << 63:
                fail(f"the integer {number} does not fit in 64 bits")
            return self.add("const", INDEX, (), number)
        if isinstance(value, (float, np.floating)):
            # Text keeps -0.0, infinities and nan apart from their equals.
            return self.add("const", FLOAT, (), float(value).hex())
        fail(f"a {type(value).__name__} cannot be used in a traced expression")

    def load(self, slot: int, indices: Sequence[Symbol]) -> Symbol:
        """An element of a captured array."""
        kind = element_kind(self.captures[slot].dtype)
        return self.add("load", kind, tuple(x.node for x in indices), slot)

    def lift(self, value: Value) -> Symbol:
        if isinstance(value, Symbol):
            if value.graph is not self:
                fail("a symbol of another trace is used here")
            return value
        if isinstance(value, np.ndarray):
            if value.ndim == 0:
                return self.constant(value[()])
            fail(
                f"an array of shape {value.shape} cannot be combined with a "
                "symbol; index it with b, h, i, j"
            )
        return self.constant(value)

    def key(self) -> Hashable:
        """Equal for graphs that compute the same from the same captures."""
        return tuple(self.nodes), tuple(self.captures)


def reachable(graph: Graph, root: int) -> set[int]:
    """The nodes that the value of `root` needs."""
    seen, pending = {root}, [root]
    while pending:
        for arg in graph.nodes[pending.pop()].args:
            if arg not in seen:
                seen.add(arg)
                pending.append(arg)
    return seen


def element_kind(dtype: str) -> str:
    """The symbolic type of a captured array's elements."""
    if dtype == "i1":
        return BOOL
    return INDEX if dtype[0] in "iu" else FLOAT


def _cast(x: Symbol, kind: str) -> Symbol:
    if x.type == kind:
        return x
    node = x.graph.nodes[x.node]
    if node.op == "const" and kind == FLOAT:
        return x.graph.constant(float(constant_value(node)))
    if node.op == "const" and kind == INDEX and x.type == BOOL:
        return x.graph.constant(int(bool(node.attr)))
    if kind == BOOL:
        zero = x.graph.constant(0.0 if x.type == FLOAT else 0)
        return x.graph.add("ne", BOOL, (x.node, zero.node))
    if kind == INDEX and x.type == FLOAT:
        fail("an index must be an integer, but got a float expression")
    return x.graph.add("cast", kind, (x.node,))


def as_kind(x: Symbol, kind: str) -> Symbol:
    """An explicit cast: floats become integers by truncation, 0 for nan."""
    if x.type == FLOAT and kind == INDEX:
        return x.graph.add("cast", INDEX, (x.node,))
    return _cast(x, kind)


def _number(x: Symbol) -> Symbol:
    return _cast(x, INDEX) if x.type == BOOL else x


def constant_value(node: Node) -> bool | int | float:
    """The value of a "const" node."""
    if node.type == FLOAT:
        return float.fromhex(str(node.attr))
    return bool(node.attr) if node.type == BOOL else int(str(node.attr))


def _arithmetic(op: str, a: Value, b: Value) -> Symbol:
    graph = a.graph if isinstance(a, Symbol) else b.graph
    x, y = _number(graph.lift(a)), _number(graph.lift(b))
    if FLOAT in (x.type, y.type) or op == "div":
        x, y = _cast(x, FLOAT), _cast(y, FLOAT)
    if op in ("floordiv", "mod") and x.type == INDEX:
        node = graph.nodes[y.node]
        if node.op == "const" and constant_value(node) == 0:
            fail("integer division by the constant 0")
    result: Symbol = graph.add(op, x.type, (x.node, y.node))
    return result


def _compare(op: str, a: Symbol, b: Value) -> Symbol:
    graph = a.graph
    x, y = a, graph.lift(b)
    if x.type != y.type:
        x, y = _number(x), _number(y)
    if FLOAT in (x.type, y.type):
        x, y = _cast(x, FLOAT), _cast(y, FLOAT)
    if x.type == BOOL and op not in ("eq", "ne"):
        x, y = _cast(x, INDEX), _cast(y, INDEX)
    return graph.add(op, BOOL, (x.node, y.node))


def _bitwise(op: str, a: Value, b: Value) -> Symbol:
    graph = a.graph if isinstance(a, Symbol) else b.graph
    x, y = graph.lift(a), graph.lift(b)
    if FLOAT in (x.type, y.type):
        fail("the operators & | ^ work on bools and integers, not on floats")
    if x.type != y.type:
        x, y = _number(x), _number(y)
    if x.type == BOOL:
        # The start value of a folded conjunction must not hide its terms.
        for one, other in ((x, y), (y, x)):
            node = graph.nodes[one.node]
            if node.op == "const":
                return _bitwise_constant(op, bool(node.attr), one, other)
    result: Symbol = graph.add(op, x.type, (x.node, y.node))
    return result


def _bitwise_constant(op: str, value: bool, constant: Symbol, x: Symbol) -> Symbol:
    if op == "xor":
        return ~x if value else x
    return x if value == (op == "and") else constant


def _shift(op: str, a: Value, b: Value) -> Symbol:
    graph = a.graph if isinstance(a, Symbol) else b.graph
    x, y = _number(graph.lift(a)), _number(graph.lift(b))
    if (x.type, y.type) != (INDEX, INDEX):
        fail("the operators << >> work on integers")
    node = graph.nodes[y.node]
    if node.op != "const" or not 0 <= constant_value(node) < 64:
        fail("a shift amount must be a constant in [0, 63]")
    result: Symbol = graph.add(op, INDEX, (x.node, y.node))
    return result


def _power(a: Value, b: Value) -> Symbol:
    if isinstance(b, (int, np.integer)) and 0 <= int(b) <= 64:
        assert isinstance(a, Symbol)
        base, count = _number(a), int(b)
        result = _cast(base.graph.constant(1), base.type)
        while count:  # by squaring; exact for integers
            if count & 1:
                one = base.graph.nodes[result.node].op == "const"
                result = base if one else result * base
            base = base * base if count > 1 else base
            count >>= 1
        return result
    graph = a.graph if isinstance(a, Symbol) else b.graph
    x, y = (_cast(_number(graph.lift(each)), FLOAT) for each in (a, b))
    power: Symbol = graph.add("pow", FLOAT, (x.node, y.node))
    return power


_BRANCH = (
    "{} needs the value of a symbol, which is not known while tracing; use "
    "am.where for a choice, & | ~ between conditions (a <= j <= b is "
    "(a <= j) & (j <= b)), am.minimum and am.maximum for min and max"
)


class Symbol:
    """A symbolic index, scalar or condition."""

    __slots__ = ("graph", "node")
    __hash__ = object.__hash__

    def __init__(self, graph: Graph, node: int) -> None:
        self.graph = graph
        self.node = node

    @property
    def type(self) -> str:
        return self.graph.nodes[self.node].type

    def __repr__(self) -> str:
        return f"<symbolic {self.type}>"

    def __add__(self, other: Value) -> Symbol:
        return _arithmetic("add", self, other)

    def __radd__(self, other: Value) -> Symbol:
        return _arithmetic("add", other, self)

    def __sub__(self, other: Value) -> Symbol:
        return _arithmetic("sub", self, other)

    def __rsub__(self, other: Value) -> Symbol:
        return _arithmetic("sub", other, self)

    def __mul__(self, other: Value) -> Symbol:
        return _arithmetic("mul", self, other)

    def __rmul__(self, other: Value) -> Symbol:
        return _arithmetic("mul", other, self)

    def __truediv__(self, other: Value) -> Symbol:
        return _arithmetic("div", self, other)

    def __rtruediv__(self, other: Value) -> Symbol:
        return _arithmetic("div", other, self)

    def __floordiv__(self, other: Value) -> Symbol:
        return _arithmetic("floordiv", self, other)

    def __rfloordiv__(self, other: Value) -> Symbol:
        return _arithmetic("floordiv", other, self)

    def __mod__(self, other: Value) -> Symbol:
        return _arithmetic("mod", self, other)

    def __rmod__(self, other: Value) -> Symbol:
        return _arithmetic("mod", other, self)

    def __divmod__(self, other: Value) -> tuple[Symbol, Symbol]:
        return self // other, self % other

    def __pow__(self, other: Value) -> Symbol:
        return _power(self, other)

    def __rpow__(self, other: Value) -> Symbol:
        return _power(other, self)

    def __neg__(self) -> Symbol:
        x = _number(self)
        return x.graph.add("neg", x.type, (x.node,))

    def __pos__(self) -> Symbol:
        return _number(self)

    def __abs__(self) -> Symbol:
        x = _number(self)
        return x.graph.add("abs", x.type, (x.node,))

    def __invert__(self) -> Symbol:
        if self.type == FLOAT:
            fail("the operator ~ works on bools and integers, not on floats")
        node = self.graph.nodes[self.node]
        if node.op == "const":
            return self.graph.constant(
                not node.attr if node.type == BOOL else ~int(constant_value(node))
            )
        return self.graph.add("not", self.type, (self.node,))

    def __and__(self, other: Value) -> Symbol:
        return _bitwise("and", self, other)

    def __rand__(self, other: Value) -> Symbol:
        return _bitwise("and", other, self)

    def __or__(self, other: Value) -> Symbol:
        return _bitwise("or", self, other)

    def __ror__(self, other: Value) -> Symbol:
        return _bitwise("or", other, self)

    def __xor__(self, other: Value) -> Symbol:
        return _bitwise("xor", self, other)

    def __rxor__(self, other: Value) -> Symbol:
        return _bitwise("xor", other, self)

    def __lshift__(self, other: Value) -> Symbol:
        return _shift("shl", self, other)

    def __rlshift__(self, other: Value) -> Symbol:
        return _shift("shl", other, self)

    def __rshift__(self, other: Value) -> Symbol:
        return _shift("shr", self, other)

    def __rrshift__(self, other: Value) -> Symbol:
        return _shift("shr", other, self)

    def __eq__(self, other: Value) -> Symbol:  # type: ignore[override]
        return _compare("eq", self, other)

    def __ne__(self, other: Value) -> Symbol:  # type: ignore[override]
        return _compare("ne", self, other)

    def __lt__(self, other: Value) -> Symbol:
        return _compare("lt", self, other)

    def __le__(self, other: Value) -> Symbol:
        return _compare("le", self, other)

    def __gt__(self, other: Value) -> Symbol:
        return _compare("gt", self, other)

    def __ge__(self, other: Value) -> Symbol:
        return _compare("ge", self, other)

    def __bool__(self) -> bool:
        fail(_BRANCH.format("this `if`, `and`, `or`, `not` or comparison chain"))

    def __float__(self) -> float:
        fail("float() and the functions of `math` need a number; use am.exp etc.")

    def __int__(self) -> int:
        fail("int() needs a number, but got a symbol")

    def __index__(self) -> int:
        fail("a symbol cannot index a list, a tuple or a range; use an array")

    def __len__(self) -> int:
        fail("a symbol has no length")

    def __iter__(self) -> Any:
        fail("a symbol cannot be iterated")

    def __getitem__(self, index: object) -> Symbol:
        fail("a symbol is a scalar and cannot be indexed")

    def __array__(self, *args: object, **kwargs: object) -> Any:
        fail("a symbol cannot become an array; is this function not traced?")

    def __array_ufunc__(
        self, ufunc: Any, method: str, *inputs: Value, **kwargs: object
    ) -> Any:
        if method != "__call__" or kwargs:
            fail(f"numpy.{ufunc.__name__}.{method} cannot be traced")
        return apply_named(ufunc.__name__, [self._plain(each) for each in inputs])

    def _plain(self, value: Value) -> Value:
        """NumPy's scalars as Python's, so that operators come back here."""
        if isinstance(value, np.generic):
            return value.item()
        return self.graph.lift(value) if isinstance(value, np.ndarray) else value

    def __array_function__(
        self, func: Any, types: object, args: Any, kwargs: Any
    ) -> Any:
        if kwargs:
            fail(f"numpy.{func.__name__} with keywords cannot be traced")
        return apply_named(func.__name__, args)

    @classmethod
    def __torch_function__(
        cls, func: Any, types: object, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = getattr(func, "__name__", str(func))
        if kwargs:
            fail(f"torch.{name} with keywords cannot be traced")
        return apply_named(name, args)


def _graph_of(*values: Value) -> Graph | None:
    for value in values:
        if isinstance(value, Symbol):
            return value.graph
    return None


def _unary(op: str, numpy: Callable[[Any], Any]) -> Callable[[Value], Value]:
    def function(x: Value) -> Value:
        if not isinstance(x, Symbol):
            return numpy(x)
        return x.graph.add(op, FLOAT, (_cast(_number(x), FLOAT).node,))

    function.__name__ = function.__qualname__ = op
    function.__doc__ = f"Element-wise {op} of a float expression."
    return function


def _numpy_sigmoid(x: Any) -> Any:
    return np.exp(-np.logaddexp(0.0, np.negative(x)))


exp = _unary("exp", np.exp)
exp2 = _unary("exp2", np.exp2)
log = _unary("log", np.log)
log2 = _unary("log2", np.log2)
log1p = _unary("log1p", np.log1p)
tanh = _unary("tanh", np.tanh)
sqrt = _unary("sqrt", np.sqrt)
rsqrt = _unary("rsqrt", lambda x: 1.0 / np.sqrt(x))
sigmoid = _unary("sigmoid", _numpy_sigmoid)
sin = _unary("sin", np.sin)
cos = _unary("cos", np.cos)
erf = _unary("erf", np.vectorize(math.erf, otypes=[np.float64]))


def _rounding(op: str, numpy: Callable[[Any], Any]) -> Callable[[Value], Value]:
    def function(x: Value) -> Value:
        if not isinstance(x, Symbol):
            return numpy(x)
        x = _number(x)
        return x if x.type == INDEX else x.graph.add(op, FLOAT, (x.node,))

    function.__name__ = function.__qualname__ = op
    function.__doc__ = f"Element-wise {op}; the result stays a float."
    return function


floor = _rounding("floor", np.floor)
ceil = _rounding("ceil", np.ceil)
round = _rounding("round", np.round)


def abs(x: Value) -> Value:
    """Absolute value; integers stay integers."""
    return x.__abs__() if isinstance(x, Symbol) else np.abs(x)


def _extreme(op: str, numpy: Any) -> Callable[[Value, Value], Value]:
    def function(a: Value, b: Value) -> Value:
        if _graph_of(a, b) is None:
            return numpy(a, b)
        return _arithmetic(op, a, b)

    function.__name__ = function.__qualname__ = f"{op}imum"
    function.__doc__ = f"The element-wise {op}imum of two values."
    return function


minimum = _extreme("min", np.minimum)
maximum = _extreme("max", np.maximum)


def where(condition: Value, a: Value, b: Value) -> Value:
    """`a` where the condition holds, else `b`; both are evaluated."""
    graph = _graph_of(condition, a, b)
    if graph is None:
        return np.where(condition, a, b)
    if isinstance(condition, (bool, np.bool_)):
        return graph.lift(a if condition else b)
    test = _cast(graph.lift(condition), BOOL)
    known = graph.nodes[test.node]
    x, y = graph.lift(a), graph.lift(b)
    if x.type != y.type:
        x, y = _number(x), _number(y)
    if FLOAT in (x.type, y.type):
        x, y = _cast(x, FLOAT), _cast(y, FLOAT)
    if known.op == "const":
        return x if known.attr else y
    return graph.add("select", x.type, (test.node, x.node, y.node))


def as_bool(x: Value) -> Symbol:
    """A mask callable's result as a condition."""
    if x.type == FLOAT:
        fail("a mask must return a bool, but this one returns a float")
    return _cast(x, BOOL)


def as_float(x: Symbol) -> Symbol:
    """A score callable's result as a scalar."""
    if x.type == BOOL:
        fail("a score must return a number, but this one returns a bool")
    return _cast(x, FLOAT)


def _clip(x: Value, low: Value, high: Value) -> Value:
    x = x if low is None else maximum(x, low)
    return x if high is None else minimum(x, high)


# Functions of NumPy and torch under their own names.
_NAMED: dict[str, Callable[..., Value]] = {
    "absolute": abs,
    "add": lambda a, b: a + b,
    "bitwise_and": lambda a, b: a & b,
    "bitwise_not": lambda a: ~a,
    "bitwise_or": lambda a, b: a | b,
    "bitwise_xor": lambda a, b: a ^ b,
    "clamp": _clip,
    "clip": _clip,
    "divide": lambda a, b: a / b,
    "div": lambda a, b: a / b,
    "eq": lambda a, b: a == b,
    "equal": lambda a, b: a == b,
    "fabs": abs,
    "floor_divide": lambda a, b: a // b,
    "ge": lambda a, b: a >= b,
    "greater": lambda a, b: a > b,
    "greater_equal": lambda a, b: a >= b,
    "gt": lambda a, b: a > b,
    "invert": lambda a: ~a,
    "le": lambda a, b: a <= b,
    "left_shift": lambda a, b: a << b,
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
    "logical_and": lambda a, b: truth(a) & truth(b),
    "logical_not": lambda a: ~truth(a),
    "logical_or": lambda a, b: truth(a) | truth(b),
    "logical_xor": lambda a, b: truth(a) ^ truth(b),
    "lt": lambda a, b: a < b,
    "mul": lambda a, b: a * b,
    "multiply": lambda a, b: a * b,
    "ne": lambda a, b: a != b,
    "negative": lambda a: -a,
    "neg": lambda a: -a,
    "not_equal": lambda a, b: a != b,
    "positive": lambda a: +a,
    "pow": lambda a, b: a**b,
    "power": lambda a, b: a**b,
    "float_power": lambda a, b: a**b,
    "remainder": lambda a, b: a % b,
    "right_shift": lambda a, b: a >> b,
    "square": lambda a: a * a,
    "sub": lambda a, b: a - b,
    "subtract": lambda a, b: a - b,
    "true_divide": lambda a, b: a / b,
}
for _each in (
    *(exp, exp2, log, log2, log1p, tanh, sqrt, rsqrt, sigmoid, sin, cos, erf),
    *(floor, ceil, round, abs, minimum, maximum, where),
):
    _NAMED[_each.__name__] = _each


def truth(x: Value) -> Value:
    """A value as a condition: numbers other than 0 are true."""
    return _cast(x, BOOL) if isinstance(x, Symbol) else bool(x)


def apply_named(name: str, args: Sequence[Value]) -> Value:
    """NumPy's or torch's function of this name, applied to symbols."""
    # torch names operators after their methods: __add__, __rsub__, ...
    if name.startswith("__") and hasattr(Symbol, name) and len(args) == 2:
        if isinstance(args[0], Symbol):
            return getattr(args[0], name)(args[1])
        swapped = "__r" + name[2:]
        if hasattr(Symbol, swapped):
            return getattr(args[1], swapped)(args[0])
    function = _NAMED.get(name)
    if function is None:
        fail(
            f"the function '{name}' cannot be traced; use operators, am.where, "
            "am.minimum, am.maximum, am.exp, am.log, am.tanh, ..."
        )
    try:
        return function(*args)
    except TypeError:
        fail(f"'{name}' with {len(args)} arguments cannot be traced")

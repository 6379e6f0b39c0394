"""From expression graphs to the text of score and mask regions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .ranges import Access, load_indices
from .symbolic import BOOL, FLOAT, INDEX, Graph, Node, constant_value

__all__ = ["Argument", "Region", "emit_region", "float_text", "mlir_element"]


@dataclass(frozen=True)
class Argument:
    """A captured array or scalar as the enclosing function names it."""

    name: str  # "%mask0"
    element: str  # as in _arrays: "f32", "i32", "u8", "i1", ...
    ndim: int
    static: tuple[int | None, ...] = ()  # sizes that are not dynamic

    @property
    def type(self) -> str:
        """The MLIR type of the function argument."""
        if self.ndim == 0:
            return scalar_type(self.element)
        static = self.static or (None,) * self.ndim
        sizes = "".join("?x" if size is None else f"{size}x" for size in static)
        return f"tensor<{sizes}{mlir_element(self.element)}>"


@dataclass(frozen=True)
class Region:
    """A region's operations and the extents (slot, axis) they refer to."""

    lines: tuple[str, ...]
    result: str
    extents: tuple[tuple[int, int], ...]


def mlir_element(element: str) -> str:
    """The element type that travels through the kernel interface."""
    return {"u8": "i8", "i1": "i8"}.get(element, element)


def scalar_type(element: str) -> str:
    """The type of a 0-d capture: f32, f64, or index for integers and bools."""
    if element == "f64":
        return "f64"
    return "f32" if element in ("f32", "f16", "bf16") else "index"


def float_text(value: float, type: str) -> str:
    """A literal MLIR reads back exactly."""
    if not math.isfinite(value):
        bits = {
            "f32": ("0x7F800000", "0xFF800000", "0x7FC00000"),
            "f64": (
                "0x7FF0000000000000",
                "0xFFF0000000000000",
                "0x7FF8000000000000",
            ),
        }[type]
        return bits[2] if math.isnan(value) else bits[0 if value > 0 else 1]
    mantissa, _, exponent = repr(value).partition("e")
    mantissa += "" if "." in mantissa else ".0"
    return f"{mantissa}e{int(exponent):+03d}" if exponent else mantissa


_INDEX_BINARY = {
    "add": "arith.addi",
    "sub": "arith.subi",
    "mul": "arith.muli",
    "min": "arith.minsi",
    "max": "arith.maxsi",
    "and": "arith.andi",
    "or": "arith.ori",
    "xor": "arith.xori",
    "shl": "arith.shli",
    "shr": "arith.shrsi",
}
_FLOAT_BINARY = {
    "add": "arith.addf",
    "sub": "arith.subf",
    "mul": "arith.mulf",
    "div": "arith.divf",
    "min": "arith.minimumf",
    "max": "arith.maximumf",
    "pow": "math.powf",
}
_FLOAT_UNARY = {
    "neg": "arith.negf",
    "abs": "math.absf",
    **{
        name: f"math.{name}"
        for name in ("exp", "exp2", "log", "log2", "log1p", "tanh", "sqrt")
    },
    **{name: f"math.{name}" for name in ("rsqrt", "sin", "cos", "erf")},
    **{name: f"math.{name}" for name in ("floor", "ceil")},
    "round": "math.roundeven",
}
_SIGNED = {"eq": "eq", "ne": "ne", "lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge"}
_UNSIGNED = {**_SIGNED, "lt": "ult", "le": "ule", "gt": "ugt", "ge": "uge"}
_ORDERED = {
    "eq": "oeq",
    "ne": "une",
    "lt": "olt",
    "le": "ole",
    "gt": "ogt",
    "ge": "oge",
}
_COMPARE = frozenset(_SIGNED)
_NARROW = {"i8": (-128, 127), "i16": (-(1 << 15), (1 << 15) - 1)}
_NARROW["u8"] = (0, 255)
_NARROW["i32"] = (-(1 << 31), (1 << 31) - 1)


class _Emitter:
    def __init__(
        self,
        graph: Graph,
        compute: str,
        arguments: Sequence[Argument],
        variables: Mapping[str, str],
        access: Sequence[Access],
        prefix: str,
    ) -> None:
        self.graph = graph
        self.compute = compute
        self.arguments = arguments
        self.variables = variables
        self.prefix = prefix
        self.lines: list[str] = []
        self.extents: dict[tuple[int, int], None] = {}
        self.access: dict[tuple[int, int, int], Access] = {}
        for key, needed in zip(load_indices(graph), access, strict=True):
            self.access[key] = needed
        self._names: dict[int, str] = {}
        self._raw: dict[int, str] = {}
        self._constants: dict[str, str] = {}
        self._count = 0

    # --- pieces -------------------------------------------------------------

    def op(self, text: str) -> str:
        name = f"%{self.prefix}{self._count}"
        self._count += 1
        self.lines.append(f"{name} = {text}")
        return name

    def constant(self, text: str) -> str:
        name = self._constants.get(text)
        if name is None:
            name = self._constants[text] = self.op(f"arith.constant {text}")
        return name

    def index(self, value: int) -> str:
        return self.constant(f"{value} : index")

    def real(self, value: float) -> str:
        return self.constant(f"{float_text(value, self.compute)} : {self.compute}")

    def type_of(self, node: int) -> str:
        kind = self.graph.nodes[node].type
        return {INDEX: "index", BOOL: "i1", FLOAT: self.compute}[kind]

    def name(self, node: int) -> str:
        """The value of a node; a load becomes its symbolic type on demand."""
        found = self._names.get(node)
        if found is None:  # a load of which only the raw value existed so far
            found = self._names[node] = self._convert(node)
        return found

    # --- one node -----------------------------------------------------------

    def emit(self, number: int) -> None:
        node = self.graph.nodes[number]
        if node.op == "load":
            self._raw[number] = self._load(node)
            return
        if node.op == "var":
            self._names[number] = self.variables[str(node.attr)]
            return
        if node.op == "const":
            return  # where it is used, in the form it is used
        if node.op in _COMPARE:
            self._names[number] = self._compare(node)
            return
        args = [self.operand(arg) for arg in node.args]
        self._names[number] = self._operation(node, args)

    def operand(self, number: int) -> str:
        node = self.graph.nodes[number]
        if node.op != "const":
            return self.name(number)
        value = constant_value(node)
        if node.type == FLOAT:
            return self.real(value)
        if node.type == BOOL:
            return self.constant("true" if value else "false")
        return self.index(int(value))

    def _operation(self, node: Node, args: list[str]) -> str:
        special: Callable[[Node, list[str]], str] | None = getattr(
            self, f"_op_{node.op}", None
        )
        if special is not None:
            return special(node, args)
        if node.type == FLOAT:
            table = _FLOAT_BINARY if len(args) == 2 else _FLOAT_UNARY
            return self.op(f"{table[node.op]} {', '.join(args)} : {self.compute}")
        kind = "i1" if node.type == BOOL else "index"
        return self.op(f"{_INDEX_BINARY[node.op]} {args[0]}, {args[1]} : {kind}")

    def _op_neg(self, node: Node, args: list[str]) -> str:
        if node.type == FLOAT:
            return self.op(f"arith.negf {args[0]} : {self.compute}")
        return self.op(f"arith.subi {self.index(0)}, {args[0]} : index")

    def _op_abs(self, node: Node, args: list[str]) -> str:
        if node.type == FLOAT:
            return self.op(f"math.absf {args[0]} : {self.compute}")
        return self.op(f"math.absi {args[0]} : index")

    def _op_not(self, node: Node, args: list[str]) -> str:
        if node.type == BOOL:
            ones, kind = self.constant("true"), "i1"
        else:
            ones, kind = self.index(-1), "index"
        return self.op(f"arith.xori {args[0]}, {ones} : {kind}")

    def _op_select(self, node: Node, args: list[str]) -> str:
        kind = {INDEX: "index", BOOL: "i1", FLOAT: self.compute}[node.type]
        return self.op(f"arith.select {', '.join(args)} : {kind}")

    def _op_cast(self, node: Node, args: list[str]) -> str:
        if node.type == INDEX and self.graph.nodes[node.args[0]].type == FLOAT:
            return self._truncated(args[0])
        if node.type == INDEX:  # from bool
            return self.op(f"arith.index_castui {args[0]} : i1 to index")
        if self.graph.nodes[node.args[0]].type == BOOL:
            one, zero = self.real(1.0), self.real(0.0)
            return self.op(f"arith.select {args[0]}, {one}, {zero} : {self.compute}")
        wide = self.op(f"arith.index_cast {args[0]} : index to i64")
        return self.op(f"arith.sitofp {wide} : i64 to {self.compute}")

    def _truncated(self, x: str) -> str:
        """Towards zero; nan is 0, and what does not fit the nearest that does."""
        known = self.op(f"arith.cmpf ord, {x}, {x} : {self.compute}")
        value = self.op(f"arith.select {known}, {x}, {self.real(0.0)} : {self.compute}")
        for name, limit in (("minimumf", 2.0**62), ("maximumf", -(2.0**62))):
            value = self.op(
                f"arith.{name} {value}, {self.real(limit)} : {self.compute}"
            )
        whole = self.op(f"arith.fptosi {value} : {self.compute} to i64")
        return self.op(f"arith.index_cast {whole} : i64 to index")

    def _op_sigmoid(self, node: Node, args: list[str]) -> str:
        minus = self.op(f"arith.negf {args[0]} : {self.compute}")
        power = self.op(f"math.exp {minus} : {self.compute}")
        one = self.real(1.0)
        total = self.op(f"arith.addf {power}, {one} : {self.compute}")
        return self.op(f"arith.divf {one}, {total} : {self.compute}")

    def _op_floordiv(self, node: Node, args: list[str]) -> str:
        if node.type == FLOAT:
            quotient = self.op(f"arith.divf {args[0]}, {args[1]} : {self.compute}")
            return self.op(f"math.floor {quotient} : {self.compute}")
        return self._quotient(node, args)[0]

    def _op_mod(self, node: Node, args: list[str]) -> str:
        x, y = args
        if node.type == FLOAT:
            floor = self._op_floordiv(node, args)
            product = self.op(f"arith.mulf {floor}, {y} : {self.compute}")
            return self.op(f"arith.subf {x}, {product} : {self.compute}")
        quotient, is_zero = self._quotient(node, args)
        product = self.op(f"arith.muli {quotient}, {y} : index")
        rest = self.op(f"arith.subi {x}, {product} : index")
        if is_zero is None:
            return rest
        zero = self.index(0)
        return self.op(f"arith.select {is_zero}, {zero}, {rest} : index")

    def _quotient(self, node: Node, args: list[str]) -> tuple[str, str | None]:
        """floor(x / y), 0 for y = 0 as in NumPy; and the test for y = 0."""
        x, y = args
        divisor = self.graph.nodes[node.args[1]]
        if divisor.op == "const":
            if constant_value(divisor) == -1:
                return self.op(f"arith.subi {self.index(0)}, {x} : index"), None
            return self.op(f"arith.floordivsi {x}, {y} : index"), None
        # The machine's division traps on 0 and on the least integer by -1.
        zero, one, minus = self.index(0), self.index(1), self.index(-1)
        is_zero = self.op(f"arith.cmpi eq, {y}, {zero} : index")
        is_minus = self.op(f"arith.cmpi eq, {y}, {minus} : index")
        either = self.op(f"arith.ori {is_zero}, {is_minus} : i1")
        safe = self.op(f"arith.select {either}, {one}, {y} : index")
        quotient = self.op(f"arith.floordivsi {x}, {safe} : index")
        negated = self.op(f"arith.subi {zero}, {x} : index")
        chosen = self.op(f"arith.select {is_minus}, {negated}, {quotient} : index")
        result = self.op(f"arith.select {is_zero}, {zero}, {chosen} : index")
        return result, is_zero

    def _compare(self, node: Node) -> str:
        a, b = node.args
        kind = self.graph.nodes[a].type
        if kind == FLOAT:
            x, y = self.operand(a), self.operand(b)
            return self.op(f"arith.cmpf {_ORDERED[node.op]}, {x}, {y} : {self.compute}")
        element = self._common_element(a, b)
        if element is None:
            x, y = self.operand(a), self.operand(b)
            name = "i1" if kind == BOOL else "index"
            return self.op(f"arith.cmpi {_SIGNED[node.op]}, {x}, {y} : {name}")
        table = _UNSIGNED if element == "u8" else _SIGNED
        x, y = (self._narrow(each, element) for each in (a, b))
        return self.op(
            f"arith.cmpi {table[node.op]}, {x}, {y} : {mlir_element(element)}"
        )

    def _element(self, number: int) -> str | None:
        """The element type of a loaded integer, None for other nodes."""
        node = self.graph.nodes[number]
        if node.op != "load" or node.type != INDEX or not node.args:
            return None
        return self.arguments[int(str(node.attr))].element

    def _common_element(self, a: int, b: int) -> str | None:
        """The element type in which both sides can be compared as loaded."""
        x, y = self._element(a), self._element(b)
        if x is not None and y is not None:
            return x if x == y else None
        element, other = (x, b) if x is not None else (y, a)
        node = self.graph.nodes[other]
        if element not in _NARROW or node.op != "const":
            return element if element == "i64" and node.op == "const" else None
        low, high = _NARROW[element]
        return element if low <= constant_value(node) <= high else None

    def _narrow(self, number: int, element: str) -> str:
        node = self.graph.nodes[number]
        if node.op == "load":
            return self._raw[number]
        return self.constant(f"{constant_value(node)} : {mlir_element(element)}")

    # --- loads --------------------------------------------------------------

    def _load(self, node: Node) -> str:
        slot = int(str(node.attr))
        argument = self.arguments[slot]
        if argument.ndim == 0:
            return argument.name
        indices = [
            self._inside(self.operand(arg), slot, axis, self.access[arg, slot, axis])
            for axis, arg in enumerate(node.args)
        ]
        return self.op(
            f"tensor.extract {argument.name}[{', '.join(indices)}] : {argument.type}"
        )

    def _inside(self, index: str, slot: int, axis: int, access: Access) -> str:
        if access == Access.PLAIN:
            return index
        self.extents[slot, axis] = None
        extent, last = extent_names(self.arguments[slot], axis)
        if access == Access.CLAMP:
            return self.op(f"arith.minsi {index}, {last} : index")
        zero = self.index(0)
        negative = self.op(f"arith.cmpi slt, {index}, {zero} : index")
        shifted = self.op(f"arith.addi {index}, {extent} : index")
        wrapped = self.op(f"arith.select {negative}, {shifted}, {index} : index")
        raised = self.op(f"arith.maxsi {wrapped}, {zero} : index")
        return self.op(f"arith.minsi {raised}, {last} : index")

    def _convert(self, number: int) -> str:
        node = self.graph.nodes[number]
        argument = self.arguments[int(str(node.attr))]
        raw, element = self._raw[number], argument.element
        stored = argument.type if argument.ndim == 0 else mlir_element(element)
        if node.type == BOOL:
            zero = self.constant(f"0 : {stored}")
            return self.op(f"arith.cmpi ne, {raw}, {zero} : {stored}")
        if node.type == INDEX:
            if stored == "index":
                return raw
            cast = "index_castui" if element == "u8" else "index_cast"
            return self.op(f"arith.{cast} {raw} : {stored} to index")
        if stored == self.compute:
            return raw
        cast = "truncf" if stored == "f64" else "extf"
        return self.op(f"arith.{cast} {raw} : {stored} to {self.compute}")


def extent_names(argument: Argument, axis: int) -> tuple[str, str]:
    """Names of an extent and of the last index, defined outside the region."""
    return f"{argument.name}_n{axis}", f"{argument.name}_last{axis}"


def _live(graph: Graph, root: int) -> list[int]:
    needed = [False] * len(graph.nodes)
    needed[root] = True
    for number in range(root, -1, -1):
        if needed[number]:
            for arg in graph.nodes[number].args:
                needed[arg] = True
    return [number for number in range(root + 1) if needed[number]]


def emit_region(
    graph: Graph,
    root: int,
    *,
    compute: str,
    arguments: Sequence[Argument],
    variables: Mapping[str, str],
    access: Sequence[Access],
    prefix: str,
) -> Region:
    """The operations that compute `root`, shared values once.

    compute: "f32" or "f64". variables: names of b, h, i, j, s, B, H, L, S.
    """
    emitter = _Emitter(graph, compute, arguments, variables, access, prefix)
    for number in _live(graph, root):
        emitter.emit(number)
    result = emitter.operand(root)
    return Region(tuple(emitter.lines), result, tuple(emitter.extents))

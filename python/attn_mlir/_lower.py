"""From masks, scores and sizes to the text of one `attn.attention` function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ._arrays import Array, element_of_dtype
from ._checks import Attribute
from ._layout import Layout
from .emit import Argument, Region, emit_region, extent_names, float_text
from .masks import Mask
from .ranges import Access
from .scores import Score
from .symbolic import Graph, as_bool, as_float, constant_value, reachable
from .trace import Tracing


@dataclass(frozen=True)
class Problem:
    """What a kernel is specialised to; B and S stay dynamic, and so does L
    unless `queries` says it.

    scale: a constant, None for 1/sqrt(D), or "argument" for a scalar argument.
    """

    layout: Layout
    element: str
    heads: int
    kv_heads: int
    qk_width: int
    v_width: int
    scale: float | str | None
    sinks: bool
    return_lse: bool
    queries: int | None = None

    @property
    def compute(self) -> str:
        """The type of logits, sums and log-sum-exp."""
        return "f64" if self.element == "f64" else "f32"


@dataclass(frozen=True)
class Lowered:
    """A mask or a score: IR attributes, then what is left as a graph."""

    arguments: tuple[Argument, ...]
    attributes: tuple[tuple[str, tuple[int, ...]], ...] = ()
    graph: Graph | None = None
    root: int = 0
    pinned: bool = False  # depends on the shapes of the captured arrays


NOTHING = Lowered(())


def _arguments(arrays: Sequence[Array], prefix: str) -> tuple[Argument, ...]:
    result = []
    for slot, array in enumerate(arrays):
        element = element_of_dtype(array.dtype)
        assert element is not None
        result.append(Argument(f"%{prefix}{slot}", element, array.ndim))
    return tuple(result)


def _attributes(
    attributes: Sequence[Attribute],
    arrays: Sequence[Array],
    arguments: tuple[Argument, ...],
) -> tuple[tuple[tuple[str, tuple[int, ...]], ...], tuple[Argument, ...]]:
    """Attributes with the slots of their operands, and their static sizes."""
    slots = {id(array): slot for slot, array in enumerate(arrays)}
    known = list(arguments)
    result = []
    for text, own, static in attributes:
        places = tuple(slots[id(array)] for array in own)
        for slot, sizes in zip(places, static, strict=False):
            before = known[slot].static or sizes
            merged = (a if b is None else b for a, b in zip(before, sizes, strict=True))
            known[slot] = replace(known[slot], static=tuple(merged))
        result.append((text, places))
    return tuple(result), tuple(known)


def lower_mask(mask: Mask, arrays: Sequence[Array], heads: int) -> Lowered:
    arguments = _arguments(arrays, "mask")
    attributes = mask.attributes()
    if attributes is not None:
        short, arguments = _attributes(attributes, arrays, arguments)
        return Lowered(arguments, short)
    tracing = Tracing(arrays, heads)
    graph = tracing.graph
    keep = as_bool(graph.lift(mask.predicate(tracing.position)))
    node = graph.nodes[keep.node]
    if node.op == "const" and constant_value(node):
        return Lowered(arguments, pinned=tracing.pinned)
    return Lowered(arguments, (), graph, keep.node, tracing.pinned)


def lower_score(score: Score, arrays: Sequence[Array], heads: int) -> Lowered:
    arguments = _arguments(arrays, "score")
    steps = score.steps()
    short: list[Attribute] = []
    while steps and (attribute := steps[0].attribute()) is not None:
        short.append(attribute)
        steps = steps[1:]
    attributes, arguments = _attributes(short, arrays, arguments)
    if not steps:
        return Lowered(arguments, attributes)
    tracing = Tracing(arrays, heads)
    graph = tracing.graph
    start = value = graph.variable("s")
    for step in steps:
        value = step.apply(value, tracing.position)
    result = as_float(graph.lift(value))
    if result.node == start.node:
        return Lowered(arguments, attributes, pinned=tracing.pinned)
    return Lowered(arguments, attributes, graph, result.node, tracing.pinned)


class _Module:
    """The lines of the function, in order."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.lines: list[str] = []
        self._constants: dict[int, str] = {}

    def add(self, line: str) -> None:
        self.lines.append(f"  {line}")

    def constant(self, value: int) -> str:
        name = self._constants.get(value)
        if name is None:
            name = self._constants[value] = f"%c{value}"
            self.add(f"{name} = arith.constant {value} : index")
        return name

    def tensor(self, last: int, element: str, letters: str = "") -> str:
        problem = self.problem
        length = "?" if problem.queries is None else str(problem.queries)
        sizes = {"b": "?", "l": length, "h": str(problem.heads), "d": str(last)}
        names = letters or problem.layout.name
        return f"tensor<{'x'.join(sizes[each] for each in names)}x{element}>"

    def dim(self, name: str, tensor: str, type: str, axis: int) -> None:
        self.add(f"{name} = tensor.dim {tensor}, {self.constant(axis)} : {type}")


def _key_type(module: _Module, last: int) -> str:
    problem = module.problem
    sizes = {"b": "?", "l": "?", "h": str(problem.kv_heads), "d": str(last)}
    names = problem.layout.name
    return f"tensor<{'x'.join(sizes[each] for each in names)}x{problem.element}>"


_USED = ("B", "H", "L", "S")


def _sizes_used(*parts: Lowered) -> set[str]:
    """Sizes that occur in a region (nodes not needed do no harm)."""
    used = set()
    for part in parts:
        if part.graph is not None:
            for number in reachable(part.graph, part.root):
                node = part.graph.nodes[number]
                if node.op == "var" and node.attr in _USED:
                    used.add(str(node.attr))
    return used


def _region(
    part: Lowered, problem: Problem, access: Sequence[Access], score: bool
) -> Region | None:
    if part.graph is None:
        return None
    variables = {name: f"%{name}" for name in "bhijBHLS"}
    variables["s"] = "%s"
    return emit_region(
        part.graph,
        part.root,
        compute=problem.compute,
        arguments=part.arguments,
        variables=variables,
        access=access,
        prefix="x" if score else "m",
    )


def _list(name: str, part: Lowered) -> list[str]:
    if not part.attributes:
        return []
    texts = []
    for text, slots in part.attributes:
        if slots:
            own = [part.arguments[slot] for slot in slots]
            names = ", ".join(each.name for each in own)
            text += f"({names} : {', '.join(each.type for each in own)})"
        texts.append(text)
    return [f"{name}({', '.join(texts)})"]


def _block(name: str, head: str, region: Region | None, type: str) -> list[str]:
    if region is None:
        return []
    lines = [f"{name} {{", f"^bb0({head}):"]
    lines += [f"  {line}" for line in region.lines]
    return [*lines, f"  attn.yield {region.result} : {type}", "}"]


def _extents(module: _Module, part: Lowered, region: Region | None) -> None:
    for slot, axis in region.extents if region is not None else ():
        argument = part.arguments[slot]
        extent, last = extent_names(argument, axis)
        module.dim(extent, argument.name, argument.type, axis)
        module.add(f"{last} = arith.subi {extent}, {module.constant(1)} : index")


def _define_sizes(module: _Module, used: set[str], query: str, key: str) -> None:
    layout = module.problem.layout
    for name, letter, tensor, type in (
        ("B", "b", "%q", query),
        ("L", "l", "%q", query),
        ("S", "l", "%k", key),
    ):
        axis = layout.axis(letter)
        if axis >= 0 and (name != "S" or name in used):
            module.dim(f"%{name}", tensor, type, axis)
        elif name in used:
            module.add(f"%{name} = arith.constant 1 : index")
    if "H" in used:
        module.add(f"%H = arith.constant {module.problem.heads} : index")


def whole_lines(mask: Lowered, queries: int) -> int | None:
    """The number of queries if they lie in a grid that the mask looks at.

    Tiles are patches of the grid only when the compiler knows that the queries
    fill its lines, so such a kernel is compiled for one number of queries.
    """
    if any(text.startswith("#attn.neighborhood") for text, _ in mask.attributes):
        return queries
    graph = mask.graph
    if graph is None:
        return None
    read: list[frozenset[str]] = []
    lines: dict[frozenset[str], set[int]] = {}
    for node in graph.nodes:
        names = frozenset[str]().union(*(read[each] for each in node.args))
        read.append(names | {str(node.attr)} if node.op == "var" else names)
        if node.op == "mod" and graph.nodes[node.args[1]].op == "const":
            divisor = int(constant_value(graph.nodes[node.args[1]]))
            lines.setdefault(names, set()).add(divisor)
    both = lines.get(frozenset("i"), set()) & lines.get(frozenset("j"), set())
    return queries if any(d > 1 and queries % d == 0 for d in both) else None


def emit_module(
    problem: Problem,
    mask: Lowered = NOTHING,
    score: Lowered = NOTHING,
    mask_access: Sequence[Access] = (),
    score_access: Sequence[Access] = (),
) -> str:
    """MLIR text of one public function `attention`.

    Arguments: q, k, v, then scale and sinks if asked for, then the arrays of
    the mask, then those of the score.
    """
    module = _Module(problem)
    layout, compute = problem.layout, problem.compute
    query = module.tensor(problem.qk_width, problem.element)
    key = _key_type(module, problem.qk_width)
    value = _key_type(module, problem.v_width)
    output = module.tensor(problem.v_width, problem.element)
    letters = "".join(each for each in "bhl" if each in layout.name)
    lse = module.tensor(0, compute, letters)
    arguments = [f"%q: {query}", f"%k: {key}", f"%v: {value}"]
    clauses = []
    if problem.scale == "argument":
        arguments.append(f"%scale: {compute}")
        clauses.append(f"scale(%scale : {compute})")
    elif problem.scale is not None:
        clauses.append(f"scale({float_text(float(problem.scale), 'f64')})")
    if problem.sinks:
        sinks = f"tensor<{problem.heads}x{compute}>"
        arguments.append(f"%sinks: {sinks}")
        clauses.append(f"sinks(%sinks : {sinks})")
    for part in (mask, score):
        arguments += [f"{each.name}: {each.type}" for each in part.arguments]
    mask_region = _region(mask, problem, mask_access, score=False)
    score_region = _region(score, problem, score_access, score=True)
    _define_sizes(module, _sizes_used(mask, score), query, key)
    _extents(module, mask, mask_region)
    _extents(module, score, score_region)

    unknown = "bl" if problem.queries is None else "b"
    dynamic = ", ".join(f"%{e.upper()}" for e in layout.name if e in unknown)
    module.add(f"%o = tensor.empty({dynamic}) : {output}")
    outs, types = ["%o"], [output]
    if problem.return_lse:
        sizes = ", ".join(f"%{each.upper()}" for each in letters if each in unknown)
        module.add(f"%l = tensor.empty({sizes}) : {lse}")
        outs.append("%l")
        types.append(lse)
    results = ", ".join(types)
    names = ", ".join(f"%r{n}" for n in range(len(types)))
    module.add(
        f"{names} = attn.attention" if len(types) == 1 else "%r:2 = attn.attention"
    )
    body = [f"ins(%q, %k, %v : {query}, {key}, {value})"]
    body += [f"outs({', '.join(outs)} : {results})", *clauses]
    body += _list("scores", score) + _list("masks", mask)
    indices = "%b: index, %h: index, %i: index, %j: index"
    body += _block("score", f"%s: {compute}, {indices}", score_region, compute)
    body += _block("mask", indices, mask_region, "i1")
    maps = layout.indexing_maps(problem.heads // problem.kv_heads, problem.return_lse)
    if maps is not None:
        body.append(f"attributes {{indexing_maps = [{', '.join(maps)}]}}")
    body.append(f"-> {results}")
    for line in body:
        module.add(f"  {line}")
    returned = "%r0" if len(types) == 1 else "%r#0, %r#1"
    module.add(f"return {returned} : {results}")
    signature = results if len(types) == 1 else f"({results})"
    head = f"func.func @attention({', '.join(arguments)}) -> {signature} {{"
    return "\n".join((head, *module.lines, "}", ""))


def emit_longformer(problem: Problem, window: int, is_global: Argument) -> str:
    """MLIR text of one public function `longformer`.

    Arguments: q, k, v, the three global ones, `is_global`, then scale if asked
    for.
    """
    module = _Module(problem)
    layout, element = problem.layout, problem.element
    query = module.tensor(problem.qk_width, element)
    types = [
        query,
        *(_key_type(module, w) for w in (problem.qk_width, problem.v_width)),
    ]
    output = module.tensor(problem.v_width, element)
    names = ["%q", "%k", "%v", "%q_global", "%k_global", "%v_global", is_global.name]
    types = [*types, *types, is_global.type]
    arguments = [f"{name}: {type}" for name, type in zip(names, types, strict=True)]
    scale = ""
    if problem.scale == "argument":
        arguments.append(f"%scale: {problem.compute}")
        scale = f" scale(%scale : {problem.compute})"
    elif problem.scale is not None:
        scale = f" scale({float_text(float(problem.scale), 'f64')})"
    _define_sizes(module, set(), query, types[1])
    dynamic = ", ".join(f"%{each.upper()}" for each in layout.name if each in "bl")
    module.add(f"%o = tensor.empty({dynamic}) : {output}")
    module.add("%r = attn.longformer")
    module.add(f"  ins({', '.join(names)} : {', '.join(types)})")
    module.add(f"  outs(%o : {output}){scale} window({window})")
    maps = layout.indexing_maps(problem.heads // problem.kv_heads, False)
    if maps is not None:
        module.add(f"  attributes {{indexing_maps = [{', '.join(maps)}]}}")
    module.add(f"  -> {output}")
    module.add(f"return %r : {output}")
    head = f"func.func @longformer({', '.join(arguments)}) -> {output} {{"
    return "\n".join((head, *module.lines, "}", ""))

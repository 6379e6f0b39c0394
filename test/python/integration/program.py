"""Attention programs as IR text, with their inputs and their exact results.

A `Program` is one `attn.attention` in a function: sizes, layout, masks, scores.
It prints itself as MLIR, draws its inputs, evaluates itself with NumPy in
float64 or rounded step by step, and runs through the native module. Nothing
of the package's own text generation or reference is used.
"""

from __future__ import annotations

import ctypes
import math
import mmap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from attn_mlir import _native

Array = np.ndarray[Any, Any]

# Absolute floors of the error rule; those marked relative scale with max|out|.
FLOORS = {
    "f64": (1e-13, True),
    "f32": (1e-6, True),
    "f16": (1e-3, False),
    "bf16": (8e-3, False),
}
STORAGE = {
    "f64": np.float64,
    "f32": np.float32,
    "f16": np.float16,
    "bf16": np.uint16,
}


# ---------------------------------------------------------------------------
# Element types
# ---------------------------------------------------------------------------


def to_bf16(values: Array) -> Array:
    """The bits of `values` rounded to nearest even."""
    wide = np.ascontiguousarray(values, np.float32)
    bits = wide.view(np.uint32)
    even = (bits >> np.uint32(16)) & np.uint32(1)
    rounded = ((bits + np.uint32(0x7FFF) + even) >> np.uint32(16)).astype(np.uint16)
    nan = np.uint16(0x7FC0)
    return np.where(np.isnan(wide), nan, rounded)


def from_bf16(bits: Array) -> Array:
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def store(values: Array, element: str) -> Array:
    with np.errstate(over="ignore"):
        if element == "bf16":
            return to_bf16(values)
        return np.ascontiguousarray(values, STORAGE[element])


def load(stored: Array, element: str) -> Array:
    values = from_bf16(stored) if element == "bf16" else stored
    return np.asarray(values, np.float64)


def rounded(values: Array, element: str | None) -> Array:
    """Values of `element` in the type it computes in; float64 without one."""
    if element in (None, "f64"):
        return np.asarray(values, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        if element == "f32":
            return np.asarray(values, np.float32)
        if element == "f16":
            return np.asarray(values, np.float16).astype(np.float32)
        return from_bf16(to_bf16(np.asarray(values, np.float32)))


# ---------------------------------------------------------------------------
# Masks and scores
# ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Index:
    """The four indices as arrays that broadcast to [B, H, L, S]."""

    b: Array
    h: Array
    i: Array
    j: Array
    sizes: tuple[int, int, int, int]


@dataclass(frozen=True)
class Input:
    """A captured tensor or scalar."""

    name: str
    type: str
    value: Any


@dataclass(frozen=True)
class Mask:
    """Either an attribute or the text of a region; `keep` says what it means."""

    keep: Callable[[Index], Array]
    attribute: str = ""
    region: str = ""
    inputs: tuple[Input, ...] = ()


@dataclass(frozen=True)
class Score:
    apply: Callable[[Array, Index], Array]
    attribute: str = ""
    region: str = ""
    inputs: tuple[Input, ...] = ()


# ---------------------------------------------------------------------------
# Layouts
# ---------------------------------------------------------------------------

LAYOUTS = ("bhld", "blhd", "hld", "ld")


def _order(layout: str) -> str:
    return {"bhld": "bhld", "blhd": "blhd", "hld": "hld", "ld": "ld"}[layout]


def to_layout(values: Array, layout: str) -> Array:
    """[B, H, rows, columns] in the order of the layout."""
    if layout == "blhd":
        return values.transpose(0, 2, 1, 3)
    if layout == "hld":
        return values[0]
    return values[0, 0] if layout == "ld" else values


def from_layout(values: Array, layout: str) -> Array:
    if layout == "blhd":
        return values.transpose(0, 2, 1, 3)
    if layout == "hld":
        return values[None]
    return values[None, None] if layout == "ld" else values


# ---------------------------------------------------------------------------
# Programs
# ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Program:
    B: int = 1
    H: int = 2
    G: int = 0  # key heads; 0: as many as query heads
    L: int = 33
    S: int = -1  # -1: as L
    D: int = 16
    Dv: int = -1  # -1: as D
    element: str = "f32"
    layout: str = "bhld"
    #: Which of "bhlsde" are dynamic in the types.
    dynamic: str = ""
    masks: tuple[Mask, ...] = ()
    scores: tuple[Score, ...] = ()
    sinks: bool = False
    lse: bool = False
    scale: float | None = None
    #: The scale is an argument.
    scale_operand: bool = False
    seed: int = 0
    #: Standard deviation of the logits.
    spread: float = 2.0

    def __post_init__(self) -> None:
        defaults = {"G": self.G or self.H, "S": self.S, "Dv": self.Dv}
        if self.S < 0:
            defaults["S"] = self.L
        if self.Dv < 0:
            defaults["Dv"] = self.D
        if self.layout in ("hld", "ld"):
            defaults["B"] = 1
        if self.layout == "ld":
            defaults["H"] = defaults["G"] = 1
        for name, value in defaults.items():
            object.__setattr__(self, name, value)

    @property
    def compute(self) -> str:
        return "f64" if self.element == "f64" else "f32"

    # -- text ---------------------------------------------------------------

    def _tensor(self, letters: Sequence[tuple[str, int]], element: str) -> str:
        parts = ["?" if k in self.dynamic else str(n) for k, n in letters]
        return f"tensor<{'x'.join([*parts, element])}>"

    def _operand(self, heads: int, rows: str, count: int, columns: str, n: int) -> str:
        letters = {
            "b": ("b", self.B),
            # Groups need static heads.
            "h": ("h" if self.G == self.H else "-", heads),
            "l": (rows, count),
            "d": (columns, n),
        }
        return self._tensor([letters[x] for x in _order(self.layout)], self.element)

    @property
    def types(self) -> tuple[str, str, str, str, str]:
        query = self._operand(self.H, "l", self.L, "d", self.D)
        key = self._operand(self.G, "s", self.S, "d", self.D)
        value = self._operand(self.G, "s", self.S, "e", self.Dv)
        out = self._operand(self.H, "l", self.L, "e", self.Dv)
        letters = {"b": ("b", self.B), "h": ("h", self.H), "l": ("l", self.L)}
        if self.G != self.H:
            letters["h"] = ("-", self.H)
        order = {"bhld": "bhl", "blhd": "bhl", "hld": "hl", "ld": "l"}[self.layout]
        lse = self._tensor([letters[x] for x in order], self.compute)
        return query, key, value, out, lse

    def _maps(self) -> str:
        if self.layout != "blhd":
            return ""
        group = self.H // self.G if self.G else 1
        head = "h" if group == 1 else f"h floordiv {group}"
        results = ["b, m, h, d", f"b, n, {head}, d", f"b, n, {head}, e", "b, m, h, e"]
        if self.lse:
            results.append("b, h, m")
        maps = ", ".join(f"affine_map<(b, h, m, n, d, e) -> ({r})>" for r in results)
        return f" attributes {{indexing_maps = [{maps}]}}"

    def captured(self) -> list[Input]:
        seen: dict[str, Input] = {}
        for each in (*self.scores, *self.masks):
            for one in each.inputs:
                seen[one.name] = one
        return list(seen.values())

    def text(self) -> str:
        query, key, value, out, lse = self.types
        arguments = [f"%q: {query}", f"%k: {key}", f"%v: {value}"]
        if self.scale_operand:
            arguments.append(f"%scale: {self.compute}")
        if self.sinks:
            heads = "?" if "h" in self.dynamic and self.G == self.H else self.H
            arguments.append(f"%sinks: tensor<{heads}x{self.compute}>")
        arguments += [f"%{each.name}: {each.type}" for each in self.captured()]
        results = [out, lse] if self.lse else [out]
        body = self._body(results)
        joined = ", ".join(results)
        return (
            f"func.func @f({', '.join(arguments)}) -> ({joined}) {{\n"
            f"{body}  return {self._returned()} : {joined}\n}}\n"
        )

    def _returned(self) -> str:
        return "%r#0, %r#1" if self.lse else "%r"

    def _init(self, name: str, result: str) -> str:
        """An empty tensor with the result's sizes, from the operands."""
        order = _order(self.layout)
        lines, sizes = [], []
        letters = [x for x in order if x != "d"] if name == "%l" else list(order)
        if name == "%l" and self.layout == "blhd":
            letters = ["b", "h", "l"]
        shape = result[len("tensor<") :].split("x")[:-1]
        for position, (letter, size) in enumerate(zip(letters, shape, strict=True)):
            if size != "?":
                continue
            source = ("%v", 3) if letter == "d" else ("%q", order.index(letter))
            axis = order.index(letter)
            dim = f"{name}_{position}"
            lines.append(f"  {dim}c = arith.constant {axis} : index\n")
            kind = self.types[2] if source[0] == "%v" else self.types[0]
            lines.append(f"  {dim} = tensor.dim {source[0]}, {dim}c : {kind}\n")
            sizes.append(dim)
        lines.append(f"  {name} = tensor.empty({', '.join(sizes)}) : {result}\n")
        return "".join(lines)

    def _body(self, results: list[str]) -> str:
        query, key, value, *_ = self.types
        names = ["%o", "%l"][: len(results)]
        text = "".join(self._init(n, r) for n, r in zip(names, results, strict=True))
        joined = ", ".join(results)
        result = "%r:2" if self.lse else "%r"
        text += (
            f"  {result} = attn.attention ins(%q, %k, %v : {query}, {key}, {value})\n"
            f"      outs({', '.join(names)} : {joined})\n"
        )
        if self.scale_operand:
            text += f"      scale(%scale : {self.compute})\n"
        elif self.scale is not None:
            text += f"      scale({self.scale!r})\n"
        if self.sinks:
            heads = "?" if "h" in self.dynamic and self.G == self.H else self.H
            text += f"      sinks(%sinks : tensor<{heads}x{self.compute}>)\n"
        for word, features in (("scores", self.scores), ("masks", self.masks)):
            attributes = [each.attribute for each in features if each.attribute]
            if attributes:
                text += f"      {word}({', '.join(attributes)})\n"
        for score in self.scores:
            if score.region:
                text += (
                    f"      score {{\n      ^bb0(%s: {self.compute}, %b: index, "
                    f"%h: index, %i: index, %j: index):\n{score.region}\n"
                    f"        attn.yield %t : {self.compute}\n      }}\n"
                )
        for mask in self.masks:
            if mask.region:
                text += (
                    "      mask {\n      ^bb0(%b: index, %h: index, %i: index, "
                    f"%j: index):\n{mask.region}\n"
                    "        attn.yield %keep : i1\n      }\n"
                )
        return f"{text}     {self._maps()} -> {joined}\n"

    # -- values -------------------------------------------------------------

    def draw(self) -> list[Any]:
        """The arguments, in the layout and element type of the program."""
        random = np.random.default_rng(self.seed)
        draw = random.standard_normal
        # Logits scaled by 1/sqrt(D) get the asked spread.
        q = self.spread * draw((self.B, self.H, self.L, self.D))
        k = draw((self.B, self.G, self.S, self.D))
        v = draw((self.B, self.G, self.S, self.Dv))
        arguments: list[Any] = [
            store(to_layout(each, self.layout), self.element) for each in (q, k, v)
        ]
        if self.scale_operand:
            arguments.append(self._scale())
        if self.sinks:
            arguments.append(store(2.0 * draw(self.H), self.compute))
        arguments += [each.value for each in self.captured()]
        return arguments

    def _scale(self) -> float:
        if self.scale is not None:
            return self.scale
        return 1.0 / math.sqrt(max(self.D, 1))

    def index(self) -> Index:
        sizes = (self.B, self.H, self.L, self.S)
        b, h, i, j = np.ogrid[tuple(slice(n) for n in sizes)]
        return Index(b, h, i, j, sizes)

    def evaluate(
        self,
        arguments: Sequence[Any],
        element: str | None = None,
        *,
        scale_first: bool = False,
    ) -> list[Array]:
        """Output and log-sum-exp; with an element every step is rounded to it.

        scale_first: scale the queries instead of the logits, and add products
        one after the other.

        In f64, where nothing can be rounded, the sums run backwards instead.
        """
        q, k, v = (
            rounded(from_layout(load(each, self.element), self.layout), element)
            for each in arguments[:3]
        )
        sinks = arguments[3 + self.scale_operand] if self.sinks else None
        group = self.H // self.G if self.G else 1
        k, v = np.repeat(k, group, axis=1), np.repeat(v, group, axis=1)
        at = self.index()
        with np.errstate(all="ignore"):
            transposed = np.swapaxes(k, -1, -2)
            if element == "f64":
                logits = (q * self._scale())[..., ::-1] @ transposed[..., ::-1, :]
            elif scale_first:
                scaled = rounded(q * q.dtype.type(self._scale()), element)
                logits = np.zeros(at.sizes, q.dtype)
                for d in range(self.D):
                    logits += scaled[..., d : d + 1] * transposed[..., d : d + 1, :]
                logits = rounded(logits, element)
            else:
                logits = rounded(q @ transposed, element)
                logits = rounded(logits * logits.dtype.type(self._scale()), element)
            named = [each for each in self.scores if each.attribute]
            own = [each for each in self.scores if each.region]
            for score in (*named, *own):
                logits = rounded(score.apply(logits, at), element)
            keep = np.broadcast_to(np.True_, at.sizes)
            for mask in self.masks:
                keep = keep & mask.keep(at)
            return self._softmax(np.where(keep, logits, -np.inf), v, sinks, element)

    def _softmax(
        self, x: Array, v: Array, sinks: Array | None, element: str | None
    ) -> list[Array]:
        wide = np.float64 if element in (None, "f64") else np.float32
        x = x.astype(wide)
        sink = np.full((1, self.H, 1, 1), -np.inf, wide)
        if sinks is not None:
            sink = np.asarray(sinks, wide).reshape(1, self.H, 1, 1)
        top = np.maximum(np.max(x, axis=-1, keepdims=True, initial=-np.inf), sink)
        top = np.where(np.isneginf(top), 0, top).astype(wide)
        weight = np.exp(x - top)
        total = weight.sum(axis=-1, keepdims=True) + np.exp(sink - top)
        lse = (np.log(total) + top)[..., 0]
        share = rounded(np.where(total == 0, 0, weight / total), element)
        clean = np.where(np.isfinite(v), v, 0).astype(v.dtype)
        out = rounded(share @ clean, element)
        # A value of weight 0 does not count, not even NaN.
        for b, h, j, e in np.argwhere(~np.isfinite(v)):
            used = ~np.isneginf(x[b, h, :, j])
            out[b, h, used, e] += share[b, h, used, j] * v[b, h, j, e]
        out, lse = np.asarray(out, np.float64), np.asarray(lse, np.float64)
        flat = lse if self.layout in ("bhld", "blhd") else lse[0]
        results = [to_layout(out, self.layout)]
        if self.lse:
            results.append(flat[0] if self.layout == "ld" else flat)
        return results

    def results(self) -> list[tuple[tuple[int, ...], str]]:
        """Shape and element type of each result."""
        out = to_layout(np.empty((self.B, self.H, self.L, self.Dv)), self.layout)
        shapes = [(out.shape, self.element)]
        if self.lse:
            lse = (self.B, self.H, self.L)
            drop = {"hld": 1, "ld": 2}.get(self.layout, 0)
            shapes.append((lse[drop:], self.compute))
        return shapes

    def changed(self, **changes: Any) -> Program:
        return replace(self, **changes)


# ---------------------------------------------------------------------------
# The rule
# ---------------------------------------------------------------------------


def allowed(exact: Array, unfused: Array, element: str) -> float:
    finite = np.isfinite(exact) & np.isfinite(unfused)
    floor, relative = FLOORS[element]
    if relative:
        floor *= float(np.max(np.abs(exact[finite]), initial=0.0))
    worst = float(np.max(np.abs(unfused[finite] - exact[finite]), initial=0.0))
    return 2.0 * worst + floor


def problem(out: Array, exact: Array, unfused: Array, element: str) -> str:
    """Why `out` is not within the rule; empty when it is."""
    if out.shape != exact.shape:
        return f"shape {out.shape}, expected {exact.shape}"
    finite = np.isfinite(exact)
    if not np.array_equal(out[~finite], exact[~finite], equal_nan=True):
        count = int((out[~finite] != exact[~finite]).sum())
        return f"{count} positions are not the expected infinity or NaN"
    if not np.isfinite(out[finite]).all():
        where = np.argwhere(finite & ~np.isfinite(out))
        return f"{len(where)} positions are not finite, first {tuple(where[0])}"
    error = np.where(finite, np.abs(out - np.where(finite, exact, 0)), 0)
    limit = allowed(exact, unfused, element)
    if error.size and error.max() > limit:
        where = np.unravel_index(int(error.argmax()), error.shape)
        place = tuple(int(x) for x in where)
        return f"error {error.max():.3g} at {place}, allowed {limit:.3g}"
    return ""


# ---------------------------------------------------------------------------
# Memory
# ---------------------------------------------------------------------------

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_PAGE = mmap.PAGESIZE


@contextmanager
def guarded(end: str = "back") -> Iterator[Callable[..., Array]]:
    """Gives a function that places arrays against an unreadable page.

    end: which end of the array touches it, "front" or "back".
    """
    regions: list[tuple[mmap.mmap, int, int]] = []

    def place(array: Array, *, read_only: bool = False) -> Array:
        array = np.ascontiguousarray(array)
        size = -(-max(array.nbytes, 1) // _PAGE) * _PAGE
        region = mmap.mmap(-1, size + 2 * _PAGE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(region))
        offset = _PAGE if end == "front" else _PAGE + size - array.nbytes
        raw = np.frombuffer(region, np.uint8, count=array.nbytes, offset=offset)
        result = raw.view(array.dtype).reshape(array.shape)
        result[...] = array
        for guard in (start, start + _PAGE + size):
            assert _libc.mprotect(guard, _PAGE, 0) == 0
        if read_only:
            assert _libc.mprotect(start + _PAGE, size, mmap.PROT_READ) == 0
        regions.append((region, start, size))
        return result

    yield place
    both = mmap.PROT_READ | mmap.PROT_WRITE
    for _, start, size in regions:
        _libc.mprotect(start, size + 2 * _PAGE, both)


# ---------------------------------------------------------------------------
# Running
# ---------------------------------------------------------------------------


def compile_text(text: str, **options: Any) -> _native.Kernel:
    kernel = _native.compile(text, **{"cache": False, **options})
    if isinstance(kernel, list):
        messages = "\n".join(f"{d[1]}:{d[2]}:{d[3]}: {d[4]}" for d in kernel)
        raise AssertionError(f"not compiled: {messages}\n{text}")
    return kernel


def run(
    kernel: _native.Kernel,
    program: Program,
    arguments: Sequence[Any],
    end: str = "back",
) -> list[Array]:
    """Results as float64, from read-only inputs and poisoned outputs, each
    against an unreadable page."""
    with guarded(end) as place:
        inputs = [
            place(each, read_only=True) if isinstance(each, np.ndarray) else each
            for each in arguments
        ]
        outputs = []
        for shape, element in program.results():
            poison = np.empty(shape, STORAGE[element])
            poison.view(np.uint8)[...] = 0xFF  # NaN
            outputs.append(place(poison))
        kernel.call(inputs, outputs)
        copies = [each.copy() for each in outputs]
    elements = [element for _, element in program.results()]
    return [load(each, kind) for each, kind in zip(copies, elements, strict=True)]


def judge(program: Program, arguments: Sequence[Any], outputs: Sequence[Array]) -> str:
    """Why the results break the rule; empty when they do not.

    Of a few elements one unfused program is exact by chance: the worse of two.
    """
    exact = program.evaluate(arguments)
    unfused = [
        program.evaluate(arguments, program.element, scale_first=first)
        for first in (False, True)
    ]
    for number, (out, right, *rough) in enumerate(
        zip(outputs, exact, *unfused, strict=True)
    ):
        limits = [allowed(right, each, program.element) for each in rough]
        found = problem(out, right, rough[int(np.argmax(limits))], program.element)
        if found:
            return f"result {number}: {found}"
    return ""


def check(
    program: Program,
    kernel: _native.Kernel | None = None,
    *,
    arguments: Sequence[Any] | None = None,
    end: str = "back",
    **options: Any,
) -> list[Array]:
    """Compile, run, compare; returns the results."""
    kernel = kernel or compile_text(program.text(), **options)
    arguments = program.draw() if arguments is None else arguments
    outputs = run(kernel, program, arguments, end)
    found = judge(program, arguments, outputs)
    assert not found, f"{found}\n{options}\n{program}\n{program.text()}"
    return outputs

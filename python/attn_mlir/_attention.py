"""`am.attention`: one call, compiled once per kind of problem.

A warm call is one lookup in a dict, checks of the shapes, and the native call.
What a key needs (text, compilation) is made by `_Plan` on the first call.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import _native, cache
from ._arrays import (
    FLOATS,
    Array,
    Framework,
    adopt,
    element_of_dtype,
    framework_of,
    is_array,
    kernel_array,
    may_overlap,
    overlaps,
)
from ._indexcheck import check_indices
from ._kernel import (
    Kernel,
    checked_options,
    compacted,
    native_compile,
    result_dtype,
    run,
)
from ._layout import Layout, layout_of
from ._lower import (
    NOTHING,
    Lowered,
    Problem,
    emit_module,
    lower_mask,
    lower_score,
    whole_lines,
)
from .errors import ArgumentError
from .masks import Mask, as_mask
from .options import Options
from .ranges import Access, accesses
from .scores import Score, as_score

# Up to this many query rows share a key head, features fill the SIMD lanes;
# above, queries do. Few queries also get the smallest block that holds them.
FEW_ROWS = 8
QUERY_BLOCKS = (16, 32)
MAX_ELEMENTS = 1 << 40
_MAX_VARIANTS = 4096

Sizes = tuple[int, int, int, int]  # B, H, L, S


def size_class_of(rows: int, queries: int) -> int:
    """Which kernel serves a call: 0, 1 small blocks, 2 any; 3.. few rows."""
    if rows <= FEW_ROWS:
        return 3 + max(queries - 1, 0).bit_length()
    return 0 if queries <= QUERY_BLOCKS[0] else 1 if queries <= QUERY_BLOCKS[1] else 2


def class_options(options: Options, size_class: int) -> Options:
    schedule, block = options.schedule, options.block_queries
    few = size_class >= 3
    if schedule == "auto":
        schedule = "lanes-features" if few else "lanes-queries"
    if block == 0 and few and schedule == "lanes-features":
        block = 1 << (size_class - 3)
    elif block == 0 and size_class < len(QUERY_BLOCKS):
        block = QUERY_BLOCKS[size_class]
    return Options(
        block_queries=block,
        block_keys=options.block_keys,
        blocks_per_task=options.blocks_per_task,
        schedule=schedule,
        opt_level=options.opt_level,
    )


class _Plan:
    """The kernels of one key: by sizes, and by what the accesses need."""

    def __init__(self, problem: Problem, options: Options, size_class: int) -> None:
        self.problem = problem
        self.options = class_options(options, size_class)
        self.check_indices = options.check_indices
        # Without a mask and a score one kernel serves all sizes.
        self.kernel: _native.Kernel | None = None
        self.by_sizes: dict[Any, _native.Kernel] = {}
        self._by_access: dict[Any, _native.Kernel] = {}
        self._lowered: tuple[Lowered, Lowered] | None = None
        self._makers: dict[Framework, Callable[[int, tuple[int, ...]], Array]] = {}

    def maker(self, framework: Framework) -> Callable[[int, tuple[int, ...]], Array]:
        found = self._makers.get(framework)
        if found is None:
            elements = (self.problem.element, self.problem.compute)
            dtypes = [result_dtype(framework, each) for each in elements]
            empty = framework.empty

            def found(number: int, shape: tuple[int, ...]) -> Array:
                return empty(shape, dtypes[number])

            self._makers[framework] = found
        return found

    def prepare(
        self,
        sizes: Sizes,
        mask: Mask | None,
        mask_arrays: Sequence[Array],
        score: Score | None,
        score_arrays: Sequence[Array],
    ) -> _native.Kernel:
        """The kernel for these sizes and arrays, compiled if need be."""
        kernel = self._compile(
            *self._lower(mask, mask_arrays, score, score_arrays),
            sizes,
            mask_arrays,
            score_arrays,
        )
        if mask is None and score is None:
            self.kernel = kernel
        return kernel

    def _lower(
        self,
        mask: Mask | None,
        mask_arrays: Sequence[Array],
        score: Score | None,
        score_arrays: Sequence[Array],
    ) -> tuple[Lowered, Lowered]:
        lowered = self._lowered
        if lowered is None:
            heads = self.problem.heads
            lowered = (
                NOTHING if mask is None else lower_mask(mask, mask_arrays, heads),
                NOTHING if score is None else lower_score(score, score_arrays, heads),
            )
            if not (lowered[0].pinned or lowered[1].pinned):
                self._lowered = lowered
        return lowered

    def _compile(
        self,
        mask: Lowered,
        score: Lowered,
        sizes: Sizes,
        mask_arrays: Sequence[Array],
        score_arrays: Sequence[Array],
    ) -> _native.Kernel:
        named = dict(zip("BHLS", sizes, strict=True))
        access: list[tuple[Access, ...]] = []
        for part, arrays in ((mask, mask_arrays), (score, score_arrays)):
            shapes = [tuple(each.shape) for each in arrays]
            graph = part.graph
            access.append(() if graph is None else accesses(graph, named, shapes))
        queries = whole_lines(mask, sizes[2])
        key: Any = (queries, *access)
        if mask.pinned or score.pinned:
            graphs = [p.graph.key() if p.graph else None for p in (mask, score)]
            key = (key, *graphs)
        kernel = self._by_access.get(key)
        if kernel is None:
            problem = dataclasses.replace(self.problem, queries=queries)
            text = emit_module(problem, mask, score, *access)
            kernel = native_compile(
                text,
                file_name="<attention>",
                options=self.options,
                cached=cache.plans.enabled,
            )
            self._by_access[key] = kernel
        return kernel


def _fail_rank(name: str, array: Array, layout: Layout) -> None:
    if len(array.shape) != layout.rank:
        letters = ", ".join(layout.name.upper())
        raise ArgumentError(
            f"argument '{name}' expects rank {layout.rank} ([{letters}], layout "
            f"'{layout.name}'), but got shape {tuple(array.shape)}"
        )


def problem_sizes(
    layout: Layout, q: Array, k: Array, v: Array
) -> tuple[int, int, int, int, int, int, int]:
    """B, H, G, L, S, D, Dv, checked."""
    for name, array in (("q", q), ("k", k), ("v", v)):
        _fail_rank(name, array, layout)

    def size(array: Array, letter: str) -> int:
        axis = layout.axis(letter)
        return 1 if axis < 0 else int(array.shape[axis])

    def equal(name: str, letter: str, wanted: int, of: str) -> None:
        array = k if name == "k" else v
        got = size(array, letter)
        if got != wanted:
            upper = "S" if letter == "l" else letter.upper()
            raise ArgumentError(
                f"argument '{name}' expects size {upper} = {wanted} in dimension "
                f"{layout.axis(letter)} as '{of}' has, but got {got} (shape "
                f"{tuple(array.shape)})"
            )

    B, H, L, D = (size(q, letter) for letter in "bhld")
    G, S, Dv = size(k, "h"), size(k, "l"), size(v, "d")
    equal("k", "b", B, "q")
    equal("v", "b", B, "q")
    equal("k", "d", D, "q")
    equal("v", "h", G, "k")
    equal("v", "l", S, "k")
    if (H % G if G else H) != 0:
        raise ArgumentError(
            f"argument 'q' expects a number of heads that is a multiple of the {G} "
            f"key heads, but got {H}"
        )
    largest = max(B * H * L * max(D, Dv, 1), B * G * S * max(D, Dv, 1))
    if largest > MAX_ELEMENTS:
        raise ArgumentError(
            f"a tensor expects at most 2^40 elements, but got {largest}"
        )
    return B, H, G, L, S, D, Dv


def common_element(q: Array, k: Array, v: Array) -> str:
    element = element_of_dtype(q.dtype)
    if element not in FLOATS:
        raise ArgumentError(
            "argument 'q' expects dtype float64, float32, float16 or bfloat16, "
            f"but got {q.dtype}"
        )
    for name, array in (("k", k), ("v", v)):
        if element_of_dtype(array.dtype) != element:
            raise ArgumentError(
                f"argument '{name}' expects the dtype of 'q' ({q.dtype}), but got "
                f"{array.dtype}"
            )
    return element


def scale_key_of(scale: object) -> tuple[float | str | None, Any]:
    """What is compiled in, and the argument to pass."""
    if scale is None:
        return None, None
    if is_array(scale):
        array = adopt("scale", scale)
        if array.ndim != 0 or element_of_dtype(array.dtype) not in FLOATS:
            raise ArgumentError(
                "argument 'scale' expects a number or a 0-d float array, but got "
                f"shape {tuple(array.shape)} of {array.dtype}"
            )
        return "argument", float(array)
    if isinstance(scale, (bool, np.bool_)) or not isinstance(
        scale, (int, float, np.integer, np.floating)
    ):
        raise ArgumentError(
            f"argument 'scale' expects a number, but got {type(scale).__name__}"
        )
    number = float(scale)
    if not np.isfinite(number):
        raise ArgumentError(
            f"argument 'scale' expects a finite number, but got {number}"
        )
    return number, None


def _sinks(sinks: object, heads: int, compute: str) -> Array:
    array = adopt("sinks", sinks)
    element = element_of_dtype(array.dtype)
    if element not in FLOATS or tuple(array.shape) != (heads,):
        raise ArgumentError(
            f"argument 'sinks' expects a float array [H] = [{heads}], but got "
            f"shape {tuple(array.shape)} of {array.dtype}"
        )
    if element == compute:
        return array
    wide = np.float64 if compute == "f64" else np.float32
    plain = array.detach().double().numpy() if hasattr(array, "detach") else array
    return np.ascontiguousarray(plain.astype(wide))


def _scalar_or_array(array: Array) -> Any:
    if array.ndim == 0:
        element = element_of_dtype(array.dtype)
        return float(array) if element in FLOATS else int(array)
    return kernel_array("captured array", array)


class _Call:
    """One call's arguments, checked, and the plan that serves them."""

    __slots__ = (
        "framework",
        "inputs",
        "kernel",
        "layout",
        "mask",
        "mask_arrays",
        "plan",
        "score",
        "score_arrays",
        "sizes",
    )

    def __init__(
        self,
        q: Any,
        k: Any,
        v: Any,
        scale: object,
        mask: object,
        score: object,
        sinks: object,
        layout: str,
        return_lse: bool,
        options: Options | None,
    ) -> None:
        if options is not None:
            checked_options(options)
        self.framework = framework_of(q)
        if type(q) is not np.ndarray:
            q = adopt("q", q)
        if type(k) is not np.ndarray:
            k = adopt("k", k)
        if type(v) is not np.ndarray:
            v = adopt("v", v)
        self.layout = layout_of(layout)
        self.mask = self.score = None
        self.mask_arrays: tuple[Array, ...] = ()
        self.score_arrays: tuple[Array, ...] = ()
        mask_key = score_key = scale_key = None
        if mask is not None:
            self.mask = mask if isinstance(mask, Mask) else as_mask("mask", mask)
            mask_key, self.mask_arrays = self.mask.signature()
        if score is not None:
            self.score = score if isinstance(score, Score) else as_score("score", score)
            score_key, self.score_arrays = self.score.signature()
        self.inputs = [q, k, v]
        if scale is not None:
            scale_key, argument = scale_key_of(scale)
            if argument is not None:
                self.inputs.append(argument)
        B, H, G, L, S, D, Dv = _fast_sizes(layout, q, k, v) or problem_sizes(
            self.layout, q, k, v
        )
        self.sizes = (B, H, L, S)
        size_class = size_class_of(L * (H // G) if G else L, L)
        key = (
            *(layout, q.dtype, k.dtype, v.dtype, H, G, D, Dv, size_class),
            *(mask_key, score_key, scale_key, sinks is None, return_lse, options),
        )
        plan = cache.plans.get(key)
        if plan is None:
            element = common_element(q, k, v)
            if scale_key is None and D == 0:
                scale_key = 1.0  # the logits are 0 whatever it is
            problem = Problem(
                self.layout,
                element,
                H,
                G,
                D,
                Dv,
                scale_key,
                sinks is not None,
                return_lse,
            )
            plan = _Plan(problem, checked_options(options), size_class)
            cache.plans.put(key, plan)
        self.plan: _Plan = plan
        if sinks is not None:
            self.inputs.append(_sinks(sinks, H, plan.problem.compute))
        self.kernel = plan.kernel
        if self.kernel is None:
            self._find_kernel()

    def _find_kernel(self) -> None:
        """With a mask or a score the sizes decide, and arrays are bound."""
        arrays = (*self.mask_arrays, *self.score_arrays)
        key = (self.sizes, *[each.shape for each in arrays])
        plan = self.plan
        self.kernel = plan.by_sizes.get(key)
        if self.kernel is None:
            self._check_fit(arrays)
            if not self.is_empty:
                self.kernel = plan.prepare(
                    self.sizes,
                    self.mask,
                    self.mask_arrays,
                    self.score,
                    self.score_arrays,
                )
                if len(plan.by_sizes) >= _MAX_VARIANTS:
                    plan.by_sizes.clear()
                plan.by_sizes[key] = self.kernel
        self.inputs += [_scalar_or_array(each) for each in arrays]
        if plan.check_indices:
            check_indices(
                self.mask, self.mask_arrays, self.score, self.score_arrays, self.sizes
            )

    def _check_fit(self, arrays: Sequence[Array]) -> None:
        for part in (self.mask, self.score):
            if part is not None:
                part.check(*self.sizes)
        if not self.is_empty:
            for each in arrays:
                if 0 in each.shape:
                    raise ArgumentError(
                        "a captured array expects elements, but got shape "
                        f"{tuple(each.shape)}"
                    )

    @property
    def is_empty(self) -> bool:
        """Whether no query has a key."""
        return 0 in self.sizes


def _fast_sizes(
    layout: str, q: Array, k: Array, v: Array
) -> tuple[int, int, int, int, int, int, int] | None:
    """The sizes of the default layout when everything fits, else None."""
    if layout != "bhld":
        return None
    try:
        B, H, L, D = q.shape
        B1, G, S, D1 = k.shape
        B2, G2, S2, Dv = v.shape
    except ValueError:
        return None
    if (B1, D1, B2, G2, S2) != (B, D, B, G, S) or G == 0 or H % G:
        return None
    if B * (H * L + G * S) * (D + Dv) > MAX_ELEMENTS:
        return None
    return B, H, G, L, S, D, Dv


def attention(
    q: Array,
    k: Array,
    v: Array,
    *,
    scale: float | Array | None = None,
    mask: object = None,
    score: object = None,
    sinks: Array | None = None,
    layout: str = "bhld",
    out: Array | None = None,
    return_lse: bool = False,
    options: Options | None = None,
) -> Any:
    """Softmax attention: `softmax(score(scale q k^T) where mask) v`.

    q: [B, H, L, D]; k: [B, G, S, D]; v: [B, G, S, Dv], H a multiple of G;
        f64, f32, f16 or bf16, of NumPy, torch or anything with DLPack.
    scale: a number (compiled in) or a 0-d array; default 1/sqrt(D).
    mask: a mask object, a callable (b, h, i, j) -> bool, or a bool array that
        broadcasts to [B, H, L, S]; True = may attend.
    score: a score object, a callable (s, b, h, i, j) -> s, or a float array
        added to the logits; applied after the scale, before the mask.
    sinks: float [H], logits that join the normaliser without a value.
    layout: "bhld", "blhd", "hld", "lhd" or "bld".
    out: where to put the result; must not overlap an input.
    return_lse: also return the log-sum-exp [B, H, L] in f32 (f64 for f64), -inf
        for rows without keys, sinks included.

    Returns an array of q's framework; rows without keys are 0.
    """
    call = _Call(q, k, v, scale, mask, score, sinks, layout, return_lse, options)
    kernel, framework = call.kernel, call.framework
    if out is not None:
        return _into(call, out, return_lse)
    if kernel is None:
        results = _without_pairs(call)
    else:
        results = run(kernel, call.inputs, call.plan.maker(framework))
    if framework.finish is not None:
        results = [framework.finish(each) for each in results]
    return (results[0], results[1]) if return_lse else results[0]


def _without_pairs(call: _Call) -> list[Any]:
    """Results when no query has a key, without reading captured arrays."""
    B, H, L, _ = call.sizes
    problem, layout = call.plan.problem, call.layout
    make = call.plan.maker(call.framework)
    out = make(0, layout.shape(B, H, L, problem.v_width))
    out[...] = 0
    if not problem.return_lse:
        return [out]
    lse = make(1, layout.lse_shape(B, H, L))
    lse[...] = -np.inf
    if problem.sinks and 0 not in lse.shape:
        column = call.inputs[-1 - len(call.mask_arrays) - len(call.score_arrays)]
        lse[...] = column[:, None] if "h" in layout.name else column
    return [out, lse]


def _check_out(call: _Call, out: Any) -> Array:
    array = adopt("out", out)
    B, H, L, _ = call.sizes
    problem = call.plan.problem
    shape = call.layout.shape(B, H, L, problem.v_width)
    if tuple(array.shape) != shape:
        raise ArgumentError(
            f"argument 'out' expects shape {shape}, but got {tuple(array.shape)}"
        )
    if element_of_dtype(array.dtype) != problem.element:
        raise ArgumentError(
            f"argument 'out' expects the dtype of 'q' ({call.inputs[0].dtype}), "
            f"but got {array.dtype}"
        )
    if isinstance(array, np.ndarray) and not array.flags.writeable:
        raise ArgumentError(
            "argument 'out' expects a writable array, but got a read-only one"
        )
    names = ("'q'", "'k'", "'v'")
    for n, each in enumerate(call.inputs):
        if is_array(each) and overlaps(array, each):
            name = names[n] if n < len(names) else "another input"
            raise ArgumentError(
                f"argument 'out' expects memory of its own, but it overlaps {name}"
            )
    return array


def _into(call: _Call, out: Any, return_lse: bool) -> Any:
    target, kernel = _check_out(call, out), call.kernel
    make = call.plan.maker(call.framework)
    # Arrays interleaved with an input are no overlap, but kernels compare
    # address ranges.
    indirect = _native.needs_copy(target) or any(
        is_array(each) and may_overlap(target, each) for each in call.inputs
    )
    if kernel is None or indirect:
        if kernel is None:
            results = _without_pairs(call)
        else:
            results = run(kernel, call.inputs, make)
        target[...] = results[0]
        return (out, results[1]) if return_lse else out
    outputs = [target]
    if return_lse:
        B, H, L, _ = call.sizes
        outputs.append(make(1, call.layout.lse_shape(B, H, L)))
    kernel.call(compacted(call.inputs) or call.inputs, outputs)
    return (out, outputs[1]) if return_lse else out


def explain(
    q: Array,
    k: Array,
    v: Array,
    *,
    scale: float | Array | None = None,
    mask: object = None,
    score: object = None,
    sinks: Array | None = None,
    layout: str = "bhld",
    return_lse: bool = False,
    options: Options | None = None,
) -> str:
    """What `am.attention` does for these arguments, as text."""
    call = _Call(q, k, v, scale, mask, score, sinks, layout, return_lse, options)
    B, H, L, S = call.sizes
    problem = call.plan.problem
    chosen = call.plan.options
    lines = [
        f"attention of {L} queries and {S} keys, batch {B}, {H} heads over "
        f"{problem.kv_heads}, widths {problem.qk_width} and {problem.v_width}, "
        f"{problem.element}, layout '{problem.layout.name}'",
        f"kernel: schedule {chosen.schedule}, block_queries "
        f"{chosen.block_queries or 'by cost'}, block_keys "
        f"{chosen.block_keys or 'by cost'}; serves every batch and length of its class",
    ]
    for name, each in zip(("q", "k", "v"), call.inputs, strict=False):
        if _native.needs_copy(each):
            lines.append(f"copy: '{name}' has an innermost stride other than 1")
    if call.kernel is None:
        lines.append("no query has a key: the result is 0 without a kernel")
        return "\n".join(lines)
    kernel = Kernel(call.kernel)
    total = kernel.timings.get("total")
    if total is not None:
        lines.append(f"compiled in {total:.1f} ms for {kernel.target}")
    lines += [str(each) for each in kernel.remarks]
    lines += [f"warning: {each.message}" for each in kernel.warnings]
    return "\n".join(lines)

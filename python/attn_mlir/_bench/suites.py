"""What is measured, with the figure each case must and should reach."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

import attn_mlir as am

from .. import _native
from .cases import BF16, Problem
from .masksuites import MASK_SUITES
from .measure import CLOCKS, Action, Spread, optional, resident, threads_set
from .rows import Row, Settings, WrongResult, describe, measure


def _peak_row(
    suite: str, problem: Problem, settings: Settings, must: float, aim: float
) -> Row:
    with threads_set(1):
        _, extra = measure(settings.fit(problem), settings)
    value = extra["peak_fraction"]
    return Row(suite, problem.name, "of FMA peak", value, must, aim, extra=extra)


def _heads(length: int) -> int:
    """Enough work for the clock, not more than the patience of a reader."""
    return max(4096 // length, 1)


def dense(settings: Settings) -> Iterator[Row]:
    must = 0.85 if _native.host_info()["fma_per_cycle"] == 1 else 0.80
    for width in (64, 128):
        for length in (1024, 2048, 4096, 8192):
            problem = Problem(length, width, _heads(length))
            yield _peak_row("dense", problem, settings, must, 0.90)


def causal(settings: Settings) -> Iterator[Row]:
    for length in (1024, 2048, 4096, 8192):
        problem = Problem(length, 64, _heads(length), causal=True)
        must = 0.80 if length >= 4096 else 0.74
        yield _peak_row("causal", problem, settings, must, 0.85)


def odd(settings: Settings) -> Iterator[Row]:
    """Sizes that are no multiple of a tile."""
    for length, width in ((1024, 80), (1024, 96), (1024, 40), (1000, 64)):
        problem = Problem(length, width, 4)
        yield _peak_row("odd", problem, settings, 0.70, 0.85)


def torch(settings: Settings) -> Iterator[Row]:
    """Faster in every case, and by how much on average."""
    ratios = []
    sizes = ((8, 512, 64), (8, 2048, 64), (8, 4096, 64), (4, 2048, 128), (4, 8192, 128))
    for heads, length, width in sizes:
        for masked in (False, True):
            problem = Problem(length, width, heads, causal=masked)
            peers: tuple[str, ...] = ("torch", "onnxruntime")
            # All logits at once: too long and too large beyond this.
            if settings.numpy and length <= 2048:
                peers = (*peers, "numpy")
            with threads_set(1):
                _, extra = measure(settings.fit(problem), settings, peers)
            ratio = extra.get("torch_ratio")
            if ratio is not None:
                ratios.append(ratio)
            yield Row("torch", problem.name, "x torch", ratio, 1.0, 1.6, extra=extra)
    mean = statistics.geometric_mean(ratios) if ratios else None
    extra = {"torch_ratio": mean}
    yield Row("torch", "geometric mean", "x torch", mean, 1.3, 1.6, extra=extra)


def window(settings: Settings) -> Iterator[Row]:
    full = settings.fit(Problem(4096, 64, 4))
    problem = Problem(4096, 64, 4, causal=True, window=256)
    fitted = settings.fit(problem)
    with threads_set(1):
        others = {"dense": full.ours()}
        rounds, extra = measure(fitted, settings, others=others)
    part = rounds.ratio("ours", "dense").median
    yield Row(
        "window", problem.name, "of own dense", part, 0.12, 0.08, True, extra=extra
    )


def bf16(settings: Settings) -> Iterator[Row]:
    """Compared with own f32; required only where the dot product pays."""
    pays = _native.host_info()["has_bf16_dot"]
    for width in (64, 128):
        for masked in (False, True):
            problem = Problem(4096, width, causal=masked, dtype=BF16)
            fitted = settings.fit(problem)
            others = {"f32": replace(fitted, dtype="f32").ours()}
            with threads_set(1):
                _, extra = measure(fitted, settings, ("torch",), others=others)
            must, aim = (1.65, 1.9) if pays and not masked else (None, None)
            yield Row(
                "bf16", problem.name, "x own f32", extra["f32_ratio"], must, aim,
                dtype=BF16, extra=extra,
            )  # fmt: skip


def threads(settings: Settings) -> Iterator[Row]:
    """Two threads against one, in turns."""
    import os

    enough = len(os.sched_getaffinity(0)) >= 2
    for masked in (False, True):
        problem = Problem(2048, 64, 8, causal=masked)
        if not enough:
            yield Row(
                "threads", problem.name, "x one thread", None, 1.8, 1.95, threads=2
            )
            continue
        run = settings.fit(problem).ours()

        def alone(action: Action = run) -> None:
            am.set_num_threads(1)
            action()
            am.set_num_threads(2)

        with threads_set(2):
            _, extra = measure(
                settings.fit(problem), settings, ("torch",), 2, {"one": alone}
            )
        yield Row(
            "threads", problem.name, "x one thread", extra["one_ratio"], 1.8, 1.95,
            threads=2, extra=extra,
        )  # fmt: skip


def decode(settings: Settings) -> Iterator[Row]:
    """One query: bound by reading K and V."""
    problem = Problem(1, 128, 32, keys=4096, key_heads=8)
    fitted = settings.fit(problem)
    rates: list[float] = []

    # From memory, as keys and values come once a peer has run in between: a
    # buffer of their size read over and over would come from the cache. Longer
    # than what counts as short: one reading for each round.
    def read() -> None:
        rates.append(_native.read_bandwidth(max(fitted.key_bytes, 1 << 28), 0.02))

    with threads_set(1):
        rounds, extra = measure(fitted, settings, ("torch",), others={"read": read})
    del extra["read_ms"], extra["read_ratio"], extra["read_ratio_range"]
    # The first two readings are those of the warm-up.
    pairs = zip(rounds.samples["ours"], rates[2:], strict=True)
    part = Spread.of([fitted.key_bytes / time / rate for time, rate in pairs]).median
    extra["read_gbs"] = statistics.median(rates) / 1e9
    yield Row("decode", problem.name, "of read bandwidth", part, 0.6, 0.85, extra=extra)
    ratio = extra.get("torch_ratio")
    yield Row("decode", problem.name, "x torch", ratio, 2.0, None)


def _jit_source(causal_mask: bool, dynamic: bool) -> str:
    length = "?" if dynamic else "1024"
    tensor = f"tensor<1x8x{length}x64xf32>"
    masks = "masks(#attn.causal)" if causal_mask else ""
    init = "%init = tensor.empty() : " + tensor
    if dynamic:
        init = f"""%two = arith.constant 2 : index
  %length = tensor.dim %q, %two : {tensor}
  %init = tensor.empty(%length) : {tensor}"""
    return f"""func.func @f(%q: {tensor}, %k: {tensor}, %v: {tensor}) -> {tensor} {{
  {init}
  %out = attn.attention ins(%q, %k, %v : {tensor}, {tensor}, {tensor})
    outs(%init : {tensor}) {masks} -> {tensor}
  return %out : {tensor}
}}"""


def jit(settings: Settings) -> Iterator[Row]:
    """IR text to callable, nothing cached; the first one of the process
    (tables, the linker) is left out."""
    now = CLOCKS["wall"]
    for masked in (False, True):
        for dynamic in (False, True):
            source = _jit_source(masked, dynamic)
            times, parts = [], []
            for _ in range(9 if settings.shrink == 1 else 2):
                start = now()
                kernel = _native.compile(source, cache=False)
                times.append((now() - start) * 1e3)
                if isinstance(kernel, list):
                    raise WrongResult(f"the JIT case does not compile: {kernel}")
                parts.append(kernel.timings)
            spread = Spread.of(times[1:])
            extra = {
                "ours_ms": spread.median,
                "spread": describe(spread),
                "parts_ms": {
                    key: round(statistics.median(part[key] for part in parts[1:]), 2)
                    for key in parts[0]
                },
            }
            name = ("causal" if masked else "dense") + (
                ", dynamic lengths" if dynamic else ", static"
            )
            yield Row("jit", name, "ms", spread.median, 80, 40, True, extra=extra)


def overhead(settings: Settings) -> Iterator[Row]:
    """A whole warm call on one query and one key: all of it is overhead, to
    within the fraction of a microsecond that the kernel takes."""
    libraries: dict[str, Any] = {"numpy": np.asarray}
    module = optional("torch")
    if module is not None:
        libraries["torch"] = module.from_numpy
    calls = 2000 // settings.shrink
    for name, convert in libraries.items():
        q, k, v = (convert(x) for x in Problem(1, 16).arrays())
        am.attention(q, k, v)
        with threads_set(1):
            times = []
            for _ in range(7):
                start = CLOCKS[settings.clock]()
                for _ in range(calls):
                    am.attention(q, k, v)
                times.append((CLOCKS[settings.clock]() - start) / calls * 1e6)
        spread = Spread.of(times)
        extra = {"ours_ms": spread.median / 1e3, "spread": describe(spread)}
        yield Row(
            "overhead", f"warm call, {name}", "us", spread.median, 20, 5, True,
            extra=extra,
        )  # fmt: skip


def memory(settings: Settings) -> Iterator[Row]:
    """Growth of the process's largest resident size during a call."""
    for count in (1, 2):
        for length in (2048, 8192):
            problem = settings.fit(Problem(length, 64, 2))
            value: float | None = None
            with threads_set(count):
                run = problem.ours()
                run()
                try:
                    with open("/proc/self/clear_refs", "w") as file:
                        file.write("5")
                    before = resident("VmRSS")
                    run()
                    value = max(resident("VmHWM") - before, 0) / 1024
                except OSError:
                    pass
            logits = problem.heads * problem.pairs * 4 / 1024
            # A tile is far below this; the logits are far above it.
            yield Row(
                "memory", problem.name, "KiB", value, 1024.0 * count, 256.0 * count,
                True, threads=count, extra={"logits_kib": logits},
            )  # fmt: skip


_DENSE: dict[str, Callable[[Settings], Iterator[Row]]] = {
    "dense": dense,
    "causal": causal,
    "odd": odd,
    "torch": torch,
    "window": window,
    "bf16": bf16,
    "threads": threads,
    "decode": decode,
    "jit": jit,
    "overhead": overhead,
    "memory": memory,
}

SUITES = _DENSE | MASK_SUITES
# What --suite takes beside the names of suites.
GROUPS = {"kernels": list(_DENSE), "masks": list(MASK_SUITES)}

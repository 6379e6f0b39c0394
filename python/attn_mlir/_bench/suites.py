"""What is measured, with the figure each case must and should reach."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import attn_mlir as am

from .. import _native
from .cases import BF16, Problem
from .measure import (
    CLOCKS,
    Action,
    Neighbours,
    Rounds,
    Spread,
    optional,
    take_turns,
    threads_set,
)


@dataclass
class Settings:
    """How long, how large, by which clock."""

    seconds: float = 1.0
    clock: str = "wall"
    # Divides every length: for trying out the benchmark itself.
    shrink: int = 1
    numpy: bool = True

    def fit(self, problem: Problem) -> Problem:
        if self.shrink == 1:
            return problem
        return replace(
            problem,
            queries=max(problem.queries // self.shrink, 1),
            keys=problem.keys // self.shrink,
            window=max(problem.window // self.shrink, 1) if problem.window else 0,
        )


@dataclass
class Row:
    """One line of the report. `value` is what must and aim speak of."""

    suite: str
    case: str
    metric: str
    value: float | None
    must: float | None = None
    aim: float | None = None
    lower_is_better: bool = False
    dtype: str = "f32"
    threads: int = 1
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        if self.must is None:
            return "-"
        sign = -1 if self.lower_is_better else 1
        if self.aim is not None and sign * self.value >= sign * self.aim:
            return "aim"
        return "must" if sign * self.value >= sign * self.must else "missed"

    def as_json(self) -> dict[str, Any]:
        own = {
            "suite": self.suite,
            "case": self.case,
            "dtype": self.dtype,
            "threads": self.threads,
            "metric": self.metric,
            "value": self.value,
            "must": self.must,
            "aim": self.aim,
            "verdict": self.verdict,
        }
        return own | self.extra


def _describe(spread: Spread) -> str:
    return f"±{spread.relative:.1%}"


def _common(
    problem: Problem,
    rounds: Rounds,
    neighbours: Neighbours,
    checked: tuple[float, float],
) -> dict[str, Any]:
    ours = rounds.spread("ours")
    fraction = rounds.fraction("ours", problem.operations)
    extra: dict[str, Any] = {
        "ours_ms": ours.median * 1e3,
        "spread": _describe(ours),
        "min_ms": ours.minimum * 1e3,
        "max_ms": ours.maximum * 1e3,
        "peak_fraction": fraction.median,
        "gflops": problem.operations / ours.median / 1e9,
        "rounds": len(rounds.peaks),
        "error": checked[0],
        "allowed": checked[1],
        "others": round(neighbours.processors(), 2),
    }
    for name in rounds.samples:
        if name == "ours":
            continue
        ratio = rounds.ratio(name, "ours")
        extra[f"{name}_ms"] = rounds.spread(name).median * 1e3
        extra[f"{name}_ratio"] = ratio.median
        extra[f"{name}_ratio_range"] = [ratio.low, ratio.high]
    return extra


class WrongResult(Exception):
    """A case whose result is not within its allowed error."""


def _check(problem: Problem) -> tuple[float, float]:
    error, allowed = problem.check()
    if not error <= allowed:
        raise WrongResult(
            f"{problem.name}, {problem.dtype}: error {error:.3g}, allowed {allowed:.3g}"
        )
    return error, allowed


def _measure(
    problem: Problem,
    settings: Settings,
    peers: tuple[str, ...] = (),
    threads: int = 1,
    others: dict[str, Action] | None = None,
) -> tuple[Rounds, dict[str, Any]]:
    """Checks the problem, then times it in turns with its peers."""
    checked = _check(problem)
    actions: dict[str, Action] = {"ours": problem.ours()}
    for peer in peers:
        action = getattr(problem, peer)()
        if action is not None:
            actions[peer] = action
    actions |= others or {}
    neighbours = Neighbours()
    rounds = take_turns(
        actions, seconds=settings.seconds, clock=settings.clock, threads=threads
    )
    return rounds, _common(problem, rounds, neighbours, checked)


def _peak_row(
    suite: str, problem: Problem, settings: Settings, must: float, aim: float
) -> Row:
    with threads_set(1):
        _, extra = _measure(settings.fit(problem), settings)
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
                _, extra = _measure(settings.fit(problem), settings, peers)
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
        rounds, extra = _measure(fitted, settings, others=others)
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
                _, extra = _measure(fitted, settings, ("torch",), others=others)
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
            _, extra = _measure(
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
        rounds, extra = _measure(fitted, settings, ("torch",), others={"read": read})
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
                "spread": _describe(spread),
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
        extra = {"ours_ms": spread.median / 1e3, "spread": _describe(spread)}
        yield Row(
            "overhead", f"warm call, {name}", "us", spread.median, 20, 5, True,
            extra=extra,
        )  # fmt: skip


def _resident(name: str) -> int:
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(name):
                return int(line.split()[1]) << 10
    return 0


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
                    before = _resident("VmRSS")
                    run()
                    value = max(_resident("VmHWM") - before, 0) / 1024
                except OSError:
                    pass
            logits = problem.heads * problem.pairs * 4 / 1024
            # A tile is far below this; the logits are far above it.
            yield Row(
                "memory", problem.name, "KiB", value, 1024.0 * count, 256.0 * count,
                True, threads=count, extra={"logits_kib": logits},
            )  # fmt: skip


SUITES: dict[str, Callable[[Settings], Iterator[Row]]] = {
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

"""The suites of sparse masks, with the figure each case must and should reach."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import attn_mlir as am

from . import child, newmasks
from .cases import BF16
from .flex import CASES, FlexCase, NotCompiled
from .measure import (
    CLOCKS,
    Action,
    Neighbours,
    Spread,
    as_user,
    optional,
    take_turns,
    threads_set,
)
from .patterns import Masked
from .rows import Row, Settings, WrongResult, common, describe, measure

_EFFICIENCY = "of own dense, by pairs"
# Peers beside our own dense, by pattern.
_PEERS = {
    "causal window 256": ("sdpa", "windowed", "array"),
    "documents of 512, causal": ("sdpa", "array"),
}
_EFFICIENCY_CASES: dict[str, tuple[float | None, float | None]] = {
    "causal window 256": (0.55, 0.8),
    "documents of 512, causal": (0.55, 0.8),
    "prefix 512 or causal": (0.55, 0.8),
    "window 256 + 8 global": (0.55, 0.8),
    "window 256 + 4 scattered global": (0.55, 0.8),
    "BigBird, blocks of 64": (0.55, 0.8),
    "neighbourhood 13x13": (0.55, 0.8),
    "dilated, step 4": (0.5, 0.8),
    "dilated, step 16": (0.5, 0.8),
    "dilated, steps 1 2 4 8 by head": (None, None),
}


def _of(settings: Settings, pattern: str, length: int, heads: int = 1) -> Masked:
    length = max(length // settings.shrink, 16)
    return Masked(length, 64, heads, pattern=pattern, shrink=settings.shrink)


def efficiency(settings: Settings) -> Iterator[Row]:
    """Time for each kept pair: own dense attention against the mask."""
    for dtype in ("f32", BF16):
        for pattern, (must, aim) in _EFFICIENCY_CASES.items():
            problem = replace(_of(settings, pattern, 4096, 4), dtype=dtype)
            with threads_set(1):
                others = {"full": problem.dense.ours()}
                peers = _PEERS.get(pattern, ())
                rounds, extra = measure(problem, settings, peers, others=others)
            ratio = rounds.ratio("full", "ours")
            share = problem.all_pairs / problem.dense.all_pairs
            extra |= {
                "pairs": problem.all_pairs,
                "pairs_share": share,
                "value_range": [share * ratio.low, share * ratio.high],
            }
            if dtype != "f32":
                must = aim = None
            yield Row(
                "mask-efficiency", problem.name, _EFFICIENCY, share * ratio.median,
                must, aim, dtype=dtype, extra=extra,
            )  # fmt: skip


def _flex_case(kind: str, settings: Settings) -> FlexCase:
    length = max(4096 // settings.shrink, 16)
    return FlexCase(kind, length, 4, settings.shrink)


def _flex_row(case: FlexCase, settings: Settings) -> dict[str, Any]:
    ours = case.ours()
    actions: dict[str, Action] = {"ours": ours}
    results = [ours()]
    absent = "left out"
    if settings.flex:
        try:
            actions["flex"] = case.theirs()
            results.append(actions["flex"]())
            absent = ""
        except NotCompiled as reason:
            absent = str(reason)
    errors, allowed = case.errors(results)
    if not errors[0] <= allowed:
        raise WrongResult(f"{case.name}: error {errors[0]:.3g}, allowed {allowed:.3g}")
    neighbours = Neighbours()
    rounds = take_turns(actions, seconds=settings.seconds, clock=settings.clock)
    extra = common(rounds, neighbours, (errors[0], allowed), case.operations)
    if absent:
        return extra | {"flex_absent": absent}
    # What the ratio would be if ours did nothing but multiply and add.
    possible = extra["flex_ratio"] / extra["peak_fraction"]
    return extra | {"flex_error": errors[1], "ratio_at_peak": possible}


def flex(settings: Settings) -> Iterator[Row]:
    """The compiled kernels alone, the block mask made before."""
    if optional("torch") is None:
        return
    for kind in CASES:
        case = _flex_case(kind, settings)
        with threads_set(1):
            extra = _flex_row(case, settings)
        ratio = extra.get("flex_ratio")
        yield Row("mask-flex", case.name, "x FlexAttention", ratio, 4, 8, extra=extra)


def first(settings: Settings) -> Iterator[Row]:
    """The first call of a process, which makes block masks and compiles; and the
    same for the next new mask, when compilers are warm."""
    if optional("torch") is None:
        return
    for kind in CASES if settings.shrink == 1 else CASES[:1]:
        case = _flex_case(kind, settings)
        words = (kind, case.length, case.heads, case.shrink)
        neighbours = Neighbours()
        # Ours takes no time: the median of three processes.
        runs = 3 if settings.shrink == 1 else 1
        processes = [child.run("first_call", "ours", *words) for _ in range(runs)]
        ours = [statistics.median(each) for each in zip(*processes, strict=True)]
        theirs = child.run("first_call", "flex", *words) if settings.flex else None
        others = round(neighbours.processors(), 2)
        for n, what in enumerate(("first mask", "next mask")):
            extra = {"ours_ms": ours[n] * 1e3, "others": others}
            ratio = None
            if theirs is not None:
                ratio = theirs[n] / ours[n]
                extra |= {"flex_ms": theirs[n] * 1e3, "flex_ratio": ratio}
            must, aim = (20, 100) if n == 0 else (None, None)
            yield Row(
                "mask-first", f"{what}: {case.name}", "x FlexAttention", ratio,
                must, aim, extra=extra,
            )  # fmt: skip


def analysis(settings: Settings) -> Iterator[Row]:
    """What reading the document ids costs at run time, as a share of the call.

    Alone: no query's document has a key, so that the scans of the ids and the
    search for each tile's keys are all there is, less the time of a closed form
    that keeps no pair either; both are narrow, so that they write few zeros. And
    against the same pairs in closed form, which reads nothing: that has in it the
    comparisons of ids inside partial tiles.
    """
    problem = _of(settings, "documents of 512, causal", 65536)
    others = {
        "closed": replace(problem, pattern="segments of 512, causal"),
        "scans": replace(problem, pattern="documents without keys", width=8),
        "nothing": replace(problem, pattern="no pair, in closed form", width=8),
    }
    # Shares of a percent: the median of many rounds.
    longer = replace(settings, seconds=4 * settings.seconds)
    with threads_set(1):
        actions = {name: other.ours() for name, other in others.items()}
        rounds, extra = measure(problem, longer, others=actions)
    own = rounds.samples["ours"]
    scans = zip(rounds.samples["scans"], rounds.samples["nothing"], own, strict=True)
    shares = {
        "scans and bounds": [(scan - empty) / whole for scan, empty, whole in scans],
        "against closed form": [
            1 - closed / whole
            for closed, whole in zip(rounds.samples["closed"], own, strict=True)
        ],
    }
    extra = {key: extra[key] for key in extra if not key.startswith(tuple(others))}
    extra |= {f"{name}_ms": rounds.spread(name).median * 1e3 for name in others}
    for what, values in shares.items():
        spread = Spread.of(values)
        own_range = {"value_range": [spread.low, spread.high]}
        yield Row(
            "mask-analysis", f"{what}: {problem.name}", "of the call", spread.median,
            0.02, 0.005, True, extra=extra | own_range,
        )  # fmt: skip


# Time against length: the lengths in thousands of each pattern.
_GROWTH = {
    "causal window 256": (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
    "dilated, step 4": (1, 4, 16, 64, 256, 1024),
    "BigBird, blocks of 64": (1, 4, 16, 64, 256, 1024),
    "": (1, 2, 4, 8, 16),
}
# The pattern whose time for each token has to stay the same, from here on.
_CONSTANT = "causal window 256"
_CONSTANT_FROM = 4
# Beyond this the reference would need too much memory.
_CHECKED = 65536


def growth(settings: Settings) -> Iterator[Row]:
    """Nanoseconds a token of one head, from 1k to 1M tokens."""
    for pattern, thousands in _GROWTH.items():
        problems = {
            f"{k}k": _of(settings, pattern, k << 10)
            for k in thousands
            # Divided lengths may be the same.
            if k << 10 >= 16 * settings.shrink
        }
        checked = [each for each in problems.values() if each.queries <= _CHECKED]
        errors = checked[-1].check()
        if not errors[0] <= errors[1]:
            raise WrongResult(f"{pattern}: error {errors[0]:.3g} at {checked[-1].name}")
        neighbours = Neighbours()
        with threads_set(1):
            rounds = take_turns(
                {name: each.ours() for name, each in problems.items()},
                seconds=settings.seconds,
                clock=settings.clock,
                # A call on a million tokens takes seconds.
                least=5 if pattern == _CONSTANT else 3,
            )
        others = round(neighbours.processors(), 2)
        tokens = {}
        for name, problem in problems.items():
            spread = rounds.spread(name)
            tokens[name] = spread.median / problem.queries * 1e9
            yield Row(
                "mask-growth", problem.name, "ns a token", tokens[name],
                extra={
                    "pattern": pattern or "dense",
                    "length": problem.queries,
                    "ours_ms": spread.median * 1e3,
                    "spread": describe(spread),
                    "others": others,
                },
            )  # fmt: skip
        if pattern == _CONSTANT:
            yield _constancy(problems, tokens)


def _constancy(problems: dict[str, Masked], tokens: dict[str, float]) -> Row:
    names = [name for name in problems if int(name[:-1]) >= _CONSTANT_FROM]
    middle = statistics.median(tokens[name] for name in names)
    worst = max(names, key=lambda name: abs(tokens[name] / middle - 1))
    off = abs(tokens[worst] / middle - 1)
    return Row(
        "mask-growth", f"{_CONSTANT}, {names[0]} to {names[-1]}: worst length",
        "of the median off", off, 0.15, 0.05, True, extra={"worst": worst},
    )  # fmt: skip


def memory(settings: Settings) -> Iterator[Row]:
    """Growth of the largest resident size during a call, in a fresh process."""
    problem = _of(settings, "causal window 256", 1 << 20)
    words = (problem.pattern, problem.queries, problem.shrink)
    found = child.run("memory", *words)
    mib = {name: None if n is None else n / 1024 for name, n in found.items()}
    yield Row("mask-memory", problem.name, "MiB", mib["call"], 64, 8, True)
    name = f"{problem.name}: compiling its kernel"
    yield Row("mask-memory", name, "MiB", mib["compiling"])


def _time(action: Callable[[], Any]) -> float:
    now = CLOCKS["wall"]
    start = now()
    action()
    return (now() - start) * 1e3


def compiling(settings: Settings) -> Iterator[Row]:
    """New mask code, text or callable to result; the first of the process (tables,
    the linker) is left out. Callables are called on 128 rows, so that running
    takes nothing."""
    arrays = Masked(128, 64).arrays()
    ids = newmasks.ids(128)
    converted: list[Any] = []
    torch = optional("torch")
    if torch is not None:
        converted = [torch.from_numpy(each) for each in (*arrays, ids)]

    def text(body: newmasks.Body, dynamic: bool) -> None:
        am.compile(newmasks.source(body[0], dynamic))

    def called(body: newmasks.Body) -> None:
        am.attention(*arrays, mask=body[1])

    def flexed(body: newmasks.Body) -> None:
        from attn_mlir.torch import create_block_mask, flex_attention

        q, k, v, _ = converted
        blocks = create_block_mask(body[1], None, None, 128, 128)
        flex_attention(q, k, v, None, blocks)

    ways: dict[str, tuple[Any, Callable[[newmasks.Body], None]]] = {
        "text, static lengths": (ids, lambda body: text(body, False)),
        "text, dynamic lengths": (ids, lambda body: text(body, True)),
        "callable, am.attention": (ids, called),
    }
    if converted:
        ways["callable, flex_attention"] = (converted[3], flexed)
    for way, (captured, compile_one) in ways.items():
        times: dict[str, list[float]] = {kind: [] for kind in newmasks.KINDS}
        am.cache.clear()
        with threads_set(1):
            compile_one(newmasks.KINDS["window"](-1, captured))
            for n in range(3 if settings.shrink == 1 else 1):
                for kind, make in newmasks.KINDS.items():
                    code, function = make(n, captured)
                    body = code, as_user(function)
                    times[kind].append(_time(partial(compile_one, body)))
        spread = Spread.of([each for one in times.values() for each in one])
        parts = {kind: round(statistics.median(one), 1) for kind, one in times.items()}
        extra = {"ours_ms": spread.median, "spread": describe(spread)}
        yield Row(
            "mask-compile", way, "ms", spread.median, 80, 40, True,
            extra=extra | {"kinds_ms": parts},
        )  # fmt: skip


MASK_SUITES: dict[str, Callable[[Settings], Iterator[Row]]] = {
    "mask-efficiency": efficiency,
    "mask-flex": flex,
    "mask-first": first,
    "mask-analysis": analysis,
    "mask-growth": growth,
    "mask-memory": memory,
    "mask-compile": compiling,
}

"""A line of the report, and how a problem becomes one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from .cases import Problem
from .measure import Action, Neighbours, Rounds, Spread, take_turns


@dataclass
class Settings:
    """How long, how large, by which clock."""

    seconds: float = 1.0
    clock: str = "wall"
    # Divides every length: for trying out the benchmark itself.
    shrink: int = 1
    numpy: bool = True
    # torch's compiled FlexAttention, which takes a minute to compile.
    flex: bool = True

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


def describe(spread: Spread) -> str:
    return f"±{spread.relative:.1%}"


def common(
    rounds: Rounds,
    neighbours: Neighbours,
    checked: tuple[float, float],
    operations: float | None = None,
) -> dict[str, Any]:
    ours = rounds.spread("ours")
    extra: dict[str, Any] = {
        "ours_ms": ours.median * 1e3,
        "spread": describe(ours),
        "min_ms": ours.minimum * 1e3,
        "max_ms": ours.maximum * 1e3,
        "rounds": len(rounds.peaks),
        "error": checked[0],
        "allowed": checked[1],
        "others": round(neighbours.processors(), 2),
    }
    if operations is not None:
        extra["peak_fraction"] = rounds.fraction("ours", operations).median
        extra["gflops"] = operations / ours.median / 1e9
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


def measure(
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
    return rounds, common(rounds, neighbours, checked, problem.operations)

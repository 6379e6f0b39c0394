"""Timing in turns, and what else the machine was doing meanwhile."""

from __future__ import annotations

import ctypes
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import attn_mlir as am

from .. import _native

Action = Callable[[], Any]
# Seconds below which one run says more about what ran before it.
SHORT = 0.004
CLOCKS: dict[str, Callable[[], float]] = {
    "wall": time.perf_counter,
    "cpu": time.thread_time,
}


@dataclass(frozen=True)
class Spread:
    """A median with its quartiles and extremes."""

    median: float
    low: float
    high: float
    minimum: float
    maximum: float

    @staticmethod
    def of(values: list[float]) -> Spread:
        ordered = sorted(values)
        quartiles = (
            statistics.quantiles(ordered, n=4, method="inclusive")
            if len(ordered) > 1
            else ordered * 3
        )
        return Spread(quartiles[1], quartiles[0], quartiles[2], ordered[0], ordered[-1])

    @property
    def relative(self) -> float:
        """Half the distance of the quartiles, in parts of the median."""
        return (self.high - self.low) / 2 / self.median if self.median else 0.0


class Rounds:
    """Samples of several actions that took turns: round n of each belongs
    together, so ratios are taken round by round."""

    def __init__(self, samples: dict[str, list[float]], peaks: list[float]) -> None:
        self.samples = samples
        self.peaks = peaks

    def spread(self, name: str) -> Spread:
        return Spread.of(self.samples[name])

    def ratio(self, name: str, base: str) -> Spread:
        """How much longer `name` takes than `base`."""
        pairs = zip(self.samples[name], self.samples[base], strict=True)
        return Spread.of([one / other for one, other in pairs])

    def fraction(self, name: str, operations: float) -> Spread:
        """Operations a second as a part of the peak measured in that round."""
        pairs = zip(self.samples[name], self.peaks, strict=True)
        return Spread.of([operations / seconds / peak for seconds, peak in pairs])


def take_turns(
    actions: dict[str, Action],
    *,
    seconds: float,
    clock: str = "wall",
    threads: int = 1,
    least: int = 5,
    peak_seconds: float = 0.01,
) -> Rounds:
    """Runs the actions A B A B ... for about `seconds`, after one run of each.

    Thread time counts one thread, so several are always timed by the wall. A
    sample of a short action is the mean of a few runs after one that warms the
    caches again, which the other actions have filled.
    """
    now = CLOCKS["wall" if threads > 1 else clock]
    samples: dict[str, list[float]] = {name: [] for name in actions}
    peaks: list[float] = []
    runs: dict[str, int] = {}
    for name, action in actions.items():
        action()
        start = time.perf_counter()
        action()
        runs[name] = math.ceil(SHORT / max(time.perf_counter() - start, 1e-7))
    end = time.perf_counter() + seconds
    while len(peaks) < least or time.perf_counter() < end:
        peaks.append(_native.fma_peak(peak_seconds, threads))
        for name, action in actions.items():
            if runs[name] > 1:
                action()
            start = now()
            for _ in range(runs[name]):
                action()
            samples[name].append(max(now() - start, 1e-9) / runs[name])
    return Rounds(samples, peaks)


def _busy_seconds() -> float:
    """Processor seconds anybody has used since the machine started."""
    try:
        with open("/proc/stat") as file:
            fields = [int(each) for each in file.readline().split()[1:]]
    except (OSError, ValueError):
        return 0.0
    idle = fields[3] + fields[4]
    guest = sum(fields[8:10])
    return (sum(fields) - idle - guest) / os.sysconf("SC_CLK_TCK")


class Neighbours:
    """Processors used by others since this was made."""

    def __init__(self) -> None:
        self.start = (time.perf_counter(), _busy_seconds(), self._own())

    @staticmethod
    def _own() -> float:
        times = os.times()
        children = times.children_user + times.children_system
        return times.user + times.system + children

    def processors(self) -> float:
        elapsed = time.perf_counter() - self.start[0]
        if elapsed < 0.05:
            return 0.0
        used = _busy_seconds() - self.start[1] - (self._own() - self.start[2])
        return max(used / elapsed, 0.0)


def resident(name: str) -> int:
    """Bytes of a field of this process's status: VmRSS, or VmHWM for the largest."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(name):
                return int(line.split()[1]) << 10
    return 0


@contextmanager
def threads_set(count: int) -> Iterator[None]:
    """`count` threads here, in torch and in NumPy; one thread is pinned to one core."""
    allowed = os.sched_getaffinity(0)
    if count == 1:
        os.sched_setaffinity(0, {max(allowed)})
    before = am.get_num_threads()
    am.set_num_threads(count)
    _set_blas_threads(count)
    torch = optional("torch")
    if torch is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        am.set_num_threads(before)
        os.sched_setaffinity(0, allowed)


def _set_blas_threads(count: int) -> None:
    """NumPy's OpenBLAS has threads of its own and no Python interface to them."""
    try:
        with open("/proc/self/maps") as file:
            paths = {line.split()[-1] for line in file if "openblas" in line}
    except OSError:
        return
    for path in paths:
        library = ctypes.CDLL(path)
        for prefix in ("scipy_openblas", "openblas"):
            for suffix in ("64_", ""):
                setter = getattr(library, f"{prefix}_set_num_threads{suffix}", None)
                if setter is not None:
                    setter(ctypes.c_int(count))


def as_user(function: Callable[..., Any]) -> Callable[..., Any]:
    """The search for captured arrays passes over functions of this package; this
    one stands for a user's."""
    function.__module__ = "__main__"
    return function


def optional(name: str) -> Any:
    """A module, or None where it is not installed."""
    try:
        return __import__(name)
    except ImportError:
        return None


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _model_name() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def machine() -> dict[str, Any]:
    """What must be known to read the numbers."""
    host = _native.host_info()
    special = ["fma", "avx2", "avx512f", "avx512bf16", "amx-bf16", "neon"]
    features = [name for name in special if name in host["features"]]
    names = ("numpy", "torch", "onnxruntime")
    versions = {name: _version(name) for name in names}
    return {
        "CPU": f"{_model_name()} ({host['cpu']})",
        "cores": os.cpu_count(),
        "features": " ".join(features),
        "caches": "/".join(f"{host[f'l{n}_bytes'] >> 10}K" for n in (1, 2, 3)),
        "peak": f"{_native.fma_peak(0.2) / 1e9:.0f} GFLOP/s "
        f"({_native.fma_instructions()})",
        "LLVM": host["llvm_version"],
        "attn-mlir": am.__version__,
        **{name: version for name, version in versions.items() if version},
    }

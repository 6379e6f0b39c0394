"""attn-bench: our kernels beside torch in the same process, in turns.

Medians, spread and ratios, as a fraction of the FMA peak (or of the read
bandwidth, for decoding) measured in the same run. Writes JSON and a plot.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import attn_mlir as am

from . import _native
from ._masksummary import evaluate

Array = np.ndarray[Any, Any]
Report = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One problem; `torch` has the keywords of its SDPA, None = not there."""

    name: str
    heads: int
    groups: int
    queries: int
    keys: int
    width: int
    mask: am.masks.Mask | None = None
    score: am.scores.Score | None = None
    dtype: str = "float32"
    threads: int = 1
    torch: str = "plain"  # "plain", "causal", "mask" (dense bool) or "none"

    @property
    def bound_by_memory(self) -> bool:
        return self.queries == 1

    @property
    def flops(self) -> float:
        """4 * D for each pair the mask keeps."""
        pairs = self.queries * self.keys
        if self.mask is not None:
            pairs = self.mask.tiles(self.queries, self.keys, 512, 512).pairs
        return 4.0 * self.heads * pairs * self.width

    @property
    def bytes_read(self) -> int:
        size = 2 if self.dtype == "bfloat16" else np.dtype(self.dtype).itemsize
        return 2 * self.groups * self.keys * self.width * size


def _square(prefix: str, n: int, width: int, **keywords: Any) -> Case:
    heads = keywords.pop("heads", 8 if n <= 4096 and width <= 64 else 4)
    return Case(f"{prefix} N={n} D={width}", heads, heads, n, n, width, **keywords)


def cases(threads: int) -> list[Case]:
    causal = am.masks.causal()
    every = [_square("dense", n, d) for d in (64, 128) for n in (1024, 2048, 4096)]
    every.append(_square("dense", 8192, 128))
    every += [
        _square("causal", n, d, mask=causal, torch="causal")
        for d in (64, 128)
        for n in (1024, 2048, 4096)
    ]
    every.append(_square("causal", 8192, 128, mask=causal, torch="causal"))
    every += [_square("dense", 1000, d) for d in (40, 80, 96)]
    every += [
        _square("window of 256", 4096, 64, mask=am.masks.window(255, 0), torch="mask"),
        _square("softcap", 2048, 64, score=am.scores.softcap(30.0), torch="none"),
        _square(
            "ALiBi causal",
            2048,
            64,
            mask=causal,
            score=am.scores.alibi(),
            torch="none",
        ),
        _square(
            "user mask",
            2048,
            64,
            mask=am.masks.fn(lambda b, h, i, j: (j <= i) & ((i + j) % 3 != 0)),
            torch="none",
        ),
        Case("decode 32 heads over 8 S=4096 D=128", 32, 8, 1, 4096, 128),
        Case("small L=S=16 D=64", 8, 8, 16, 16, 64),
        Case("small L=1 S=64 D=64", 1, 1, 1, 64, 64),
        _square("dense", 2048, 64, dtype="bfloat16"),
        _square("causal", 4096, 64, mask=causal, dtype="bfloat16", torch="causal"),
        _square("dense", 2048, 64, dtype="float16"),
    ]
    if threads > 1:
        every += [
            _square("dense", 4096, 64, threads=threads),
            _square("causal", 4096, 64, threads=threads, mask=causal, torch="causal"),
        ]
    return every


def _inputs(case: Case) -> list[Array]:
    """Logits with a standard deviation of 2."""
    random = np.random.default_rng(0)
    shapes = [(case.heads, case.queries), (case.groups, case.keys)]
    shapes.append(shapes[1])
    arrays = [random.standard_normal((1, *s, case.width), np.float32) for s in shapes]
    arrays[0] *= 2
    if case.dtype == "bfloat16":
        import ml_dtypes

        return [each.astype(ml_dtypes.bfloat16) for each in arrays]
    return [each.astype(case.dtype) for each in arrays]


def _torch_call(case: Case, arrays: list[Array]) -> Callable[[], Any] | None:
    try:
        import torch
    except ImportError:
        return None
    if case.torch == "none":
        return None
    torch.set_num_threads(case.threads)
    tensors: Any = [
        torch.from_numpy(each.astype(np.float32)).to(getattr(torch, case.dtype))
        for each in arrays
    ]
    keywords: dict[str, Any] = {"enable_gqa": case.heads != case.groups}
    if case.torch == "causal":
        keywords["is_causal"] = True
    elif case.torch == "mask" and case.mask is not None:
        dense = case.mask.dense(1, 1, case.queries, case.keys)
        keywords["attn_mask"] = torch.from_numpy(dense)
    sdpa = torch.nn.functional.scaled_dot_product_attention
    return lambda: sdpa(*tensors, **keywords)


def _in_turns(
    calls: dict[str, Callable[[], Any]], seconds: float
) -> dict[str, list[float]]:
    """Times of each call in seconds; they alternate, so that drift hits all."""
    repeats = {}
    for name, call in calls.items():
        call()
        start = time.perf_counter()
        call()
        once = time.perf_counter() - start
        # Short calls are timed in groups of about a millisecond.
        repeats[name] = max(1, int(1e-3 / max(once, 1e-7)))
    times: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(times.values()))) < 5:
        for name, call in calls.items():
            count = repeats[name]
            start = time.perf_counter()
            for _ in range(count):
                call()
            times[name].append((time.perf_counter() - start) / count)
    return times


def _spread(times: list[float]) -> float:
    """Half the distance of the quartiles, relative to the median."""
    quarters = statistics.quantiles(times, n=4)
    return (quarters[2] - quarters[0]) / 2 / statistics.median(times)


def _error(case: Case, arrays: list[Array], out: Array) -> tuple[float, float]:
    """The error and what is allowed, on the last queries of a long problem."""
    # A score may depend on the position of a query; then all of them.
    rows = max(0, case.queries - 128) if case.score is None else 0
    q, k, v = arrays[0][:, :, rows:], *arrays[1:]
    keywords: dict[str, Any] = {"score": case.score}
    if case.mask is not None:
        sizes = (1, case.heads, case.queries, case.keys)
        keywords["mask"] = evaluate(case.mask, *sizes, (rows, case.queries))
    exact = am.reference.attention(q, k, v, **keywords)
    plain = am.reference.unfused(q, k, v, **keywords)
    got = out[:, :, rows:].astype(np.float64)
    allowed = am.reference.allowed_error(exact, plain, arrays[0].dtype)
    return float(np.abs(got - exact).max()), allowed


def read_bandwidth() -> float:
    """Bytes per second one core reads from memory."""
    data = np.ones(1 << 26, np.float32)
    parts = data.reshape(64, -1)
    best = math.inf
    for _ in range(5):
        start = time.perf_counter()
        for part in parts:
            part.max()
        best = min(best, time.perf_counter() - start)
    return data.nbytes / best


def fma_peak(seconds: float = 0.5) -> float:
    """Fused multiply-adds in FLOP/s of one core, by a compiled loop."""
    lanes = max(4, _native.host_info()["vector_bits"] // 32)
    kernel = am.compile(_peak_source(lanes))
    start_values = np.full(lanes, 1e-3, np.float32)
    steps, best, end = 1 << 20, 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        kernel(start_values, steps)
        taken = time.perf_counter() - start
        best = max(best, 2.0 * _CHAINS * lanes * steps / taken)
    return best


_CHAINS = 12  # independent sums: latency times throughput of the FMA units


def _peak_source(lanes: int) -> str:
    vector, tensor = f"vector<{lanes}xf32>", f"tensor<{lanes}xf32>"
    names = range(_CHAINS)
    types = ", ".join([vector] * _CHAINS)
    lines = [
        f"func.func @peak(%in: {tensor}, %n: index) -> {tensor} {{",
        "%c0 = arith.constant 0 : index",
        "%c1 = arith.constant 1 : index",
        "%pad = arith.constant 0.0 : f32",
        "%x = vector.transfer_read %in[%c0], %pad {in_bounds = [true]} : "
        f"{tensor}, {vector}",
        f"%r:{_CHAINS} = scf.for %i = %c0 to %n step %c1 iter_args("
        + ", ".join(f"%a{n} = %x" for n in names)
        + f") -> ({types}) {{",
        *(f"%f{n} = vector.fma %a{n}, %x, %x : {vector}" for n in names),
        f"scf.yield {', '.join(f'%f{n}' for n in names)} : {types}",
        "}",
        f"%t0 = arith.addf %r#0, %x : {vector}",
        *(f"%t{n} = arith.addf %t{n - 1}, %r#{n} : {vector}" for n in names if n),
        f"%e = tensor.empty() : {tensor}",
        f"%w = vector.transfer_write %t{_CHAINS - 1}, %e[%c0] "
        f"{{in_bounds = [true]}} : {vector}, {tensor}",
        f"return %w : {tensor}",
        "}",
    ]
    return "\n".join(lines)


def measure(case: Case, seconds: float, peak: float, bandwidth: float) -> Report:
    """One row of the report."""
    am.set_num_threads(case.threads)
    arrays = _inputs(case)
    out = np.empty_like(arrays[0])
    keywords: dict[str, Any] = {"mask": case.mask, "score": case.score, "out": out}
    calls: dict[str, Callable[[], Any]] = {
        "ours": lambda: am.attention(*arrays, **keywords)
    }
    torch_call = _torch_call(case, arrays)
    if torch_call is not None:
        calls["torch"] = torch_call
    times = _in_turns(calls, seconds)
    ours = statistics.median(times["ours"])
    error, allowed = _error(case, arrays, out)
    row: Report = {
        "case": case.name,
        "dtype": case.dtype,
        "threads": case.threads,
        "ours_ms": ours * 1e3,
        "spread": round(_spread(times["ours"]), 4),
        "gflops": case.flops / ours / 1e9,
        "peak_fraction": case.flops / ours / (peak * case.threads),
        "error": error,
        "allowed_error": allowed,
    }
    if case.bound_by_memory:
        row["bandwidth_fraction"] = case.bytes_read / ours / bandwidth
    if torch_call is not None:
        torch = statistics.median(times["torch"])
        row["torch_ms"] = torch * 1e3
        row["torch_spread"] = round(_spread(times["torch"]), 4)
        row["torch_ratio"] = torch / ours
    return row


def _overhead() -> float:
    """Microseconds a warm am.attention adds to the native call."""
    am.set_num_threads(1)
    q, k, v = (np.ones((1, 1, 1, 16), np.float32) for _ in range(3))
    am.attention(q, k, v)
    am.cache.clear()
    am.attention(q, k, v)
    (plan,) = am.cache.plans.entries.values()
    out = np.empty_like(q)
    arrays, outputs = (q, k, v), (out,)
    times = _in_turns(
        {
            "package": lambda: am.attention(q, k, v),
            "native": lambda: plan.kernel.call(arrays, outputs),
        },
        1.0,
    )
    return 1e6 * (min(times["package"]) - min(times["native"]))


def _cold(seconds: float = 2.0) -> float:
    """Milliseconds from IR text to a callable, causal f32 D = 64."""
    am.cache.clear()
    q = np.ones((1, 8, 64, 64), np.float32)
    am.attention(q, q, q, mask=am.masks.causal())
    (plan,) = am.cache.plans.entries.values()
    (kernel,) = plan.by_sizes.values()
    text = kernel.ir("input")
    am.cache.disable()
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        am.compile(text)
        times.append(time.perf_counter() - start)
    am.cache.enable()
    return 1e3 * statistics.median(times)


def _summary(rows: Sequence[Report]) -> Report:
    def row(name: str, **wanted: Any) -> Report:
        for each in rows:
            if each["case"] == name and all(each[k] == x for k, x in wanted.items()):
                return each
        return {}

    found: Report = {"call_overhead_us": _overhead(), "jit_cold_ms": _cold()}
    ratios = [
        each["torch_ratio"]
        for each in rows
        if "torch_ratio" in each
        and each["dtype"] == "float32"
        and each["threads"] == 1
        and each["case"].split()[0] in ("dense", "causal")
    ]
    if ratios:
        found["torch_geometric_mean"] = math.exp(
            statistics.fmean(math.log(each) for each in ratios)
        )
    dense = row("dense N=4096 D=64", dtype="float32", threads=1)
    window = row("window of 256 N=4096 D=64")
    if dense and window:
        found["window_over_dense"] = window["ours_ms"] / dense["ours_ms"]
    small = row("dense N=2048 D=64", dtype="float32")
    half = row("dense N=2048 D=64", dtype="bfloat16")
    if small and half:
        found["bf16_speed_up"] = small["ours_ms"] / half["ours_ms"]
    for each in rows:
        if each["threads"] > 1:
            one = row(each["case"], dtype=each["dtype"], threads=1)
            if one:
                name = f"threads_{each['threads']}_{each['case'].split()[0]}"
                found[name] = one["ours_ms"] / each["ours_ms"]
    found["peak_resident_mb"] = (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    )
    return found


def _plot(report: Report, path: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = report["results"]
    names = [f"{r['case']} {r['dtype']}" + " 2t" * (r["threads"] > 1) for r in rows]
    figure, (left, right) = pyplot.subplots(
        1, 2, figsize=(13, 0.32 * len(rows) + 1.5), sharey=True
    )
    positions = range(len(rows))
    left.barh(positions, [100 * r["peak_fraction"] for r in rows], color="#4477aa")
    left.set(xlabel="% of the measured f32 FMA peak", yticks=positions)
    left.set_yticklabels(names, fontsize=8)
    left.invert_yaxis()
    ratios = [r.get("torch_ratio") or 0.0 for r in rows]
    colors = ["#228833" if each >= 1 else "#cc3311" for each in ratios]
    right.barh(positions, ratios, color=colors)
    right.axvline(1.0, color="black", linewidth=0.8)
    right.set(xlabel="speed-up over torch SDPA (none: torch cannot)")
    figure.suptitle(report["machine"]["cpu"], fontsize=9)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def _line(row: Report) -> str:
    text = (
        f"{row['case']:<36} {row['dtype']:<9} {row['threads']}t "
        f"{row['ours_ms']:9.3f} ms +-{row['spread']:4.0%} {row['gflops']:7.1f} GF "
        f"{row['peak_fraction']:5.0%}"
    )
    if "bandwidth_fraction" in row:
        text += f" (reads {row['bandwidth_fraction']:.0%} of memory speed)"
    if "torch_ratio" in row:
        text += f"  torch {row['torch_ms']:9.3f} ms, {row['torch_ratio']:.2f}x"
    if row["error"] > row["allowed_error"]:
        text += f"  WRONG: {row['error']:.1e} > {row['allowed_error']:.1e}"
    return text


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="attn-bench", description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="write the report here")
    parser.add_argument("--plot", metavar="FILE", help="draw the report here")
    parser.add_argument("--seconds", type=float, default=3.0, help="for each case")
    parser.add_argument("--threads", type=int, default=2, help="most threads to use")
    parser.add_argument("--filter", default="", help="only cases with this text")
    parser.add_argument("--list", action="store_true", help="print the cases")
    options = parser.parse_args(argv)
    chosen = [c for c in cases(options.threads) if options.filter in c.name]
    if options.list:
        print("\n".join(f"{c.name} {c.dtype} {c.threads}t" for c in chosen))
        return 0
    host = _native.host_info()
    peak, bandwidth = fma_peak(), read_bandwidth()
    machine = {
        "cpu": host["cpu"],
        "cores": len(os.sched_getaffinity(0)),
        "FMA peak of a core in GFLOP/s": round(peak / 1e9, 1),
        "read bandwidth of a core in GB/s": round(bandwidth / 1e9, 1),
    }
    print(", ".join(f"{name}: {value}" for name, value in machine.items()))
    rows = []
    for case in chosen:
        # The clock drifts on shared machines: a peak of the same moment.
        peak = fma_peak(0.2)
        rows.append(measure(case, options.seconds, peak, bandwidth))
        print(_line(rows[-1]), flush=True)
    report: Report = {
        "command": " ".join(["attn-bench", *(sys.argv[1:] if argv is None else argv)]),
        "version": am.__version__,
        "machine": machine,
        "results": rows,
        "summary": _summary(rows),
    }
    for name, value in report["summary"].items():
        print(f"{name}: {value:.3g}")
    if options.json:
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    if options.plot:
        _plot(report, options.plot)
    return int(any(row["error"] > row["allowed_error"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())

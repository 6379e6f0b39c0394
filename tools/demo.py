"""The main job of tools/demo: compile attention, run it, judge it, time it."""

from __future__ import annotations

import argparse
import math
import os
import re
import statistics
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import attn_mlir as am
from attn_mlir import _native

try:
    import torch
except ImportError:
    torch = None

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "docs" / "examples" / "causal.mlir"
TOOLS = ROOT / "build" / "bin"
# Added to twice the error of the same computation done plainly in the same
# type; relative to the largest result for f32.
FLOOR = {"float32": 1e-6, "float16": 1e-3}

FOOTNOTES = """
  error: largest deviation from the float64 reference; allowed: twice that of plain
  NumPy code in the same type, and a floor. of peak: operations on kept pairs over
  the measured rate of multiply-adds alone; decode is bound by memory instead."""

Array = np.ndarray[Any, Any]


@dataclass
class Case:
    """One attention problem; sizes are batch, heads, key heads, L, S, D."""

    name: str
    sizes: tuple[int, int, int, int, int, int]
    dtype: str = "float32"
    arguments: Callable[[Case], dict[str, Any]] = field(default=lambda case: {})
    # What torch's SDPA needs to do the same; None when it cannot.
    torch_arguments: dict[str, Any] | None = field(default_factory=dict)


def documents(case: Case) -> dict[str, Any]:
    """A mask in user code: causal inside documents of uneven length."""
    length = case.sizes[3]
    starts = np.random.default_rng(1).choice(length, size=5, replace=False)
    ids = np.searchsorted(np.sort(starts), np.arange(length), side="right")
    document = ids.astype(np.int32)
    return {"mask": lambda b, h, i, j: (j <= i) & (document[i] == document[j])}


CASES = [
    Case("dense", (1, 8, 8, 1024, 1024, 64)),
    Case(
        "causal",
        (1, 8, 8, 1024, 1024, 64),
        arguments=lambda case: {"mask": am.masks.causal()},
        torch_arguments={"is_causal": True},
    ),
    Case(
        "causal, 8 heads over 2, D = 80, N = 1000",
        (1, 8, 2, 1000, 1000, 80),
        arguments=lambda case: {"mask": am.masks.causal()},
        torch_arguments={"is_causal": True, "enable_gqa": True},
    ),
    Case(
        "window of 128, soft-capped logits",
        (1, 8, 8, 1024, 1024, 64),
        arguments=lambda case: {
            "mask": am.masks.window(127, 0),
            "score": am.scores.softcap(30.0),
        },
        torch_arguments=None,
    ),
    Case(
        "documents, mask in user code",
        (1, 8, 8, 1024, 1024, 64),
        arguments=documents,
        torch_arguments=None,
    ),
    Case(
        "decode, 32 heads over 8",
        (1, 32, 8, 1, 4096, 64),
        torch_arguments={"enable_gqa": True},
    ),
    Case("half precision", (1, 8, 8, 1024, 1024, 64), dtype="float16"),
]


def inputs(case: Case) -> tuple[Array, Array, Array]:
    """Logits with a standard deviation of 2, values of both signs."""
    batch, heads, key_heads, rows, keys, width = case.sizes
    random = np.random.default_rng(0)
    query = 2.0 * random.standard_normal((batch, heads, rows, width))
    key = random.standard_normal((batch, key_heads, keys, width))
    value = random.standard_normal((batch, key_heads, keys, width))
    return tuple(x.astype(case.dtype) for x in (query, key, value))


def in_numpy(case: Case, keep: Array | None, query: Array, key: Array, value: Array):
    """The computation a NumPy user writes, in the inputs' precision."""
    group = case.sizes[1] // case.sizes[2]
    half = query.dtype == np.float16
    # NumPy multiplies halves one by one; its users convert first.
    query, key, value = (
        x.astype(np.float32) if half else x for x in (query, key, value)
    )
    key, value = (np.repeat(x, group, axis=1) for x in (key, value))
    logits = query @ key.swapaxes(-1, -2)
    logits *= np.float32(1 / math.sqrt(case.sizes[5]))
    if "soft-capped" in case.name:
        logits = np.float32(30) * np.tanh(logits / np.float32(30))
    if keep is not None:
        logits[..., ~keep] = -np.inf
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    if half:
        weights = weights.astype(np.float16).astype(np.float32)
    result = weights @ value
    return result.astype(np.float16) if half else result


def kept_pairs(case: Case) -> Array | None:
    """The case's mask as a dense [L, S] array; None keeps every pair."""
    rows, keys = case.sizes[3:5]
    i, j = np.arange(rows)[:, None], np.arange(keys)[None, :]
    mask = case.arguments(case).get("mask")
    if mask is None:
        return None
    if callable(mask) and not hasattr(mask, "dense"):
        return np.asarray(mask(0, 0, i, j))
    return np.asarray(mask.dense(1, 1, rows, keys))[0, 0]


def medians(actions: dict[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """Median seconds of each action; they take turns, so drift hits all."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(times.values()))) < 3:
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def judge(case: Case, peak: float, seconds: float) -> tuple[list[str], bool]:
    """One row of the table, and whether the result is right."""
    query, key, value = inputs(case)
    arguments = case.arguments(case)
    keep = kept_pairs(case)
    exact = am.reference.attention(query, key, value, **arguments)
    start = time.perf_counter()
    plain = in_numpy(case, keep, query, key, value)
    numpy_seconds = time.perf_counter() - start
    ours = np.empty_like(query)

    def run_ours() -> None:
        am.attention(query, key, value, out=ours, **arguments)

    run_ours()
    error = float(np.abs(ours.astype(np.float64) - exact).max())
    plain_error = float(np.abs(plain.astype(np.float64) - exact).max())
    floor = FLOOR[case.dtype]
    if case.dtype == "float32":
        floor *= float(np.abs(exact).max())
    allowed = 2 * plain_error + floor

    actions: dict[str, Callable[[], Any]] = {"ours": run_ours}
    if torch is not None and case.torch_arguments is not None:
        tensors = [torch.from_numpy(x) for x in (query, key, value)]
        attend = torch.nn.functional.scaled_dot_product_attention
        options = case.torch_arguments
        actions["torch"] = lambda: attend(*tensors, **options)
    taken = medians(actions, seconds)

    batch, heads, _, rows, keys, width = case.sizes
    pairs = rows * keys if keep is None else int(keep.sum())
    flops = 4.0 * batch * heads * pairs * width
    row = [
        case.name,
        f"{error:.1e}",
        f"{allowed:.1e}",
        f"{taken['ours'] * 1e3:.2f} ms",
        f"{flops / taken['ours'] / peak:.0%}",
        f"{numpy_seconds / taken['ours']:.1f}x",
        f"{taken['torch'] / taken['ours']:.2f}x" if "torch" in taken else "-",
    ]
    return row, error <= allowed


def table(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [
            cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)
        ]
        lines.append("  " + "  ".join(cells))
    lines.insert(1, "  " + "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def tool(name: str, *arguments: str) -> str:
    """Output of one of the command-line tools."""
    command = [name, *arguments, str(EXAMPLE.relative_to(ROOT))]
    print("  $ " + " ".join(command))
    done = subprocess.run(
        [str(TOOLS / name), *command[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{name} failed\n{done.stderr}")
    return done.stdout + done.stderr


def from_ir() -> None:
    """The example through the command-line tools."""
    print(f"From IR: {EXAMPLE.relative_to(ROOT)}\n")
    tiled = tool("attn-opt", "--attn-compile-to=tile").splitlines()
    for line in tiled:
        if re.search(r"= (?:scf.for|attn[.])", line):
            indent = (len(line) - len(line.lstrip())) // 2
            short = re.sub(r" (?:shared_outs|iter_args|ins|attributes).*", " ...", line)
            print("    " + "  " * indent + short.strip())
    print()
    sizes = "--shapes=8x1024x64,2x1100x64,2x1100x64"
    report = tool("attn-run", sizes, "--compare", "--time", "--remarks")
    for line in report.splitlines():
        print(
            textwrap.fill(line, 90, initial_indent=" " * 4, subsequent_indent=" " * 6)
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--seconds", type=float, default=0.5, help="time to spend on each case"
    )
    options = parser.parse_args()
    am.set_num_threads(options.threads)
    if torch is not None:
        torch.set_num_threads(options.threads)

    from_ir()
    host = _native.host_info()
    peak = _native.fma_peak(0.3, options.threads)
    print(f"\nFrom Python: {host['cpu']}, {options.threads} threads, ", end="")
    print(f"measured FMA peak {peak / 1e9:.0f} GFLOP/s in f32\n")
    rows = [["case", "error", "allowed", "time", "of peak", "vs NumPy", "vs torch"]]
    wrong = []
    for case in CASES:
        row, right = judge(case, peak, options.seconds)
        rows.append(row)
        if not right:
            wrong.append(case.name)
    print(table(rows))
    print(FOOTNOTES)
    if torch is None:
        print("  torch is not installed; tools/check installs it.")
    if wrong:
        print(f"\nNOT within the allowed error: {', '.join(wrong)}")
        return 1
    print(f"\nAll {len(CASES)} cases are within the allowed error.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

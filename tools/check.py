"""Runs the checks and counts them; called by tools/check in .venv."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / "build" / "check"
LIMIT = 1500.0  # seconds for one command; a hang is a failure


@dataclass
class Count:
    """Outcome of one step."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
        )

    def __str__(self) -> str:
        text = f"{self.passed} passed, {self.failed} failed"
        return f"{text}, {self.skipped} skipped" if self.skipped else text


def run(command: Sequence[str], environment: dict[str, str] | None = None) -> int:
    """Exit status of `command`; a step that hangs counts as failed."""
    try:
        return subprocess.run(
            command, cwd=ROOT, env=environment, timeout=LIMIT
        ).returncode
    except subprocess.TimeoutExpired:
        print(f"    stopped after {LIMIT:.0f} s: {' '.join(command)}")
        return 124


def with_report(command: Sequence[str], report: Path) -> Count:
    """Count of a tool of ours, which writes {passed, failed, skipped}."""
    report.unlink(missing_ok=True)
    status = run([*command, "--report", str(report)])
    if not report.exists():
        return Count(failed=1)
    count = Count(**json.loads(report.read_text()))
    if status and not count.failed:
        count.failed = 1
    return count


def lint(options: argparse.Namespace) -> Count:
    command = [sys.executable, "tools/lint"]
    if options.fast:
        command.append("--fast")
    return with_report(command, REPORTS / "lint.json")


def docs(options: argparse.Namespace) -> Count:
    del options
    return with_report([sys.executable, "tools/docs", "--check"], REPORTS / "docs.json")


def lit_count(report: Path) -> Count:
    """Outcomes of one lit run, from its JSON report."""
    count = Count()
    for test in json.loads(report.read_text())["tests"]:
        if test["code"] in ("PASS", "XFAIL", "FLAKYPASS"):
            count.passed += 1
        elif test["code"] in ("UNSUPPORTED", "SKIPPED", "EXCLUDED"):
            count.skipped += test["code"] == "UNSUPPORTED"
        else:
            count.failed += 1
    return count


def lit(options: argparse.Namespace) -> Count:
    """All tests, then all of them again with a round trip after parsing."""
    total = Count()
    for name, variables in (("lit", {}), ("roundtrip", {"ATTN_VERIFY_ROUNDTRIP": "1"})):
        if variables:
            if options.fast:
                continue
            print("    again, each attn-opt with --verify-roundtrip")
        report = REPORTS / f"{name}.json"
        report.unlink(missing_ok=True)
        command = [
            str(ROOT / ".venv" / "bin" / "lit"),
            "-s" if sys.stdout.isatty() else "-q",
            "-v",
            "--order=smart",
            f"-j{len(os.sched_getaffinity(0))}",
            "-o",
            str(report),
        ]
        if options.filter:
            command += ["--filter", options.filter, "--allow-empty-runs"]
        status = run([*command, "build/test"], {**os.environ, **variables})
        if not report.exists():
            return total + Count(failed=1)
        count = lit_count(report)
        if status and not count.failed:
            count.failed = 1
        print(f"    {count}")
        total += count
    return total


def pytest(options: argparse.Namespace) -> Count:
    report = REPORTS / "pytest.xml"
    report.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--durations=8",
        f"--junitxml={report}",
        "test/python",
    ]
    if options.fast:
        command += ["-m", "not slow"]
    if options.filter:
        command += ["-k", options.filter]
    status = run(command)
    if status == 5 and options.filter:
        return Count()
    if not report.exists():
        return Count(failed=1)
    count = Count()
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped = int(suite.get("skipped", 0))
        count += Count(int(suite.get("tests", 0)) - bad - skipped, bad, skipped)
    if status and not count.failed:
        count.failed = 1
    return count


PACKAGE_TEST = """
import pathlib, subprocess, sys
import numpy as np
import attn_mlir as am

folder = pathlib.Path(sys.argv[1]).resolve()
assert folder in pathlib.Path(am.__file__).resolve().parents, am.__file__
random = np.random.default_rng(0)
q, k, v = (random.standard_normal((1, 4, 33, 24), np.float32) for _ in range(3))
out = am.attention(q, k, v, mask=am.masks.causal())
exact = am.reference.attention(q, k, v, mask=am.masks.causal())
assert np.abs(out - exact).max() < 1e-5
for tool in ("attn-opt", "attn-run"):
    subprocess.run([sys.executable, folder / "bin" / tool, "--help"],
                   check=True, stdout=subprocess.DEVNULL)
"""


def package(options: argparse.Namespace) -> Count:
    """`pip install .` gives a package that works by itself."""
    if options.fast:
        print("    left out by --fast")
        return Count(skipped=1)
    folder = REPORTS / "package"
    shutil.rmtree(folder, ignore_errors=True)
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
    status = run([*install, "--no-build-isolation", "--target", str(folder), "."])
    if status == 0:
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        status = run([sys.executable, "-c", PACKAGE_TEST, str(folder)], environment)
    return Count(failed=1) if status else Count(passed=1)


STEPS: dict[str, Callable[[argparse.Namespace], Count]] = {
    "lint": lint,
    "docs": docs,
    "lit": lit,
    "pytest": pytest,
    "package": package,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--filter")
    parser.add_argument("steps", nargs="*", metavar="STEP")
    options = parser.parse_args()
    REPORTS.mkdir(parents=True, exist_ok=True)
    summary = []
    for name in STEPS:
        if options.steps and name not in options.steps:
            continue
        print(f"==> {name}", flush=True)
        start = time.monotonic()
        count = STEPS[name](options)
        summary.append((name, count))
        print(f"    {name}: {count} in {time.monotonic() - start:.1f} s\n")
    total = sum((count for _, count in summary), Count())
    for name, count in summary:
        print(f"{name:8}{count}")
    print(total, flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())

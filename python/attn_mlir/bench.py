"""attn-bench: kernels beside their peers, in the same process, in turns.

  attn-bench                              the suites of kernels, a line for each case
  attn-bench --suite=dense --suite=jit    only these
  attn-bench --suite=masks                the suites of sparse masks
  attn-bench --json cpu.json --plot cpu.png
  attn-bench --markdown cpu.json          the tables of a saved report

Each case is first compared with the float64 reference at a small size. Then
ours and the peers take turns; the peak is measured again in every round, and
ratios are those of the same round. Times are medians with half the distance of
the quartiles. On a machine that does other work, --clock=cpu counts the time of
the thread instead of the wall's (cases of one thread only).

Exit status: 0, or 1 when a result is wrong. A figure that is missed is said,
and is no error unless --strict.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ._bench.measure import CLOCKS, Neighbours, machine
from ._bench.report import line, markdown, plot, plot_growth
from ._bench.rows import Settings, WrongResult
from ._bench.suites import GROUPS, SUITES

# More of other people's work than this and times by the wall mean little.
_BUSY = 0.25


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="attn-bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--suite",
        action="append",
        choices=[*GROUPS, *SUITES],
        help="a suite or a group of them; the group kernels when not given",
    )
    parser.add_argument("--seconds", type=float, default=1.0, help="for each case")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write a picture")
    parser.add_argument(
        "--plot-growth", type=Path, metavar="FILE", help="a picture of mask-growth"
    )
    parser.add_argument(
        "--markdown", type=Path, metavar="JSON", help="print a report's tables, and end"
    )
    parser.add_argument(
        "--shrink",
        type=int,
        default=1,
        metavar="N",
        help="divide every length: to try out the benchmark itself",
    )
    parser.add_argument("--no-numpy", action="store_true", help="leave NumPy out")
    parser.add_argument(
        "--no-flex",
        action="store_true",
        help="leave torch's compiled FlexAttention out",
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit status 1 when a figure is missed"
    )
    options = parser.parse_args(argv)
    if options.shrink < 1 or options.seconds < 0:
        parser.error("expected --shrink of at least 1 and --seconds of at least 0")
    return options


def _run(options: argparse.Namespace, command: str) -> tuple[dict[str, Any], bool]:
    settings = Settings(
        options.seconds,
        options.clock,
        options.shrink,
        not options.no_numpy,
        not options.no_flex,
    )
    report: dict[str, Any] = {
        "machine": machine(),
        "command": command,
        "clock": options.clock,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seconds": {},
        "results": [],
    }
    for key, value in report["machine"].items():
        print(f"{key}: {value}")
    neighbours = Neighbours()
    right = True
    chosen = options.suite or ["kernels"]
    for suite in [name for one in chosen for name in GROUPS.get(one, [one])]:
        start = time.perf_counter()
        print(f"\n{suite}")
        try:
            for row in SUITES[suite](settings):
                report["results"].append(row.as_json())
                print(line(report["results"][-1]), flush=True)
        except WrongResult as reason:
            print(f"  WRONG: {reason}", flush=True)
            right = False
        report["seconds"][suite] = round(time.perf_counter() - start, 1)
    report["others"] = neighbours.processors()
    return report, right


def main(argv: Sequence[str] | None = None) -> int:
    options = _parse(argv)
    if options.markdown:
        print(markdown(json.loads(options.markdown.read_text())), end="")
        return 0
    arguments = sys.argv[1:] if argv is None else list(argv)
    report, right = _run(options, shlex.join(["attn-bench", *arguments]))
    if report["others"] > _BUSY:
        print(
            f"\nwarning: others used {report['others']:.1f} processors meanwhile; "
            "times by the wall are too long (see --clock=cpu)"
        )
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    if options.plot:
        plot(report, options.plot)
    if options.plot_growth:
        plot_growth(report, options.plot_growth)
    missed = [row for row in report["results"] if row["verdict"] == "missed"]
    print(f"\n{len(report['results'])} figures, {len(missed)} missed")
    return 0 if right and not (options.strict and missed) else 1


if __name__ == "__main__":
    sys.exit(main())

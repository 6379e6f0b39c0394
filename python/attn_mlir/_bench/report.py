"""The report as text, Markdown and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .measure import optional

_COLUMNS = ("case", "dtype", "threads", "ours", "torch", "figure", "must", "aim", "")


def _number(value: float | None, metric: str) -> str:
    if value is None:
        return "-"
    if metric.startswith("of "):
        return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"
    if metric.startswith("x "):
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _time(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g} ms"


def cells(row: dict[str, Any]) -> list[str]:
    metric = row["metric"]
    spread = row.get("spread")
    ours = _time(row.get("ours_ms")) + (f" {spread}" if spread else "")
    return [
        row["case"],
        row["dtype"],
        str(row["threads"]),
        ours,
        _time(row.get("torch_ms")),
        f"{_number(row['value'], metric)} {metric}",
        _number(row["must"], metric),
        _number(row["aim"], metric),
        row["verdict"],
    ]


def line(row: dict[str, Any]) -> str:
    """One row for the terminal."""
    name, dtype, threads, ours, torch, figure, must, aim, verdict = cells(row)
    peer = f"torch {torch}" if torch != "-" else ""
    wanted = f"(must {must}, aim {aim}): {verdict}" if must != "-" else ""
    return (
        f"  {name:<34} {dtype:<5} {threads}T {ours:<17} {peer:<16} {figure} {wanted}"
    ).rstrip()


def markdown(report: dict[str, Any]) -> str:
    """A table for each suite, and what missed its figure."""
    parts = []
    results = report["results"]
    for suite in dict.fromkeys(row["suite"] for row in results):
        rows = [cells(row) for row in results if row["suite"] == suite]
        lines = [list(_COLUMNS), ["---"] * len(_COLUMNS), *rows]
        table = "\n".join("| " + " | ".join(each) + " |" for each in lines)
        parts.append(f"### {suite}\n\n{table}\n")
    missed = [row for row in results if row["verdict"] == "missed"]
    text = "".join(
        f"- {row['suite']}: {row['case']}, {row['dtype']}: "
        f"{_number(row['value'], row['metric'])} {row['metric']} "
        f"(must {_number(row['must'], row['metric'])})\n"
        for row in missed
    )
    parts.append("### Missed\n\n" + (text or "Nothing.\n"))
    machine = ", ".join(f"{key} {value}" for key, value in report["machine"].items())
    busy = report["others"]
    parts.append(
        f"Machine: {machine}. Clock: {report['clock']}. Date: {report['date']}. "
        f"Others used {busy:.1f} processors meanwhile. "
        f"Command: `{report['command']}`.\n"
    )
    return "\n".join(parts)


def plot(report: dict[str, Any], path: Path) -> None:
    """The part of the peak of each case that has one, and torch's."""
    if optional("matplotlib") is None:
        raise SystemExit("attn-bench --plot needs matplotlib: pip install matplotlib")
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [row for row in report["results"] if row.get("peak_fraction")]
    rows = [row for row in rows if row["suite"] not in ("decode", "threads")]
    figure, axes = pyplot.subplots(figsize=(9, 1.5 + 0.3 * len(rows)))
    places = list(range(len(rows)))[::-1]
    ours = [row["peak_fraction"] for row in rows]
    axes.barh([y + 0.2 for y in places], ours, 0.4, label="attn-mlir")
    theirs = [
        row["peak_fraction"] / row["torch_ratio"] if row.get("torch_ratio") else 0.0
        for row in rows
    ]
    axes.barh([y - 0.2 for y in places], theirs, 0.4, label="torch SDPA")
    axes.set_yticks(places, [f"{row['case']} {row['dtype']}" for row in rows])
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_xlabel("part of the measured f32 FMA peak, counted operations")
    axes.set_title(report["machine"]["CPU"], fontsize="small")
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)

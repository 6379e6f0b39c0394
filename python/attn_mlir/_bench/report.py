"""The report as text, Markdown and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .measure import optional

_COLUMNS = ("case", "dtype", "threads", "ours", "torch", "figure", "must", "aim", "")
# More peers, in tables that have them.
_PEERS = {
    "flex": "FlexAttention",
    "sdpa": "torch, bool mask",
    "windowed": "ONNX Runtime",
    "array": "ours, bool mask",
    "full": "ours, dense",
}


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
    for key, head in _PEERS.items():
        if f"{key}_ms" in row:
            peer += f" {head} {_time(row[f'{key}_ms'])},"
    peer = peer.removesuffix(",").lstrip()
    wanted = f"(must {must}, aim {aim}): {verdict}" if must != "-" else ""
    return (
        f"  {name:<34} {dtype:<5} {threads}T {ours:<17} {peer:<16} {figure} {wanted}"
    ).rstrip()


def _table(rows: list[dict[str, Any]]) -> str:
    """Columns of peers that no row has are left out."""
    peers = {"torch": "torch"} | _PEERS
    found = [key for key in peers if any(f"{key}_ms" in row for row in rows)]
    # The place of torch's column is there in every table of kernels.
    found = found if set(found) & set(_PEERS) else ["torch"]
    place = _COLUMNS.index("torch")
    heads = [*_COLUMNS[:place], *(peers[key] for key in found), *_COLUMNS[place + 1 :]]
    limited = any("ratio_at_peak" in row for row in rows)
    # Before the verdict, which has no heading.
    heads[-1:-1] = ["at FMA peak"] if limited else []
    lines = [heads, ["---"] * len(heads)]
    for row in rows:
        own = cells(row)
        theirs = [_time(row.get(f"{key}_ms")) for key in found]
        line = [*own[:place], *theirs, *own[place + 1 :]]
        limit = _number(row.get("ratio_at_peak"), row["metric"])
        line[-1:-1] = [limit] if limited else []
        lines.append(line)
    return "\n".join("| " + " | ".join(each) + " |" for each in lines)


def markdown(report: dict[str, Any]) -> str:
    """A table for each suite, and what missed its figure."""
    parts = []
    results = report["results"]
    for suite in dict.fromkeys(row["suite"] for row in results):
        table = _table([row for row in results if row["suite"] == suite])
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


def _pyplot() -> Any:
    if optional("matplotlib") is None:
        raise SystemExit("attn-bench --plot needs matplotlib: pip install matplotlib")
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def plot(report: dict[str, Any], path: Path) -> None:
    """A picture of the kernels or of the sparse masks, by what was measured."""
    pyplot = _pyplot()
    if any(row["suite"].startswith("mask-") for row in report["results"]):
        figure = _masks(pyplot, report)
    else:
        figure = _peaks(pyplot, report)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _peaks(pyplot: Any, report: dict[str, Any]) -> Any:
    """The part of the peak of each case that has one, and torch's."""
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
    return figure


def _masks(pyplot: Any, report: dict[str, Any]) -> Any:
    """The efficiency of each mask beside its figures, and the ratios to torch."""

    def of(*suites: str) -> list[dict[str, Any]]:
        rows = [row for row in report["results"] if row["suite"] in suites]
        return [row for row in rows if row["value"] is not None]

    parts = (
        (of("mask-efficiency"), "of own dense attention, for each kept pair", False),
        (of("mask-flex", "mask-first"), "times faster than FlexAttention", True),
    )
    heights = [max(len(rows), 1) for rows, _, _ in parts]
    figure, both = pyplot.subplots(
        2, figsize=(9, 2.5 + 0.3 * sum(heights)), height_ratios=heights
    )
    for axes, (rows, label, logarithmic) in zip(both, parts, strict=True):
        places = list(range(len(rows)))[::-1]
        axes.barh(places, [row["value"] for row in rows], 0.6)
        for name, colour in (("must", "tab:red"), ("aim", "tab:green")):
            marks = [(row[name], y) for row, y in zip(rows, places, strict=True)]
            marks = [mark for mark in marks if mark[0] is not None]
            if marks:
                axes.plot(*zip(*marks, strict=True), "|", c=colour, ms=14, label=name)
        axes.set_yticks(places, [f"{row['case']} {row['dtype']}" for row in rows])
        axes.set_xlabel(label)
        if logarithmic:
            axes.set_xscale("log")
            axes.set_xlim(left=1)
        if rows:
            axes.legend(loc="lower right")
    both[0].set_title(report["machine"]["CPU"], fontsize="small")
    return figure


def plot_growth(report: dict[str, Any], path: Path) -> None:
    """Time for each token against the length, one line for each pattern."""
    pyplot = _pyplot()
    rows = [row for row in report["results"] if "length" in row]
    figure, axes = pyplot.subplots(figsize=(8, 5))
    for pattern in dict.fromkeys(row["pattern"] for row in rows):
        own = [row for row in rows if row["pattern"] == pattern]
        lengths = [row["length"] for row in own]
        axes.plot(lengths, [row["value"] for row in own], marker="o", label=pattern)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("tokens L")
    axes.set_ylabel("nanoseconds a token")
    axes.set_title(
        f"one head, D = 64, f32, one core of {report['machine']['CPU']}",
        fontsize="small",
    )
    axes.grid(True, which="both", linewidth=0.3)
    if rows:
        axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)

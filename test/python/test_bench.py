"""attn-bench at toy sizes: every suite runs, checks itself and reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from attn_mlir import _native, bench
from attn_mlir._bench.cases import Problem
from attn_mlir._bench.measure import Rounds, Spread, take_turns
from attn_mlir._bench.suites import SUITES, Row


def report_of(folder: Path, *arguments: str) -> dict:
    path = folder / "report.json"
    tiny = ["--shrink=32", "--seconds=0", f"--json={path}", *arguments]
    assert bench.main(tiny) == 0
    return json.loads(path.read_text())


@pytest.mark.parametrize("suite", SUITES)
def test_suite(suite: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = report_of(tmp_path, f"--suite={suite}")
    assert report["machine"]["CPU"]
    assert report["results"]
    for row in report["results"]:
        assert row["suite"] == suite
        assert row["verdict"] in ("aim", "must", "missed", "-", "not measured")
        if row.get("allowed"):
            assert row["error"] <= row["allowed"]
    capsys.readouterr()
    assert bench.main([f"--markdown={tmp_path / 'report.json'}"]) == 0
    printed = capsys.readouterr().out
    assert f"### {suite}" in printed and "Machine: CPU" in printed


def test_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "report.png"
    report_of(tmp_path, "--suite=odd", f"--plot={picture}", "--clock=cpu")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_strict_fails_on_missed(tmp_path: Path) -> None:
    # Tiny problems reach no part of the peak worth the name.
    arguments = ["--shrink=64", "--seconds=0", "--suite=causal"]
    assert bench.main([*arguments, "--strict"]) == 1
    assert bench.main(arguments) == 0


def test_wrong_result_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Problem, "check", lambda self: (1.0, 0.5))
    assert bench.main(["--shrink=64", "--seconds=0", "--suite=odd"]) == 1


def test_unknown_suite_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.main(["--suite=nothing"])
    assert "nothing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("problem", "pairs"),
    [
        (Problem(5, 8), 25),
        (Problem(5, 8, causal=True), 15),
        (Problem(5, 8, causal=True, window=2), 9),
        (Problem(1, 8, keys=7), 7),
    ],
)
def test_pairs(problem: Problem, pairs: int) -> None:
    assert problem.pairs == pairs
    if problem.mask is not None:
        length = problem.queries
        assert problem.mask.dense(1, 1, length, length).sum() == pairs


def test_verdicts() -> None:
    def verdict(value: float | None, lower: bool = False) -> str:
        must, aim = (2.0, 1.0) if lower else (1.0, 2.0)
        return Row("s", "c", "m", value, must, aim, lower).verdict

    assert [verdict(value) for value in (0.5, 1.5, 2.5, None)] == [
        "missed",
        "must",
        "aim",
        "not measured",
    ]
    assert [verdict(value, True) for value in (2.5, 1.5, 0.5)] == [
        "missed",
        "must",
        "aim",
    ]


def test_ratios_are_taken_round_by_round() -> None:
    rounds = Rounds({"ours": [1.0, 10.0, 2.0], "peer": [2.0, 20.0, 4.0]}, [1.0] * 3)
    assert rounds.ratio("peer", "ours") == Spread(2.0, 2.0, 2.0, 2.0, 2.0)


def test_turns_alternate() -> None:
    order: list[str] = []
    actions = {name: lambda name=name: order.append(name) for name in "ab"}
    rounds = take_turns(actions, seconds=0, least=3, peak_seconds=0.001)
    assert len(rounds.samples["a"]) == len(rounds.samples["b"]) == 3
    collapsed = [order[0]]
    for each in order[1:]:
        if each != collapsed[-1]:
            collapsed.append(each)
    assert collapsed == ["a", "b"] * 4


def test_machine_peaks_are_plausible() -> None:
    one = _native.fma_peak(0.02)
    assert 1e9 < one < 1e12
    assert _native.fma_instructions()
    cached, remote = (_native.read_bandwidth(1 << n, 0.02) for n in (15, 27))
    assert 1e8 < remote < cached * 2 < 1e13

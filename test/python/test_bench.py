"""attn-bench at toy sizes: every suite runs, checks itself and reports."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import attn_mlir as am
from attn_mlir import _native, bench
from attn_mlir._bench import child, flex, newmasks
from attn_mlir._bench.cases import Problem
from attn_mlir._bench.flex import CASES, FlexCase
from attn_mlir._bench.measure import Rounds, Spread, as_user, take_turns
from attn_mlir._bench.patterns import PATTERNS, Masked, random_blocks
from attn_mlir._bench.rows import Row
from attn_mlir._bench.suites import GROUPS, SUITES


def report_of(folder: Path, *arguments: str) -> dict:
    path = folder / "report.json"
    tiny = ["--shrink=32", "--seconds=0", "--no-flex", f"--json={path}", *arguments]
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


def test_plots_of_masks(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pictures = [tmp_path / "masks.png", tmp_path / "growth.png"]
    report_of(
        tmp_path,
        "--suite=mask-growth",
        f"--plot={pictures[0]}",
        f"--plot-growth={pictures[1]}",
    )
    for picture in pictures:
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_groups_are_the_suites() -> None:
    names = [name for group in GROUPS.values() for name in group]
    assert names == list(SUITES)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
def test_pattern(pattern: str, dtype: str) -> None:
    pytest.importorskip("torch" if dtype == "bf16" else "numpy")
    problem = Masked(192, 64, 4, pattern=pattern, shrink=8, dtype=dtype)
    error, allowed = problem.check()
    assert error <= allowed
    assert problem.mask is not None
    keep = problem.mask.dense(1, 4, 192, 192)
    assert problem.all_pairs == keep.sum()
    assert np.array_equal(np.broadcast_to(problem.boolean(), keep.shape), keep)


def test_pattern_check_finds_a_wrong_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Masked(192, 64, pattern="causal window 256", shrink=8)
    other = am.masks.window(32, 0)
    plain = am.attention

    def wrong(*args: Any, mask: object = None) -> Any:
        return plain(*args, mask=other)

    monkeypatch.setattr(am, "attention", wrong)
    error, allowed = problem.check()
    assert error > allowed


def test_closed_form_has_the_pairs_of_documents() -> None:
    documents = Masked(192, 64, pattern="documents of 512, causal", shrink=8)
    closed = Masked(192, 64, pattern="segments of 512, causal", shrink=8)
    assert np.array_equal(documents.boolean(), closed.boolean())
    for pattern in ("documents without keys", "no pair, in closed form"):
        assert Masked(192, 64, pattern=pattern, shrink=8).all_pairs == 0


def test_random_blocks_differ() -> None:
    for length in (192, 1024, 65536):
        table = random_blocks(length, 64)
        assert table.min() >= 0 and table.max() < length // 64
        assert all(len(set(row)) == 3 for row in table[:100].tolist())


def test_window_of_onnxruntime_is_ours() -> None:
    pytest.importorskip("onnxruntime")
    problem = Masked(192, 64, 2, pattern="causal window 256", shrink=8)
    run = problem.windowed()
    assert run is not None
    ours = am.attention(*problem.arrays(), mask=problem.mask)
    theirs = run().reshape(1, 192, 2, 64).swapaxes(1, 2)
    assert np.abs(ours - theirs).max() < 1e-5


@pytest.mark.parametrize("kind", CASES)
def test_flex_against_torch(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip("torch.nn.attention.flex_attention")
    monkeypatch.setattr(
        flex, "compiled_flex", lambda *_: uncompiled(module.flex_attention)
    )
    case = FlexCase(kind, 128, 4, 8)
    errors, allowed = case.errors([case.ours()(), case.theirs()()])
    assert errors[0] <= allowed and errors[1] <= 2 * allowed
    assert 0 < case.operations <= 4 * 4 * 128 * 128 * 64


def uncompiled(function: Callable[..., Any]) -> Callable[..., Any]:
    import torch

    # torch warns about the uncompiled function; only its result is wanted.
    def run(*arguments: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.compiler.disable(function)(*arguments)

    return run


def test_flex_suite_with_a_peer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = pytest.importorskip("torch.nn.attention.flex_attention")
    monkeypatch.setattr(
        flex, "compiled_flex", lambda *_: uncompiled(module.flex_attention)
    )
    monkeypatch.setattr(child, "run", lambda *words: [2.0, 1.0])
    report = tmp_path / "report.json"
    tiny = ["--shrink=64", "--seconds=0", f"--json={report}"]
    assert bench.main([*tiny, "--suite=mask-flex", "--suite=mask-first"]) == 0
    rows = json.loads(report.read_text())["results"]
    assert len(rows) == len(CASES) + 2
    assert all(row["value"] == row["flex_ratio"] for row in rows)
    capsys.readouterr()
    assert bench.main([f"--markdown={report}"]) == 0
    assert "| FlexAttention |" in capsys.readouterr().out


def test_a_peer_that_is_not_compiled_is_no_peer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")

    def eager(*_: object) -> None:
        raise flex.NotCompiled("eager")

    monkeypatch.setattr(flex, "compiled_flex", eager)
    report = tmp_path / "report.json"
    tiny = ["--shrink=64", "--seconds=0", "--suite=mask-flex", f"--json={report}"]
    assert bench.main(tiny) == 0
    for row in json.loads(report.read_text())["results"]:
        assert row["verdict"] == "not measured" and row["flex_absent"] == "eager"


def test_a_failing_child_says_why() -> None:
    with pytest.raises(RuntimeError, match="nothing like this"):
        child.run("memory", "nothing like this", 64, 1)


@pytest.mark.parametrize("kind", newmasks.KINDS)
def test_new_mask_text_is_the_callable(kind: str) -> None:
    ids = newmasks.ids(1024)
    text, function = newmasks.KINDS[kind](3, ids)
    q, k, v = Masked(1024, 64, 8).arrays()
    kernel = am.compile(newmasks.source(text, False))
    expected = am.attention(q, k, v, mask=as_user(function))
    assert np.abs(kernel(q, k, v, ids) - expected).max() < 1e-5


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

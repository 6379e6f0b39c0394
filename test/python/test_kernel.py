"""am.compile and am.Kernel."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import draw, judge

import attn_mlir as am

SOURCE = """\
func.func @causal(%q: tensor<?x4x?x16xf32>, %k: tensor<?x2x?x16xf32>,
                  %v: tensor<?x2x?x16xf32>) -> tensor<?x4x?x16xf32> {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %B = tensor.dim %q, %c0 : tensor<?x4x?x16xf32>
  %L = tensor.dim %q, %c2 : tensor<?x4x?x16xf32>
  %o = tensor.empty(%B, %L) : tensor<?x4x?x16xf32>
  %r = attn.attention
    ins(%q, %k, %v : tensor<?x4x?x16xf32>, tensor<?x2x?x16xf32>,
        tensor<?x2x?x16xf32>)
    outs(%o : tensor<?x4x?x16xf32>)
    masks(#attn.causal)
    -> tensor<?x4x?x16xf32>
  return %r : tensor<?x4x?x16xf32>
}
"""


@pytest.fixture(scope="module")
def kernel() -> am.Kernel:
    return am.compile(SOURCE)


@pytest.mark.parametrize(
    "sizes", [(1, 33, 33), (2, 1, 70), (3, 129, 65), (2, 0, 4), (2, 4, 0)]
)
def test_dynamic_sizes(kernel: am.Kernel, sizes: tuple[int, int, int]) -> None:
    B, L, S = sizes
    q, k, v = draw(B=B, H=4, G=2, L=L, S=S)
    judge(kernel(q, k, v), q, k, v, mask=am.masks.causal())


def test_sources(tmp_path: Path, kernel: am.Kernel) -> None:
    path = tmp_path / "causal.mlir"
    path.write_text(SOURCE, encoding="utf-8")
    q, k, v = draw(H=4, G=2)
    expected = kernel(q, k, v)
    for source in (SOURCE, SOURCE.encode(), path):
        np.testing.assert_array_equal(am.compile(source)(q, k, v), expected)


def test_entry() -> None:
    both = SOURCE + SOURCE.replace("@causal", "@other")
    with pytest.raises(am.CompileError, match="entry"):
        am.compile(both)
    assert am.compile(both, entry="other").name == "other"
    with pytest.raises(am.CompileError, match="missing"):
        am.compile(both, entry="missing")


def test_phases(kernel: am.Kernel) -> None:
    assert list(kernel.ir) == [
        *("input", "raise", "expand", "specialize", "tile", "codegen", "target")
    ]
    assert "attn.attention" in kernel.ir["input"]
    assert "attn.online_attention" in kernel.ir["tile"]
    assert "tensor<" not in kernel.ir["codegen"]
    assert "llvm.func" in kernel.ir["target"]
    with pytest.raises(KeyError, match="phase expects one of"):
        kernel.ir["bogus"]


def test_texts(kernel: am.Kernel) -> None:
    assert "define" in kernel.llvm
    assert "ret" in kernel.asm
    assert kernel.name == "causal"
    assert kernel.target == "host"
    assert kernel.remarks and all(
        isinstance(each, am.Remark) for each in kernel.remarks
    )
    assert kernel.timings["total"] > 0
    assert repr(kernel) == "<am.Kernel 'causal' for 'host'>"


def test_save_object(kernel: am.Kernel, tmp_path: Path) -> None:
    kernel.save_object(tmp_path / "a.o", header=tmp_path / "a.h")
    assert (tmp_path / "a.o").read_bytes()[:4] == b"\x7fELF"
    assert "causal" in (tmp_path / "a.h").read_text(encoding="utf-8")


def test_wrong_calls(kernel: am.Kernel) -> None:
    q, k, v = draw(H=4, G=2)
    for arguments, message in (
        ((q, k), "expects 3 arguments, but got 2"),
        ((q, k, [1.0]), "expects an array"),
        ((q, k, v.astype(np.float64)), "'v'.*f32.*"),
        ((q[:, :3], k, v), "'q'"),
        ((q, k[:, :1], v), "'k'"),
        ((q[0], k, v), "'q'"),
        ((q, k, v[:, :, :5]), "'v'"),
    ):
        with pytest.raises(am.ArgumentError, match=message):
            kernel(*arguments)


def test_strided_arguments_are_copied(kernel: am.Kernel) -> None:
    q, k, v = draw(H=4, G=2)
    wide = np.zeros((*q.shape[:3], 32), np.float32)
    wide[..., ::2] = q
    np.testing.assert_array_equal(kernel(wide[..., ::2], k, v), kernel(q, k, v))


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("func.func @f(", 1, "expected"),
        (SOURCE.replace("#attn.causal", "#attn.casual"), 12, "casual"),
        (SOURCE.replace("masks(#attn.causal)", "masks(3)"), 8, "'masks'"),
        (SOURCE.replace("%k: tensor<?x2x", "%k: tensor<?x3x", 1), 9, "'%k'"),
        ("", 0, "function"),
        ("func.func private @f()", 0, "function"),
    ],
)
def test_compile_errors(source: str, line: int, message: str) -> None:
    with pytest.raises(am.CompileError, match=message) as caught:
        am.compile(source)
    error = caught.value
    assert error.diagnostics
    assert error.diagnostics[0].severity == "error"
    assert str(error).count("error: ") >= 1
    if line:
        assert error.diagnostics[0].line == line
        assert f"<source>:{line}:" in str(error)
        assert source.splitlines()[line - 1] in str(error)
        assert "^" in str(error)


def test_unknown_external_symbols_are_refused() -> None:
    source = """
func.func private @system(f32) -> f32
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = arith.constant 1.0 : f32
  %n = call @system(%c) : (f32) -> f32
  %r = tensor.splat %n : tensor<4xf32>
  return %r : tensor<4xf32>
}
"""
    with pytest.raises(am.CompileError, match="system"):
        am.compile(source)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(am.ArgumentError, match="'source' expects a readable file"):
        am.compile(tmp_path / "nothing.mlir")


def test_targets() -> None:
    with pytest.raises(am.TargetError, match="no-such-cpu"):
        am.compile(SOURCE, target="cpu:no-such-cpu")
    other = am.compile(SOURCE, target=am.Target("cpu:aarch64"))
    assert ".text" in other.asm
    q, k, v = draw(H=4, G=2)
    with pytest.raises((am.ArgumentError, am.TargetError), match="aarch64"):
        other(q, k, v)
    baseline = am.compile(SOURCE, target="cpu:x86-64")
    assert "zmm" not in baseline.asm
    assert "ymm" not in baseline.asm
    judge(baseline(q, k, v), q, k, v, mask=am.masks.causal())


def test_threads_compile_and_run(kernel: am.Kernel) -> None:
    q, k, v = draw(B=2, H=4, G=2, L=65, S=90)
    expected = kernel(q, k, v)
    failures: list[str] = []

    def work(number: int) -> None:
        source = SOURCE.replace("causal<", f"causal_{number}<")
        mine = am.compile(source, options=am.Options(block_keys=16 * (1 + number % 3)))
        for _ in range(20):
            if not np.allclose(mine(q, k, v), expected, atol=1e-5):
                failures.append(f"compiled by thread {number}")
            if kernel(q, k, v).tobytes() != expected.tobytes():
                failures.append(f"shared kernel in thread {number}")

    workers = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert not failures


def test_kernels_are_freed() -> None:
    resident = Path("/proc/self/statm")

    def pages() -> int:
        return int(resident.read_text().split()[1])

    def compile_some(first: int, count: int) -> None:
        for n in range(first, first + count):
            am.compile(SOURCE.replace("#attn.causal", f"#attn.causal<offset = {n}>"))
            am.cache.clear()
        gc.collect()

    compile_some(1, 10)
    before = pages()
    compile_some(100, 20)
    assert (pages() - before) * 4096 < 20 << 20


def test_no_memory_is_writable_and_executable(kernel: am.Kernel) -> None:
    assert kernel.name
    maps = Path("/proc/self/maps").read_text()
    assert not [line for line in maps.splitlines() if "rwx" in line.split()[1]]


def test_cache_counts_and_clears() -> None:
    am.cache.clear()
    q, k, v = draw(D=24)
    am.attention(q, k, v)
    first = am.cache.info()
    assert (first.enabled, first.plans, first.kernels) == (True, 1, 1)
    am.attention(q, k, v)
    assert am.cache.info().misses == first.misses
    am.attention(q, k, v, mask=am.masks.causal())
    assert am.cache.info().misses == first.misses + 1
    am.cache.clear()
    assert (am.cache.info().plans, am.cache.info().kernels) == (0, 0)


def test_cache_disabled() -> None:
    am.cache.disable()
    try:
        assert not am.cache.info().enabled
        q, k, v = draw(D=24)
        np.testing.assert_array_equal(am.attention(q, k, v), am.attention(q, k, v))
        assert am.cache.info().plans == 0
    finally:
        am.cache.enable()


def test_a_changed_closure_is_traced_again() -> None:
    q, k, v = draw(L=33)
    for width in (2, 5):
        judge(
            am.attention(q, k, v, mask=lambda b, h, i, j, w=width: abs(i - j) <= w),
            q,
            k,
            v,
            mask=am.masks.window(width, width),
        )


def test_captured_arrays_are_bound_at_each_call() -> None:
    q, k, v = draw(L=33)
    ids = np.zeros(33, np.int32)

    def mask(b: Any, h: Any, i: Any, j: Any) -> Any:
        return ids[i] == ids[j]

    am.attention(q, k, v, mask=mask)
    misses = am.cache.info().misses
    ids[20:] = 1
    judge(am.attention(q, k, v, mask=mask), q, k, v, mask=am.masks.documents(ids))
    ids = np.arange(33, dtype=np.int32) // 4
    judge(am.attention(q, k, v, mask=mask), q, k, v, mask=am.masks.documents(ids))
    assert am.cache.info().misses == misses


def test_info_command() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "attn_mlir", "info"],
        capture_output=True,
        text=True,
        check=True,
    )
    for word in ("attn-mlir", "LLVM", "features", "threads", "cache"):
        assert word in result.stdout


def test_command_needs_a_verb() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "attn_mlir"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "usage" in result.stderr


@pytest.mark.parametrize("tool", ["attn_opt", "attn_run"])
def test_console_tools_start(tool: str) -> None:
    code = f"import sys; sys.argv = ['x', '--help']; from attn_mlir import _cli; _cli.{tool}()"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "USAGE" in result.stdout.upper()


def test_results_belong_to_the_framework_of_the_first_array(kernel: am.Kernel) -> None:
    torch = pytest.importorskip("torch")
    q, k, v = draw(H=4, G=2)
    out = kernel(torch.from_numpy(q), k, v)
    assert isinstance(out, torch.Tensor)
    np.testing.assert_array_equal(out.numpy(), kernel(q, k, v))


def test_many_threads_meet_a_new_problem_at_once() -> None:
    am.cache.clear()
    q, k, v = draw(H=2, L=33, D=48)
    ids = np.arange(33, dtype=np.int32) // 6
    expected = am.attention(q, k, v, mask=am.masks.documents(ids))
    am.cache.clear()
    results: list[Any] = []

    def work() -> None:
        results.append(am.attention(q, k, v, mask=am.masks.documents(ids)))

    workers = [threading.Thread(target=work) for _ in range(8)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert len(results) == 8
    for each in results:
        np.testing.assert_array_equal(each, expected)


def test_a_fork_can_call() -> None:
    code = """
import os, sys, numpy as np, attn_mlir as am
q = np.ones((1, 4, 65, 16), np.float32)
before = am.attention(q, q, q)
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(am.attention(q, q, q), before) else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_perf_finds_the_names_of_generated_code(tmp_path: Path) -> None:
    code = """
from attn_mlir import _native
source = "func.func @named(%x: tensor<4xf32>) -> tensor<4xf32> { return %x : tensor<4xf32> }"
kernel = _native.compile(source, perf=True)
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    (written,) = tmp_path.glob("perf-*.map")
    assert any(
        line.split()[2] == "named_packed" for line in written.read_text().splitlines()
    )

"""What `am.compile` refuses, and how it says so."""

import subprocess
import sys
from pathlib import Path

import pytest

import attn_mlir as am


def refused(source: str) -> str:
    with pytest.raises(am.CompileError) as caught:
        am.compile(source)
    return str(caught.value)


def nested(depth: int) -> str:
    return f"func.func @f(%c: i1) {{\n{'scf.if %c {' * depth}{'}' * depth}\nreturn\n}}"


def test_deep_nesting_of_text() -> None:
    assert "expected at most 1000 levels of nesting" in refused(nested(2000))


def test_deep_nesting_of_bytecode(tmp_path: Path) -> None:
    source, target = tmp_path / "f.mlir", tmp_path / "f.mlirbc"
    source.write_text(nested(1200))
    tool = "from attn_mlir import _cli; _cli.attn_opt()"
    subprocess.run(
        [sys.executable, "-c", tool, str(source), "--emit-bytecode", "-o", str(target)],
        check=True,
    )
    with pytest.raises(am.CompileError, match="levels of nested regions"):
        am.compile(target.read_bytes())


def test_enormous_tensor() -> None:
    message = refused("""
func.func @f(%x: tensor<2097152x2097152xf32>) -> tensor<2097152x2097152xf32> {
  return %x : tensor<2097152x2097152xf32>
}""")
    assert "expects at most 2^40 elements, but got" in message


def test_enormous_constant() -> None:
    message = refused("""
func.func @f() -> tensor<1048576x1024xf32> {
  %x = arith.constant dense<1.0> : tensor<1048576x1024xf32>
  return %x : tensor<1048576x1024xf32>
}""")
    assert "expects constants of at most 2^26 elements, but got" in message


def test_argument_type() -> None:
    message = refused("""
func.func @f(%x: vector<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> {
  return %y : tensor<4xf32>
}""")
    types = "' to be a ranked tensor or a scalar of f64, f32, f16, bf16, i64, i32, i16, i8, i1 or index, but got"
    assert f"expects 'x{types} 'vector<4xf32>'" in message


def test_several_blocks() -> None:
    message = refused("""
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  cf.br ^next
^next:
  return %x : tensor<4xf32>
}""")
    assert "expects a body of one block" in message


def test_scalar_result() -> None:
    message = refused("func.func @f(%x: f32) -> f32 {\n  return %x : f32\n}")
    assert "result #0 to be a ranked tensor, but got 'f32'" in message


def test_data_dependent_size() -> None:
    message = refused("""
func.func @f(%x: tensor<4xindex>) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.extract %x[%c0] : tensor<4xindex>
  %e = tensor.empty(%n) : tensor<?xf32>
  return %e : tensor<?xf32>
}""")
    assert (
        "of result #0 to follow from the arguments' sizes, but it does not" in message
    )

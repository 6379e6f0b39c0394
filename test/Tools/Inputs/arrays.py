"""Arrays for attn-run-npy.mlir: written before it runs, checked after."""

import sys
from pathlib import Path

import numpy as np


def attention(q, k, v):
    logits = q @ k.T / np.sqrt(q.shape[1])
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True) @ v


def write(folder: Path) -> None:
    random = np.random.default_rng(0)
    q = random.standard_normal((5, 4)).astype(np.float32)
    k = random.standard_normal((3, 4)).astype(np.float32)
    v = random.standard_normal((3, 4)).astype(np.float32)
    expected = attention(*(x.astype(np.float64) for x in (q, k, v)))
    np.save(folder / "q.npy", q)
    np.save(folder / "k.npy", k)
    np.save(folder / "v_fortran.npy", np.asfortranarray(v))
    np.save(folder / "expected.npy", expected)
    np.save(folder / "wrong.npy", expected + 1e-3)
    np.save(folder / "double.npy", q.astype(np.float64))
    np.save(folder / "complex.npy", q.astype(np.complex64))
    np.save(folder / "rank.npy", q[None])
    bits = (k.view(np.uint32) >> 16).astype(np.uint16)
    np.save(folder / "q_bits.npy", bits)
    whole = (folder / "q.npy").read_bytes()
    (folder / "short.npy").write_bytes(whole[:-40])
    (folder / "garbage.npy").write_bytes(whole[:20])
    huge = whole.replace(b"(5, 4)", b"(5555555, 4444444)")
    (folder / "huge.npy").write_bytes(huge)


def check(folder: Path) -> None:
    v = np.load(folder / "out" / "value.npy")
    assert np.array_equal(v, np.load(folder / "v_fortran.npy"))
    result = np.load(folder / "out" / "result0.npy")
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, np.load(folder / "expected.npy"), atol=1e-5)


{"write": write, "check": check}[sys.argv[1]](Path(sys.argv[2]))

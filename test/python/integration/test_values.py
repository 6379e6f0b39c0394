"""Infinities, huge logits, strides, threads: what random numbers miss."""

from __future__ import annotations

from collections.abc import Iterator

import features
import numpy as np
import pytest
from program import (
    STORAGE,
    Program,
    check,
    compile_text,
    from_bf16,
    from_layout,
    guarded,
    judge,
    load,
    run,
    store,
)

from attn_mlir import _native

ELEMENTS = ("f32", "f64", "f16", "bf16")
SCHEDULES = ("lanes-queries", "lanes-features")


@pytest.fixture
def threads() -> Iterator[None]:
    before = _native.get_num_threads()
    yield
    _native.set_num_threads(before)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("element", ELEMENTS)
def test_huge_logits(element: str, schedule: str) -> None:
    """Without the running maximum these overflow."""
    for spread in (1e3, 1e4):
        program = Program(
            L=37, S=300, D=16, element=element, spread=spread, lse=True, dynamic="ls"
        )
        check(program, schedule=schedule)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("element", ELEMENTS)
def test_equal_logits_average(element: str, schedule: str) -> None:
    """Logits of -1e4 everywhere are a row like any other: an average."""
    compute = "f64" if element == "f64" else "f32"
    low = (features.constant_region(compute, -10000.0),)
    check(Program(S=200, element=element, scores=low, lse=True), schedule=schedule)


@pytest.mark.parametrize("bad", (np.nan, np.inf, -np.inf))
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("element", ELEMENTS)
def test_masked_values_do_not_leak(element: str, schedule: str, bad: float) -> None:
    for dynamic in ("", "ls"):
        program = Program(
            B=2,
            L=40,
            S=60,
            D=16,
            Dv=20,
            element=element,
            dynamic=dynamic,
            masks=(features.key_lengths(np.array([41, 3])), features.window(30, 9)),
            lse=True,
        )
        clean = program.draw()
        dirty = [each.copy() for each in clean]
        for operand in (1, 2):
            dirty[operand][0, :, 41:] = store(np.array([bad]), element)[0]
            dirty[operand][1, :, 3:] = store(np.array([bad]), element)[0]
        kernel = compile_text(program.text(), schedule=schedule)
        expected = run(kernel, program, clean)
        for out, right in zip(run(kernel, program, dirty), expected, strict=True):
            np.testing.assert_array_equal(out, right)


@pytest.mark.parametrize("bad", (np.nan, np.inf, -np.inf))
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("element", ELEMENTS)
def test_partly_masked_values(element: str, schedule: str, bad: float) -> None:
    """A value that some rows see: those rows, and no others, get it."""
    program = Program(
        L=40, S=60, D=16, Dv=20, element=element, masks=(features.causal(),), lse=True
    )
    arguments = program.draw()
    arguments[2][0, 1, 13, 4] = store(np.array([bad]), element)[0]
    (out, lse) = run(
        compile_text(program.text(), schedule=schedule), program, arguments
    )
    assert np.isfinite(lse).all()
    reached = ~np.isfinite(out)
    expected = np.zeros_like(reached)
    expected[0, 1, 13:, 4] = True
    # A weight that underflows to 0 does not carry an infinity.
    assert not (reached & ~expected).any()
    assert reached[0, 1, 13, 4]
    out[reached] = 0
    arguments[2][0, 1, 13, 4] = 0
    exact = program.evaluate(arguments)[0]
    rough = program.evaluate(arguments, element)[0]
    keep = ~expected
    limit = 2 * np.abs(rough - exact).max() + 8e-3
    assert np.abs(out - exact)[keep].max() <= limit


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("element", ELEMENTS)
def test_nan_propagates(element: str, schedule: str) -> None:
    """From a query to its row, from a key to every row that sees it."""
    program = Program(
        L=40, S=150, D=16, element=element, masks=(features.window(60, 60),), lse=True
    )
    kernel = compile_text(program.text(), schedule=schedule)
    arguments = program.draw()
    arguments[0][0, 1, 7, 3] = store(np.array([np.nan]), element)[0]
    out, lse = run(kernel, program, arguments)
    assert np.isnan(out[0, 1, 7]).all() and np.isnan(lse[0, 1, 7])
    out[0, 1, 7] = lse[0, 1, 7] = 0
    assert np.isfinite(out).all() and np.isfinite(lse).all()

    arguments = program.draw()
    arguments[1][0, 0, 70, 3] = store(np.array([np.nan]), element)[0]
    out, lse = run(kernel, program, arguments)
    seen = np.abs(np.arange(40) - 70) <= 60
    assert np.isnan(out[0, 0, seen]).all() and np.isnan(lse[0, 0, seen]).all()
    assert np.isfinite(out[0, 0, ~seen]).all() and np.isfinite(out[0, 1]).all()


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("element", ELEMENTS)
def test_infinite_bias_is_a_mask(element: str, schedule: str) -> None:
    compute = "f64" if element == "f64" else "f32"
    values = np.random.default_rng(0).standard_normal((40, 60))
    values[np.random.default_rng(1).random((40, 60)) < 0.5] = -np.inf
    values[5] = -np.inf
    program = Program(
        L=40, S=60, element=element, scores=(features.bias(values, compute),), lse=True
    )
    out, lse = check(program, schedule=schedule)
    assert not out[:, :, 5].any() and np.isneginf(lse[:, :, 5]).all()


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("element", ELEMENTS)
def test_strided_arrays(element: str, schedule: str) -> None:
    """Any strides but the innermost; outputs too, and only the asked elements."""
    program = Program(B=2, H=3, L=21, S=35, D=12, Dv=10, element=element, dynamic="ls")
    arguments = program.draw()
    kernel = compile_text(program.text(), schedule=schedule)
    (expected,) = run(kernel, program, arguments)

    def spread(array: np.ndarray) -> np.ndarray:
        wide = np.empty([2 * n + 1 for n in array.shape], array.dtype)
        wide.view(np.uint8)[...] = 0xFF
        view = wide[1::2, 1::2, 1::2, 1 : 1 + array.shape[3]]
        view[...] = array
        return view

    out = spread(np.zeros((2, 3, 21, 10), STORAGE[element]))
    kernel.call([spread(each) for each in arguments], [out])
    np.testing.assert_array_equal(load(np.ascontiguousarray(out), element), expected)
    whole = out.base
    assert whole is not None
    out[...] = np.zeros((), STORAGE[element])
    untouched = np.ascontiguousarray(whole).view(np.uint8) == 0xFF
    assert int(untouched.sum()) == whole.nbytes - out.nbytes


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_one_bit_for_all_threads_and_runs(threads: None, schedule: str) -> None:
    program = Program(
        B=2, H=4, G=2, L=130, S=200, D=32, masks=(features.causal(),), lse=True
    )
    arguments = program.draw()
    kernel = compile_text(program.text(), schedule=schedule)
    _native.set_num_threads(1)
    first = run(kernel, program, arguments)
    for count in (1, 2, 3, 8):
        _native.set_num_threads(count)
        for _ in range(5):
            for out, right in zip(run(kernel, program, arguments), first, strict=True):
                assert out.tobytes() == right.tobytes()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_rows_do_not_depend_on_their_neighbours(schedule: str) -> None:
    """Batches and heads computed alone give the same bits."""
    program = Program(B=2, H=3, L=50, S=70, D=16, dynamic="bh", lse=True)
    kernel = compile_text(program.text(), schedule=schedule)
    arguments = program.draw()
    whole = run(kernel, program, arguments)
    alone = program.changed(B=1, H=1, G=1)
    part = run(kernel, alone, [each[1:2, 2:3] for each in arguments])
    for out, right in zip(part, whole, strict=True):
        assert out.tobytes() == np.ascontiguousarray(right[1:2, 2:3]).tobytes()


@pytest.mark.parametrize("end", ("front", "back"))
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("element", ELEMENTS)
def test_captured_tensors_are_not_overread(
    element: str, schedule: str, end: str
) -> None:
    compute = "f64" if element == "f64" else "f32"
    random = np.random.default_rng(0)
    program = Program(
        B=1,
        H=3,
        L=17,
        S=29,
        D=5,
        Dv=3,
        element=element,
        scores=(
            features.bias(random.standard_normal((3, 17, 29)), compute),
            features.relative_table(random.standard_normal((4, 3)), compute),
        ),
        masks=(
            features.key_lengths(np.array([23])),
            features.documents(np.zeros(17), np.zeros(29)),
        ),
        sinks=True,
        lse=True,
    )
    check(program, schedule=schedule, end=end)


def test_helpers_round_as_the_hardware_does() -> None:
    values = np.array([1.0, 1.00390625, 1.01171875, -3.0, 65504.0, np.inf, np.nan])
    bits = store(values, "bf16")
    again = from_bf16(bits)
    np.testing.assert_array_equal(again[:2], [1.0, 1.0])
    assert again[2] == 1.015625 and np.isnan(again[-1])
    with guarded() as place:
        assert place(values).tobytes() == values.tobytes()
    shaped = np.zeros((2, 3, 4, 5))
    assert from_layout(shaped, "blhd").shape == (2, 4, 3, 5)


def test_rule_accepts_its_own_reference() -> None:
    program = Program(element="bf16", lse=True)
    arguments = program.draw()
    assert not judge(program, arguments, program.evaluate(arguments, "bf16"))

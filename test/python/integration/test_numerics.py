"""Generated kernels against float64, through the native module.

Every run here has read-only inputs and poisoned outputs, each against an
unreadable page: an access outside a buffer ends the process, and an element
that is not written, or an input that is, is noticed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import features
import numpy as np
import pytest
from program import LAYOUTS, Mask, Program, Score, check, compile_text

from attn_mlir import _native

ELEMENTS = ("f32", "f64", "f16", "bf16")
SCHEDULES = ("lanes-queries", "lanes-features")
LENGTHS = (1, 3, 17, 33, 65, 127, 129, 257)
WIDTHS = (1, 5, 16, 40, 64, 80, 96, 128, 160, 256)


def runnable_targets() -> list[str]:
    found = ["host"]
    for target in ("cpu:x86-64", "cpu:x86-64-v3", "cpu:x86-64-v4"):
        kernel = _native.compile(
            "func.func @f(%x: tensor<?xf32>) -> tensor<?xf32> {\n"
            "  return %x : tensor<?xf32>\n}",
            target=target,
        )
        if not isinstance(kernel, list) and kernel.runnable:
            found.append(target)
    return found


TARGETS = runnable_targets()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("element", ELEMENTS)
def test_one_dynamic_kernel_serves_all_lengths(
    element: str, schedule: str, target: str
) -> None:
    program = Program(H=2, G=1, D=24, Dv=17, element=element, dynamic="bls", lse=True)
    kernel = compile_text(program.text(), schedule=schedule, target=target)
    for number, (rows, keys) in enumerate(
        zip(LENGTHS, (*LENGTHS[3:], *LENGTHS[:3]), strict=True)
    ):
        sized = program.changed(L=rows, S=keys, B=1 + number % 2, seed=number)
        check(sized, kernel, end=("back", "front")[number % 2])


@pytest.mark.parametrize("element", ("f32", "bf16"))
def test_long(element: str) -> None:
    for schedule in ("auto", *SCHEDULES):
        program = Program(
            H=1, L=1000, S=1000, D=64, element=element, masks=(features.causal(),)
        )
        check(program, schedule=schedule)


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_many_keys(schedule: str, element: str) -> None:
    """An error of each key block would add up: rescaling by 2^0 must be by 1."""
    program = Program(H=1, L=4, S=20000, D=16, element=element, dynamic="s", lse=True)
    for target in TARGETS:
        check(program, schedule=schedule, target=target)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("dynamic", ("", "de"))
def test_widths(element: str, schedule: str, dynamic: str) -> None:
    kernels: dict[str, Any] = {}
    for width, value in zip(WIDTHS, (*WIDTHS[4:], *WIDTHS[:4]), strict=True):
        program = Program(
            H=2, L=19, S=37, D=width, Dv=value, element=element, dynamic=dynamic
        )
        text = program.text()
        if text not in kernels:
            kernels[text] = compile_text(text, schedule=schedule)
        check(program, kernels[text])


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("length", LENGTHS)
def test_static_lengths(length: int, schedule: str) -> None:
    """Lengths the compiler knows, in each element type in turn."""
    element = ELEMENTS[LENGTHS.index(length) % 4]
    for keys in (length, length + 30):
        program = Program(B=2, L=length, S=keys, D=16, element=element, lse=True)
        check(program, schedule=schedule)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("dynamic", ("", "bhlsde"))
@pytest.mark.parametrize(
    "sizes",
    ({"S": 0}, {"L": 0, "S": 5}, {"B": 0}, {"L": 0, "S": 0}, {"Dv": 0}),
    ids=str,
)
def test_empty_dimensions(sizes: dict[str, int], dynamic: str, schedule: str) -> None:
    for element, sinks in itertools.product(("f32", "bf16"), (False, True)):
        program = Program(
            **{"B": 2, "L": 19, **sizes},
            element=element,
            dynamic=dynamic,
            sinks=sinks,
            lse=True,
        )
        results = check(program, schedule=schedule)
        if program.S == 0:
            assert not results[0].any()
            assert sinks or np.isneginf(results[1]).all()


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dynamic", ("", "bls"))
def test_layouts_and_groups(layout: str, schedule: str, dynamic: str) -> None:
    if layout in ("hld", "ld"):
        dynamic = dynamic.replace("b", "")
    for heads, group in ((1, 1),) if layout == "ld" else ((6, 6), (6, 2), (5, 1)):
        for element in ("f32", "bf16"):
            program = Program(
                B=2,
                H=heads,
                G=group,
                L=21,
                S=35,
                D=16,
                Dv=24,
                layout=layout,
                element=element,
                dynamic=dynamic,
                lse=True,
            )
            check(program, schedule=schedule)


# ---------------------------------------------------------------------------
# Masks and scores
# ---------------------------------------------------------------------------

H, L, S = 4, 70, 90


def masks() -> Iterator[tuple[str, tuple[Mask, ...]]]:
    random = np.random.default_rng(3)
    yield "causal", (features.causal(),)
    yield "bottom_right", (features.causal_bottom_right(),)
    yield "offset", (features.causal_offset(-7),)
    yield "offset_per_batch", (features.causal_per_batch(np.array([3, -20])),)
    yield "window", (features.window(9, 3),)
    yield "window_left", (features.window(5, -1),)
    yield "window_right", (features.window(-1, 2),)
    yield "sliding", (features.causal(), features.window(15, 0))
    yield "prefix", (features.prefix(13),)
    yield "key_lengths", (features.key_lengths(np.array([0, 55])),)
    rows, keys = (np.sort(random.integers(0, 3, n)) for n in (L, S))
    yield "documents", (features.documents(rows, keys),)
    yield "table", (features.bool_table(random.integers(0, 2, (L, S)) > 0),)
    yield "blocks", (features.blocks(13),)
    yield "dilated", (features.dilated(3),)
    yield "per_head", (features.per_head(),)
    yield "affine", (features.affine_region(),)
    yield "index", (features.index_dialect(),)
    yield "nothing", (features.nothing(),)
    yield "some_rows", (features.rows_below(11),)
    yield "one_key", (features.one_key(77),)
    yield (
        "all",
        (
            features.causal_bottom_right(),
            features.key_lengths(np.array([77, 0])),
            features.dilated(2),
        ),
    )


def scores(compute: str) -> Iterator[tuple[str, tuple[Score, ...]]]:
    random = np.random.default_rng(4)
    draw = random.standard_normal
    yield "softcap", (features.softcap(4.0),)
    yield "alibi", (features.alibi(np.array([0.5, 0.25, 0.125, 0.0625]), compute),)
    for shape in (
        (S,),
        (L, S),
        (1, S),
        (L, 1),
        (H, L, S),
        (H, 1, 1),
        (2, H, L, S),
        (2, 1, 1, S),
        (1, H, 1, S),
        (2, 1, L, 1),
    ):
        yield f"bias{shape}", (features.bias(2 * draw(shape), compute),)
    yield "tanh", (features.tanh_region(compute),)
    yield "exp_select", (features.exp_select_region(compute),)
    yield "relative", (features.relative_table(draw((20, H)), compute),)
    yield "positions", (features.index_table(random.integers(-3, 3, S), compute),)
    yield "indices", (features.position_region(compute),)
    yield "constant", (features.constant_region(compute, 0.5),)
    if compute == "f32":
        yield "halves", (features.half_table(draw(L), compute),)
    yield (
        "chain",
        (
            features.softcap(9.0),
            features.alibi(np.array([0.5, 0.25, 0.125, 0.0625]), compute),
            features.tanh_region(compute),
        ),
    )


MASKS = dict(masks())


def featured(element: str, **changes: Any) -> Program:
    return Program(
        **{
            "B": 2,
            "H": H,
            "G": 2,
            "L": L,
            "S": S,
            "D": 24,
            "Dv": 16,
            "element": element,
            "dynamic": "ls",
            "lse": True,
            **changes,
        }
    )


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", MASKS)
def test_masks(name: str, schedule: str) -> None:
    for number, element in enumerate(("f32", "bf16", "f64")):
        program = featured(element, masks=MASKS[name], seed=number)
        out, lse = check(program, schedule=schedule)
        empty = np.isneginf(lse)
        assert (out[empty] == 0).all()


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", dict(scores("f32")))
def test_scores(name: str, schedule: str) -> None:
    for element in ("f32", "bf16", "f64"):
        found = dict(scores("f64" if element == "f64" else "f32"))
        if name in found:
            check(featured(element, scores=found[name]), schedule=schedule)


@pytest.mark.parametrize("target", TARGETS[1:])
def test_regions_on_other_targets(target: str) -> None:
    for schedule, (mask, score) in itertools.product(
        SCHEDULES, (("all", "chain"), ("table", "relative"), ("affine", "indices"))
    ):
        for element in ("f32", "f16"):
            program = featured(
                element,
                masks=MASKS[mask],
                scores=dict(scores("f32"))[score],
                dynamic="",
            )
            check(program, schedule=schedule, target=target)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("element", ELEMENTS)
def test_sinks_and_scale(element: str, schedule: str) -> None:
    compute = "f64" if element == "f64" else "f32"
    region = (features.tanh_region(compute),)
    for changes in (
        {"sinks": True},
        {"sinks": True, "masks": MASKS["nothing"]},
        {"sinks": True, "masks": (features.causal_offset(-9),)},
        {"scale": -0.25},
        {"scale": 0.0},
        {"scale": 0.3, "scale_operand": True},
        {"scale": 0.3, "scale_operand": True, "scores": region},
    ):
        check(featured(element, **changes), schedule=schedule)


@pytest.mark.parametrize("blocks", (1, 2, 3))
@pytest.mark.parametrize("keys", (1, 7, 16, 64, 300))
@pytest.mark.parametrize("queries", (1, 17, 32, 128))
def test_block_sizes(queries: int, keys: int, blocks: int) -> None:
    options = {
        "block_queries": queries,
        "block_keys": keys,
        "blocks_per_task": blocks,
    }
    element = ELEMENTS[(queries + keys + blocks) % 4]
    for mask in ((), MASKS["sliding"]):
        program = Program(
            H=1, L=150, S=140, D=16, element=element, masks=mask, dynamic="ls"
        )
        check(program, schedule="lanes-queries", **options)

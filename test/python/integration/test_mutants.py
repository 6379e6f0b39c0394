"""The comparison rule catches bugs: a test of the tests.

A kernel is judged by the reference of a slightly different program. If the
rule lets a mutant pass, a compiler with that bug would pass too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import features
import numpy as np
import pytest
from program import Index, Mask, Program, Score, compile_text, judge, problem, run

L, S, H = 65, 97, 4


def base(**changes: object) -> Program:
    sizes = {"B": 2, "H": H, "G": 2, "L": L, "S": S, "D": 32, "lse": True}
    return Program(**{**sizes, **changes})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Mutant:
    program: Program
    mutated: Program


def mask_mutant(mask: Mask, keep: Callable[[Index], np.ndarray] | None) -> Mutant:
    other = (Mask(keep),) if keep else ()
    return Mutant(base(masks=(mask,)), base(masks=other))


def score_mutant(score: Score, apply: Callable | None) -> Mutant:
    other = (Score(apply, attribute="mutant"),) if apply else ()
    return Mutant(base(scores=(score,)), base(scores=other))


def mutants() -> dict[str, Mutant]:
    random = np.random.default_rng(7)
    slopes = np.array([0.5, 0.25, 0.125, 0.0625])
    bias = random.standard_normal((H, L, S))
    rows, keys = (np.sort(random.integers(0, 4, n)) for n in (L, S))
    lengths = np.array([50, 20])
    table = random.standard_normal((20, H))
    return {
        "mask dropped": mask_mutant(features.causal(), None),
        "mask strict": mask_mutant(features.causal(), lambda at: at.j < at.i),
        "mask transposed": mask_mutant(features.causal(), lambda at: at.i <= at.j),
        "wrong alignment": mask_mutant(
            features.causal_bottom_right(), lambda at: at.j <= at.i
        ),
        "window one short": mask_mutant(
            features.window(9, 3), lambda at: (at.j >= at.i - 8) & (at.j <= at.i + 3)
        ),
        "window one long": mask_mutant(
            features.window(9, 3), lambda at: (at.j >= at.i - 9) & (at.j <= at.i + 4)
        ),
        "prefix off by one": mask_mutant(features.prefix(13), lambda at: at.j < 14),
        "lengths of another batch": mask_mutant(
            features.key_lengths(lengths), lambda at: at.j < lengths[::-1][at.b]
        ),
        "length off by one": mask_mutant(
            features.key_lengths(lengths), lambda at: at.j <= lengths[at.b]
        ),
        "documents by query": mask_mutant(
            features.documents(rows, keys), lambda at: rows[at.i] == rows[at.j % L]
        ),
        "block size": mask_mutant(features.blocks(13), features.blocks(12).keep),
        "last key lost": mask_mutant(
            features.window(-1, 200), lambda at: (at.j < S - 1) & (at.i >= 0)
        ),
        "softcap dropped": score_mutant(features.softcap(4.0), None),
        "softcap without product": score_mutant(
            features.softcap(4.0), lambda s, at: np.tanh(s / 4.0)
        ),
        "alibi sign": score_mutant(
            features.alibi(slopes, "f32"),
            lambda s, at: s + slopes[at.h].astype(s.dtype) * (at.i - at.j),
        ),
        "alibi of another head": score_mutant(
            features.alibi(slopes, "f32"),
            lambda s, at: s - slopes[::-1][at.h].astype(s.dtype) * (at.i - at.j),
        ),
        "bias shifted by a key": score_mutant(
            features.bias(bias, "f32"),
            lambda s, at: s + np.roll(bias, 1, axis=-1).astype(s.dtype),
        ),
        "bias of another head": score_mutant(
            features.bias(bias, "f32"),
            lambda s, at: s + np.roll(bias, 1, axis=0).astype(s.dtype),
        ),
        "table off by one": score_mutant(
            features.relative_table(table, "f32"),
            lambda s, at: (
                s + table[np.clip(at.i - at.j - 1, 0, 19), at.h].astype(s.dtype)
            ),
        ),
        "region dropped": score_mutant(features.tanh_region("f32"), None),
        "scale": Mutant(base(), base(scale=1 / 6)),
        "scale not the square root": Mutant(base(), base(scale=1 / 32)),
        "sinks dropped": Mutant(base(sinks=True), base(sinks=False)),
        "seed": Mutant(base(), base(seed=1)),
    }


MUTANTS = mutants()


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_caught(name: str) -> None:
    mutant = MUTANTS[name]
    arguments = mutant.program.draw()
    out = run(compile_text(mutant.program.text()), mutant.program, arguments)
    assert not judge(mutant.program, arguments, out)
    given = arguments[:3] if name != "seed" else mutant.mutated.draw()
    assert judge(mutant.mutated, given, out)


def test_wrong_group_map_is_caught() -> None:
    """Query head h reads key head h mod 2 instead of h div 2."""
    program = base()
    arguments = program.draw()
    (out, _) = run(compile_text(program.text()), program, arguments)
    whole = program.changed(G=H)
    swapped = [arguments[0], *(np.tile(x, (1, 2, 1, 1)) for x in arguments[1:3])]
    right = [arguments[0], *(np.repeat(x, 2, axis=1) for x in arguments[1:3])]
    for given, bad in ((right, False), (swapped, True)):
        exact, rough = (whole.evaluate(given, e)[0] for e in (None, "f32"))
        assert bool(problem(out, exact, rough, "f32")) == bad


def test_missing_maximum_is_caught() -> None:
    """exp of the logits themselves, in f32."""
    program = base(spread=60.0, lse=False)
    arguments = program.draw()
    q, k, v = (np.repeat(x, H // x.shape[1], axis=1) for x in arguments)
    with np.errstate(all="ignore"):
        weight = np.exp(q @ np.swapaxes(k, -1, -2) / np.float32(np.sqrt(32)))
        naive = (weight / weight.sum(-1, keepdims=True)) @ v
    assert judge(program, arguments, [naive.astype(np.float64)])


def test_base_two_log_sum_exp_is_caught() -> None:
    program = base()
    arguments = program.draw()
    out, lse = program.evaluate(arguments)
    assert not judge(program, arguments, [out, lse])
    assert judge(program, arguments, [out, lse / np.log(2)])


@pytest.mark.parametrize("element", ("f32", "f16", "bf16", "f64"))
def test_lost_bits_are_caught(element: str) -> None:
    """An error of a few roundings more than the unfused program's."""
    program = base(element=element, lse=False)
    arguments = program.draw()
    (exact,) = program.evaluate(arguments)
    (rough,) = program.evaluate(arguments, element)
    assert not judge(program, arguments, [rough])
    floor = {"f32": 1e-5, "f64": 1e-12, "f16": 5e-3, "bf16": 4e-2}[element]
    assert judge(program, arguments, [exact + 4 * (rough - exact) + floor])

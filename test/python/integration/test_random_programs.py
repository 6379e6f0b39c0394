"""Random programs, and random damage to their text.

Each program runs three ways: NumPy in float64, upstream's lowering of the
unfused definition, and this compiler. `ATTN_LONG=1` runs many more;
`ATTN_SEED=n` starts elsewhere.
"""

from __future__ import annotations

import itertools
import os
import random
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from generator import Generator
from program import Program, check, compile_text, judge, run

LONG = os.environ.get("ATTN_LONG") == "1"
SEED = int(os.environ.get("ATTN_SEED", "0"))
PROGRAMS = 6000 if LONG else 240
UNFUSED = 600 if LONG else 40
DAMAGED = 20000 if LONG else 1500
GROUP = 40

OPT = (
    "import sys; from attn_mlir import _native; sys.stdout.flush(); "
    "import os; os._exit(_native.opt_main(sys.argv[1:]))"
)


def attn_opt(
    arguments: list[str], text: bytes, seconds: float = 120
) -> subprocess.CompletedProcess[bytes]:
    def limits() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        size = 8 << 30
        resource.setrlimit(resource.RLIMIT_AS, (size, size))

    return subprocess.run(
        [sys.executable, "-c", OPT, "attn-opt", *arguments, "-"],
        input=text,
        capture_output=True,
        timeout=seconds,
        preexec_fn=limits,
        check=False,
    )


@pytest.mark.parametrize("first", range(SEED, SEED + PROGRAMS, GROUP))
def test_random_programs(first: int) -> None:
    for seed in range(first, first + GROUP):
        generator = Generator(seed)
        program, options = generator.program(), generator.options()
        try:
            check(program, end=("back", "front")[seed % 2], **options)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


def small(seed: int) -> Program:
    """A program the unfused lowering finishes soon."""
    program = Generator(seed).program()
    sizes = {"L": min(program.L, 33), "S": min(program.S, 33), "D": min(program.D, 16)}
    fixed = any(each.inputs for each in (*program.masks, *program.scores))
    fixed |= any("neighborhood" in each.attribute for each in program.masks)
    return program if fixed else program.changed(**sizes, Dv=min(program.Dv, 16))


@pytest.mark.parametrize("first", range(SEED, SEED + UNFUSED, 20))
def test_three_ways(first: int) -> None:
    """The unfused lowering obeys the same rule as the fused one."""
    programs = [small(seed) for seed in range(first, first + 20)]
    source = "// -----\n".join(each.text() for each in programs)
    done = attn_opt(
        ["-split-input-file", "-attn-decompose", "-canonicalize"], source.encode()
    )
    assert done.returncode == 0, f"seed {first}: {done.stderr.decode()[:4000]}"
    texts = done.stdout.decode().split("// -----")
    assert len(texts) == len(programs)
    for seed, (program, text) in enumerate(zip(programs, texts, strict=True), first):
        assert "attn." not in text, f"seed {seed}: {text}"
        arguments = program.draw()
        for source_text in (text, program.text()):
            out = run(compile_text(source_text), program, arguments)
            found = judge(program, arguments, out)
            assert not found, f"seed {seed}: {found}\n{source_text}"


# ---------------------------------------------------------------------------
# Damaged text
# ---------------------------------------------------------------------------

WORDS = [
    "%q",
    "%k",
    "%v",
    "%o",
    "%r",
    "%s",
    "%b",
    "%h",
    "%i",
    "%j",
    "%t",
    "%keep",
    "0",
    "1",
    "-1",
    "2",
    "?",
    "x",
    "f32",
    "f64",
    "bf16",
    "f16",
    "i1",
    "index",
    "tensor<",
    ">",
    "(",
    ")",
    ",",
    ":",
    "{",
    "}",
    "[",
    "]",
    "->",
    "#attn.causal",
    "#attn.softcap<1.0>",
    "masks(",
    "scores(",
    "scale(",
    "sinks(",
    "outs(",
    "ins(",
    "attn.yield",
    "attn.attention",
    "floordiv",
    "arith.constant",
    "func.func",
    "return",
    "9223372036854775807",
    "-9223372036854775808",
    "1.0e+400",
    "memref<",
    "vector<4xf32>",
    "<bottom_right>",
    "<left",
    "=",
    "-5,",
    "right",
    "=",
    "0>",
]


def damage(text: bytes, chance: random.Random) -> bytes:
    """A few bytes or words removed, doubled, swapped or put in."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.randrange(len(text) + 1)
        length = chance.choice((1, 1, 2, 5, 20))
        kind = chance.randrange(5)
        if kind == 0:
            text = text[:at] + text[at + length :]
        elif kind == 1:
            word = chance.choice(WORDS).encode()
            text = text[:at] + word + text[at + chance.choice((0, len(word))) :]
        elif kind == 2:
            text = text[:at] + bytes([chance.randrange(256)]) + text[at + 1 :]
        elif kind == 3:
            lines = text.split(b"\n")
            a, b = chance.randrange(len(lines)), chance.randrange(len(lines))
            lines[a], lines[b] = lines[b], lines[a]
            text = b"\n".join(lines)
        else:
            tokens = text.split(b" ")
            a, b = chance.randrange(len(tokens)), chance.randrange(len(tokens))
            tokens[a] = tokens[b]
            text = b" ".join(tokens)
    return text.replace(b"// -----", b"")


def corpus() -> list[bytes]:
    here = Path(__file__).resolve().parents[2]
    found = [Generator(seed).program().text().encode() for seed in range(40)]
    for path in sorted(here.glob("*/*.mlir")):
        found += [part.encode() for part in path.read_text().split("// -----")]
    return [each for each in found if len(each) < 6000]


PIPELINES = (["-attn-compile-to=phase=target"], ["-attn-decompose", "-canonicalize"])


@pytest.mark.parametrize("first", range(0, DAMAGED, 250))
def test_damaged_text_ends_in_a_message(first: int) -> None:
    """Exit code 0 or 1, never a signal and never an endless run."""
    texts = corpus()
    chance = random.Random(SEED + first)
    damaged = [damage(chance.choice(texts), chance) for _ in range(250)]
    options = PIPELINES[first // 250 % len(PIPELINES)]
    joined = b"\n// -----\n".join(damaged)
    done = attn_opt(["-split-input-file", *options], joined)
    if done.returncode in (0, 1):
        return
    for number, text in enumerate(damaged):
        done = attn_opt(options, text)
        assert done.returncode in (0, 1), (
            f"seed {SEED + first}, text {number}: exit code {done.returncode}\n"
            f"{options}\n{text.decode(errors='replace')}\n"
            f"{done.stderr.decode(errors='replace')[-3000:]}"
        )


def test_size_does_not_enter_compilation() -> None:
    """Lengths in the types change constants, not the amount of code."""
    sizes = []
    for length in (1 << 12, 1 << 20, 1 << 40):
        program = Program(B=1, H=1, L=length, S=length, D=64)
        done = attn_opt(["-attn-compile-to=phase=codegen"], program.text().encode())
        assert done.returncode == 0, done.stderr.decode()
        sizes.append(len(done.stdout.splitlines()))
    assert max(sizes) <= min(sizes) * 1.1


@pytest.mark.parametrize(
    "shape", itertools.product((2**31, 2**33, 2**62), ("L", "S", "B")), ids=str
)
def test_enormous_sizes_compile_or_end_in_a_message(shape: tuple[int, str]) -> None:
    size, name = shape
    program = Program(**{"B": 1, "L": 8, "S": 8, "D": 64, name: size})
    done = attn_opt(["-attn-compile-to=phase=target"], program.text().encode())
    assert done.returncode in (0, 1), done.stderr.decode()[-3000:]


def test_seeds_repeat() -> None:
    one, other = (Generator(11).program() for _ in range(2))
    assert one.text() == other.text()
    for a, b in zip(one.draw(), other.draw(), strict=True):
        np.testing.assert_array_equal(a, b)

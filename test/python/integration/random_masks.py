"""Random masks of every class, as users write them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import attn_mlir as am

Array = np.ndarray[Any, Any]


@dataclass
class Case:
    """A problem and its mask; `text` says what the mask is."""

    B: int
    H: int
    G: int
    L: int
    S: int
    D: int
    dtype: str
    options: am.Options
    mask: am.masks.Mask
    text: str

    @property
    def sizes(self) -> dict[str, Any]:
        names = ("B", "H", "G", "L", "S", "D", "dtype")
        return {name: getattr(self, name) for name in names}


@dataclass
class MaskWriter:
    """Draws masks and what they capture."""

    seed: int
    hold: Callable[[Array, str], Array] = lambda array, _: array
    outside: bool = False  # captured arrays are indexed out of range
    random: random.Random = field(init=False)
    values: np.random.Generator = field(init=False)
    text: list[str] = field(init=False, default_factory=list)
    may_overflow: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.values = np.random.default_rng(self.seed)

    # --- problems -----------------------------------------------------------

    def case(self) -> Case:
        choose = self.random
        self.B, self.G = choose.choice([1, 1, 2, 3]), choose.choice([1, 1, 2])
        self.H = self.G * choose.choice([1, 1, 2])
        # Lines of a grid, where the shape of a neighbourhood says so.
        self.shape = choose.choice(
            [(48,), (8, 9), (12, 12), (3, 7), (4, 5, 6), (2, 8, 10), (16, 16)]
        )
        square = choose.random() < 0.5
        self.L = int(np.prod(self.shape)) if square else choose.randint(1, 300)
        self.S = self.L if square else choose.randint(1, 300)
        if choose.random() < 0.15:
            self.L = choose.randint(1, 3)
        dtype = choose.choice(["f32"] * 5 + ["bf16", "f16", "f64"])
        options = am.Options(
            schedule=choose.choice(["auto", "auto", "lanes-queries", "lanes-features"]),
            block_queries=choose.choice([0, 0, 0, 16, 32]),
            block_keys=choose.choice([0, 0, 0, 16, 48, 128]),
        )
        mask = self.mask(choose.randint(0, 2))
        D = choose.choice([16, 16, 64])
        return Case(
            self.B, self.H, self.G, self.L, self.S, D, dtype, options, mask, self.note()
        )

    def note(self) -> str:
        return " ".join(self.text)

    def mask(self, depth: int) -> am.masks.Mask:
        if depth == 0:
            return self.leaf()
        choose = self.random.random()
        if choose < 0.15:
            self.text.append("not(")
            found = ~self.mask(depth - 1)
        else:
            self.text.append("(")
            left = self.mask(depth - 1)
            self.text.append("and" if choose < 0.6 else "or")
            right = self.mask(depth - 1)
            found = left & right if choose < 0.6 else left | right
        self.text.append(")")
        return found

    def leaf(self) -> am.masks.Mask:
        makers = [self.named, self.closed, self.table, self.table, self.opaque]
        if self.outside:
            makers = [self.table]
        return self.random.choice(makers)()

    # --- captured arrays ----------------------------------------------------

    def held(self, array: Array) -> Array:
        return self.hold(array, self.random.choice(["back", "front"]))

    def integers(self, n: int, most: int = 6, batched: bool = False) -> Array:
        """Ids: sorted, unsorted, constant, falling, or at the ends of the type."""
        shape = (self.B, n) if batched else (n,)
        dtype = self.random.choice([np.int32, np.int64, np.int32, np.int16])
        array = self.values.integers(-1, most, shape)
        kind = self.random.choice("ssssuucf" + "e" * self.may_overflow)
        self.text.append(f"{kind}{np.dtype(dtype).name}")
        if kind == "s":
            array = np.sort(array, axis=-1)
        elif kind == "c":
            array[:] = 2
        elif kind == "f":
            array = -np.sort(-array, axis=-1)
        elif kind == "e":
            # Differences of 64-bit ids must not overflow.
            end = min(np.iinfo(dtype).max, 1 << 60)
            array = np.where(array > 1, end, np.where(array > 0, -end - 1, 3))
        return self.held(array.astype(dtype))

    def flags(self, *shape: int) -> Array:
        chance = self.random.choice([0.02, 0.2, 0.5, 0.9, 1.0, 0.0])
        return self.held(self.values.random(shape) < chance)

    # --- kinds of masks -----------------------------------------------------

    def named(self) -> am.masks.Mask:
        masks, choose = am.masks, self.random
        L, S, B, H = self.L, self.S, self.B, self.H
        square = L == S
        makers: dict[str, Callable[[], am.masks.Mask]] = {
            "causal": lambda: masks.causal(
                choose.choice(["top_left", "bottom_right"]), choose.randint(-3, 3)
            ),
            "window": lambda: masks.window(
                choose.randint(-1, 40), choose.randint(-1, 9)
            ),
            "dilated": lambda: masks.dilated(
                choose.randint(0, 60), choose.choice([1, 2, 3, 4, 7, 16])
            ),
            "dilated heads": lambda: masks.dilated(
                choose.randint(0, 60), [choose.choice([1, 2, 4]) for _ in range(H)]
            ),
            "prefix": lambda: masks.prefix(choose.randint(0, 60)),
            "prefixes": lambda: masks.prefix(
                self.held(self.values.integers(0, S + 1, B))
            ),
            "lengths": lambda: masks.key_lengths(
                self.held(self.values.integers(-1, S + 2, B))
            ),
            "segments": lambda: masks.segments(choose.randint(1, 70)),
            "documents": lambda: masks.documents(
                self.integers(L, 9), self.integers(S, 9)
            ),
            "document batches": lambda: masks.documents(
                (ids := self.values.integers(0, 5, (B, L)).astype(np.int32)),
                ids if square else self.values.integers(0, 5, (B, S)).astype(np.int32),
            ),
            "blocks": lambda: masks.blocks(self.flags(1, H, 19, 19), 16, 17),
            "array": lambda: masks.array(
                self.flags(*choose.choice([(L, S), (S,), (L, 1), (B, 1, L, S)]))
            ),
        }
        if square:
            makers |= {
                "global tokens": lambda: masks.global_tokens(self.flags(S)),
                "longformer": lambda: masks.longformer(
                    choose.randint(0, 30), self.flags(S)
                ),
                "bigbird": lambda: masks.bigbird(
                    size := choose.choice([8, 16, 13]),
                    self.values.integers(-1, 12, (-(-L // size) + 1, 2)),
                    choose.randint(0, 1),
                    choose.randint(0, 2),
                ),
            }
            if int(np.prod(self.shape)) == L:
                makers["neighborhood"] = lambda: masks.neighborhood(
                    self.shape,
                    tuple(
                        choose.choice([w for w in (1, 3, 5) if w <= n])
                        for n in self.shape
                    ),
                )
        name = choose.choice(
            [*makers, *(["neighborhood"] * 3 if "neighborhood" in makers else [])]
        )
        self.text.append(name)
        return makers[name]()

    def function(self, text: str, **values: Any) -> am.masks.Mask:
        self.text.append(text)
        code = f"lambda b, h, i, j: {text}"
        return am.masks.fn(eval(code, {"am": am, **values}))

    def closed(self) -> am.masks.Mask:
        choose = self.random
        c, w, k = choose.randint(2, 9), choose.randint(2, 20), choose.randint(-3, 30)
        return self.function(
            choose.choice(
                [
                    f"(i - j) % {c} == 0",
                    f"(i - j) % {c} <= {c // 2}",
                    f"(i + j) % {c} == {c // 2}",
                    f"j % {c} == h % {c}",
                    f"(j // {w}) % {c} == (i // {w}) % {c}",
                    f"abs(i // {w} - j // {w}) <= 1",
                    f"(abs(i // {w} - j // {w}) <= 1) & (abs(i % {w} - j % {w}) <= 1)",
                    f"(j // {w}) * 2 <= (i // {w}) * 2 + 1",
                    f"j <= i * 2 - {k}",
                    f"am.minimum(i, {k}) <= am.maximum(j, {k} - 5)",
                    f"am.where(h == 0, j <= i, j >= i - {k})",
                    f"(i - j + {k}) // {c} == 1",
                    "(b + h) % 2 == j % 2",
                    f"(i < {k}) ^ (j < {k})",
                ]
            )
        )

    def table(self) -> am.masks.Mask:
        choose, L, S = self.random, self.L, self.S
        c, w = choose.randint(1, 9), choose.randint(2, 20)
        short = choose.randint(1, 20)
        inside = {
            "rows[i] == keys[j]": {},
            "(rows[i] == keys[j]) & (j <= i)": {},
            "rows[i] >= keys[j]": {},
            "rows[i] != keys[j]": {},
            f"rows[i] + {c} > keys[j] * 2": {},
            "allrows[b, i] == allkeys[b, j]": {},
            "(allkeys[b, j] >= 2) | (i == j)": {},
            "j <= limits[i]": {},
            "(j < limits[i]) & (j >= limits[i] - 9)": {},
            "i < until[j]": {},
            "(j <= i) & (i < until[j])": {},
            "keyflags[j]": {},
            "keyflags[j] & ~rowflags[i]": {},
            "keyflags[j] | rowflags[i] | (i == j)": {},
            f"short[j // {w}] == short[i // {w}]": {},
            f"grid[i // {w}, j // {w}]": {},
            "(keys[j] == b) | (keys[j] == h + 1)": {},
            "abs(rows[i] - keys[j]) <= 1": {},
            "am.where(keyflags[j], j <= i, rows[i] == keys[j])": {},
        }
        beyond = [
            f"rows[i - {w}] == keys[j - {c}]",
            f"keys[j + {w}] <= {c}",
            f"keys[j - {2 * S}] <= {c}",
            f"rows[i + {w}] == keys[j + {3 * S}]",
            f"short[j] == short[i - {w}]",
            f"short[j * {c}] >= 1",
            f"keyflags[j + {c}] | (j <= i)",
            f"rowflags[i * 2] & keyflags[{c} - j]",
            f"j <= limits[i + {w}]",
            f"i < until[j - {w}]",
            "allkeys[b + 1, j] == allrows[b - 1, i]",
            f"grid[i, j - {w}]",
            "short[keys[j]] == short[rows[i]]",
        ]
        text = choose.choice(beyond if self.outside else list(inside))
        names = {
            "rows": lambda: self.integers(L),
            "keys": lambda: self.integers(S),
            "allrows": lambda: self.integers(L, batched=True),
            "allkeys": lambda: self.integers(S, batched=True),
            "limits": lambda: self.integers(L, S + 2),
            "until": lambda: self.integers(S, L + 2),
            "keyflags": lambda: self.flags(S),
            "rowflags": lambda: self.flags(L),
            "short": lambda: self.integers(short),
            "grid": lambda: self.flags(short, choose.randint(1, 20)),
        }
        # NumPy, which judges, computes in the type of the array.
        self.may_overflow = not re.search(r"\] [-+*]|abs", text)
        words = set(re.findall(r"\w+", text))
        used = {name: make() for name, make in names.items() if name in words}
        return self.function(text, **used)

    def opaque(self) -> am.masks.Mask:
        choose = self.random
        c = choose.randint(2, 9)
        return self.function(
            choose.choice(
                [
                    f"(i * j) % {c} < 2",
                    f"(i ^ j) % {c} != 0",
                    f"(i * i + j) % {c} <= {c // 2}",
                    "pairs[i ^ j] == 1",
                    f"pairs[i - j] <= {c // 2}",
                    f"j // (1 + abs(i - {c})) <= 2",
                ]
            ),
            pairs=self.integers(32),
        )

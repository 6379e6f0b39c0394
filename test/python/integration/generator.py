"""Seeded random attention programs that verify."""

from __future__ import annotations

import random
from typing import Any

import features
import numpy as np
from program import LAYOUTS, Mask, Program, Score

LENGTHS = (0, 1, 2, 3, 17, 33, 65, 127, 129, 257)
WIDTHS = (1, 2, 5, 16, 40, 64, 80, 96, 128, 160, 256)
VALUE_WIDTHS = (1, 3, 16, 24, 40, 80, 257)


class Generator:
    """One program per seed; the same seed gives the same program."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.numpy = np.random.default_rng(seed)

    def often(self, probability: float) -> bool:
        return self.random.random() < probability

    def program(self) -> Program:
        choose = self.random.choice
        element = choose(("f32", "f64", "f16", "bf16"))
        layout = choose(LAYOUTS)
        B = 1 if layout in ("hld", "ld") else choose((0, 1, 2, 3))
        H = 1 if layout == "ld" else choose((1, 2, 3, 4, 6))
        G = choose([g for g in range(1, H + 1) if H % g == 0])
        L = choose(LENGTHS)
        S = choose((L, *LENGTHS))
        D = choose(WIDTHS)
        dynamic = self.dynamic(layout)
        compute = "f64" if element == "f64" else "f32"
        return Program(
            B=B,
            H=H,
            G=G,
            L=L,
            S=S,
            D=D,
            Dv=choose((D, *VALUE_WIDTHS)),
            element=element,
            layout=layout,
            dynamic=dynamic,
            masks=self.masks(B, H, L, S),
            scores=self.scores(B, H, L, S, compute),
            sinks=self.often(0.25),
            lse=self.often(0.6),
            scale=choose((None, None, 0.2, -0.1)),
            scale_operand=self.often(0.2),
            seed=self.seed,
        )

    def dynamic(self, layout: str) -> str:
        letters = "bhlsde" if self.often(0.5) else ""
        if self.often(0.5):
            letters = "".join(x for x in "bhlsde" if self.often(0.5))
        for missing in {"hld": "b", "ld": "bh"}.get(layout, ""):
            letters = letters.replace(missing, "")
        return letters

    def masks(self, B: int, H: int, L: int, S: int) -> tuple[Mask, ...]:
        pick = self.random
        kinds: list[Any] = [
            features.causal,
            features.causal_bottom_right,
            lambda: features.causal_offset(pick.randint(-20, 20)),
            lambda: features.window(
                pick.choice((-1, 0, 1, 7, 30)), pick.choice((-1, 0, 5))
            ),
            lambda: features.prefix(pick.randint(0, 60)),
            lambda: features.key_lengths(self.numpy.integers(0, S + 1, B)),
            lambda: features.causal_per_batch(self.numpy.integers(-9, 9, B)),
            *self.sparse_masks(B, H, L, S),
        ]
        regions: list[Any] = [
            lambda: features.documents(
                np.sort(self.numpy.integers(0, 4, L)),
                np.sort(self.numpy.integers(0, 4, S)),
            ),
            lambda: features.bool_table(self.numpy.integers(0, 2, (L, S)) > 0),
            lambda: features.blocks(pick.choice((3, 16, 50))),
            lambda: features.dilated(pick.choice((2, 3, 7))),
            features.per_head,
            features.affine_region,
            features.index_dialect,
            features.nothing,
            lambda: features.rows_below(5),
            lambda: features.one_key(pick.randint(0, max(S - 1, 0))),
        ]
        found = []
        if self.often(0.6):
            found = [kind() for kind in pick.sample(kinds, pick.choice((1, 1, 2)))]
        if self.often(0.3):
            found.append(pick.choice(regions)())
        return tuple(found)

    def sparse_masks(self, B: int, H: int, L: int, S: int) -> list[Any]:
        pick, draw = self.random, self.numpy.integers
        rows, columns = pick.choice((1, 5, 16)), pick.choice((1, 8, 64))
        kinds: list[Any] = [
            lambda: features.dilated_window(pick.choice((0, 9, 50)), [3]),
            lambda: features.dilated_window(
                20, [pick.choice((1, 2, 4)) for _ in range(H)]
            ),
            lambda: features.segments(pick.choice((1, 7, 64))),
            lambda: features.document_ids(
                np.sort(draw(0, 4, (B, L))), np.sort(draw(0, 4, S))
            ),
            lambda: features.global_keys(draw(0, 5, S) == 0),
            lambda: features.block_table(
                draw(0, 2, (H, -(-L // rows), -(-S // columns))), rows, columns
            ),
            lambda: features.bigbird(
                draw(-1, 9, (-(-L // rows), 2)), rows, pick.randint(0, 2), 1
            ),
        ]
        if L == S:
            width, step = pick.choice((1, 3, 7)), pick.choice((1, 2))
            kinds.append(lambda: features.longformer(9, draw(0, 9, (B, L)) == 0))
            if width * step <= L:
                kinds.append(lambda: features.neighborhood(L, width, step))
        return kinds

    def scores(self, B: int, H: int, L: int, S: int, compute: str) -> tuple[Score, ...]:
        pick, draw = self.random, self.numpy.standard_normal
        found = []
        if self.often(0.2):
            found.append(features.softcap(pick.choice((1.0, 5.0, 30.0))))
        if self.often(0.15):
            found.append(features.alibi(self.numpy.random(H), compute))
        if self.often(0.2):
            shape = [1 if self.often(0.4) else n for n in (B, H, L, S)]
            found.append(features.bias(draw(shape[pick.randint(0, 3) :]), compute))
        regions: list[Any] = [
            lambda: features.tanh_region(compute),
            lambda: features.exp_select_region(compute),
            lambda: features.relative_table(draw((20, H)), compute),
            lambda: features.index_table(self.numpy.integers(-3, 3, S), compute),
            lambda: features.position_region(compute),
            lambda: features.constant_region(compute, 0.5),
        ]
        if self.often(0.3):
            found.append(pick.choice(regions)())
        return tuple(found)

    def options(self) -> dict[str, Any]:
        choose = self.random.choice
        options = {
            "schedule": choose(("auto", "lanes-queries", "lanes-features")),
            "target": choose(("host", "host", "cpu:x86-64", "cpu:x86-64-v3")),
        }
        if self.often(0.4):
            options |= {
                "block_queries": choose((0, 1, 16, 17, 32, 64, 128)),
                "block_keys": choose((0, 1, 2, 3, 7, 16, 33, 64, 256)),
                "blocks_per_task": choose((0, 1, 2, 3)),
            }
        return options

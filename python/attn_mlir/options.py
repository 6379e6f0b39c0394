"""What a compilation can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from .errors import ArgumentError

__all__ = ["Options", "Target"]

Schedule = Literal["auto", "lanes-queries", "lanes-features"]

_LIMIT = 1 << 20


@dataclass(frozen=True)
class Options:
    """Options of one compilation; equal options share a cached kernel.

    block_queries, block_keys: tile sizes; blocks_per_task: query blocks that
        share a pass over the keys; 0 = the cost model decides.
    schedule: which dimension fills the SIMD lanes; "auto" decides by size.
    check_indices: raise `ArgumentError` when an unmasked pair makes a score
        or mask callable index outside a captured array (slow, for debugging).
    opt_level: effort of LLVM, 0..3, -1 = default.
    """

    block_queries: int = 0
    block_keys: int = 0
    blocks_per_task: int = 0
    schedule: Schedule = "auto"
    check_indices: bool = False
    opt_level: int = -1

    def __post_init__(self) -> None:
        for name in ("block_queries", "block_keys", "blocks_per_task"):
            self._check_int(name, 0, _LIMIT)
        self._check_int("opt_level", -1, 3)
        if self.schedule not in get_args(Schedule):
            expected = ", ".join(repr(each) for each in get_args(Schedule))
            raise ArgumentError(
                f"option 'schedule' expects one of {expected}, "
                f"but got {self.schedule!r}"
            )
        if not isinstance(self.check_indices, bool):
            raise ArgumentError(
                f"option 'check_indices' expects a bool, but got {self.check_indices!r}"
            )

    def _check_int(self, name: str, low: int, high: int) -> None:
        value = getattr(self, name)
        if (
            isinstance(value, bool)
            or not isinstance(value, int)
            or not low <= value <= high
        ):
            raise ArgumentError(
                f"option '{name}' expects an integer in [{low}, {high}], "
                f"but got {value!r}"
            )


@dataclass(frozen=True)
class Target:
    """Where a kernel shall run: "host", "cpu:<name>", ... as a string."""

    spec: str = "host"

    def __post_init__(self) -> None:
        if not isinstance(self.spec, str) or not self.spec:
            raise ArgumentError(
                "argument 'spec' expects a non-empty string such as 'host' or "
                f"'cpu:x86-64-v3', but got {self.spec!r}"
            )

    def __str__(self) -> str:
        return self.spec

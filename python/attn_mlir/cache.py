"""The cache of compiled kernels, in memory."""

from __future__ import annotations

from typing import Any, NamedTuple

from . import _native

__all__ = ["Info", "clear", "disable", "enable", "info"]


class Info(NamedTuple):
    """What the cache holds and how often it helped."""

    enabled: bool
    plans: int
    kernels: int
    hits: int
    misses: int


_CAPACITY = 512


class Plans:
    """Plans of `am.attention` by key; the oldest goes when it is full."""

    def __init__(self) -> None:
        self.enabled = True
        self.entries: dict[Any, Any] = {}
        # The fast path: a lookup that costs no Python call.
        self.get = self.entries.get

    def put(self, key: Any, plan: Any) -> None:
        if not self.enabled:
            return
        while len(self.entries) >= _CAPACITY:
            try:
                self.entries.pop(next(iter(self.entries)), None)
            except (StopIteration, RuntimeError):  # another thread was here
                break
        self.entries[key] = plan


plans = Plans()


def clear() -> None:
    """Drop every cached kernel; those in use stay valid."""
    plans.entries.clear()
    _native.clear_cache()


def disable() -> None:
    """Compile anew on every call, until `enable()`."""
    plans.enabled = False
    clear()


def enable() -> None:
    """Undo `disable()`."""
    plans.enabled = True


def info() -> Info:
    """Numbers of the cache; hits and misses count compilations asked for."""
    native = _native.cache_info()
    return Info(
        plans.enabled,
        len(plans.entries),
        native["entries"],
        native["hits"],
        native["misses"],
    )

"""The one global setting: how many threads kernels use."""

from __future__ import annotations

from . import _native
from .errors import ArgumentError

_MOST = 4096


def set_num_threads(n: int) -> None:
    """Use n threads; results do not depend on it.

    The default is OMP_NUM_THREADS, else what the affinity mask allows.
    """
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= _MOST:
        raise ArgumentError(
            f"argument 'n' expects an integer in [1, {_MOST}], but got {n!r}"
        )
    _native.set_num_threads(n)


def get_num_threads() -> int:
    """How many threads kernels use."""
    return _native.get_num_threads()

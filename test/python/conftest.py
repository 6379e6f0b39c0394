"""Makes `support` importable and gives tests threads and guarded memory."""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import attn_mlir as am

sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture
def threads() -> Iterator[None]:
    """Restores the number of threads."""
    before = am.get_num_threads()
    yield
    am.set_num_threads(before)


@pytest.fixture
def guarded() -> Iterator[Callable[[np.ndarray[Any, Any], str], Any]]:
    """Copies of arrays whose first or last byte touches an unreadable page."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    page = mmap.PAGESIZE
    regions: list[tuple[mmap.mmap, int, int]] = []

    def copy(array: np.ndarray[Any, Any], end: str) -> np.ndarray[Any, Any]:
        size = -(-max(array.nbytes, 1) // page) * page
        region = mmap.mmap(-1, size + 2 * page)
        start = ctypes.addressof(ctypes.c_char.from_buffer(region))
        for guard in (start, start + page + size):
            assert libc.mprotect(guard, page, 0) == 0
        regions.append((region, start, size))
        offset = page if end == "front" else page + size - array.nbytes
        result = np.frombuffer(
            region, np.uint8, count=array.nbytes, offset=offset
        ).view(array.dtype)
        result = result.reshape(array.shape)
        result[...] = array
        return result

    yield copy
    for _, start, size in regions:
        for guard in (start, start + page + size):
            libc.mprotect(guard, page, mmap.PROT_READ | mmap.PROT_WRITE)

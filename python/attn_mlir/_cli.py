"""The console scripts that come with the package."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from . import _native


def _leave(main: Callable[[Sequence[str]], int], name: str) -> NoReturn:
    """Run a tool and end the process: LLVM's options are once per process."""
    status = main([name, *sys.argv[1:]])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def attn_opt() -> NoReturn:
    """All upstream passes and ours on MLIR text."""
    _leave(_native.opt_main, "attn-opt")


def attn_run() -> NoReturn:
    """Compile a .mlir file, run it, compare with the reference, time it."""
    _leave(_native.run_main, "attn-run")


def attn_bench() -> NoReturn:
    """Measure kernels beside their peers in the same process."""
    from .bench import main

    sys.exit(main())

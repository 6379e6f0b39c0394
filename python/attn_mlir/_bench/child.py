"""Measurements that need a process of their own: `python -m` this file runs one
and prints its numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import attn_mlir as am

from .measure import resident, threads_set


def first_call(side: str, kind: str, length: str, heads: str, shrink: str) -> Any:
    """Seconds of the first call of a process, and of the next new mask."""
    from .flex import FlexCase

    own = side == "ours"
    sizes = (int(length), int(heads), int(shrink))
    with threads_set(1):
        return [FlexCase(kind, *sizes, variant=n).first_call(own) for n in (0, 1)]


def memory(pattern: str, length: str, shrink: str) -> Any:
    """Growth of the largest resident size, in KiB, by a call that finds its
    kernel, and by one that compiles it; None where the system does not tell."""
    from .patterns import Masked

    with threads_set(1):
        problem = Masked(int(length), 64, pattern=pattern, shrink=int(shrink))
        q, k, v = problem.arrays()
        # Written to, so that its pages are there before the calls.
        out = q.copy()

        def call(rows: int) -> float | None:
            part = [each[:, :, :rows] for each in (q, k, v, out)]
            try:
                with open("/proc/self/clear_refs", "w") as file:
                    file.write("5")
            except OSError:
                return None
            before = resident("VmRSS")
            am.attention(*part[:3], mask=problem.mask, out=part[3])
            return max(resident("VmHWM") - before, 0) / 1024

        compiling = call(min(4096, problem.queries))
        return {"call": call(problem.queries), "compiling": compiling}


COMMANDS: dict[str, Callable[..., Any]] = {"first_call": first_call, "memory": memory}


def run(command: str, *arguments: object) -> Any:
    """The result of a command in a fresh process whose caches are empty."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "TORCHINDUCTOR_CACHE_DIR": os.path.join(folder, "inductor"),
            "XDG_CACHE_HOME": os.path.join(folder, "cache"),
        }
        words = [sys.executable, "-m", __name__, command, *map(str, arguments)]
        done = subprocess.run(words, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}\n{done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    print(json.dumps(COMMANDS[sys.argv[1]](*sys.argv[2:])))

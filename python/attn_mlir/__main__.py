"""`python -m attn_mlir info`: version, LLVM, CPU, threads, cache."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import attn_mlir as am

from . import _native


def _info() -> str:
    host = _native.host_info()
    cache = am.cache.info()
    rows = [
        ("attn-mlir", am.__version__),
        ("LLVM", host["llvm_version"]),
        ("CPU", f"{host['cpu']} ({host['triple']})"),
        (
            "vectors",
            f"{host['vector_bits']} bits, {host['vector_registers']} registers",
        ),
        (
            "caches",
            ", ".join(f"L{n} {host[f'l{n}_bytes'] >> 10} KiB" for n in (1, 2, 3)),
        ),
        ("features", " ".join(host["features"])),
        ("FMA", f"{host['fma_per_cycle']} per cycle" if host["has_fma"] else "no"),
        ("AVX-512", "yes" if host["has_avx512"] else "no"),
        ("bf16 dot", "pays" if host["has_bf16_dot"] else "no"),
        ("AMX", "yes" if host["has_amx"] else "no"),
        ("threads", f"{am.get_num_threads()}, {_native.threading_backend()}"),
        ("targets", " ".join(_native.known_targets())),
        ("GPUs", "none used: this version compiles for CPUs"),
        ("cache", f"memory, {cache.kernels} kernels"),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m attn_mlir", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="what this installation is and runs on")
    parser.parse_args(argv)
    print(_info())
    return 0


if __name__ == "__main__":
    sys.exit(main())

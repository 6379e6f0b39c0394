"""The C++ half of attn_mlir: compiler, kernels, thread count, host facts.

Nothing here is public. All functions are thread safe; compiling and running
release the GIL. Diagnostics and remarks are plain tuples for the package to
wrap.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

# (severity, file, line, column, message, notes); severity is "error",
# "warning", "remark" or "note"; line and column are 1-based, 0 = unknown.
DiagnosticTuple: TypeAlias = tuple[str, str, int, int, str, list[Any]]

# (kind, pass_name, message, file, line, column, fields); kind is "passed",
# "missed", "failure" or "analysis"; fields are the remark's named values.
RemarkTuple: TypeAlias = tuple[str, str, str, str, int, int, dict[str, str]]

# (name, dtype, shape): dtype is "f64", "f32", "f16", "bf16", "i64", "i32",
# "i16", "i8", "i1" or "index"; shape is None for a scalar, else one entry per
# dimension, None = any size.
ArgumentTuple: TypeAlias = tuple[str, str, tuple[int | None, ...] | None]

class Kernel:
    """A compiled function. Immutable; may be called from many threads."""

    @property
    def name(self) -> str:
        """Name of the entry function."""
    @property
    def target(self) -> str:
        """Target as asked for, e.g. "host" or "cpu:x86-64-v3"."""
    @property
    def runnable(self) -> bool:
        """False for a kernel compiled for another machine."""
    @property
    def arguments(self) -> tuple[ArgumentTuple, ...]:
        """What the function takes, in order."""
    @property
    def results(self) -> tuple[ArgumentTuple, ...]:
        """What the function returns; names are "result0", ..."""
    @property
    def constraints(self) -> tuple[str, ...]:
        """Relations between dimensions that each call checks, as text."""
    def infer_result_shapes(
        self, shapes: Sequence[Sequence[int] | int | None]
    ) -> list[tuple[int, ...]]:
        """Result shapes for one shape per argument.

        A scalar argument's entry is its value when it is an integer (result
        sizes may depend on it), else None. Raises the argument error.
        """
    def call(self, inputs: Sequence[object], outputs: Sequence[object]) -> None:
        """Run on arrays, writing into `outputs` (one array per result).

        Arrays: the DLPack C exchange (torch), the buffer protocol (NumPy),
        `__dlpack__`, or ml_dtypes' bfloat16 arrays; CPU memory only. uint16
        stands for bf16 or f16 bits and for i16, uint8 for i8. Scalars: Python or
        NumPy numbers. Inputs need innermost stride 1 and element alignment;
        the package copies others first (`needs_copy`). Raises the argument
        error, naming argument, expected and got.
        """
    def run(
        self,
        inputs: Sequence[object],
        make_output: Callable[[int, tuple[int, ...]], object],
    ) -> list[object]:
        """As `call`, with outputs made by `make_output(result_index, shape)`.

        The cheapest way: arguments are read once, and result shapes are
        computed from them. Returns the outputs.
        """
    def ir(self, phase: str) -> str:
        """MLIR text after a phase; recompiles on the first request."""
    @property
    def llvm(self) -> str:
        """LLVM IR after optimisation."""
    @property
    def asm(self) -> str:
        """Assembly of the target."""
    @property
    def object(self) -> bytes:
        """Relocatable object defining `<name>_packed` and `_mlir_ciface_<name>`.

        Needs `attn_parallel_for` (and libm) from whoever links it.
        """
    @property
    def header(self) -> str:
        """C header that goes with `object`."""
    @property
    def remarks(self) -> list[RemarkTuple]: ...
    @property
    def warnings(self) -> list[DiagnosticTuple]: ...
    @property
    def timings(self) -> dict[str, float]:
        """Milliseconds: parse, passes, translate, optimize, codegen, link, total."""

def compile(
    source: str | bytes,
    *,
    file_name: str = "<source>",
    entry: str = "",
    target: str = "host",
    block_queries: int = 0,
    block_keys: int = 0,
    blocks_per_task: int = 0,
    schedule: str = "auto",
    analysis: str = "",
    opt_level: int = -1,
    gdb: bool = False,
    perf: bool = False,
    cache: bool = True,
) -> Kernel | list[DiagnosticTuple]:
    """Compile MLIR text or bytecode; a list of diagnostics means failure.

    `entry` may be left out when there is one public function. `opt_level` 0..3
    steers LLVM, -1 takes the default. `analysis` "mask-tiles" or
    "mask-tiles-split" gives the kernel of the pass attn-mask-tiles instead. With `cache` an equal request returns
    the same Kernel while somebody (or the cache) still holds it.
    """

def needs_copy(array: object) -> bool:
    """Whether the innermost stride is not 1 (or memory is misaligned)."""

def set_argument_error(type: type[Exception]) -> None:
    """The exception class raised for bad arguments; ValueError until set."""

def clear_cache() -> None:
    """Drop the in-memory kernel cache."""

def cache_info() -> dict[str, int]:
    """Entries, hits and misses of the in-memory kernel cache."""

def set_num_threads(n: int) -> None: ...
def get_num_threads() -> int: ...
def threading_backend() -> str:
    """ "openmp (<library>)" or "pool"; decided at the first parallel loop, which
    this call makes if need be."""

def host_info() -> dict[str, Any]:
    """cpu, triple, features (list), vector_bits, vector_registers, l1_bytes,
    l2_bytes, l3_bytes, fma_per_cycle, has_fma, has_avx512, has_bf16_dot,
    has_amx, llvm_version."""

def fma_peak(seconds: float = 0.1, threads: int = 1) -> float:
    """f32 operations a second of fused multiply-adds alone, measured."""

def fma_instructions() -> str:
    """What `fma_peak` ran, e.g. "avx512f"."""

def read_bandwidth(bytes: int, seconds: float = 0.1, threads: int = 1) -> float:
    """Bytes a second read again and again from `bytes` bytes, measured."""

def known_targets() -> list[str]: ...
def target_error(target: str) -> str | None:
    """None when `compile` accepts the target, else why not."""

def opt_main(argv: Sequence[str]) -> int:
    """attn-opt. Flush and leave the process afterwards: LLVM's options are
    once per process."""

def run_main(argv: Sequence[str]) -> int:
    """attn-run."""

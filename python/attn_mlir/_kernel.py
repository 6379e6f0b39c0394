"""Compiled kernels: `am.compile` and `am.Kernel`."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from . import _native
from ._arrays import Array, Framework, adopt, framework_of, innermost, is_array
from .cache import plans
from .errors import ArgumentError, CompileError, Diagnostic, Remark, TargetError
from .options import Options, Target

Source: TypeAlias = str | bytes | os.PathLike[str]

PHASES = ("input", "raise", "expand", "specialize", "tile", "codegen", "target")

_native.set_argument_error(ArgumentError)


def diagnostic(raw: _native.DiagnosticTuple) -> Diagnostic:
    severity, file, line, column, message, notes = raw
    inner = tuple(diagnostic(note) for note in notes)
    return Diagnostic(severity, file, line, column, message, inner)


def _remark(raw: _native.RemarkTuple) -> Remark:
    kind, pass_name, message, file, line, column, fields = raw
    location = f"{file}:{line}:{column}" if file and line else file
    return Remark(kind, pass_name, message, location, dict(fields))


class _Phases(Mapping[str, str]):
    """MLIR text by phase, computed when asked for."""

    def __init__(self, kernel: _native.Kernel) -> None:
        self._kernel = kernel

    def __getitem__(self, phase: str) -> str:
        if phase not in PHASES:
            expected = ", ".join(PHASES)
            raise KeyError(f"phase expects one of {expected}, but got {phase!r}")
        return self._kernel.ir(phase)

    def __iter__(self) -> Iterator[str]:
        return iter(PHASES)

    def __len__(self) -> int:
        return len(PHASES)


class Kernel:
    """A compiled function; immutable, callable from many threads.

    Calling it takes the function's arguments (arrays, and numbers for scalars)
    and returns its result, or a tuple, in the framework of the first array.
    """

    def __init__(self, native: _native.Kernel) -> None:
        self.native = native
        self._arrays = tuple(
            n for n, each in enumerate(native.arguments) if each[2] is not None
        )
        self._elements = tuple(each[1] for each in native.results)

    @property
    def name(self) -> str:
        """The entry function."""
        return self.native.name

    @property
    def target(self) -> str:
        """The target as asked for."""
        return self.native.target

    @property
    def ir(self) -> Mapping[str, str]:
        """MLIR text after each phase, e.g. `kernel.ir["tile"]`."""
        return _Phases(self.native)

    @property
    def llvm(self) -> str:
        """LLVM IR after optimisation."""
        return self.native.llvm

    @property
    def asm(self) -> str:
        """Assembly of the target."""
        return self.native.asm

    @property
    def remarks(self) -> list[Remark]:
        """What was done, what was not, and why."""
        return [_remark(each) for each in self.native.remarks]

    @property
    def warnings(self) -> list[Diagnostic]:
        return [diagnostic(each) for each in self.native.warnings]

    @property
    def timings(self) -> dict[str, float]:
        """Milliseconds of each step of the compilation."""
        return dict(self.native.timings)

    def save_object(
        self,
        path: str | os.PathLike[str],
        *,
        header: str | os.PathLike[str] | None = None,
    ) -> None:
        """Write a relocatable object and, if asked for, its C header.

        The object needs `attn_parallel_for` and libm from whoever links it.
        """
        pathlib.Path(path).write_bytes(self.native.object)
        if header is not None:
            pathlib.Path(header).write_text(self.native.header, encoding="utf-8")

    def __call__(self, *arguments: Any) -> Any:
        inputs = list(arguments)
        if len(inputs) != len(self.native.arguments):
            raise ArgumentError(
                f"function '{self.name}' expects {len(self.native.arguments)} "
                f"arguments, but got {len(inputs)}"
            )
        framework: Framework | None = None
        for n in self._arrays:
            if framework is None and is_array(inputs[n]):
                framework = framework_of(inputs[n])
            inputs[n] = adopt(self.native.arguments[n][0], inputs[n])
        framework = framework or framework_of(_EMPTY)
        results = run(self.native, inputs, self._maker(framework))
        if framework.finish is not None:
            results = [framework.finish(each) for each in results]
        return results[0] if len(results) == 1 else tuple(results)

    def _maker(self, framework: Framework) -> Any:
        dtypes = [result_dtype(framework, each) for each in self._elements]

        def make(number: int, shape: tuple[int, ...]) -> Array:
            return framework.empty(shape, dtypes[number])

        return make

    def __repr__(self) -> str:
        return f"<am.Kernel {self.name!r} for {self.target!r}>"


_EMPTY = memoryview(b"")
_BYTECODE = b"ML\xefR"


def result_dtype(framework: Framework, element: str) -> Any:
    dtype = framework.dtypes.get("i64" if element == "index" else element)
    if dtype is None:
        raise ArgumentError(
            f"a result of type {element} expects the package ml_dtypes for NumPy, "
            "which is not installed"
        )
    return dtype


def run(kernel: _native.Kernel, inputs: Sequence[Any], make: Any) -> list[Any]:
    """Call a kernel, after copies of inputs it cannot read in place."""
    try:
        return kernel.run(inputs, make)
    except ArgumentError:
        compact = compacted(inputs)
        if compact is None:
            raise
        return kernel.run(compact, make)


def compacted(inputs: Sequence[Any]) -> list[Any] | None:
    """The inputs with copies of strided ones, None if there are none."""
    result, changed = list(inputs), False
    for n, each in enumerate(result):
        if is_array(each) and _native.needs_copy(each):
            result[n] = _copied(each)
            changed = True
    return result if changed else None


def _copied(array: Array) -> Array:
    compact = innermost(array)
    if compact is not array:
        return compact
    return array.clone() if hasattr(array, "clone") else array.copy()


def native_compile(
    source: str | bytes,
    *,
    file_name: str = "<source>",
    entry: str = "",
    target: str = "host",
    options: Options,
    analysis: str = "",
    cached: bool = True,
) -> _native.Kernel:
    """Compile, or raise TargetError or CompileError."""
    problem = _native.target_error(target)
    if problem is not None:
        raise TargetError(problem)
    compiled = _native.compile(
        source,
        file_name=file_name,
        entry=entry,
        target=target,
        block_queries=options.block_queries,
        block_keys=options.block_keys,
        blocks_per_task=options.blocks_per_task,
        schedule=options.schedule,
        analysis=analysis,
        opt_level=options.opt_level,
        cache=cached,
    )
    if isinstance(compiled, list):
        text = source if isinstance(source, str) else None
        raise CompileError([diagnostic(each) for each in compiled], text)
    return compiled


def _read(source: object) -> tuple[str | bytes, str]:
    """The text or bytecode, and the name diagnostics give it."""
    if isinstance(source, (str, bytes)):
        return source, "<source>"
    if not isinstance(source, os.PathLike):
        raise ArgumentError(
            "argument 'source' expects MLIR text (str), a path (os.PathLike) or "
            f"bytes, but got {type(source).__name__}"
        )
    path = pathlib.Path(source)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArgumentError(
            f"argument 'source' expects a readable file, but got {path}: "
            f"{error.strerror}"
        ) from error
    if data.startswith(_BYTECODE):
        return data, str(path)
    return data.decode("utf-8", errors="replace"), str(path)


def compile(
    source: Source,
    *,
    target: str | Target = "host",
    entry: str | None = None,
    options: Options | None = None,
) -> Kernel:
    """Compile MLIR into a kernel that serves all dynamic sizes.

    source: MLIR text (str), a file (os.PathLike), or text or bytecode (bytes).
    entry: the function, needed when several are public.
    """
    text, name = _read(source)
    if not isinstance(target, (str, Target)):
        raise ArgumentError(
            "argument 'target' expects a str or am.Target, but got "
            f"{type(target).__name__}"
        )
    if entry is not None and not isinstance(entry, str):
        raise ArgumentError(
            f"argument 'entry' expects a str, but got {type(entry).__name__}"
        )
    return Kernel(
        native_compile(
            text,
            file_name=name,
            entry=entry or "",
            target=str(target),
            options=checked_options(options),
            cached=plans.enabled,
        )
    )


_DEFAULT = Options()


def checked_options(options: object) -> Options:
    if options is None:
        return _DEFAULT
    if not isinstance(options, Options):
        raise ArgumentError(
            f"argument 'options' expects am.Options, but got {type(options).__name__}"
        )
    return options

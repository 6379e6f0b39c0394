"""The exceptions of the package; all of them pickle."""

from __future__ import annotations

import linecache
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = [
    "ArgumentError",
    "CompileError",
    "Diagnostic",
    "Remark",
    "TargetError",
    "TraceError",
]


@dataclass(frozen=True)
class Diagnostic:
    """One message of the compiler; line and column are 1-based, 0 = unknown."""

    severity: str
    file: str
    line: int
    column: int
    message: str
    notes: tuple[Diagnostic, ...] = ()

    @property
    def location(self) -> str:
        """`file:line:column`, as far as known."""
        return _location(self.file, self.line, self.column)


@dataclass(frozen=True)
class Remark:
    """What a pass did ("passed"), did not ("missed") or found ("analysis")."""

    kind: str
    pass_name: str
    message: str
    location: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        where = f"{self.location}: " if self.location else ""
        return f"{where}{self.kind} [{self.pass_name}] {self.message}"

    def __hash__(self) -> int:
        return hash((self.kind, self.pass_name, self.message, self.location))


class ArgumentError(ValueError):
    """An argument is wrong: the text names it, what was expected, what came."""


class TraceError(Exception):
    """A callable cannot be traced; the text names the line.

    `file`, `line` and `source` say where, as far as known.
    """

    def __init__(
        self, message: str, file: str = "", line: int = 0, source: str = ""
    ) -> None:
        super().__init__(message, file, line, source)
        self.message = message
        self.file = file
        self.line = line
        self.source = source

    def __str__(self) -> str:
        if not self.file:
            return self.message
        text = f"{self.file}:{self.line}: {self.message}"
        return f"{text}\n    {self.source}" if self.source else text


class TargetError(Exception):
    """The target is unknown or not available; the text says what is missing."""


class CompileError(Exception):
    """The compiler refused the source; prints like a compiler."""

    def __init__(
        self, diagnostics: Sequence[Diagnostic], source: str | None = None
    ) -> None:
        super().__init__(tuple(diagnostics), source)
        self.diagnostics: list[Diagnostic] = list(diagnostics)
        self.source = source

    def __str__(self) -> str:
        if not self.diagnostics:
            return "compilation failed without a diagnostic"
        return "\n".join(_render(each, self.source) for each in self.diagnostics)


def _location(file: str, line: int, column: int) -> str:
    if not file or not line:
        return file
    return f"{file}:{line}:{column}" if column else f"{file}:{line}"


def _excerpt(diagnostic: Diagnostic, source: str | None) -> str:
    """The line of the diagnostic and a caret, or nothing."""
    if diagnostic.line <= 0:
        return ""
    if source is not None and diagnostic.file.startswith("<"):
        lines = source.splitlines()
        if diagnostic.line > len(lines):
            return ""
        text = lines[diagnostic.line - 1]
    else:
        text = linecache.getline(diagnostic.file, diagnostic.line).rstrip("\n")
    if not text.strip():
        return ""
    if diagnostic.column <= 0:
        return f"\n{text}"
    # Tabs keep their width so that the caret stands under the column.
    head = text[: diagnostic.column - 1]
    pad = "".join("\t" if each == "\t" else " " for each in head)
    return f"\n{text}\n{pad}^"


def _render(diagnostic: Diagnostic, source: str | None) -> str:
    where = diagnostic.location
    head = f"{where}: " if where else ""
    text = f"{head}{diagnostic.severity}: {diagnostic.message}"
    text += _excerpt(diagnostic, source)
    for note in diagnostic.notes:
        text += "\n" + _render(note, source)
    return text

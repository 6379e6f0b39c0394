"""The examples of docs/Migration.md run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from oracle import close, expected, torch

PAGE = Path(__file__).resolve().parents[3] / "docs" / "Migration.md"


def test_migration() -> None:
    scope: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), scope)
    inputs = scope["query"], scope["key"], scope["value"]
    wanted, _ = expected(*inputs, scope["alibi"], scope["same_document"])
    close(scope["out"], wanted, torch.float32)
    close(scope["again"], expected(*inputs, scope["alibi"])[0], torch.float32)
    close(scope["wide"], expected(*inputs, None, scope["window"])[0], torch.float32)
    assert not torch.equal(scope["narrow"], scope["wide"])

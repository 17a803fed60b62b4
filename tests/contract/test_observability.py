"""docs/observability.md names all that a worker tells, and nothing else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/observability.md").read_text()
LEVELS = {"debug", "info", "warning", "error", "exception"}


def section(title: str) -> str:
    """The text from a heading to the next of its kind."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def names(title: str) -> list[str]:
    """The first column of a section's tables."""
    return re.findall(r"^\| `([\w.]+)`", section(title), re.MULTILINE)


def logged(path: Path) -> Iterator[str]:
    """What stands as the first argument of ``log.<level>(…)``; an event's name is no variable."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr=attr), args=[first, *_]) if (
                attr in LEVELS and ast.unparse(value).rpartition(".")[2] in ("log", "_log")
            ):
                assert isinstance(first, ast.Constant), ast.unparse(node)
                yield str(first.value)


def test_every_log_event_is_described_and_no_other() -> None:
    sources = (ROOT / "service/speechmq").rglob("*.py")
    told = {name for path in sources for name in logged(path)}
    assert told | {"library"} == set(names("Logs"))
    assert len(names("Logs")) == len(set(names("Logs")))

"""Writes docs/settings.md from the settings' own definitions; ``--check`` only compares.

.venv/bin/python scripts/generate_settings.py [--check]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from speechmq.settings import Settings
from speechmq.settings.upstream import CredentialSettings, UpstreamSettings

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
CREDENTIALS = UpstreamSettings.model_fields["credentials"].annotation
HEAD = """\
# Settings

A worker reads its settings from the environment. `speechmq worker --check` validates and prints
them, secrets hidden. Times are in seconds.

| variable | default | bounds | what it is |
|---|---|---|---|
"""


def page() -> str:
    return HEAD + "".join(f"{row}\n" for row in rows(Settings))


def rows(model: type[BaseModel], prefix: str = "SPEECHMQ_") -> Iterator[str]:
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name}".upper()
        if field.annotation == CREDENTIALS:
            inner = ", ".join(f"`{one.upper()}`" for one in CredentialSettings.model_fields)
            yield f"| `{variable}__<NAME>__…` | | | {field.description}; each has: {inner} |"
        elif isinstance(field.default, BaseModel):
            yield from rows(type(field.default), f"{variable}__")
        else:
            what = field.description or ""
            usual = default(field.get_default(call_default_factory=True))
            yield f"| `{variable}` | {usual} | {bounds(field)} | {what} |"


def default(value: Any) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return "" if value is None else f"`{value}`"


def bounds(field: FieldInfo) -> str:
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    found = [
        f"{sign} {getattr(rule, name)}"
        for rule in field.metadata
        for name, sign in signs.items()
        if hasattr(rule, name)
    ]
    return ", ".join(found)


def main() -> int:
    if "--check" not in sys.argv:
        PAGE.write_text(page())
        return 0
    if PAGE.read_text() == page():
        return 0
    print(f"{PAGE} is out of date: run scripts/generate_settings.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

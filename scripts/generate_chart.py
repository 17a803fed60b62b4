"""Writes what the chart holds that stands elsewhere; ``--check`` only compares.

.venv/bin/python scripts/generate_chart.py [--check]

README.md comes from values.yaml. values.schema.json keeps what is written there by hand; which
settings may hold a secret it has from the settings' own definitions. Alerts and dashboards are
those of deploy/observability, since Helm reads no file outside of a chart.

A comment that begins with ``# --`` describes the value below it. A value without one is an error.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, SecretStr

from speechmq.settings import Settings, holds_secret
from speechmq.settings.upstream import CredentialSettings

CHECKOUT = Path(__file__).parents[1]
CHART = CHECKOUT / "charts" / "speechmq"
OBSERVABILITY = CHECKOUT / "deploy" / "observability"
SCHEMA = CHART / "values.schema.json"
# What a URL has that holds no secret: no user, no query, no fragment.
PLAIN_URL = "^[^@?#]*$"
# What the chart sets by values of its own.
SET_BY_CHART = (
    "BROKER__NAMESPACE",
    "BROKER__QUEUE_TYPE",
    "UPSTREAM__URL",
    "UPSTREAM__FALLBACK_URLS",
    "UPSTREAM__CA_FILE",
    "WORKER__CAPACITY",
    "WORKER__SHUTDOWN_GRACE",
    "HEALTH__ADDRESS",
    "TELEMETRY__OTLP_ENDPOINT",
    "LOG__FORMAT",
    "LOG__LEVEL",
)
HEAD = CHART / "README.head.md"
LINE = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z]\w*):(?P<rest>.*)$")


class UndescribedError(Exception):
    """A value that the chart's users would find no word about."""


def generated() -> dict[Path, str]:
    """Every file by its path."""
    files = {CHART / "README.md": page(), SCHEMA: schema()}
    for source in (OBSERVABILITY / "alerts.yml", *OBSERVABILITY.glob("dashboards/*.json")):
        files[CHART / "observability" / source.relative_to(OBSERVABILITY)] = source.read_text()
    return files


def drifted() -> list[Path]:
    """Files that are missing, differ, or came from what is gone."""
    wanted = generated()
    found = [path for path in CHART.glob("observability/**/*") if path.is_file()]
    surplus = [path for path in found if path not in wanted]
    return surplus + [
        path for path, text in wanted.items() if not path.is_file() or path.read_text() != text
    ]


def schema() -> str:
    found = json.loads(SCHEMA.read_text())
    properties = found["properties"]
    secrets, addresses = _patterns(whole=True), _patterns(whole=False)
    settings = properties["worker"]["properties"]["settings"]
    settings["propertyNames"]["not"] = {
        "anyOf": [{"enum": list(SET_BY_CHART)}, {"pattern": f"^({secrets})$"}]
    }
    settings["patternProperties"] = {f"^({addresses})$": {"type": "string", "pattern": PLAIN_URL}}
    variables = properties["extraEnv"]["items"]
    variables["if"] = {
        "properties": {"name": {"pattern": f"^(?i:SPEECHMQ_({secrets}|{addresses}|{_parents()}))$"}}
    }
    variables["then"] = {"required": ["valueFrom"], "not": {"required": ["value"]}}
    return json.dumps(found, indent=2) + "\n"


def _patterns(*, whole: bool) -> str:
    """Names of the settings that are secrets as a whole, or of those that may hold one."""
    found = [name for name, field in _leaves(Settings) if _is_secret(field) is whole]
    return "|".join(sorted(found))


def _parents() -> str:
    """A section, or all credentials, may be given as JSON."""
    names = {name.rpartition("__")[0] for name, _ in _leaves(Settings)}
    return "|".join(sorted({*names, "UPSTREAM__CREDENTIALS"}))


def _leaves(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, Any]]:
    """Settings that may hold a secret; a credential's name is any."""
    for name, field in model.model_fields.items():
        variable = f"{path}{name.upper()}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _leaves(field.annotation, f"{variable}__")
        elif "CredentialSettings" in str(field.annotation):
            yield from _leaves(CredentialSettings, f"{variable}__[A-Z0-9_-]+__")
        elif holds_secret(field):
            yield variable, field


def _is_secret(field: Any) -> bool:
    return SecretStr.__name__ in str(field.annotation)


def page() -> str:
    text = (CHART / "values.yaml").read_text()
    return HEAD.read_text() + "".join(f"{row}\n" for row in rows(text))


def rows(text: str) -> Iterator[str]:
    values = yaml.safe_load(text)
    for path, described in described_values(text):
        value = look_up(values, path)
        shown = json.dumps(value, ensure_ascii=False)
        yield f"| `{'.'.join(path)}` | `{shown}` | {described.replace('|', chr(92) + '|')} |"


def described_values(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Path and description of every value, in order. A value that has a description is shown whole;
    what stands in it needs none."""
    path: list[tuple[int, str]] = []
    described, inside = "", None
    for line in text.splitlines():
        if line.strip().startswith("# -- "):
            described = line.strip()[5:]
            continue
        found = LINE.match(line)
        if found is None:
            continue
        indent = len(found["indent"])
        if inside is not None and indent > inside:
            continue
        path = [*(one for one in path if one[0] < indent), (indent, found["key"])]
        inside = None
        names = tuple(name for _, name in path)
        if described:
            yield names, described
            described, inside = "", indent
        elif found["rest"].strip():
            raise UndescribedError(f"{'.'.join(names)} has no '# --' above it")


def look_up(values: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        values = values[name]
    return values


def write() -> None:
    wanted = generated()
    for path in drifted():
        if path not in wanted:
            path.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def main() -> int:
    if "--check" not in sys.argv:
        write()
        return 0
    for path in (found := drifted()):
        print(f"{path} is out of date: run scripts/generate_chart.py", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())

"""What dashboards and alert rules of deploy/observability ask for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "deploy/observability"
RULES = FOLDER / "alerts.yml"
DASHBOARDS = sorted((FOLDER / "dashboards").glob("*.json"))


def expressions() -> Iterator[str]:
    """Every expression in PromQL."""
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    for dashboard in DASHBOARDS:
        yield from _asked(json.loads(dashboard.read_text()))


def _asked(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("expr"), str):
            yield part["expr"]
        for value in part.values():
            yield from _asked(value)
    elif isinstance(part, list):
        for value in part:
            yield from _asked(value)


def metrics_in(expression: str) -> set[str]:
    """The names of metrics, which are those with an underscore, and ``up``."""
    plain = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(by|without|on|ignoring)\s*\([^)]*\)", " ", expression)
    words = set(re.findall(r"[a-zA-Z_:][\w:]*", plain))
    return {word for word in words if word.startswith(("speechmq_", "process_")) or word == "up"}


def named_by_dashboards_and_rules() -> set[str]:
    return {name for one in expressions() for name in metrics_in(one)}

"""docs/observability.md names all that a worker tells, and nothing else."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.support.observability import (
    DASHBOARDS,
    FOLDER,
    RULES,
    named_by_dashboards_and_rules,
)

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


# -- dashboards and alerts -------------------------------------------------------------------------

UNPACKED = ROOT / ".speechmq/promtool/usr/bin"
"""Where scripts/promtool puts it."""
PROMTOOL = shutil.which("promtool") or shutil.which("promtool", path=str(UNPACKED))


def test_every_metric_is_described_and_no_other() -> None:
    """Names as OpenTelemetry has them; the tests of a real worker hold those of Prometheus."""
    assert instruments() == set(names("Metrics"))


def instruments() -> set[str]:
    source = (ROOT / "service/speechmq/telemetry/instruments.py").read_text()
    return set(re.findall(r'"(speechmq\.[a-z_.]+)"', source))


def test_dashboards_and_rules_name_metrics_as_prometheus_gets_them() -> None:
    """Nothing is asked for that no worker tells; the same is proven of a real scrape."""
    units = {"s": "_seconds", "By": "_bytes"}
    stems = {name.replace(".", "_") for name in instruments()}
    asked = named_by_dashboards_and_rules() - {"up"}
    assert len(asked) > 20
    for name in asked:
        if name.startswith("process_"):
            continue
        stem = re.sub(r"_(total|bucket|count|sum)$", "", name)
        stem = re.sub(f"({'|'.join(units.values())})$", "", stem)
        assert stem in stems, name


def test_each_alert_has_a_test_of_its_own() -> None:
    rules = yaml.safe_load(RULES.read_text())["groups"]
    alerts = {rule["alert"] for group in rules for rule in group["rules"]}
    tests = yaml.safe_load((FOLDER / "test_alerts.yml").read_text())["tests"]
    tried: dict[str, list[bool]] = {}
    for test in tests:
        for one in test["alert_rule_test"]:
            tried.setdefault(one["alertname"], []).append(bool(one["exp_alerts"]))
    assert set(tried) == alerts
    assert [alert for alert, seen in tried.items() if True not in seen] == []


def test_each_dashboard_can_be_loaded() -> None:
    dashboards = [json.loads(path.read_text()) for path in DASHBOARDS]
    assert [one["uid"] for one in dashboards] == [
        "speechmq-fleet",
        "speechmq-quality",
        "speechmq-upstream",
    ]
    for dashboard in dashboards:
        panels = dashboard["panels"]
        assert [one["id"] for one in panels] == list(range(1, len(panels) + 1))
        assert all(one["targets"] and one["description"] for one in panels if one["type"] != "row")


@pytest.mark.skipif(PROMTOOL is None, reason="run scripts/promtool once, which fetches it")
def test_rules_do_what_their_tests_say() -> None:
    done = subprocess.run(
        [PROMTOOL or "", "test", "rules", "test_alerts.yml"],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# -- traces ----------------------------------------------------------------------------------------


def test_every_span_is_described_and_no_other() -> None:
    described = set(re.findall(r"^\| `([a-z .]+)` \|", section("Traces"), re.MULTILINE))
    assert described == {
        "process speechmq.start",
        "send speechmq.claims",
        "start session",
        "resume session",
        "utterance",
        "send speechmq.events",
    }
    sources = "".join(
        (ROOT / f"service/speechmq/telemetry/{name}.py").read_text()
        for name in ("tracing", "stream_trace")
    )
    begun = re.findall(r"(?:spans\.start|self\._start)\(", sources)
    assert len(begun) == 5  # start and resume are made in one place

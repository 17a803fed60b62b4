"""Every alert has its section in docs/operations.md, and no section is of an alert that is gone."""

import re
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).parents[2]


def test_each_alert_has_its_runbook() -> None:
    rules = yaml.safe_load((CHECKOUT / "deploy/observability/alerts.yml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    headings = re.findall(
        r"^### (.*)$", (CHECKOUT / "docs/operations.md").read_text(), re.MULTILINE
    )
    assert {name for heading in headings for name in re.findall(r"Speechmq\w+", heading)} == alerts

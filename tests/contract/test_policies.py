"""The policies say the same in each of their three forms, and take nothing that a stream needs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from speechmq.broker.topology import shared
from speechmq_schemas import Names

FOLDER = Path(__file__).parents[2] / "deploy/rabbitmq"
POLICIES = json.loads((FOLDER / "policies.json").read_text())["policies"]
TAKES_AWAY = {"message-ttl", "expires", "max-length", "max-length-bytes", "overflow"}


def test_operators_template_says_the_same() -> None:
    specs = [
        one["spec"] for one in yaml.safe_load_all((FOLDER / "operator/policies.yaml").read_text())
    ]
    assert [
        {
            "name": one["name"],
            "pattern": one["pattern"],
            "apply-to": one["applyTo"],
            "priority": one["priority"],
            "definition": one["definition"],
        }
        for one in specs
    ] == POLICIES


def test_rabbitmqctl_lines_say_the_same() -> None:
    script = (FOLDER / "policies.sh").read_text().replace("\\\n", " ")
    lines = re.findall(r"--apply-to (\w+) --priority (\d+) (\S+)\s+'([^']+)'\s+'([^']+)'", script)
    assert [
        {
            "name": name,
            "pattern": pattern,
            "apply-to": kind,
            "priority": int(priority),
            "definition": json.loads(definition),
        }
        for kind, priority, name, pattern, definition in lines
    ] == POLICIES


def test_only_dead_letters_may_be_dropped() -> None:
    names = Names()
    queues = [one.name for one in shared(names, "quorum").queues]
    dropped = {
        queue
        for queue in queues
        for policy in POLICIES
        if re.search(policy["pattern"], queue) and TAKES_AWAY & policy["definition"].keys()
    }
    assert dropped == {names.dead}

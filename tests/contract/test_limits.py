"""docs/limits.md tells the settings' own defaults, and the constants' own values."""

from __future__ import annotations

import re
from pathlib import Path

from speechmq.broker import dead_letters
from speechmq.broker.amqp import safe_decode
from speechmq.broker.control import control, status
from speechmq.settings import Settings
from speechmq.speechmatics.messages import LONGEST
from speechmq.telemetry import trace_context
from speechmq.upstream.management import MAX_ANSWER
from speechmq.worker.outbox import MAX_UNCONFIRMED, MAX_WAITING
from speechmq_schemas.amqp import MAX_COMMAND_BODY

PAGE = (Path(__file__).parents[2] / "docs/limits.md").read_text()
ROW = re.compile(r"^\| .* \| `(\w+)__(\w+)` \| (?:`(.*)`)? ?\| .* \|$", re.MULTILINE)


def test_defaults_are_those_of_the_settings() -> None:
    settings = Settings()
    found = ROW.findall(PAGE)
    assert len(found) == 24
    for section, name, told in found:
        default = getattr(getattr(settings, section.lower()), name.lower())
        assert told == ("" if default is None else str(default)), name


def test_fixed_limits_are_those_of_the_code() -> None:
    at_once = (
        control.STARTS_AT_ONCE,
        control.KEY_REQUESTS_AT_ONCE,
        status.AT_ONCE,
    )
    told = [
        f"| {MAX_COMMAND_BODY} |",
        f"| {safe_decode.MAX_PARTS}, {safe_decode.MAX_DEPTH} deep |",
        f"| {trace_context.LONGEST_PARENT}; {trace_context.LONGEST_STATE} |",
        f"| {'; '.join(map(str, at_once))} |",
        f"| {status.MAX_QUESTIONS}, {status.PATIENCE:.0f} s |",
        f"| {MAX_WAITING} |",
        f"| {MAX_ANSWER} |",
        f"| {MAX_UNCONFIRMED} |",
        f"| 0 to {LONGEST:.0e} |".replace("+0", ""),
        f"first {dead_letters.BEGINNING} bytes",
        f"longer than {dead_letters.MAX_HEADERS:,} bytes",
    ]
    assert [one for one in told if one not in PAGE] == []
    assert dead_letters.MAX_BODY == 1024 * 1024

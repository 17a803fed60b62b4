"""What a stranger's headers may put into every event of a stream."""

from __future__ import annotations

import pytest

from speechmq.telemetry.trace_context import context_of

PARENT = f"00-{'a' * 32}-{'b' * 16}-01"


def test_context_is_carried_on() -> None:
    headers = {"traceparent": PARENT, "tracestate": "x=1", "seq": 1}
    assert context_of(headers) == {"traceparent": PARENT, "tracestate": "x=1"}


@pytest.mark.parametrize(
    "parent",
    [
        PARENT + "-more",
        "cc" + PARENT[2:] + "-" + "x" * 100_000,
        "ff" + PARENT[2:],
        PARENT.replace("a", "0"),
        b"00",
        7,
        None,
    ],
)
def test_context_that_is_none_or_is_absurdly_long_is_not(parent: object) -> None:
    assert context_of({"traceparent": parent}) == {}


def test_context_of_a_version_to_come_is_carried_on() -> None:
    headers = {"traceparent": "cc" + PARENT[2:] + "-more"}
    assert context_of(headers) == headers


def test_state_that_is_absurdly_long_is_left_out() -> None:
    headers = {"traceparent": PARENT, "tracestate": "x" * 513}
    assert context_of(headers) == {"traceparent": PARENT}

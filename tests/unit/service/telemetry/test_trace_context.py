"""What a stranger's headers may put into every event of a stream."""

from __future__ import annotations

import pytest

from speechmq.telemetry.trace_context import context_of

PARENT = f"00-{'a' * 32}-{'b' * 16}-01"


def test_context_is_carried_on() -> None:
    headers = {"traceparent": PARENT, "tracestate": "x=1", "seq": 1}
    assert context_of(headers) == {"traceparent": PARENT, "tracestate": "x=1"}


@pytest.mark.parametrize(
    "parent", [PARENT + "-" + "x" * 100_000, "ff" + PARENT[2:], b"00", 7, None]
)
def test_context_that_is_none_or_is_absurdly_long_is_not(parent: object) -> None:
    assert context_of({"traceparent": parent}) == {}


def test_state_that_is_absurdly_long_is_left_out() -> None:
    headers = {"traceparent": PARENT, "tracestate": "x" * 513}
    assert context_of(headers) == {"traceparent": PARENT}

"""The W3C trace context in AMQP headers, as text: no tracing is needed to pass it on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

TRACEPARENT, TRACESTATE = "traceparent", "tracestate"
# Today's version has 55 characters. What is carried on goes into every event of the stream.
LONGEST_PARENT, LONGEST_STATE = 128, 512

# Versions to come may have more behind it, today's may not.
_FORM = re.compile(r"(?!00.{53}.)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


def context_of(headers: Mapping[str, Any] | None) -> dict[str, str]:
    """The headers that carry a context on; none of a context that is malformed."""
    found = (headers or {}).get(TRACEPARENT)
    if trace_id_of(found) is None:
        return {}
    state = (headers or {}).get(TRACESTATE)
    is_usable = isinstance(state, str) and 0 < len(state) <= LONGEST_STATE
    return {TRACEPARENT: str(found)} | ({TRACESTATE: str(state)} if is_usable else {})


def trace_id_of(traceparent: object) -> str | None:
    """32 hexadecimal digits, or nothing where ``traceparent`` is none."""
    if not isinstance(traceparent, str) or len(traceparent) > LONGEST_PARENT:
        return None
    if traceparent.startswith("ff"):
        return None
    found = _FORM.fullmatch(traceparent)
    if found is None or found[1] == _NO_TRACE or found[2] == _NO_SPAN:
        return None
    return found[1]


def trace_field(context: Mapping[str, str]) -> dict[str, str]:
    """The field of a log line that names the trace, if there is one."""
    trace_id = trace_id_of(context.get(TRACEPARENT))
    return {} if trace_id is None else {"trace_id": trace_id}

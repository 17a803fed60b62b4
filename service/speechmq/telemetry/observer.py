"""What the shells tell of a worker and its streams, and who hears it: the one seam of telemetry.

A shell calls an observer for what happens seldom: an output of the core, a confirm, a verdict.
Never for a chunk: what is counted of those is read from the core's own numbers, when asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..session.outputs import DeadLetter, Output, Publish
from .stream_log import StreamLog
from .trace_context import TRACEPARENT, context_of, trace_id_of


class StreamObserver:
    """One epoch of one stream."""

    def __init__(self, log: StreamLog | None = None) -> None:
        self._log = log

    def saw(self, output: Output) -> None:
        """The core wants something other than audio sent or acknowledged."""
        if self._log is None:
            return
        match output:
            case Publish(event=event):
                self._log.tell(event)
            case DeadLetter(_, code, reason):
                self._log.log.warning("message_dead_lettered", code=code, reason=reason)


class Observer:
    """A whole worker."""

    def stream(
        self, stream_id: str, *, epoch: int, headers: Mapping[str, Any] | None
    ) -> StreamObserver:
        """``headers`` are those of the stream's claim."""
        trace_id = trace_id_of(context_of(headers).get(TRACEPARENT))
        return StreamObserver(StreamLog(stream_id, epoch=epoch, trace_id=trace_id))

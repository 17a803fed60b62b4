"""The process: capacity, shutdown, take-overs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .section import Count, Seconds, Section


class WorkerSettings(Section):
    """The process."""

    capacity: Annotated[int, Field(ge=1, le=65_535)] = 200
    """Streams at once"""
    shutdown_grace: Seconds = 20.0
    """Longest wait on SIGTERM for streams to be handed over; a second signal ends it"""
    max_takeovers: Count = 8
    """A stream that was taken over as often without getting any further fails"""
    takeover_window: Seconds = 600.0
    """The time in which these count"""
    stream_backlog_bytes: Annotated[int, Field(ge=1_000_000)] = 16 * 1024 * 1024
    """Events of one stream that wait for RabbitMQ; one that has more fails"""
    backlog_bytes: Annotated[int, Field(ge=1_000_000)] = 256 * 1024 * 1024
    """And of all together; while there are more, each stream may have an equal share of it"""
    early_prefetch: Annotated[int, Field(ge=16, le=65_535)] = 2000
    """Messages held at once of streams that have no queue yet; more wait at the broker"""

"""What one publisher may have."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .section import Section


class LimitsSettings(Section):
    """What one publisher may have."""

    streams_per_user: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Streams at once of one RabbitMQ user, over all workers; starts then need AMQP's `user_id`"""

"""Events of no owner bear a time and a number that every consumer can read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from speechmq.broker.amqp.channel import AmqpChannel
from speechmq.broker.announcements import announce
from speechmq_schemas import Names, StreamAccepted


@dataclass
class RecordingChannel:
    """Keeps what is published on it."""

    users: Any = field(default_factory=lambda: SimpleNamespace(own="worker"))
    published: list[Any] = field(default_factory=list)

    async def basic_publish(self, _body: bytes, **how: Any) -> None:
        self.published.append(how["properties"])


async def test_announcement_has_a_time_and_a_number_of_53_bits() -> None:
    channel = RecordingChannel()
    await announce(cast("AmqpChannel", channel), Names(), StreamAccepted(stream_id="one"))
    (properties,) = channel.published
    assert datetime.now(UTC) - properties.timestamp < timedelta(seconds=60)
    assert 0 < properties.headers["seq"] < 2**53
    assert properties.message_id == f"one/0/{properties.headers['seq']}"

"""Events to the exchange ``speechmq.events``: properties, headers, body, confirm."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from pamqp import commands as spec

from speechmq_schemas import SCHEMA_VERSION, Names, event_routing_key, message_id
from speechmq_schemas.amqp import JSON
from speechmq_schemas.routing import translation_routing_key, upstream_routing_key

from ...core.values.checkpoint import Checkpoint
from ...core.values.events import (
    Event,
    FinalTranslation,
    PartialTranslation,
    UpstreamMessage,
)
from ...core.values.outputs import Publish
from ...errors import MessageNacked
from ...telemetry.logs import get_logger
from ..amqp.channel import AmqpChannel
from ..amqp.error_map import translated
from .checkpoints import write_checkpoint

log = get_logger(__name__)


class EventPublisher:
    """Publishes the events of one epoch of one stream, one after the other."""

    def __init__(
        self,
        channel: AmqpChannel,
        names: Names,
        stream_id: str,
        *,
        epoch: int,
    ) -> None:
        self._channel = channel
        self._exchange = names.events
        self._state = names.state(stream_id)
        self._stream_id = stream_id
        self._epoch = epoch

    async def publish(
        self, publish: Publish, body: bytes, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Returns when the broker has the event; ``headers`` go with the contract's own.

        ``body`` is the encoded event. Raises ``BrokerError``.
        """
        key, properties = routing_key(publish.event), self._properties(publish, headers)
        what = f"{properties.message_type} of stream {self._stream_id}"
        with translated(f"saving {what}"):
            if publish.checkpoint is not None:
                # Confirmed before anybody is told: a broker that is killed in between, and keeps
                # the one without the other, would have the successor say it in other words.
                await self._channel.publish(
                    body, properties, exchange="", routing_key=self._state, mandatory=True
                )
        try:
            with translated(f"publishing {what}"):
                await self._channel.publish(
                    body, properties, exchange=self._exchange, routing_key=key
                )
        except MessageNacked:
            log.warning("consumer_queue_full", stream_id=self._stream_id, epoch=self._epoch)

    def publish_unconfirmed(
        self, publish: Publish, body: bytes, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """An event that the next one makes up for: nobody waits for the broker to have it.

        Raises ``BrokerError``.
        """
        properties, key = self._properties(publish, headers), routing_key(publish.event)
        with translated(f"publishing {properties.message_type} of stream {self._stream_id}"):
            self._channel.publish_unconfirmed(
                body, properties, exchange=self._exchange, routing_key=key
            )

    async def save(self, checkpoint: Checkpoint) -> None:
        """Writes the checkpoint without an event. Raises ``BrokerError``."""
        await write_checkpoint(self._channel, self._state, self._epoch, checkpoint)

    def _properties(self, publish: Publish, carried: Mapping[str, str]) -> spec.Basic.Properties:
        headers: dict[str, Any] = {
            **carried,
            "epoch": self._epoch,
            "seq": publish.seq,
            "schema_version": SCHEMA_VERSION,
        }
        if publish.checkpoint is not None:
            headers["checkpoint"] = publish.checkpoint.encode()
        return spec.Basic.Properties(
            content_type=JSON,
            message_type=type(publish.event).__name__,
            message_id=message_id(self._stream_id, self._epoch, publish.seq),
            correlation_id=self._stream_id,
            timestamp=datetime.now(UTC),
            headers=headers,
            user_id=self._channel.users.own,
            delivery_mode=2 if publish.confirm else 1,
        )


def routing_key(event: Event) -> str:
    if isinstance(event, UpstreamMessage):
        return upstream_routing_key(event.message, event.stream_id)
    if isinstance(event, PartialTranslation | FinalTranslation):
        return translation_routing_key(type(event).__name__, event.language, event.stream_id)
    return event_routing_key(type(event).__name__, event.stream_id)

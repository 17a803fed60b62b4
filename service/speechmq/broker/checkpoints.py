"""The last state-bearing event of a stream, and the fence that a new owner puts before it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import ChannelNotFoundEntity, DeliveryError
from pamqp import commands as spec

from speechmq_schemas import Names, event_routing_key
from speechmq_schemas.routing import translation_routing_key

from ..errors import BrokerError, BrokerLost, QueueGone
from ..session.checkpoint import Checkpoint
from ..tasks import task_group
from .plane import translated

FENCE = "Fence"
LAST_WORDS = ("StreamEnded", "StreamFailed")
# May have been published without its confirm having reached the one who would have acknowledged.
TOLD_AGAIN = ("FinalTranscript", "FinalTranslation", "AudioGap")


class _Translation(msgspec.Struct):
    language: str


@dataclass(frozen=True, slots=True)
class Series:
    """Owners of a stream one behind the other, none of which got any further.

    ``since`` is when the first of them began, in milliseconds since 1970.
    """

    count: int
    since: int

    def next(self, now: int, window: int) -> Series:
        if now - self.since > window:
            return Series(1, now)
        return Series(self.count + 1, self.since)


@dataclass(frozen=True, slots=True)
class Takeover:
    """What a new owner begins with; the first one has no checkpoint.

    ``fruitless`` counts the owners, this one included, since the stream last got any further.
    """

    epoch: int
    checkpoint: Checkpoint | None
    is_over: bool
    fruitless: int = 1


async def take_over(
    channel: AbstractChannel, names: Names, stream_id: str, *, now: int, window: int
) -> Takeover:
    """Makes this worker the stream's owner, which it must be already by its claim and consumer.

    ``now`` is the wall clock's, in milliseconds since 1970. It is the epoch of a stream that never
    had one, so that it is higher than those of an earlier stream of the same id: they would share
    their ``message_id``. ``window``, in milliseconds, is how long a fruitless owner counts.

    A final that the predecessor may not have seen confirmed is published again under its own
    ``message_id``. Then epoch + 1 goes into ``state``, confirmed: whoever reads it from now on
    knows that the older epoch is over. Behind the stream's last words there is nothing to own:
    they stay where they are, for the next one to find if this one dies before the queues are
    deleted. Raises ``BrokerLost``, ``QueueGone`` for a state that is
    gone, and ``BrokerError`` for one that cannot be read.
    """
    queue = names.state(stream_id)
    found = await _get(channel, queue)
    if not isinstance(found.delivery, spec.Basic.GetOk):
        await write_checkpoint(channel, queue, now, None, Series(1, now))
        return Takeover(now, None, is_over=False)
    epoch, checkpoint = _read(queue, found)
    event = found.header.properties.message_type
    if event in LAST_WORDS:
        await _tell_again(channel, names, stream_id, found)
        with translated(f"leaving the last words in {queue}"):
            await channel.basic_reject(found.delivery_tag or 0, requeue=True)
        return Takeover(epoch, checkpoint, is_over=True)
    series = _series(found).next(now, window)
    async with task_group() as tasks:
        # One right behind the other, in this order, and the wait for both confirms is one.
        if event in TOLD_AGAIN:
            tasks.create_task(_tell_again(channel, names, stream_id, found))
        tasks.create_task(write_checkpoint(channel, queue, epoch + 1, checkpoint, series))
    with translated(f"settling the old state in {queue}"):
        await channel.basic_ack(found.delivery_tag or 0)
    return Takeover(epoch + 1, checkpoint, is_over=False, fruitless=series.count)


async def _get(channel: AbstractChannel, queue: str) -> DeliveredMessage:
    try:
        with translated(f"reading {queue}"):
            return await channel.basic_get(queue)
    except BrokerLost as error:
        if isinstance(error.__cause__, ChannelNotFoundEntity):
            raise QueueGone(f"{queue} is gone, and with it where the stream stood") from error
        raise


def _read(queue: str, found: DeliveredMessage) -> tuple[int, Checkpoint]:
    headers = found.header.properties.headers or {}
    epoch, encoded = headers.get("epoch"), headers.get("checkpoint")
    if not isinstance(epoch, int):
        raise BrokerError(f"{queue} holds a message without an epoch; something else wrote to it")
    if encoded is None:
        return epoch, Checkpoint()
    try:
        return epoch, Checkpoint.decode(str(encoded))
    except msgspec.MsgspecError as error:
        raise BrokerError(f"{queue} holds a checkpoint that cannot be read: {error}") from error


def _series(found: DeliveredMessage) -> Series:
    """Only a fence that nothing followed has one: all else that is written tells of progress."""
    headers = found.header.properties.headers or {}
    count, since = headers.get("takeovers"), headers.get("since")
    if isinstance(count, int) and isinstance(since, int):
        return Series(count, since)
    return Series(0, 0)


async def _tell_again(
    channel: AbstractChannel, names: Names, stream_id: str, found: DeliveredMessage
) -> None:
    """A consumer whose full queue refuses it has to do without."""
    properties = found.header.properties
    with translated("publishing the last event again"), suppress(DeliveryError):
        await channel.basic_publish(
            found.body,
            exchange=names.events,
            routing_key=_key_of(properties.message_type or "", found.body, stream_id),
            properties=properties,
        )


def _key_of(event: str, body: bytes, stream_id: str) -> str:
    if event != "FinalTranslation":
        return event_routing_key(event, stream_id)
    language = msgspec.json.decode(body, type=_Translation).language
    return translation_routing_key(event, language, stream_id)


async def write_checkpoint(
    channel: AbstractChannel,
    queue: str,
    epoch: int,
    checkpoint: Checkpoint | None,
    series: Series | None = None,
) -> None:
    """Puts a checkpoint that belongs to no event into ``queue``; returns when it is confirmed.

    ``series`` makes it the fence of a new owner.
    """
    headers: dict[str, Any] = {"epoch": epoch}
    if series is not None:
        headers |= {"takeovers": series.count, "since": series.since}
    if checkpoint is not None:
        headers["checkpoint"] = checkpoint.encode()
    properties = spec.Basic.Properties(message_type=FENCE, headers=headers, delivery_mode=2)
    with translated(f"writing epoch {epoch} to {queue}"):
        await channel.basic_publish(b"", routing_key=queue, properties=properties, mandatory=True)

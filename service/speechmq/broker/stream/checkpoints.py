"""The last state-bearing event of a stream, and the fence that a new owner puts before it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from typing import Any

import msgspec
from aiormq.abc import DeliveredMessage
from pamqp import commands as spec

from speechmq_schemas import Names, event_routing_key
from speechmq_schemas.routing import translation_routing_key

from ...core.values.checkpoint import Checkpoint
from ...errors import MessageNacked, StateUnreadable
from ...tasks import task_group
from ...telemetry.logs import get_logger
from ..amqp.channel import AmqpChannel
from ..amqp.error_map import translated
from ..amqp.identity import foreign
from ..dead_letters import RejectedMessage, dead_letter

log = get_logger(__name__)

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

    def before(self) -> Series:
        """Without the newest owner."""
        return Series(self.count - 1, self.since)


@dataclass(frozen=True, slots=True)
class Takeover:
    """What a new owner begins with; the first one has no checkpoint.

    ``series`` has the owners, this one included, since the stream last got any further.
    """

    epoch: int
    checkpoint: Checkpoint | None
    is_over: bool
    series: Series


async def take_over(  # by name
    channel: AmqpChannel,
    names: Names,
    stream_id: str,
    *,
    now: int,
    window: int,
    require_leader: Callable[[], Awaitable[None]],
) -> Takeover:
    """Makes this worker the stream's owner, which it must be already by its claim and consumer.

    ``now`` is the wall clock's, in milliseconds since 1970. It is the epoch of a stream that never
    had one, so that it is higher than those of an earlier stream of the same id: they would share
    their ``message_id``. ``window``, in milliseconds, is how long a fruitless owner counts.

    ``require_leader`` is called before a fruitless owner is counted. It raises ``BrokerError`` when
    the stream's queue does not answer: RabbitMQ closes the connection of an owner that consumes it,
    and such an owner did not crash.

    A final that the predecessor may not have seen confirmed is published again under its own
    ``message_id``. Then epoch + 1 goes into ``state``, confirmed: whoever reads it from now on
    knows that the older epoch is over. Behind the stream's last words there is nothing to own:
    they stay where they are, for the next one to find if this one dies before the queues are
    deleted. One that no worker wrote is put aside. Raises ``QueueMissing`` for a state that is
    gone, ``StateUnreadable`` for one that cannot be read, and ``BrokerError``.
    """
    queue = names.state(stream_id)
    with translated(f"reading {queue}"):
        found = await channel.basic_get(queue)
        if isinstance(found.delivery, spec.Basic.GetOk) and not channel.users.wrote(found):
            await _put_aside(channel, names, queue, found)
            found = await channel.basic_get(queue)
    if not isinstance(found.delivery, spec.Basic.GetOk):
        await write_checkpoint(channel, queue, now, None, Series(1, now))
        return Takeover(now, None, is_over=False, series=Series(1, now))
    epoch, checkpoint = _read(queue, found)
    event = found.header.properties.message_type
    if event in LAST_WORDS:
        await _tell_again(channel, names, stream_id, found)
        with translated(f"leaving the last words in {queue}"):
            await channel.basic_reject(found.delivery_tag or 0, requeue=True)
        return Takeover(epoch, checkpoint, is_over=True, series=_series(found))
    if (fruitless := _series(found)).count:
        await require_leader()
    series = fruitless.next(now, window)
    async with task_group() as tasks:
        # One right behind the other, in this order, and the wait for both confirms is one.
        if event in TOLD_AGAIN:
            tasks.create_task(_tell_again(channel, names, stream_id, found))
        tasks.create_task(write_checkpoint(channel, queue, epoch + 1, checkpoint, series))
    with translated(f"settling the old state in {queue}"):
        await channel.basic_ack(found.delivery_tag or 0)
    return Takeover(epoch + 1, checkpoint, is_over=False, series=series)


async def _put_aside(
    channel: AmqpChannel, names: Names, queue: str, found: DeliveredMessage
) -> None:
    """A state that no worker wrote has taken the genuine one's place. The stream then begins with
    the audio that is not acknowledged: its last words may come twice, and none is lost."""
    reason = foreign(found, "a stream's state")
    log.error("state_foreign", queue=queue, reason=reason)
    rejected = RejectedMessage.of_delivery(queue, found)
    await dead_letter(channel, names.dead, rejected, code="foreign_message", reason=reason)
    with translated(f"putting a foreign state of {queue} aside"):
        await channel.basic_ack(found.delivery_tag or 0)


def _read(queue: str, found: DeliveredMessage) -> tuple[int, Checkpoint]:
    headers = found.header.properties.headers or {}
    epoch, encoded = headers.get("epoch"), headers.get("checkpoint")
    if not isinstance(epoch, int):
        raise StateUnreadable(queue, "a message without an epoch; something else wrote to it")
    if encoded is None:
        return epoch, Checkpoint()
    try:
        return epoch, Checkpoint.decode(str(encoded))
    except msgspec.MsgspecError as error:
        raise StateUnreadable(queue, f"a checkpoint that cannot be read: {error}") from error


def _series(found: DeliveredMessage) -> Series:
    """Only a fence that nothing followed has one: all else that is written tells of progress."""
    headers = found.header.properties.headers or {}
    count, since = headers.get("takeovers"), headers.get("since")
    if isinstance(count, int) and isinstance(since, int):
        return Series(count, since)
    return Series(0, 0)


async def _tell_again(
    channel: AmqpChannel, names: Names, stream_id: str, found: DeliveredMessage
) -> None:
    """A consumer whose full queue refuses it has to do without.

    The user is this worker's: RabbitMQ would refuse that of a predecessor with another.
    """
    properties = copy(found.header.properties)
    properties.user_id = channel.users.own
    with suppress(MessageNacked), translated("publishing the last event again"):
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
    channel: AmqpChannel,
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
    properties = spec.Basic.Properties(
        message_type=FENCE, headers=headers, user_id=channel.users.own, delivery_mode=2
    )
    with translated(f"writing epoch {epoch} to {queue}"):
        await channel.basic_publish(b"", routing_key=queue, properties=properties, mandatory=True)

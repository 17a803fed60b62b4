"""Answers to ``GetStreamStatus``, at once and never behind a stream's audio.

The owner of a stream binds its worker's own queue to ``status.<stream_id>``. A question about a
stream that nobody owns finds no queue, falls to the alternate exchange as early audio does, and is
answered by whoever looks after that: the stream waits for a worker, or there is no such stream.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.common import FieldValue

from speechmq_schemas import (
    AmqpMessage,
    ContractError,
    GetStreamStatus,
    Names,
    RequestFailed,
    StreamStatus,
    to_command,
)
from speechmq_schemas.routing import STATUS_ROUTING_PREFIX, status_routing_key

from ...core.states import State
from ...core.status import Status
from ...errors import BrokerError
from ...telemetry.logs import describe, get_logger
from ..amqp.error_map import translated
from ..amqp.plane import DataPlane, fail_when_closed
from ..dead_letters import RejectedMessage, dead_letter
from .replies import Answers, refusal, reply, require_asker, settled_at_last

log = get_logger(__name__)

AT_ONCE = 16
# Whoever asks does not wait for long; questions that pile up behind a stalled worker are dropped.
PATIENCE = 30.0
MAX_QUESTIONS = 1000

# Between two sessions a stream connects, whatever the core waits for.
TOLD_AS: Mapping[State, Any] = {
    State.CONNECTING: "connecting",
    State.STARTING: "connecting",
    State.WAITING: "connecting",
    State.STREAMING: "streaming",
    State.SUSPENDED: "suspended",
    State.ENDING: "ending",
    State.CLOSING: "ending",
    State.FINISHED: "ending",
}


@dataclass(frozen=True, slots=True)
class Ownership:
    """``look`` finds nothing before the stream's core exists, right behind a take-over."""

    epoch: int
    since: datetime
    look: Callable[[], Status | None]

    def report(self, stream_id: str, worker: str) -> StreamStatus:
        owned: dict[str, Any] = {"epoch": self.epoch, "worker": worker, "since": self.since}
        found = self.look()
        if found is None:
            return StreamStatus(stream_id=stream_id, state="connecting", **owned)
        return StreamStatus(
            stream_id=stream_id,
            state=TOLD_AS[found.state],
            **owned,
            received_seconds=found.received,
            finalised_seconds=found.finalised,
            gap_seconds=found.gaps,
            lag_seconds=found.lag,
        )


def worker_name() -> str:
    """Another one for each connection: the broker may take its time to see that the worker's last
    one is gone, and in containers all workers have one process number."""
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:64]
    return f"{host}-{os.getpid()}-{secrets.token_hex(3)}"


def is_status_question(routing_key: str) -> bool:
    return routing_key.startswith(STATUS_ROUTING_PREFIX)


class Answering:
    """Reads a question, answers it, and puts what cannot be answered among the dead letters.

    A stranger names the queue of the answer, and publishing may cost its connection: it goes over
    ``answers``, never over the data plane.
    """

    def __init__(self, answers: Answers, names: Names, queue: str) -> None:
        self._answers = answers
        self._names = names
        self._queue = queue

    async def read(
        self, message: AmqpMessage, *, redelivered: bool = False
    ) -> GetStreamStatus | None:
        """Nothing if it is settled already, because it was no question. Raises ``BrokerError``."""
        try:
            require_asker(message, self._names)
        except ContractError as error:
            rejected = RejectedMessage.of_message(self._queue, message)
            channel = await self._answers.channel()
            await dead_letter(
                channel, self._names.dead, rejected, code=error.code, reason=error.reason
            )
            return None
        try:
            command = to_command(message).command
            if not isinstance(command, GetStreamStatus):
                reason = f"{message.type} was sent with the routing key of questions"
                raise ContractError("wrong_place", reason)
        except ContractError as error:
            await self.answer(message, refusal(error), redelivered=redelivered)
            return None
        return command

    async def answer(
        self,
        message: AmqpMessage,
        answer: StreamStatus | RequestFailed,
        *,
        redelivered: bool = False,
    ) -> None:
        with settled_at_last(redelivered=redelivered):
            channel = await self._answers.channel(message.reply_to or "")
            await reply(channel, message, answer, expires=PATIENCE)


class StatusDesk:
    """The queue of one worker, which goes with its connection.

    ``attend`` and ``leave`` cost one round trip each.
    """

    def __init__(
        self, channel: AbstractChannel, answers: Answers, names: Names, worker: str
    ) -> None:
        self._worker = worker
        self._channel = channel
        self._names = names
        self._queue = names.status(worker)
        self._answering = Answering(answers, names, self._queue)
        self._streams: dict[str, Ownership] = {}

    @classmethod
    async def open(
        cls, plane: DataPlane, answers: Answers, names: Names, worker: str
    ) -> StatusDesk:
        """Raises ``BrokerError``."""
        desk = cls(await plane.channel(prefetch=AT_ONCE), answers, names, worker)
        await desk._consume()
        return desk

    async def _consume(self) -> None:
        arguments: dict[str, FieldValue] = {
            # Classic in any case: no other kind can be exclusive.
            "x-queue-type": "classic",
            "x-max-length": MAX_QUESTIONS,
            "x-message-ttl": round(PATIENCE * 1000),
        }
        with translated(f"consuming {self._queue}"):
            await self._channel.queue_declare(self._queue, exclusive=True, arguments=arguments)
            await self._channel.basic_consume(self._queue, self._on_message)

    async def register(self, stream_id: str, ownership: Ownership) -> None:
        """From the return on, questions about the stream come here. Raises ``BrokerError``."""
        self._streams[stream_id] = ownership
        key = status_routing_key(stream_id)
        with translated(f"binding {self._queue} to {key}"):
            await self._channel.queue_bind(self._queue, self._names.inbound, key)

    async def unregister(self, stream_id: str) -> None:
        """To be called before another may own the stream; harmless if it never was registered.

        Raises ``BrokerError``.
        """
        if stream_id in self._streams:
            key = status_routing_key(stream_id)
            with translated(f"unbinding {self._queue} from {key}"):
                await self._channel.queue_unbind(self._queue, self._names.inbound, key)
            del self._streams[stream_id]

    async def fail_when_closed(self) -> NoReturn:
        """Raises ``BrokerError`` when questions cannot come here any more."""
        await fail_when_closed(self._channel, f"the consumer of {self._queue}")

    async def _on_message(self, delivered: DeliveredMessage) -> None:
        """Who gets no answer asks again, so a question is settled in any case."""
        try:
            await self._answer(read_message(delivered))
        except BrokerError as error:
            log.warning("question_unanswered", **describe(error))
        except Exception:
            log.exception("question_unusable")
        with suppress(BrokerError), translated("settling a question"):
            await self._channel.basic_ack(delivered.delivery_tag or 0)

    async def _answer(self, message: AmqpMessage) -> None:
        asked = await self._answering.read(message)
        if asked is None:
            return
        await self._answering.answer(message, self._report(asked.stream_id))

    def _report(self, stream_id: str) -> StreamStatus:
        """A stream that was left while the question lay here waits for its next owner."""
        ownership = self._streams.get(stream_id)
        if ownership is None:
            return StreamStatus(stream_id=stream_id, state="waiting")
        return ownership.report(stream_id, self._worker)


class UnownedStatus:
    """Answers for streams that no worker has."""

    def __init__(self, plane: DataPlane, answers: Answers, names: Names) -> None:
        self._plane = plane
        self._names = names
        self._answering = Answering(answers, names, names.early)

    async def answer(self, message: AmqpMessage, redelivered: bool = False) -> None:
        """Raises ``BrokerError``; the question may then be asked again."""
        asked = await self._answering.read(message, redelivered=redelivered)
        if asked is None:
            return
        queue = self._names.stream(asked.stream_id)
        is_there = await self._plane.queue_exists(queue) is not None
        answer = _unowned(asked.stream_id, is_there=is_there)
        await self._answering.answer(message, answer, redelivered=redelivered)


def _unowned(stream_id: str, *, is_there: bool) -> StreamStatus | RequestFailed:
    if is_there:
        return StreamStatus(stream_id=stream_id, state="waiting")
    reason = f"there is no stream {stream_id!r}: it was never accepted, or it is over"
    return RequestFailed(code="unknown_stream", reason=reason, retryable=False)


def read_message(delivered: DeliveredMessage) -> AmqpMessage:
    """The message as the contract sees it."""
    properties = delivered.header.properties
    return AmqpMessage(
        routing_key=delivered.routing_key or "",
        type=properties.message_type or "",
        body=delivered.body,
        headers=dict(properties.headers or {}),
        content_type=properties.content_type or "",
        content_encoding=properties.content_encoding,
        correlation_id=properties.correlation_id,
        reply_to=properties.reply_to,
    )

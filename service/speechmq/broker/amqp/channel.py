"""The client's channel, with shorter ways for what goes over it with every chunk of audio.

What aiormq does for a message by tasks, locks and futures of its own is done here in the callback
that reads it, or in the call that writes it; all else is the client's. Knows nothing of streams.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import aiormq
from aiormq.abc import AbstractConnection, ChannelFrame, DeliveredMessage, TimeoutType
from aiormq.channel import Returning
from aiormq.exceptions import ChannelInvalidStateError
from pamqp import commands as spec
from pamqp.base import Frame
from pamqp.body import ContentBody
from pamqp.constants import REPLY_SUCCESS
from pamqp.frame import FrameTypes, marshal
from pamqp.header import ContentHeader

from .identity import WorkerUsers

Receive = Callable[[DeliveredMessage], None]


class Inbox(asyncio.Queue[tuple[int, FrameTypes]]):
    """What the connection reads for a channel. Puts deliveries to ``receivers`` together, by their
    consumer tags, and keeps the rest for the client."""

    def __init__(self, channel: AmqpChannel, receivers: dict[str, Receive]) -> None:
        super().__init__()
        self._channel = channel
        self._receivers = receivers
        self._receive: Receive | None = None
        self._delivery: spec.Basic.Deliver
        self._header: ContentHeader
        self._parts: list[bytes] = []
        self._missing = 0

    async def put(self, item: tuple[int, FrameTypes]) -> None:
        if not self.take(item[1]):
            self.put_nowait(item)

    def take(self, frame: FrameTypes) -> bool:
        """Whether it is a confirm, or belongs to a message for one of ``receivers``: a method, a
        header and the body's parts follow each other, with no other frame of the channel between.
        """
        if isinstance(frame, spec.Basic.Ack):
            return self._take_confirm(frame)
        if isinstance(frame, spec.Basic.Deliver):
            self._delivery = frame
            self._receive = self._receivers.get(frame.consumer_tag or "")
            return self._receive is not None
        if self._receive is None:
            return False
        if isinstance(frame, ContentHeader):
            self._header, self._missing = frame, frame.body_size or 0
        elif isinstance(frame, ContentBody):
            self._parts.append(frame.value)
            self._missing -= len(frame.value)
        if self._missing <= 0:
            self._pass_on(self._receive)
        return True

    def _take_confirm(self, confirm: spec.Basic.Ack) -> bool:
        """A message that comes back does so before its confirm: the client is to see it first."""
        if not self.empty():
            return False
        self._channel.confirm(confirm)
        return True

    def _pass_on(self, receive: Receive) -> None:
        parts, self._parts, self._receive = self._parts, [], None
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        receive(DeliveredMessage(self._delivery, self._header, body, self._channel))


class AmqpChannel(aiormq.Channel):
    """One of a ``PlainConnection``, which opens it. A message that is returned is an error.

    ``patience``, in seconds, is for the broker's answer to its close. What is published for
    workers bears the first of ``users``.
    """

    def __init__(
        self,
        connection: AbstractConnection,
        number: int,
        *,
        users: WorkerUsers,
        confirms: bool,
        patience: float,
    ) -> None:
        super().__init__(connection, number, publisher_confirms=confirms, on_return_raises=True)
        self.patience = patience
        self.users = users
        self.frames: Inbox
        self._receivers: dict[str, Receive] = {}
        self._unawaited = Returning(loop=connection.loop)
        self._is_closing = False
        # Its reader has not begun yet.
        self.frames = Inbox(self, self._receivers)

    async def rpc(self, frame: Frame, timeout: TimeoutType = None) -> Any:  # noqa: ASYNC109  # the client's own
        """Waits for the answer to each question, also where the caller is cancelled.

        The client closes the channel as soon as a caller is cancelled. Where the broker closes it
        at the same time, because it refuses, RabbitMQ takes the answer to its own close for a frame
        of a channel that was never opened, and closes the connection.
        """
        return await asyncio.shield(asyncio.ensure_future(super().rpc(frame, timeout)))

    async def request_close(self) -> None:
        """Its answer closes the channel. The caller gets that as an error."""
        self._is_closing = True
        await self.rpc(spec.Channel.Close(reply_code=REPLY_SUCCESS, class_id=0, method_id=0))

    async def consume(self, queue: str, receive: Receive) -> None:
        """``receive`` is called for each message, in order, by whoever reads the connection: it
        must neither block nor raise."""
        tag = f"{len(self._receivers)}"
        self._receivers[tag] = receive
        await self.basic_consume(queue, receive, consumer_tag=tag)  # type: ignore[arg-type]

    def acknowledge(self, tag: int) -> None:
        """Every delivery up to ``tag``; the broker does not answer."""
        self._write(marshal(spec.Basic.Ack(delivery_tag=tag, multiple=True), self.number))

    async def publish(
        self,
        body: bytes,
        properties: spec.Basic.Properties,
        *,
        exchange: str,
        routing_key: str,
        mandatory: bool = False,
    ) -> None:
        """Returns when the broker has it. Raises ``DeliveryError`` for a queue that refuses it, and
        ``PublishError`` if it is mandatory, has a ``message_id`` and there is no queue for it."""
        confirmation = self.create_future()
        tag = self._send(body, properties, exchange, routing_key, mandatory=mandatory)
        self.confirmations[tag] = confirmation
        message_id = properties.message_id or ""
        if mandatory:
            self.message_id_delivery_tag[message_id] = tag
        try:
            await confirmation
        finally:
            self.message_id_delivery_tag.pop(message_id, None)

    def confirm(self, confirm: spec.Basic.Ack) -> None:
        """In the callback that reads it, where the client wakes a task."""
        last = confirm.delivery_tag or 0
        tags = [tag for tag in self.confirmations if tag <= last] if confirm.multiple else [last]
        for tag in tags:
            self._confirm_delivery(tag, confirm)

    def publish_unconfirmed(
        self, body: bytes, properties: spec.Basic.Properties, *, exchange: str, routing_key: str
    ) -> None:
        """Publishes what may be lost: it waits for no confirm."""
        tag = self._send(body, properties, exchange, routing_key)
        self.confirmations[tag] = self._unawaited

    def _send(
        self,
        body: bytes,
        properties: spec.Basic.Properties,
        exchange: str,
        routing_key: str,
        *,
        mandatory: bool = False,
    ) -> int:
        """The tag that the broker's confirm will bear."""
        largest = self.max_content_size
        header = ContentHeader(properties=properties, body_size=len(body))
        parts = [ContentBody(body[at : at + largest]) for at in range(0, len(body), largest)]
        self._write(
            _publish_frame(self.number, exchange, routing_key, mandatory),
            marshal(header, self.number),
            *[marshal(part, self.number) for part in parts],
        )
        self.delivery_tag += 1
        return self.delivery_tag

    def _write(self, *frames: bytes) -> None:
        """After a close the broker takes any frame for an error of the whole connection."""
        if self.is_closed or self._is_closing:
            raise ChannelInvalidStateError(f"{self!r} is closed")
        self.write_queue.put_nowait(ChannelFrame(b"".join(frames), should_close=False))


@lru_cache(maxsize=4096)
def _publish_frame(number: int, exchange: str, routing_key: str, mandatory: bool) -> bytes:
    """A stream publishes to a handful of keys."""
    method = spec.Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=mandatory)
    return marshal(method, number)

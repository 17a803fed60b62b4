"""The queue of claims: one small message a stream, unacknowledged while a worker owns the stream.

The unacknowledged claim is the lease. When its holder dies, the broker gives it to another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NoReturn

from aiormq.abc import DeliveredMessage
from pamqp import commands as spec

from speechmq_schemas import AmqpMessage, ContractError, Names, StartStream, to_command

from ..amqp.channel import AmqpChannel
from ..amqp.error_map import translated
from ..amqp.identity import foreign
from ..amqp.plane import DataPlane, close_quietly, fail_when_closed
from ..dead_letters import RejectedMessage, dead_letter
from .seats import HEADER


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run one stream, as it was delivered."""

    message: DeliveredMessage
    is_ours: bool

    @property
    def tag(self) -> int:
        return self.message.delivery_tag or 0

    @property
    def is_redelivered(self) -> bool:
        """Whether it may have had an owner before."""
        return bool(self.message.redelivered)

    @property
    def headers(self) -> Mapping[str, Any]:
        """The trace context that the stream's publisher began, if it did."""
        return self.message.header.properties.headers or {}

    @property
    def seat(self) -> str | None:
        """What its stream takes up of its user's share; none where streams are not counted."""
        found = self.headers.get(HEADER)
        return found if isinstance(found, str) else None

    @property
    def body(self) -> bytes:
        return self.message.body

    def start(self) -> StartStream:
        """Raises ``ContractError`` when something other than admission wrote the claim."""
        if not self.is_ours:
            raise ContractError("foreign_message", foreign(self.message, "a claim"))
        command = to_command(AmqpMessage("", "StartStream", self.body)).command
        if not isinstance(command, StartStream):
            raise ContractError("wrong_place", "the claim is not a StartStream")
        return command


class Claims:
    """This worker's claims: at most as many as the channel's prefetch."""

    def __init__(self, channel: AmqpChannel, names: Names) -> None:
        self._channel = channel
        self._names = names
        self._consumer_tag = ""

    @classmethod
    async def open(cls, plane: DataPlane, names: Names, capacity: int) -> Claims:
        return cls(await plane.channel(prefetch=capacity), names)

    async def consume(self, claimed: Callable[[Claim], None]) -> None:
        """``claimed`` is called for every claim, and must not block or raise."""
        with translated(f"consuming {self._names.claims}"):
            consuming = await self._channel.basic_consume(
                self._names.claims,
                lambda message: claimed(Claim(message, self._channel.users.wrote(message))),  # type: ignore[arg-type, return-value]
            )
        self._consumer_tag = consuming.consumer_tag or ""

    async def stop(self) -> None:
        """No more claims; those that are held stay held."""
        if self._consumer_tag:
            with translated(f"leaving {self._names.claims}"):
                await self._channel.basic_cancel(self._consumer_tag)

    async def settle(self, claim: Claim) -> None:
        """The stream is over."""
        with translated("settling a claim"):
            await self._channel.basic_ack(claim.tag)

    async def give_back(self, claim: Claim) -> None:
        """Another worker, or this one, gets the claim at once."""
        with translated("giving a claim back"):
            await self._channel.basic_reject(claim.tag, requeue=True)

    async def dead_letter(self, claim: Claim, code: str, reason: str) -> None:
        """The claim goes to the dead letters."""
        rejected = RejectedMessage.of_delivery(self._names.claims, claim.message)
        await dead_letter(self._channel, self._names.dead, rejected, code=code, reason=reason)
        await self.settle(claim)

    async def fail_when_closed(self) -> NoReturn:
        """Raises ``BrokerLost``: without its channel no claim is held any more."""
        await fail_when_closed(self._channel, f"the consumer of {self._names.claims}")

    async def close(self) -> None:
        """Every claim that is still held goes back to the queue."""
        await close_quietly(self._channel)


async def publish_claim(
    channel: AmqpChannel,
    names: Names,
    body: bytes,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Offers a stream to the workers; returns when the broker has the claim.

    ``headers`` carry the trace context, which every owner of the stream goes on with.
    """
    properties = spec.Basic.Properties(
        message_type="StartStream",
        content_type="application/json",
        headers=dict(headers),
        user_id=channel.users.own,
        delivery_mode=2,
    )
    with translated("publishing a claim"):
        await channel.basic_publish(
            body, routing_key=names.claims, properties=properties, mandatory=True
        )

"""Messages of a stream's queue to inputs of the session core. Pure, and on the hot path.

Says the same as the contract's ``to_command``, which a test holds it to, without its cost.
"""

from __future__ import annotations

from aiormq.abc import DeliveredMessage

from speechmq_schemas import AmqpMessage, ContractError, EndStream
from speechmq_schemas.amqp import to_command

from ..session.inputs import ChunkDelivered, Delivered, EndDelivered, GarbageDelivered

LARGEST_SEQ = 2**63 - 1


def read_delivery(message: DeliveredMessage) -> Delivered:
    """Never raises: what cannot be read becomes ``GarbageDelivered`` with the reason."""
    properties = message.header.properties
    tag = message.delivery_tag or 0
    if properties.message_type == "AudioChunk":
        seq = (properties.headers or {}).get("seq")
        if type(seq) is int and 0 < seq <= LARGEST_SEQ:
            return ChunkDelivered(tag, seq, message.body, is_early(message))
    return _read_command(message, tag)


def is_early(message: DeliveredMessage) -> bool:
    """Whether it was forwarded by the early lane, which uses the default exchange."""
    return message.exchange == ""


def _read_command(message: DeliveredMessage, tag: int) -> Delivered:
    properties = message.header.properties
    amqp = AmqpMessage(
        message.routing_key or "",
        properties.message_type or "",
        message.body,
        dict(properties.headers or {}),
    )
    try:
        command = to_command(amqp).command
    except ContractError as error:
        return GarbageDelivered(tag, error.code, error.reason)
    if isinstance(command, EndStream):
        return EndDelivered(tag, command.seq, is_early(message))
    return GarbageDelivered(tag, "wrong_place", f"{amqp.type} does not belong in a stream's queue")

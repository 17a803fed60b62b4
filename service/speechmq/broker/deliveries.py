"""Messages of a stream's queue to inputs of the session core. Pure, and on the hot path.

Says the same as the contract's ``to_command``, which a test holds it to, without its cost.
"""

from __future__ import annotations

from aiormq.abc import DeliveredMessage

from speechmq_schemas import (
    AmqpMessage,
    ContractError,
    EndStream,
    ForceEndOfUtterance,
    GetSpeakers,
    UpdateConfig,
)
from speechmq_schemas.amqp import to_command

from ..session.commands import ChangeConfig, ForceUtterance, TellSpeakers
from ..session.inputs import (
    ChunkDelivered,
    CommandDelivered,
    Delivered,
    EndDelivered,
    GarbageDelivered,
)

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
    match command:
        case EndStream():
            return EndDelivered(tag, command.seq, is_early(message))
        case UpdateConfig(transcription_config=config):
            # Null is as good as absent, but upstream ends a session for it.
            changes = config.model_dump(by_alias=True, exclude_unset=True, exclude_none=True)
            return CommandDelivered(tag, command.seq, ChangeConfig(changes), is_early(message))
        case ForceEndOfUtterance(timestamp=timestamp):
            return CommandDelivered(tag, command.seq, ForceUtterance(timestamp), is_early(message))
        case GetSpeakers(final=final):
            return CommandDelivered(tag, command.seq, TellSpeakers(final), is_early(message))
    return GarbageDelivered(tag, "wrong_place", f"{amqp.type} does not belong in a stream's queue")

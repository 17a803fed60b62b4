"""Messages of a stream's queue to inputs of the core. Pure, and on the hot path.

Says the same as the contract's ``to_command``, which a test holds it to, without its cost.
"""

from __future__ import annotations

from aiormq.abc import DeliveredMessage

from speechmq_schemas import (
    AmqpMessage,
    ContractError,
    EndChannel,
    EndStream,
    ForceEndOfUtterance,
    GetSpeakers,
    UpdateConfig,
)
from speechmq_schemas.amqp import require_plain, to_command

from ...core.values.commands import (
    ChangeConfig,
    CloseChannel,
    Command,
    ForceUtterance,
    TellSpeakers,
)
from ...core.values.inputs import (
    ChunkDelivered,
    CommandDelivered,
    Delivered,
    EndDelivered,
    GarbageDelivered,
)
from ..dead_letters import is_cut

LARGEST_SEQ = 2**63 - 1
_CHANNEL_TYPES = (type(None), str)


def read_delivery(message: DeliveredMessage) -> Delivered:
    """Never raises: what cannot be read becomes ``GarbageDelivered`` with the reason."""
    properties = message.header.properties
    tag = message.delivery_tag or 0
    if properties.message_type == "AudioChunk":
        headers = properties.headers or {}
        if properties.content_encoding is not None:
            try:
                require_plain("AudioChunk", properties.content_encoding)
            except ContractError as error:
                return GarbageDelivered(tag, error.code, error.reason, len(message.body))
        seq, channel = headers.get("seq"), headers.get("channel")
        if type(seq) is int and 0 < seq <= LARGEST_SEQ and type(channel) in _CHANNEL_TYPES:
            audio, excess = (
                (b"", message.header.body_size) if is_cut(message) else (message.body, 0)
            )
            return ChunkDelivered(tag, seq, audio, is_early(message), channel, excess)  # type: ignore[arg-type]
    if is_cut(message):
        size = f"{message.header.body_size} bytes, more than may come in one message"
        return GarbageDelivered(tag, "too_large", f"the body has {size}", message.header.body_size)
    return _read_command(message, tag)


def is_early(message: DeliveredMessage) -> bool:
    """Whether it was forwarded by the early lane, which uses the default exchange."""
    return message.exchange == ""


def _read_command(message: DeliveredMessage, tag: int) -> Delivered:
    properties, size = message.header.properties, len(message.body)
    amqp = AmqpMessage(
        message.routing_key or "",
        properties.message_type or "",
        message.body,
        dict(properties.headers or {}),
        content_encoding=properties.content_encoding,
    )
    try:
        command = to_command(amqp).command
    except ContractError as error:
        return GarbageDelivered(tag, error.code, error.reason, size)
    match command:
        case EndStream(seq=seq):
            return EndDelivered(tag, seq, is_early(message), size)
        case UpdateConfig() | ForceEndOfUtterance() | GetSpeakers() | EndChannel():
            return CommandDelivered(tag, command.seq, _wish(command), is_early(message), size)
        case _:
            reason = f"{amqp.type} does not belong in a stream's queue"
            return GarbageDelivered(tag, "wrong_place", reason, size)


def _wish(command: UpdateConfig | ForceEndOfUtterance | GetSpeakers | EndChannel) -> Command:
    match command:
        case UpdateConfig(transcription_config=config):
            # Null is as good as absent, but upstream ends a session for it.
            return ChangeConfig(
                config.model_dump(by_alias=True, exclude_unset=True, exclude_none=True)
            )
        case ForceEndOfUtterance(timestamp=timestamp, channel=channel):
            return ForceUtterance(timestamp, channel)
        case GetSpeakers(final=final):
            return TellSpeakers(final)
        case EndChannel(channel=channel):
            return CloseChannel(channel)

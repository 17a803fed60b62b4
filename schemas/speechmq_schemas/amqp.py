"""Models to AMQP messages and back, without an AMQP client.

An ``AmqpMessage`` is what every client can give or take: a routing key, the ``type`` and a few
other properties, a table of headers, a body. Reading raises ``ContractError`` and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, from_json

from .commands import (
    COMMANDS,
    AudioChunk,
    Command,
    CreateTemporaryKey,
    GetStreamStatus,
    Request,
    StartStream,
)
from .errors import ContractError, FieldError, excerpt
from .events import EVENTS, Event, Translation, UpstreamMessage
from .replies import REPLIES, Reply
from .routing import (
    SCHEMA_VERSION,
    START_ROUTING_KEY,
    STATUS_ROUTING_PREFIX,
    TEMPORARY_KEY_ROUTING_KEY,
    addressable,
    event_routing_key,
    is_stream_id,
    status_routing_key,
    stream_routing_key,
    translation_routing_key,
    upstream_routing_key,
)

JSON = "application/json"
OCTETS = "application/octet-stream"

MAX_COMMAND_BODY = 256 * 1024
"""Bytes of JSON in a command; audio has no limit here."""

OUTSIDE_BODY: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "AudioChunk": frozenset({"seq", "channel"}),
        "UpdateConfig": frozenset({"seq"}),
        "ForceEndOfUtterance": frozenset({"seq"}),
        "GetSpeakers": frozenset({"seq"}),
        "EndChannel": frozenset({"seq"}),
        "EndStream": frozenset({"seq"}),
        "GetStreamStatus": frozenset({"stream_id"}),
        "UpstreamMessage": frozenset({"stream_id"}),
    }
)
"""Fields that a body leaves out: ``seq`` and a chunk's ``channel`` are headers; ``stream_id`` the
correlation id of an ``UpstreamMessage``, and in the routing key of a ``GetStreamStatus``."""

COMMAND_HEADERS = frozenset({"seq", "channel", "traceparent", "tracestate"})
"""Headers of a command that mean anything. RabbitMQ obeys others (``CC``, ``BCC``), so these alone
go with a command that is published again with other rights than its publisher's."""

# Names for bytes that are what they are; some clients set one of these in every message.
_PLAIN = frozenset({"", "identity", "binary", "7bit", "8bit", "utf-8", "utf8", "us-ascii"})
_UTF16 = b"\xff\xfe", b"\xfe\xff"

_NO_HEADERS: Mapping[str, Any] = MappingProxyType({})

_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class AmqpMessage:
    """One message, as any client can send or receive it.

    ``type`` is empty where a received message has none. The property ``timestamp`` is missing here
    because only the publishing client knows when it publishes: let it set it.
    """

    routing_key: str
    type: str
    body: bytes
    headers: Mapping[str, Any] = field(default_factory=dict)
    content_type: str = JSON
    message_id: str | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    user_id: str | None = None
    """Who published it, which RabbitMQ has checked where it is set."""
    content_encoding: str | None = None


@dataclass(frozen=True, slots=True)
class CommandMessage:
    """A command as it was read: what it says, and for a chunk the audio."""

    command: Command
    audio: bytes = b""


def command_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``headers`` that mean anything in a command."""
    return {name: value for name, value in headers.items() if name in COMMAND_HEADERS}


def from_command(
    stream_id: str,
    command: Command,
    audio: bytes = b"",
    *,
    headers: Mapping[str, Any] = _NO_HEADERS,
) -> AmqpMessage:
    """The message that carries ``command``, to be published to ``Names.inbound``.

    ``headers``, ``traceparent`` for one, are sent beside the contract's own. Raises
    ``ContractError`` for a ``stream_id`` that is none or is not the command's, and for audio
    that does not belong to a chunk. ``from_request`` writes what belongs to no stream.
    """
    _check_outgoing(stream_id, command, audio)
    name = type(command).__name__
    is_chunk = isinstance(command, AudioChunk)
    is_start = isinstance(command, StartStream)
    return AmqpMessage(
        routing_key=START_ROUTING_KEY if is_start else stream_routing_key(stream_id),
        type=name,
        body=audio if is_chunk else _encode(command),
        headers={**headers, **_own_headers(command)},
        content_type=OCTETS if is_chunk else JSON,
        correlation_id=stream_id,
    )


def _own_headers(command: Command) -> dict[str, Any]:
    names = OUTSIDE_BODY.get(type(command).__name__, frozenset())
    return command.model_dump(include=set(names), exclude_none=True)


def _check_outgoing(stream_id: str, command: Command, audio: bytes) -> None:
    name = type(command).__name__
    if not is_stream_id(stream_id):
        reason = "a stream id has 1 to 128 letters, digits, '_' and '-'"
        raise _invalid(name, "stream_id", f"{reason}, unlike {excerpt(repr(stream_id), 60)}")
    if isinstance(command, CreateTemporaryKey):
        raise _invalid(name, "stream_id", "belongs to no stream: use from_request")
    if isinstance(command, GetStreamStatus):
        raise _invalid(name, "stream_id", "is asked, not sent to a stream: use from_request")
    if isinstance(command, StartStream) and command.stream_id != stream_id:
        raise _invalid(name, "stream_id", f"is {command.stream_id!r}, to be sent as {stream_id!r}")
    if audio and not isinstance(command, AudioChunk):
        raise _invalid(name, "audio", "only an AudioChunk carries audio")


def from_request(
    request: Request,
    *,
    reply_to: str,
    correlation_id: str | None = None,
    headers: Mapping[str, Any] = _NO_HEADERS,
) -> AmqpMessage:
    """The message that asks for something and is answered to its asker, for ``Names.inbound``.

    ``reply_to`` is the queue that the answer is published to, or ``amq.rabbitmq.reply-to`` when
    the asker consumes from that on the same channel; the answer repeats ``correlation_id``.
    """
    return AmqpMessage(
        routing_key=_request_key(request),
        type=type(request).__name__,
        body=_encode(request),
        headers=dict(headers),
        correlation_id=correlation_id,
        reply_to=reply_to,
    )


def _request_key(request: Request) -> str:
    if isinstance(request, GetStreamStatus):
        return status_routing_key(request.stream_id)
    return TEMPORARY_KEY_ROUTING_KEY


def to_command(message: AmqpMessage) -> CommandMessage:
    """Reads a command; raises ``ContractError`` that says which field is wrong and why."""
    model = _named(COMMANDS, message.type)
    require_plain(message.type, message.content_encoding)
    try:
        return _read_command(model, message)
    except ValidationError as error:
        raise ContractError.from_validation(message.type, error) from error


def _read_command(model: type[Command], message: AmqpMessage) -> CommandMessage:
    if model is AudioChunk:
        return CommandMessage(_chunk(message), message.body)
    if len(message.body) > MAX_COMMAND_BODY:
        size = f"{len(message.body)} bytes, more than the {MAX_COMMAND_BODY} that are read"
        raise ContractError("too_large", f"the body of {message.type} has {size}")
    if model in (StartStream, CreateTemporaryKey):
        return CommandMessage(_decode(model, _json(message)))
    body = _json(message) or b"{}"
    if model is GetStreamStatus:
        asked = {"stream_id": _asked_stream(message.routing_key)}
        return CommandMessage(_decode_with(model, asked, "in the routing key", body))
    return CommandMessage(_decode_with(model, {"seq": _seq(message)}, "a header", body))


def require_plain(name: str, content_encoding: object) -> None:
    """Raises ``ContractError`` for a body that is compressed, or in another character set."""
    if content_encoding is None or str(content_encoding).strip().lower() in _PLAIN:
        return
    found = excerpt(repr(content_encoding), 60)
    reason = f"{name} has the content_encoding {found}; send the body as it is, JSON in UTF-8"
    raise ContractError("unsupported_encoding", reason)


def _json(message: AmqpMessage) -> bytes:
    """The body without the byte order mark that some writers put before UTF-8."""
    body = message.body
    if len(body) > 2 and (body.startswith(_UTF16) or b"\0" in body[:2]):
        raise ContractError(
            "unsupported_encoding", f"the body of {message.type} is UTF-16; send JSON in UTF-8"
        )
    return body.removeprefix(b"\xef\xbb\xbf")


def _asked_stream(routing_key: str) -> str:
    if not routing_key.startswith(STATUS_ROUTING_PREFIX):
        reason = (
            f"the routing key of GetStreamStatus is status.<stream_id>, not {routing_key!r:.80}"
        )
        raise ContractError("wrong_place", reason)
    return routing_key.removeprefix(STATUS_ROUTING_PREFIX)


def _decode_with(
    model: type[Command], outside: Mapping[str, object], place: str, body: bytes
) -> Command:
    """A command of which one field stands elsewhere: ``outside`` the body, in that ``place``."""
    try:
        fields = from_json(body)
    except (ValueError, RecursionError) as error:
        reason = f"the body of {model.__name__} is not JSON: {error}"
        raise ContractError("bad_json", reason) from error
    if not isinstance(fields, dict):
        raise _invalid(model.__name__, "", "the body should be an object")
    for name in outside.keys() & fields.keys():
        raise _invalid(model.__name__, name, f"is {place}, and no field of the body")
    return model.model_validate({**fields, **outside}, by_alias=True, by_name=False)


def _chunk(message: AmqpMessage) -> AudioChunk:
    seq, channel = _seq(message), message.headers.get("channel")
    return AudioChunk(seq=seq) if channel is None else AudioChunk(seq=seq, channel=channel)


def _seq(message: AmqpMessage) -> int:
    """The header ``seq``, still to be validated; its absence has a code of its own."""
    seq = message.headers.get("seq")
    if seq is None:
        raise ContractError("missing_seq", f"{message.type} has no header 'seq'")
    return seq  # type: ignore[no-any-return]


def from_event(
    event: Event, *, epoch: int, seq: int, headers: Mapping[str, Any] = _NO_HEADERS
) -> AmqpMessage:
    """The message that carries ``event``, to be published to ``Names.events``.

    ``headers``, ``traceparent`` for one, are sent beside the contract's own.
    """
    return AmqpMessage(
        routing_key=_event_key(event),
        type=type(event).__name__,
        body=_encode(event),
        headers={**headers, "epoch": epoch, "seq": seq, "schema_version": SCHEMA_VERSION},
        message_id=message_id(event.stream_id, epoch, seq),
        correlation_id=addressable(event.stream_id),
    )


def message_id(stream_id: str, epoch: int, seq: int) -> str:
    """The key by which a consumer drops an event that it has already seen."""
    return f"{addressable(stream_id)}/{epoch}/{seq}"


def _event_key(event: Event) -> str:
    if isinstance(event, UpstreamMessage):
        return upstream_routing_key(event.message, event.stream_id)
    if isinstance(event, Translation):
        return translation_routing_key(type(event).__name__, event.language, event.stream_id)
    return event_routing_key(type(event).__name__, event.stream_id)


def to_event(message: AmqpMessage) -> Event:
    """Reads an event; a type that this version does not know raises ``ContractError``."""
    model = _named(EVENTS, message.type)
    try:
        if model is UpstreamMessage:
            return _read_upstream(message)
        return _decode(model, message.body)
    except ValidationError as error:
        raise ContractError.from_validation(message.type, error) from error


def _read_upstream(message: AmqpMessage) -> UpstreamMessage:
    """The stream is the correlation id's, whatever upstream's own body may call ``stream_id``."""
    if message.correlation_id is None:
        raise ContractError("missing_correlation_id", f"{message.type} has no correlation id")
    try:
        body = from_json(message.body)
    except ValueError as error:
        reason = f"the body of {message.type} is not JSON: {error}"
        raise ContractError("bad_json", reason) from error
    if not isinstance(body, dict):
        raise _invalid(message.type, "", "the body should be an object")
    return UpstreamMessage.model_validate({**body, "stream_id": message.correlation_id})


def from_reply(
    reply: Reply, asked: AmqpMessage, *, headers: Mapping[str, Any] = _NO_HEADERS
) -> AmqpMessage:
    """The answer to ``asked``, to be published to the default exchange.

    Its routing key is the queue that the asker named, which is nothing if it named none.
    """
    return AmqpMessage(
        routing_key=asked.reply_to or "",
        type=type(reply).__name__,
        body=_encode(reply),
        headers={**headers, "schema_version": SCHEMA_VERSION},
        correlation_id=asked.correlation_id,
    )


def to_reply(message: AmqpMessage) -> Reply:
    """Reads an answer; a type that this version does not know raises ``ContractError``."""
    model = _named(REPLIES, message.type)
    try:
        return _decode(model, message.body)
    except ValidationError as error:
        raise ContractError.from_validation(message.type, error) from error


def _named(models: Mapping[str, type[_Model]], name: str) -> type[_Model]:
    known = ", ".join(sorted(models))
    if not name:
        raise ContractError("missing_type", f"the message has no type; known types: {known}")
    model = models.get(name)
    if model is None:
        found = excerpt(repr(name), 80)
        raise ContractError("unknown_type", f"the message's type is {found}; known types: {known}")
    return model


def _decode(model: type[_Model], body: bytes) -> _Model:
    return model.model_validate_json(body, by_alias=True, by_name=False)


def _encode(model: BaseModel) -> bytes:
    name = type(model).__name__
    outside = set(OUTSIDE_BODY.get(name, ()))
    try:
        return model.model_dump_json(by_alias=True, exclude_unset=True, exclude=outside).encode()
    except PydanticSerializationError as error:
        raise ContractError("unencodable", f"{name} cannot be written: {error}") from error


def _invalid(name: str, path: str, reason: str) -> ContractError:
    field_error = FieldError(path, reason)
    return ContractError("invalid_field", f"{name} is not valid: {field_error}", [field_error])

"""An event as it arrived: the message, the time, and what the contract makes of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from speechmq_schemas import AmqpMessage, ContractError, Event, to_event


@dataclass(frozen=True, slots=True)
class Received:
    """``at`` is in seconds on the clock that sends are timed with.

    ``event`` is ``None`` for a type that this version does not know, or a body that breaks the
    contract; ``problem`` tells the latter.
    """

    message: AmqpMessage
    at: float
    event: Event | None = None
    problem: str | None = None

    @property
    def stream_id(self) -> str:
        """The last word of the routing key: also of events of later versions."""
        return self.message.routing_key.rpartition(".")[2]

    @property
    def position(self) -> tuple[int, int]:
        """What events of one stream are ordered by: epoch, then seq."""
        return _number(self.message.headers.get("epoch")), _number(self.message.headers.get("seq"))


def receive(message: AmqpMessage, at: float) -> Received:
    """Never raises: whoever listens hears of a bad event, and goes on."""
    try:
        return Received(message, at, event=to_event(message))
    except ContractError as error:
        problem = None if error.code == "unknown_type" else error.reason
        return Received(message, at, problem=problem)


def json_line(received: Received) -> str:
    """One line for one event, with everything of the message that means something."""
    message = received.message
    fields = {
        "type": message.type,
        "routing_key": message.routing_key,
        "headers": dict(message.headers),
        "message_id": message.message_id,
        "body": _body(message.body),
    }
    return json.dumps(fields, ensure_ascii=False, default=str)


def _body(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:  # UnicodeDecodeError is one too
        return body.decode(errors="replace")


def _number(header: object) -> int:
    return header if isinstance(header, int) else 0

"""A dead letter as a person sees it: what it is, why it is dead, where it was meant to go. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from speechmq.errors import RequestError
from speechmq_schemas import AmqpMessage, Names, command_headers
from speechmq_schemas.dead_letters import CODE, CUT, DROPPED, HEADERS, QUEUE, REASON, ROUTING_KEY
from speechmq_schemas.routing import START_ROUTING_KEY, is_stream_id, stream_routing_key

from .captions import one_line

_OURS = frozenset({CODE, REASON, QUEUE, ROUTING_KEY})
# RabbitMQ counts here how often somebody has looked.
_BROKERS = frozenset({"x-delivery-count", "x-acquired-count"})
UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """``number`` is its place in the queue, from 1; ``headers`` are all that came with it."""

    number: int
    type: str
    headers: Mapping[str, Any]
    body: bytes
    content_type: str | None = None
    correlation_id: str | None = None
    timestamp: datetime | None = None

    @property
    def code(self) -> str:
        return self._header(CODE)

    @property
    def reason(self) -> str:
        return self._header(REASON)

    @property
    def queue(self) -> str:
        """Where it lay when it was refused."""
        return self._header(QUEUE)

    def _header(self, name: str) -> str:
        value = self.headers.get(name)
        return one_line(value) if isinstance(value, str) and value else UNKNOWN

    @property
    def own_headers(self) -> dict[str, Any]:
        """As its publisher sent them; those of an older letter stand among the reasons."""
        kept = self.headers.get(HEADERS)
        if isinstance(kept, dict):
            return kept
        passing = _OURS | _BROKERS
        return {name: value for name, value in self.headers.items() if name not in passing}

    @property
    def id(self) -> str:
        """The same however often it is read, wherever it stands; of equal letters the same."""
        headers = {name: one for name, one in self.headers.items() if name not in _BROKERS}
        described = (self.type, self.content_type, self.correlation_id, str(self.timestamp))
        text = json.dumps([described, headers], sort_keys=True, default=repr)
        digest = hashlib.sha256(text.encode("utf-8", "backslashreplace") + b"\0" + self.body)
        return "d" + digest.hexdigest()[:8]

    def stream_id(self, names: Names) -> str | None:
        """The stream that it names, if it names one."""
        key = self.headers.get(ROUTING_KEY)
        if self.queue.startswith(names.stream("")):
            return self.queue.removeprefix(names.stream(""))
        if isinstance(key, str) and key.startswith(stream_routing_key("")):
            return one_line(key.removeprefix(stream_routing_key("")))
        named = self.correlation_id
        return named if named is not None and is_stream_id(named) else None

    def age(self, now: datetime) -> float | None:
        """Seconds since it was refused, as far as it says so."""
        return None if self.timestamp is None else (now - self.timestamp).total_seconds()

    def original(self, names: Names, routing_key: str | None = None) -> AmqpMessage:
        """The message, to be published to ``names.inbound`` once more.

        ``routing_key`` is where to, for a letter that does not tell. Raises ``RequestError`` for
        one that cannot be replayed.
        """
        key = self._routing_key(names, routing_key)
        if DROPPED in self.headers:
            raise RequestError(f"{self._name} has lost its headers: they could not be kept")
        if CUT in self.headers:
            raise RequestError(
                f"{self._name} is only the beginning of a message of {self.headers[CUT]} bytes, "
                "which was too large to be kept"
            )
        return AmqpMessage(
            routing_key=key,
            type=self.type,
            body=self.body,
            headers=command_headers(self.own_headers),
            content_type=self.content_type or "",
            correlation_id=self.correlation_id,
        )

    def _routing_key(self, names: Names, wanted: str | None) -> str:
        if self.queue == names.claims:
            raise RequestError(
                f"{self._name} is the claim to a stream that has failed: start the stream again"
            )
        kept = self.headers.get(ROUTING_KEY)
        if wanted is not None:
            return wanted
        if isinstance(kept, str):
            return kept
        if self.queue == names.start:
            return START_ROUTING_KEY
        if self.queue.startswith(names.stream("")):
            return stream_routing_key(self.queue.removeprefix(names.stream("")))
        raise RequestError(
            f"{self._name} does not tell where it was meant to go: its routing key was not kept. "
            f"Say it: --routing-key {stream_routing_key(self.stream_id(names) or 'STREAM')}"
        )

    @property
    def _name(self) -> str:
        return f"dead letter {self.number}"


def select(
    letters: Iterable[DeadLetter], which: str | None, *, everything: bool, code: str | None = None
) -> list[DeadLetter]:
    """The letter of that number or id, or all, of one code. Raises ``RequestError`` for none."""
    present = list(letters)
    if (which is None) == (not everything):
        raise RequestError("say which: a letter's number or id, or --all")
    if code is not None and not everything:
        raise RequestError("--code chooses among all: give it with --all")
    if everything:
        return [one for one in present if code in {None, one.code}]
    chosen = [one for one in present if which in {str(one.number), one.id}][:1]
    if not chosen:
        raise RequestError(f"there is no dead letter {which!r} among the first {len(present)}")
    return chosen

"""What one stream has to send, until RabbitMQ has confirmed it. Pure: no clock, no client.

- Messages leave in the order of their numbers, several at once.
- One that RabbitMQ refuses stops those after it: what is under way is waited for, then everything
  that is not confirmed is sent again in order, first one by one. A worker that meets a hole in the
  numbers waits only for some seconds before silence takes the hole's place.
- A channel that is lost takes back what was under way: it is sent again in order on the next one.
  RabbitMQ may have had it; a worker drops what comes twice, by its number.
- What is kept is bounded in bytes and in seconds of audio. ``has_room`` is false beyond either.
"""

from __future__ import annotations

from dataclasses import dataclass

from speechmq_schemas import AmqpMessage

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
ROUNDING = 1e-6
"""Seconds: a sum of chunks may be a hair less than what it stands for."""


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """``max_bytes`` and ``max_seconds`` of audio are kept; ``in_flight`` messages are sent before
    the first of them is confirmed. A stream without a confirm for ``confirm_within`` seconds needs
    another channel."""

    max_bytes: int = 8 * 1024 * 1024
    max_seconds: float = 60.0
    in_flight: int = 64
    confirm_within: float = 30.0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message, and what of the bounds it takes."""

    number: int
    message: AmqpMessage
    seconds: float

    @property
    def size(self) -> int:
        return len(self.message.body)


class Outbox:
    """Numbers count from 0, the start of the stream; a message's number is its ``seq``."""

    def __init__(self, limits: OutboxLimits) -> None:
        self._limits = limits
        self._kept: dict[int, Outgoing] = {}  # in order: sent and not confirmed, or still to send
        self._in_flight: set[int] = set()
        self._next_unsent = 0
        self._bytes = 0
        self._seconds = 0.0
        self._is_refused = False
        self._is_probing = False
        self._pause = FIRST_PAUSE
        self._not_before = 0.0
        self._last_progress = 0.0
        self.next_number = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def kept_bytes(self) -> int:
        return self._bytes

    @property
    def kept_seconds(self) -> float:
        return self._seconds

    @property
    def is_refused(self) -> bool:
        """Whether RabbitMQ refused a message and has taken none since."""
        return self._is_refused or self._is_probing

    @property
    def has_room(self) -> bool:
        limits = self._limits
        has_time = self._seconds < limits.max_seconds - ROUNDING
        return has_time and self._bytes < limits.max_bytes

    def add(self, message: AmqpMessage, now: float, seconds: float = 0.0) -> int:
        """Keeps ``message`` under the next number, which it returns."""
        number = self.next_number
        self.next_number += 1
        if not self._kept:
            self._last_progress = now
        outgoing = Outgoing(number, message, seconds)
        self._kept[number] = outgoing
        self._bytes += outgoing.size
        self._seconds += seconds
        return number

    def take(self, now: float) -> list[Outgoing]:
        """What is to be sent now, in order; it counts as under way from here on."""
        if self._is_refused or now < self._not_before:
            return []
        room = (1 if self._is_probing else self._limits.in_flight) - len(self._in_flight)
        taken: list[Outgoing] = []
        while len(taken) < room and self._next_unsent < self.next_number:
            outgoing = self._kept.get(self._next_unsent)
            self._next_unsent += 1
            if outgoing is not None:
                taken.append(outgoing)
        if taken and not self._in_flight:
            self._last_progress = now
        self._in_flight.update(one.number for one in taken)
        return taken

    def confirmed(self, number: int, now: float) -> None:
        """RabbitMQ has it. A confirm that comes twice, or from a channel before, is no error."""
        self._in_flight.discard(number)
        outgoing = self._kept.pop(number, None)
        if outgoing is not None:
            self._bytes -= outgoing.size
            self._seconds = self._seconds - outgoing.seconds if self._kept else 0.0
            self._last_progress = now
            self._pause = FIRST_PAUSE
            self._is_probing = False
        self._rewind_when_quiet()

    def refused(self, number: int, now: float) -> None:
        """RabbitMQ did not take it: a queue is full or not available."""
        self._in_flight.discard(number)
        self._last_progress = now  # an answer, though not the one that was hoped for
        if number not in self._kept:
            return
        if not self._is_refused:
            self._not_before = now + self._pause
            self._pause = min(LONGEST_PAUSE, 2 * self._pause)
        self._is_refused = True
        self._rewind_when_quiet()

    def lost(self, now: float) -> None:
        """The channel is gone, with all that was under way on it."""
        self._in_flight.clear()
        self._is_refused = False
        self._last_progress = now
        self._rewind()

    def clear(self) -> None:
        """Nothing is to be sent any more."""
        self._kept.clear()
        self._in_flight.clear()
        self._bytes, self._seconds = 0, 0.0
        self._next_unsent = self.next_number

    def deadline(self) -> float | None:
        """When ``take`` or ``is_stalled`` may say something else than before, if time alone can
        bring that about."""
        if self._in_flight:
            return self._last_progress + self._limits.confirm_within
        if self._kept and not self._is_refused:
            return self._not_before
        return None

    def is_stalled(self, now: float) -> bool:
        """Whether messages are under way that RabbitMQ should have confirmed by now."""
        silence = now - self._last_progress
        return bool(self._in_flight) and silence >= self._limits.confirm_within

    def silence(self, now: float) -> float:
        """Seconds for which messages have waited while none was confirmed."""
        return now - self._last_progress if self._in_flight else 0.0

    def _rewind_when_quiet(self) -> None:
        """After a refusal: once nothing is under way, the first that is kept comes next."""
        if self._is_refused and not self._in_flight:
            self._is_refused = False
            self._is_probing = True
            self._rewind()

    def _rewind(self) -> None:
        self._next_unsent = next(iter(self._kept), self.next_number)

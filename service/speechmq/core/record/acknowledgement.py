"""What may go back to the broker? Deliveries that are accounted for, at the stream's pace.

An acknowledgement covers all earlier tags, so a delivery waits for those before it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator

from ..audio.pace import Pace
from ..audio.placement import Placement
from ..audio.sequencer import Sequencer
from ..values.events import StreamWarning
from ..values.inputs import DeadLettered, Delivered
from ..values.outputs import Acknowledge, Effect
from ..values.spec import Limits, StreamSpec
from ..values.timers import Timer, Timers
from .coverage import Coverage

WARN_EVERY = 60.0
"""Seconds between warnings of one stream that sends too fast."""


class Acknowledgement:
    """Tags in the order of delivery, each open until something accounts for it: a confirmed event
    that covers it, a dead letter, or that it came before."""

    def __init__(
        self,
        spec: StreamSpec,
        limits: Limits,
        placement: Placement,
        sequencer: Sequencer,
        *,
        coverage: Coverage,
        timers: Timers,
        now: float,
    ) -> None:
        self._stream_id = spec.stream_id
        self._limits = limits
        self._placement = placement
        self._sequencer = sequencer
        self._coverage = coverage
        self._timers = timers
        self._open: deque[int] = deque()
        self._closed: set[int] = set()
        self._due: int | None = None
        self._pace = Pace(limits, now)
        self._is_paced = True
        self._warned_at = -math.inf
        self._nearly_full = limits.prefetch * 9 // 10

    def __len__(self) -> int:
        """How many deliveries are not accounted for."""
        return len(self._open)

    def delivered(self, delivery: Delivered, now: float) -> None:
        self._open.append(delivery.tag)
        self._pace.came(delivery.size, now)

    def close(self, tags: Iterable[int], now: float) -> Iterable[Effect]:
        """The deliveries are accounted for: acknowledges as far as all before them are, too."""
        self._closed.update(tags)
        while self._open and self._open[0] in self._closed:
            self._due = self._open.popleft()
            self._closed.remove(self._due)
        return self.acknowledge_due(now)

    def dead_lettered(self, received: DeadLettered, now: float) -> Iterable[Effect]:
        # Before its own acknowledgement, which waits for this confirm in any case.
        self._pace.refused(now)
        return self.close([received.tag], now)

    def published(self, seq: int, now: float) -> Iterable[Effect]:
        """The broker has every event up to ``seq``."""
        return self.close(self._coverage.confirmed(seq), now)

    # -- pace ------------------------------------------------------------------------------------

    def acknowledge_due(self, now: float) -> Iterable[Effect]:
        """Later, where the stream has had more than its share."""
        if self._due is not None and self._is_paced and (wait := self._pace.wait(now)):
            return self._put_off(now, wait)
        return self._acknowledge()

    def _acknowledge(self) -> Iterable[Effect]:
        due, self._due = self._due, None
        return () if due is None else (Acknowledge(due),)

    def _put_off(self, now: float, wait: float) -> Iterable[Effect]:
        # RabbitMQ brings no more than the prefetch, and cannot be asked for less in mid-stream
        # without a cancel, which breaks the order: a later acknowledgement slows it down.
        self._timers.set(Timer.PACE, now + wait)
        if now - self._warned_at < WARN_EVERY:
            return ()
        self._warned_at = now
        reason = (
            f"more than {self._limits.max_message_rate:g} messages or "
            f"{self._limits.max_byte_rate:g} bytes a second come, a refused message counting as "
            "ten: the stream is read more slowly, and loses nothing while its queue has room"
        )
        return (StreamWarning(self._stream_id, "rate_limited", reason),)

    def stop_pacing(self) -> Iterable[Effect]:
        """The stream is over here."""
        # What is accounted for need not come again: a successor would refuse it once more.
        self._is_paced = False
        return self._acknowledge()

    # -- relief ----------------------------------------------------------------------------------

    @property
    def is_nearly_full(self) -> bool:
        """Whether the prefetch is nearly used up."""
        return len(self._open) >= self._nearly_full

    @property
    def is_full(self) -> bool:
        """Whether the broker holds back what the publisher sends."""
        return Timer.PACE in self._timers or len(self._open) >= self._limits.prefetch

    def relieve(self, now: float, *, may_let_go: bool) -> Iterator[Effect]:
        """What uses up the prefetch gives way: a hole becomes a gap, or audio is let go."""
        # Never a deadlock: with the prefetch used up, no message comes that could end the wait.
        if self._placement.is_decoding:
            return  # as fast as upstream takes it
        if self._sequencer.has_hole:
            yield from self._placement.give_up_hole(now)
        elif may_let_go:
            yield from self._coverage.let_go(self._limits.prefetch // 10)

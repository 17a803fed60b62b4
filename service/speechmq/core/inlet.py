"""The publisher's side of a stream: deliveries become audio in place, refusals, gaps and warnings.

Whatever happens to a delivery is told here: acknowledged, dead-lettered, or given up with an event.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from .audio.pace import Pace
from .audio.placement import Placement
from .audio.rejections import Damage, Rejection
from .audio.sequencer import Place
from .record.journal import Journal
from .values import events, inputs
from .values.checkpoint import Gap
from .values.inputs import Sequenced
from .values.outputs import Acknowledge, DeadLetter, Output
from .values.spec import Limits, StreamSpec
from .values.timers import Timer, Timers

WARN_EVERY = 60.0
"""Seconds between warnings of one stream that sends too fast."""


class Inlet:
    """Made at ``now``, when the stream begins; audio may be under way by the early queue then.

    What came by the early queue had been sent before anything that came directly, so only a hole
    before all that came directly may be filled from there.
    """

    def __init__(
        self,
        spec: StreamSpec,
        limits: Limits,
        placement: Placement,
        *,
        journal: Journal,
        timers: Timers,
        emit: Callable[[Output], None],
        now: float,
    ) -> None:
        self._spec = spec
        self._limits = limits
        self._placement = placement
        self._sequencer = placement.sequencer
        self._journal = journal
        self._timers = timers
        self._emit = emit
        self._early_until = now + limits.early_wait
        self._first_direct = math.inf
        self._hole_at = 0
        self._nearly_full = limits.prefetch * 9 // 10
        self._pace = Pace(limits, now)
        self._is_paced = True
        self._settled: int | None = None
        self._warned_at = -math.inf

    def take(self, delivery: Sequenced, now: float) -> None:
        self._pace.came(delivery.size, now)
        self._note_way(delivery, now)
        self._placement.settlement.opened(delivery.tag)
        match self._sequencer.offer(delivery):
            case Place.IN_ORDER:
                self._place_ready(now)
            case Place.DUPLICATE:
                self._placement.settlement.close(delivery.tag)
            case Place.LATE:
                self._placement.settlement.close(delivery.tag)
                reason = f"message {delivery.seq} came after its gap was declared"
                self._journal.warn("late_chunk", reason)
            case Rejection() as rejection:
                self._reject([rejection], now)
        self.settle(now)
        self._watch_hole(now)

    def take_garbage(self, delivery: inputs.GarbageDelivered, now: float) -> None:
        self._pace.came(delivery.size, now)
        self._placement.settlement.opened(delivery.tag)
        self._reject([Rejection(delivery.tag, delivery.code, delivery.reason)], now)

    def close(self, tag: int, now: float) -> None:
        """The delivery is accounted for elsewhere."""
        self._placement.settlement.close(tag)
        self.settle(now)

    # -- acknowledgements ------------------------------------------------------------------------

    def settle(self, now: float) -> None:
        """Acknowledges as far as everything is accounted for; later, where too much has come."""
        tag = self._placement.settlement.advance()
        if tag is not None:
            self._settled = tag
        if self._settled is None:
            return
        wait = self._pace.wait(now) if self._is_paced else 0.0
        if wait:
            self._put_off(now, wait)
        else:
            self._acknowledge()

    def _acknowledge(self) -> None:
        if self._settled is not None:
            self._emit(Acknowledge(self._settled))
        self._settled = None

    def _put_off(self, now: float, wait: float) -> None:
        self._timers.set(Timer.PACE, now + wait)
        if now - self._warned_at < WARN_EVERY:
            return
        self._warned_at = now
        self._journal.warn(
            "rate_limited",
            f"more than {self._limits.max_message_rate:g} messages or "
            f"{self._limits.max_byte_rate:g} bytes a second come, a refused message counting as "
            "ten: the stream is read more slowly, and loses nothing while its queue has room",
        )

    def stop_pacing(self) -> None:
        """The stream is over here: what is accounted for need not come again."""
        self._is_paced = False
        self._acknowledge()

    # -- audio in place --------------------------------------------------------------------------

    def _place_ready(self, now: float) -> None:
        self._reject(self._placement.place_ready(), now)
        if self._placement.has_news:
            # Before any event that may cover the command: a successor must know of it.
            self._placement.has_news = False
            self._journal.save_memo()

    def decode_on(self, now: float) -> None:
        """Goes on with what is being decoded, as far as there is room for it."""
        if self._placement.may_decode:
            self._place_ready(now)
            self.settle(now)
            self._watch_hole(now)

    def watch_decoding(self, now: float) -> None:
        """What was not decoded at once has its turn when others have had theirs."""
        if self._placement.may_decode:
            self._timers.set(Timer.DECODE, math.nextafter(now, math.inf))
        else:
            self._timers.stop(Timer.DECODE)

    def _reject(self, rejections: Iterable[Rejection | Damage], now: float) -> None:
        for rejection in rejections:
            if isinstance(rejection, Damage):
                self._journal.warn("damaged_audio", rejection.reason)
                continue
            self._pace.refused(now)
            self._emit(DeadLetter(rejection.tag, rejection.code, rejection.reason))
            self._journal.warn(rejection.code, rejection.reason)
            if rejection.gap:
                self._publish_gap(rejection.gap)
            elif rejection.had_its_turn:
                self._journal.save_place()

    # -- holes -----------------------------------------------------------------------------------

    def _note_way(self, delivery: Sequenced, now: float) -> None:
        """As long as early audio arrives, there may be more of it."""
        if not delivery.is_early:
            self._first_direct = min(self._first_direct, delivery.seq)
            return
        self._early_until = now + self._limits.early_wait
        if Timer.HOLE in self._timers and self._may_be_early:
            self._timers.set(Timer.HOLE, self._early_until)

    @property
    def _may_be_early(self) -> bool:
        return self._sequencer.expected < self._first_direct

    def _watch_hole(self, now: float) -> None:
        order = self._sequencer
        if not order.has_hole:
            self._timers.stop(Timer.HOLE)
        elif Timer.HOLE not in self._timers or order.expected != self._hole_at:
            self._hole_at = order.expected
            due = now + self._limits.gap_timeout
            self._timers.set(Timer.HOLE, max(due, self._early_until) if self._may_be_early else due)

    def give_up_hole(self, now: float) -> None:
        """Silence takes the place of what is missing, when all before it is in place."""
        if self._placement.is_decoding:
            self._timers.set(Timer.HOLE, now + self._limits.gap_timeout)
            return
        for gap in self._placement.give_up_hole():
            self._publish_gap(gap)
        self._place_ready(now)
        self._watch_hole(now)

    def _publish_gap(self, gap: Gap) -> None:
        seconds = self._spec.seconds
        self._journal.publish_state(
            events.AudioGap(
                self._spec.stream_id,
                seconds(gap.start),
                seconds(gap.end),
                gap.first_seq,
                gap.last_seq,
                events.label_of(gap.track),
            )
        )

    # -- relief ----------------------------------------------------------------------------------

    def relieve(self, now: float, *, may_release: bool) -> bool:
        """Never a deadlock: when the prefetch is nearly used up, what blocks it gives way.

        Whether there may be more to send now.
        """
        if len(self._placement.settlement) < self._nearly_full:
            return False
        if self._placement.is_decoding:
            return False  # as fast as upstream takes it
        if self._sequencer.has_hole:
            self.give_up_hole(now)
        elif may_release:
            self._release_uncovered()
        return True

    def _release_uncovered(self) -> None:
        count = self._placement.timeline.oldest_sent(self._limits.prefetch // 10)
        if not count or self._journal.is_releasing:
            return
        seconds = self._spec.seconds(self._journal.give_up(count))
        self._journal.warn(
            "replay_window_exceeded",
            f"upstream finalises nothing: audio before {seconds} s is let go uncovered, "
            "and would be missing if this session were lost now",
        )

    @property
    def is_full(self) -> bool:
        """Whether the broker holds back what the publisher sends."""
        return (
            Timer.PACE in self._timers or len(self._placement.settlement) >= self._limits.prefetch
        )

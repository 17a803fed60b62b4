"""The coordinator: who leases which slot. Sans-I/O; one instance serves one connection.

The queue ``leases`` has a single active consumer. Its broker gives a coordinator's unacknowledged
messages to the next one, in order. So whatever the coordinator knows is what it holds of ``leases``
unacknowledged, and three rules follow:

- *A record counts when it is delivered back*, not when it is confirmed. A coordinator that was
  deposed without a notice still gets confirms. It gets no deliveries.
- *What is done from memory waits for a probe.* A repeated or refused start is answered, and a slot
  opened again, when a probe that was published after it came back. Only the present coordinator
  gets it back.
- *Nothing is acknowledged while a copy of it is under way.* An end that is acknowledged before a
  renewed copy of its lease comes would leave that copy as a lease without an end.

The coordinator:

| state | input | next state | outputs |
|---|---|---|---|
| FOLLOWING | ``Consuming`` | FOLLOWING | publish ``Token(0)``: it makes the broker deliver |
| FOLLOWING | a record | COUNTING | keep it; publish a ``Probe`` |
| COUNTING | a record | COUNTING | keep it |
| COUNTING | its probe | TAKING_OFFICE | publish ``Token(term)``, above all that was seen |
| TAKING_OFFICE | a record | TAKING_OFFICE | keep it for later |
| TAKING_OFFICE | its token | LEADING | acknowledge what is over; ``BeginReading`` |
| LEADING | its token, for the first time | LEADING | acknowledge the older one |
| LEADING | a token of a higher term, or any record again | RESIGNED | ``Resign`` |
| LEADING | a lease that it did not publish, a probe | LEADING | acknowledge it |
| LEADING | ``BEAT`` | LEADING | publish a ``Probe``: it must come back, too |
| any | what it published did not come back within ``patience`` | RESIGNED | ``Resign`` |
| RESIGNED | anything | RESIGNED | nothing |

One lease:

| stage | input | next stage | outputs |
|---|---|---|---|
| (new) | a start | DECLARING, or LEASING | ``DeclareSlot`` on first use, else publish the lease |
| DECLARING | ``SlotDeclared`` | LEASING | publish the lease |
| DECLARING | ``SlotRefused`` | DECLARING | another slot; this one rests |
| LEASING | the lease, delivered | OPENING | ``OpenSlot``: begin its state, then bind it |
| KNOWN (inherited) | its start again | OPENING | ``OpenSlot`` |
| OPENING | ``SlotOpened`` | CLAIMING | ``PublishClaim`` |
| CLAIMING | ``ClaimPublished`` | CLAIMED | ``Accept`` each start that waits |
| any | ``Answered`` | the same | ``AckStart`` |
| CLAIMED, KNOWN | ``OwnerLooked`` without an owner, twice | the same | publish a ``Probe`` |
| CLAIMED, KNOWN | that probe | OPENING | ``OpenSlot`` |
| CLAIMED, KNOWN | ``StateMissing`` | OPENING | ``OpenSlot``, which says that the state was lost |
| any | ``LeaseEnded`` | ENDED | the slot is free |
| ENDED | ``REMEMBER`` after its begin, with no copy under way | (gone) | acknowledge all |
| any but ENDED | ``RENEW`` after its delivery | the same | publish it again |
| any but ENDED | its copy | the same | acknowledge the older one |

Only a new lease is bound. A binding that is made again might be made after the owner took it away,
and stay. Where a coordinator died before it made one, the stream's audio comes as early audio to
its end. A start whose id has a live stream with another start is refused after ``PAUSE``, in which
that stream may come to its end.

A lease that ended soon after its start is remembered: its coordinator may have died before it
acknowledged the start, which must not open the stream a second time.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import Enum, IntEnum, auto
from functools import singledispatchmethod

from .leases import (
    TERM_BITS,
    Lease,
    LeaseEnded,
    Probe,
    Record,
    Start,
    StartKey,
    StateMissing,
    Token,
)
from .slots import Slots

# Seconds after which a held record is published again: a quorum queue's log is truncated only up
# to its oldest unacknowledged message.
RENEW = 300.0
# Seconds between two looks for a lease's owner, and how many in a row must find none.
LOOK = 120.0
MISSES = 2
# Seconds from a lease's beginning for which its end is remembered.
REMEMBER = 120.0
# Seconds for which a slot that could not be declared is left alone.
REST = 30.0
# Seconds for which a start waits for the end of a stream with the same id.
PAUSE = 3.0
# Seconds between two probes of a coordinator that was deposed without a notice, and holds starts.
BEAT = 30.0


class Office(Enum):
    FOLLOWING = auto()
    COUNTING = auto()
    TAKING_OFFICE = auto()
    LEADING = auto()
    RESIGNED = auto()


class Stage(Enum):
    DECLARING = auto()
    LEASING = auto()
    KNOWN = auto()
    OPENING = auto()
    CLAIMING = auto()
    CLAIMED = auto()
    ENDED = auto()


class Refusal(Enum):
    """Why a valid start gets no stream; the value is the event's ``code``."""

    DIFFERENT_START = "different_start"
    TOO_MANY_STREAMS = "too_many_streams"
    MISSING_USER_ID = "missing_user_id"


# -- inputs ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Consuming:
    """``leases`` is being consumed; whether actively, deliveries will show."""


@dataclass(frozen=True, slots=True)
class RecordDelivered:
    tag: int
    record: Record
    is_redelivered: bool = False


@dataclass(frozen=True, slots=True)
class StartDelivered:
    tag: int
    start: Start
    is_redelivered: bool = False


@dataclass(frozen=True, slots=True)
class SlotDeclared:
    slot: int


@dataclass(frozen=True, slots=True)
class SlotRefused:
    """The broker cannot declare the slot's queues now."""

    slot: int


@dataclass(frozen=True, slots=True)
class SlotOpened:
    number: int


@dataclass(frozen=True, slots=True)
class ClaimPublished:
    number: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to the start with this tag is in the broker's hands."""

    tag: int


@dataclass(frozen=True, slots=True)
class OwnerLooked:
    number: int
    has_owner: bool


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """``Coordinator.deadline`` has come."""


Input = (
    Consuming
    | RecordDelivered
    | StartDelivered
    | SlotDeclared
    | SlotRefused
    | SlotOpened
    | ClaimPublished
    | Answered
    | OwnerLooked
    | DeadlinePassed
)


# -- outputs -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PublishRecord:
    """To ``leases``, again and again until it is confirmed."""

    record: Record


@dataclass(frozen=True, slots=True)
class AckRecords:
    """In this order: a lease goes before its end."""

    tags: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BeginReading:
    """Consume ``start`` and ``early``."""


@dataclass(frozen=True, slots=True)
class Resign:
    """Another coordinator led meanwhile: give the connection up and begin again."""

    reason: str


@dataclass(frozen=True, slots=True)
class DeclareSlot:
    slot: int


@dataclass(frozen=True, slots=True)
class OpenSlot:
    """Write the first message of its state; ``is_new``: bind its audio when that is confirmed."""

    lease: Lease
    is_new: bool
    is_state_lost: bool = False


@dataclass(frozen=True, slots=True)
class PublishClaim:
    lease: Lease


@dataclass(frozen=True, slots=True)
class Accept:
    tag: int
    lease: Lease


@dataclass(frozen=True, slots=True)
class Refuse:
    """``is_live`` says that a stream of this id goes on, which the answer must not end."""

    tag: int
    start: Start
    why: Refusal
    is_live: bool


@dataclass(frozen=True, slots=True)
class ReportWaiting:
    """The start finds no slot and waits for one."""

    start: Start


@dataclass(frozen=True, slots=True)
class AckStart:
    tag: int


@dataclass(frozen=True, slots=True)
class LookForOwner:
    lease: Lease


Output = (
    PublishRecord
    | AckRecords
    | BeginReading
    | Resign
    | DeclareSlot
    | OpenSlot
    | PublishClaim
    | Accept
    | Refuse
    | ReportWaiting
    | AckStart
    | LookForOwner
)


# -- the machine -------------------------------------------------------------------------------


class _Timer(IntEnum):
    RENEW = auto()
    LOOK = auto()
    FORGET = auto()
    BEAT = auto()
    DECIDE = auto()


@dataclass(slots=True)
class _Held:
    """A lease with the deliveries that stand for it; ``copies`` of it are on their way."""

    lease: Lease
    stage: Stage
    tags: list[int] = field(default_factory=list)
    end_tags: list[int] = field(default_factory=list)
    copies: int = 0
    starts: list[StartDelivered] = field(default_factory=list)
    misses: int = 0
    renew_at: float = 0.0
    is_remembered: bool = False

    @property
    def is_over(self) -> bool:
        return bool(self.end_tags)


_OFFICE = 0
"""In place of a lease's number, which is never 0."""
# A claim was published, or a predecessor may have done that.
_SETTLED = frozenset({Stage.KNOWN, Stage.CLAIMED})
_OPEN = _SETTLED | {Stage.CLAIMING}


class Coordinator:
    """``receive`` takes an input and returns what is to be done about it, in this order.

    ``name`` tells this instance's probes from all others. ``pool`` bounds the slots, and
    ``per_user`` the streams of one user, where it is set. ``patience`` is how long a record of its
    own may take to come back, in seconds. ``now`` is the wall clock's, in seconds since 1970.
    """

    def __init__(
        self, name: str, *, pool: int, patience: float, per_user: int | None = None
    ) -> None:
        self._name = name
        self._patience = patience
        self._per_user = per_user
        self._slots = Slots(pool)
        self.office = Office.FOLLOWING
        self._probes = 0
        self._term = 0
        self._last_number = 0
        self._kept: list[RecordDelivered] = []
        self._spare_tags: list[int] = []
        self._token_tag: int | None = None
        self._declared: set[int] = set()
        self._held: dict[int, _Held] = {}
        self._live: dict[str, _Held] = {}
        self._remembered: dict[StartKey, _Held] = {}
        self._users: Counter[str] = Counter()
        self._doubtful: dict[str, StartDelivered | OwnerLooked] = {}
        self._waiting: deque[StartDelivered] = deque()
        self._reported: set[int] = set()
        self._paused: set[int] = set()
        self._later: deque[tuple[float, StartDelivered]] = deque()
        self._timers: list[tuple[float, int, _Timer]] = []
        self._awaited: dict[str | int, float] = {}
        self._outputs: list[Output] = []

    # -- what others may ask ---------------------------------------------------------------------

    @property
    def is_leading(self) -> bool:
        return self.office is Office.LEADING

    @property
    def deadline(self) -> float | None:
        """When ``DeadlinePassed`` is due, in seconds since 1970."""
        times = [self._timers[0][0]] if self._timers else []
        times += list(self._awaited.values())[:1]
        if self._waiting and (rested := self._slots.rested_at) is not None:
            times.append(rested)
        return min(times, default=None)

    def lease_of(self, stream_id: str) -> Lease | None:
        """Of a live stream whose slot is open, as far as this coordinator knows."""
        held = self._live.get(stream_id)
        return held.lease if held is not None and held.stage in _OPEN else None

    def is_live(self, stream_id: str) -> bool:
        return stream_id in self._live

    @property
    def waiting(self) -> int:
        """Starts that wait for a slot."""
        return len(self._waiting)

    @property
    def leased(self) -> int:
        """Slots that streams have."""
        return self._slots.taken

    # -- inputs ----------------------------------------------------------------------------------

    def receive(self, received: Input, now: float) -> list[Output]:
        if self.office is Office.RESIGNED:
            return []
        self._receive(received, now)
        outputs, self._outputs = self._outputs, []
        return outputs

    @singledispatchmethod
    def _receive(self, received: Input, now: float) -> None:
        raise TypeError(received)

    @_receive.register
    def _(self, _received: Consuming, _now: float) -> None:
        # The broker's deliveries begin with it, if it has nothing else for an active consumer.
        self._emit(PublishRecord(Token(0)))

    @_receive.register
    def _(self, received: RecordDelivered, now: float) -> None:
        self._awaited.pop(_key(received.record), None)
        match self.office:
            case Office.FOLLOWING:
                self._kept.append(received)
                self.office = Office.COUNTING
                self._probe(now)
            case Office.COUNTING:
                self._count(received, now)
            case Office.TAKING_OFFICE:
                self._take_office(received, now)
            case _:
                self._lead(received, now)

    @_receive.register
    def _(self, received: StartDelivered, now: float) -> None:
        self._decide(received, now, is_sure=False)

    @_receive.register
    def _(self, received: SlotDeclared, now: float) -> None:
        self._declared.add(received.slot)
        self._make(self._declaring(received.slot), now)

    @_receive.register
    def _(self, received: SlotRefused, now: float) -> None:
        held = self._declaring(received.slot)
        self._leave(held)
        del self._held[held.lease.number]
        self._slots.rest(received.slot, held.lease.number, now + REST)
        for start in held.starts:
            self._decide(start, now, is_sure=False)

    @_receive.register
    def _(self, received: SlotOpened, _now: float) -> None:
        held = self._held.get(received.number)
        if held is not None and held.stage is Stage.OPENING:
            held.stage = Stage.CLAIMING
            self._emit(PublishClaim(held.lease))

    @_receive.register
    def _(self, received: ClaimPublished, _now: float) -> None:
        held = self._held.get(received.number)
        if held is not None and held.stage is Stage.CLAIMING:
            held.stage = Stage.CLAIMED
            self._accept(held)

    @_receive.register
    def _(self, received: Answered, _now: float) -> None:
        self._emit(AckStart(received.tag))

    @_receive.register
    def _(self, received: OwnerLooked, now: float) -> None:
        held = self._held.get(received.number)
        if held is None or held.stage not in _SETTLED:
            return
        held.misses = 0 if received.has_owner else held.misses + 1
        if held.misses >= MISSES:
            self._doubtful[self._probe(now)] = received

    @_receive.register
    def _(self, _received: DeadlinePassed, now: float) -> None:
        if self._awaited and next(iter(self._awaited.values())) <= now:
            self._resign("what it published to the leases did not come back")
            return
        while self._timers and self._timers[0][0] <= now:
            due, number, timer = heapq.heappop(self._timers)
            if number == _OFFICE:
                self._hold_office(timer, now)
            elif (held := self._held.get(number)) is not None:
                self._on_timer(held, timer, due, now)
        self._serve_waiting(now)

    # -- the election ----------------------------------------------------------------------------

    def _probe(self, now: float) -> str:
        """Its id. All that ``leases`` held before comes before it, to an active consumer."""
        self._probes += 1
        probe = f"{self._name}/{self._probes}"
        self._publish(Probe(probe), now)
        return probe

    def _publish(self, record: Lease | Probe | Token, now: float) -> None:
        """It must come back."""
        self._awaited.setdefault(_key(record), now + self._patience)
        self._emit(PublishRecord(record))

    def _count(self, received: RecordDelivered, now: float) -> None:
        self._kept.append(received)
        if received.record != Probe(f"{self._name}/{self._probes}"):
            return
        if received.is_redelivered:
            # Another coordinator led between the probe and now, and may have left more behind it.
            self._resign("another coordinator led during the election")
            return
        kept, self._kept = self._kept, []
        for one in kept:
            self._inherit(one)
        self._enter_inherited()
        # Above every term that was seen, and above those that a purge may have taken away.
        self._term = max(self._term + 1, int(now))
        self._last_number = self._term << TERM_BITS
        self.office = Office.TAKING_OFFICE
        self._publish(Token(self._term), now)

    def _inherit(self, received: RecordDelivered) -> None:
        match received.record:
            case Lease() as lease:
                self._term = max(self._term, lease.number >> TERM_BITS)
                held = self._held.setdefault(lease.number, _Held(lease, Stage.KNOWN))
                held.tags.append(received.tag)
            case LeaseEnded() | StateMissing():
                self._kept.append(received)
            case Token(term):
                self._term = max(self._term, term)
                self._spare_tags.append(received.tag)
            case _:
                self._spare_tags.append(received.tag)

    def _enter_inherited(self) -> None:
        """Of two leases of one id, or of one slot, the newer is right.

        The older never came back to its maker, which went no further with it: a node that was
        frozen may bring it late. Its start comes again.
        """
        ended = {one.record.number for one in self._kept if isinstance(one.record, LeaseEnded)}
        for number in sorted(self._held.keys() - ended, reverse=True):
            held = self._held[number]
            is_void = self.is_live(held.lease.start.stream_id)
            if is_void or not self._slots.occupy(held.lease.slot, number):
                self._spare_tags += self._held.pop(number).tags
            else:
                self._enter(held)

    def _take_office(self, received: RecordDelivered, now: float) -> None:
        if received.is_redelivered:
            self._resign("another coordinator led during the election")
        elif received.record != Token(self._term):
            self._kept.append(received)
        else:
            self.office = Office.LEADING
            self._keep_token(received.tag, now)
            heapq.heappush(self._timers, (now + BEAT, _OFFICE, _Timer.BEAT))
            self._ack(*self._spare_tags)
            self._spare_tags.clear()
            for held in self._held.values():
                self._renew_later(held, now)
                self._arm(now + LOOK, held, _Timer.LOOK)
            self._emit(BeginReading())
            kept, self._kept = self._kept, []
            for one in kept:
                self._take(one, now)

    def _hold_office(self, timer: _Timer, now: float) -> None:
        if timer is _Timer.BEAT:
            self._probe(now)
            heapq.heappush(self._timers, (now + BEAT, _OFFICE, _Timer.BEAT))
        elif timer is _Timer.DECIDE:
            while self._later and self._later[0][0] <= now:
                self._decide(self._later.popleft()[1], now, is_sure=False)
        else:
            self._publish(Token(self._term), now)

    def _keep_token(self, tag: int, now: float) -> None:
        if self._token_tag is not None:
            self._ack(self._token_tag)
        self._token_tag = tag
        heapq.heappush(self._timers, (now + RENEW, _OFFICE, _Timer.RENEW))

    def _resign(self, reason: str) -> None:
        self.office = Office.RESIGNED
        self._emit(Resign(reason))

    # -- records ---------------------------------------------------------------------------------

    def _lead(self, received: RecordDelivered, now: float) -> None:
        """What comes after the probe comes for the first time, as long as nobody else leads."""
        newest = received.record.term if isinstance(received.record, Token) else 0
        if received.is_redelivered or newest > self._term:
            self._resign("another coordinator led meanwhile")
        else:
            self._take(received, now)

    def _take(self, received: RecordDelivered, now: float) -> None:
        match received.record:
            case Token(term) if term == self._term:
                self._keep_token(received.tag, now)
            case Lease(number) if number in self._held:
                self._take_lease(self._held[number], received.tag, now)
            case LeaseEnded(number) if number in self._held:
                self._take_end(self._held[number], received.tag, now)
            case record:
                self._ack(received.tag)
                self._take_notice(record, now)

    def _take_notice(self, record: Record, now: float) -> None:
        """What need not be held. A lease that is unknown here is void, or a late copy."""
        match record:
            case Probe(id) if id in self._doubtful:
                self._resolve(self._doubtful.pop(id), now)
            case StateMissing(number):
                self._open_again(number, is_state_lost=True)

    def _resolve(self, doubt: StartDelivered | OwnerLooked, now: float) -> None:
        match doubt:
            case StartDelivered():
                self._decide(doubt, now, is_sure=True)
            case OwnerLooked(number):
                self._open_again(number)

    def _open_again(self, number: int, *, is_state_lost: bool = False) -> None:
        held = self._held.get(number)
        if held is not None and held.stage in _SETTLED and not held.is_over:
            self._open(held, is_state_lost=is_state_lost)

    def _take_lease(self, held: _Held, tag: int, now: float) -> None:
        held.copies = max(0, held.copies - 1)
        older, held.tags = held.tags, [*held.tags, tag]
        if held.stage is Stage.LEASING:
            self._renew_later(held, now)
            self._arm(now + LOOK, held, _Timer.LOOK)
            self._open(held)
        elif held.is_over:
            self._settle(held)
        else:
            held.tags = [tag]
            self._ack(*older)
            self._renew_later(held, now)

    def _take_end(self, held: _Held, tag: int, now: float) -> None:
        was_over = held.is_over
        held.end_tags.append(tag)
        if was_over:
            self._settle(held)
            return
        self._leave(held)
        self._accept(held)  # it ran: a predecessor had published the claim
        self._remember(held, now)
        self._free(held, now)

    # -- starts ----------------------------------------------------------------------------------

    def _decide(self, received: StartDelivered, now: float, *, is_sure: bool) -> None:
        """``is_sure`` says that this coordinator still led after the start had come."""
        start = received.start
        live, ended = self._live.get(start.stream_id), self._ended_same(received)
        if live is None and ended is None and not self._refusal(start):
            self._begin(received, now)
        elif not is_sure:
            self._doubtful[self._probe(now)] = received
        elif ended is not None:
            self._emit(Accept(received.tag, ended.lease))
        elif live is not None and start.key == live.lease.start.key:
            self._join(live, received)
        elif live is not None and received.tag in self._paused:
            self._paused.discard(received.tag)
            self._emit(Refuse(received.tag, start, Refusal.DIFFERENT_START, is_live=True))
        elif live is not None:
            self._paused.add(received.tag)
            self._later.append((now + PAUSE, received))
            heapq.heappush(self._timers, (now + PAUSE, _OFFICE, _Timer.DECIDE))
        elif (why := self._refusal(start)) is not None:
            self._emit(Refuse(received.tag, start, why, is_live=False))

    def _ended_same(self, received: StartDelivered) -> _Held | None:
        """A stream that this very start had, and that is over."""
        is_again = received.is_redelivered or received.start.message_id is not None
        return self._remembered.get(received.start.key) if is_again else None

    def _refusal(self, start: Start) -> Refusal | None:
        if self._per_user is None:
            return None
        if not start.user:
            return Refusal.MISSING_USER_ID
        return Refusal.TOO_MANY_STREAMS if self._users[start.user] >= self._per_user else None

    def _begin(self, received: StartDelivered, now: float) -> None:
        self._last_number += 1
        slot = self._slots.take(self._last_number, now)
        if slot is None:
            self._wait_for_slot(received)
            return
        lease = Lease(self._last_number, slot, received.start, now)
        held = self._held[lease.number] = _Held(lease, Stage.DECLARING, starts=[received])
        self._enter(held)
        if slot in self._declared:
            self._make(held, now)
        else:
            self._emit(DeclareSlot(slot))

    def _wait_for_slot(self, received: StartDelivered) -> None:
        self._waiting.append(received)
        if received.tag not in self._reported:
            self._reported.add(received.tag)
            self._emit(ReportWaiting(received.start))

    def _serve_waiting(self, now: float) -> None:
        while self._waiting and self._slots.has_free(now):
            self._decide(self._waiting.popleft(), now, is_sure=False)

    def _join(self, held: _Held, received: StartDelivered) -> None:
        """The start is answered when its lease is claimed; what may be missing is done again."""
        if held.stage is Stage.CLAIMED:
            self._emit(Accept(received.tag, held.lease))
            return
        held.starts.append(received)
        if held.stage is Stage.KNOWN:
            self._open(held)

    def _accept(self, held: _Held) -> None:
        starts, held.starts = held.starts, []
        for start in starts:
            self._reported.discard(start.tag)
            self._emit(Accept(start.tag, held.lease))

    # -- one lease -------------------------------------------------------------------------------

    def _enter(self, held: _Held) -> None:
        start = held.lease.start
        self._live[start.stream_id] = held
        self._users[start.user or ""] += 1

    def _leave(self, held: _Held) -> None:
        start = held.lease.start
        if self._live.get(start.stream_id) is held:
            del self._live[start.stream_id]
            self._users[start.user or ""] -= 1

    def _declaring(self, slot: int) -> _Held:
        return self._held[self._slots.holder(slot)]

    def _make(self, held: _Held, now: float) -> None:
        held.stage = Stage.LEASING
        self._publish_copy(held, now)

    def _publish_copy(self, held: _Held, now: float) -> None:
        held.copies += 1
        self._publish(held.lease, now)

    def _open(self, held: _Held, *, is_state_lost: bool = False) -> None:
        is_new = held.stage is Stage.LEASING
        held.stage, held.misses = Stage.OPENING, 0
        self._emit(OpenSlot(held.lease, is_new, is_state_lost))

    def _free(self, held: _Held, now: float) -> None:
        held.stage = Stage.ENDED
        self._slots.free(held.lease.slot, held.lease.number)
        self._settle(held)
        self._serve_waiting(now)

    def _remember(self, held: _Held, now: float) -> None:
        until = held.lease.since + REMEMBER
        if until <= now:
            return
        key = held.lease.start.key
        if (older := self._remembered.pop(key, None)) is not None:
            older.is_remembered = False
            self._settle(older)
        self._remembered[key], held.is_remembered = held, True
        self._arm(until, held, _Timer.FORGET)

    def _settle(self, held: _Held) -> None:
        """Acknowledges a lease that is over, once nothing of it is under way."""
        if held.stage is Stage.ENDED and not held.copies and not held.is_remembered:
            self._ack(*held.tags, *held.end_tags)
            self._held.pop(held.lease.number, None)

    # -- timers ----------------------------------------------------------------------------------

    def _arm(self, due: float, held: _Held, timer: _Timer) -> None:
        heapq.heappush(self._timers, (due, held.lease.number, timer))

    def _renew_later(self, held: _Held, now: float) -> None:
        held.renew_at = now + RENEW
        self._arm(held.renew_at, held, _Timer.RENEW)

    def _on_timer(self, held: _Held, timer: _Timer, due: float, now: float) -> None:
        if timer is _Timer.FORGET:
            held.is_remembered = False
            if self._remembered.get(held.lease.start.key) is held:
                del self._remembered[held.lease.start.key]
            self._settle(held)
        elif held.is_over:
            return
        elif timer is _Timer.LOOK:
            self._emit(LookForOwner(held.lease))
            self._arm(now + LOOK, held, _Timer.LOOK)
        elif due == held.renew_at:
            self._publish_copy(held, now)

    # -- outputs ---------------------------------------------------------------------------------

    def _ack(self, *tags: int) -> None:
        if tags:
            self._emit(AckRecords(tags))

    def _emit(self, output: Output) -> None:
        self._outputs.append(output)


def _key(record: Record) -> str | int:
    match record:
        case Lease(number):
            return number
        case Probe(id):
            return id
        case Token(term):
            return f"term {term}"
        case _:
            return ""

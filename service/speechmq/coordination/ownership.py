"""One claim's way to its slot: who owns the stream, and what its end takes. Sans-I/O.

The queue ``slot.<n>.state`` has a single active consumer, and its newest messages are held
unacknowledged by the owner. So who is delivered the newest state owns the stream:

- *A write counts when it is delivered back*, not when it is confirmed. A deposed owner still gets
  confirms. Nothing may follow from a write (an event, an acknowledgement of audio) before that.
- *Only what bears the claim's lease is this stream's state.* The coordinator writes the first
  message. A claim whose lease has none in the slot is too late, and writes nothing.
- *The newest message is the one of the highest epoch*, the latest in the queue among these. A
  frozen node may bring a deposed owner's write after its successor's.
- *A slot is emptied by its consumer, never by a purge.* An acknowledgement of a deposed owner means
  nothing to the broker. Its purge would take away the audio of the slot's next stream.
- *Audio is discarded after a probe.* A slot's next stream has its first state before its audio. So
  an owner whose lease is over without its knowledge learns that before the probe comes back.

| state | input | next state | outputs |
|---|---|---|---|
| SEEKING | the first delivery | COUNTING | keep it; publish a ``Probe`` |
| SEEKING | ``KNOCK`` has passed | SEEKING | publish a ``Probe``: it makes the broker deliver |
| SEEKING, COUNTING | ``patience`` has passed | LEFT | ``ReturnClaim``; a new claim: ``DropClaim`` |
| COUNTING | a record | COUNTING | keep it |
| COUNTING | its probe; a higher lease has the slot | LEFT | ``DropClaim`` |
| COUNTING | its probe; no state of this lease | MISSING | ``ReportMissing`` |
| MISSING | ``StepDone`` | LEFT | ``DropClaim`` |
| COUNTING | its probe; the newest is an end | ENDING | ``Announce`` |
| COUNTING | its probe; the newest is another | FENCING | ``WriteFence``: the next epoch |
| FENCING | its fence | OWNING | acknowledge what is older; ``OpenAudio`` |
| OWNING | its write | OWNING | ``Saved``; acknowledge the one before |
| OWNING | its write, an end | ENDING | ``Saved``; ``Announce`` |
| OWNING | ``RENEW`` after a memo | OWNING | ``RewriteMemo`` |
| OWNING, ENDING | ``Unwanted`` audio | the same | publish a ``Probe`` |
| OWNING, ENDING | that probe | the same | ``Discard`` |
| OWNING, ENDING | ``BEAT`` | the same | publish a ``Probe`` |
| FENCING, OWNING, ENDING | state of a higher lease | LEFT | ``DropClaim``: this lease is over |
| FENCING, OWNING, ENDING | a record again, or one of a higher epoch | LEFT | ``Yield`` |
| FENCING, OWNING, ENDING | a write or probe not back within ``patience`` | LEFT | ``Yield`` |
| ENDING | ``StepDone`` of ``Announce`` | ENDING | ``Unbind`` |
| ENDING | ``StepDone`` of ``Unbind`` | ENDING | ``EmptySlot`` |
| ENDING | ``StepDone`` of ``EmptySlot`` | ENDING | ``ReleaseLease`` |
| ENDING | ``StepDone`` of ``ReleaseLease`` | LEFT | ``DropClaim`` |
| LEFT | anything | LEFT | nothing |

A successor that finds an end begins with ``Announce`` again: each step may be repeated. The end
stays in the slot until the next lease's owner acknowledges it. So a claim that comes late finds
that its stream is over, even where the coordinator had opened the slot for it twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from functools import singledispatchmethod
from typing import Any

from .leases import Probe

# Seconds without a delivery, after which a candidate makes the broker deliver something.
KNOCK = 1.0
# Seconds after which a held memo is written again: a quorum queue's log is truncated only up to its
# oldest unacknowledged message.
RENEW = 300.0
# Seconds between two probes of an owner that writes nothing, and may be deposed without a notice:
# it would keep its successor from the audio.
BEAT = 60.0


class Kind(Enum):
    """What a message of the state is."""

    OPENING = auto()  # the coordinator's, the first of a lease
    FENCE = auto()
    CHECKPOINT = auto()
    END = auto()
    MEMO = auto()


@dataclass(frozen=True, slots=True)
class StateRecord:
    """``number`` counts one owner's writes. ``content`` is the shell's own."""

    kind: Kind
    lease: int
    epoch: int = 0
    number: int = 0
    content: Any = None


class Claimed(Enum):
    SEEKING = auto()
    COUNTING = auto()
    MISSING = auto()
    FENCING = auto()
    OWNING = auto()
    ENDING = auto()
    LEFT = auto()


# -- inputs ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Consuming:
    """The state is being consumed; whether actively, deliveries will show."""


@dataclass(frozen=True, slots=True)
class StateDelivered:
    """``record`` is nothing for a message that no worker of ours wrote."""

    tag: int
    record: StateRecord | Probe | None
    is_redelivered: bool = False


@dataclass(frozen=True, slots=True)
class Writing:
    """The owner publishes its write ``number``, which has to come back."""

    number: int


@dataclass(frozen=True, slots=True)
class Unwanted:
    """Audio in the slot that is not this stream's, or that comes after its end."""

    tag: int


@dataclass(frozen=True, slots=True)
class StepDone:
    """The last of ``ReportMissing``, ``Announce``, ``Unbind``, ``EmptySlot`` or ``ReleaseLease``
    that was asked for is in the broker's hands."""


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """``Ownership.deadline`` has come."""


Input = Consuming | StateDelivered | Writing | Unwanted | StepDone | DeadlinePassed


# -- outputs -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PublishProbe:
    probe: Probe


@dataclass(frozen=True, slots=True)
class AckState:
    tags: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WriteFence:
    """With what ``newest`` says, under ``epoch`` and as the write ``number``."""

    epoch: int
    number: int
    newest: StateRecord


@dataclass(frozen=True, slots=True)
class OpenAudio:
    """This worker owns the stream, from ``newest`` and ``memo`` on."""

    epoch: int
    newest: StateRecord
    memo: StateRecord | None


@dataclass(frozen=True, slots=True)
class Saved:
    """The owner's write ``number`` is the stream's state."""

    number: int


@dataclass(frozen=True, slots=True)
class Discard:
    """This worker owns the slot still: these may be dead-lettered, or acknowledged at the end."""

    tags: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RewriteMemo:
    memo: StateRecord


@dataclass(frozen=True, slots=True)
class ReportMissing:
    """Publish ``StateMissing`` to ``leases``."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Publish the last event, under the ``message_id`` that it has."""

    end: StateRecord


@dataclass(frozen=True, slots=True)
class Unbind:
    pass


@dataclass(frozen=True, slots=True)
class EmptySlot:
    """As the active consumer of the slot's audio, call each delivery ``Unwanted``.

    Done when a marker came back that was published after the last acknowledgement, and nothing
    before it. A deposed consumer's acknowledgements have no effect, and the audio comes again. The
    marker has to be published again where it does not come: another consumer may have had it.
    """


@dataclass(frozen=True, slots=True)
class ReleaseLease:
    """Publish ``LeaseEnded`` to ``leases``."""


@dataclass(frozen=True, slots=True)
class DropClaim:
    """Close the channels, and acknowledge the claim."""

    reason: str


@dataclass(frozen=True, slots=True)
class ReturnClaim:
    """Close the channels, and give the claim back."""

    reason: str


@dataclass(frozen=True, slots=True)
class Yield:
    """Another owns the stream, or none can be sure to: publish nothing more; close, give back."""

    reason: str


Output = (
    PublishProbe
    | AckState
    | WriteFence
    | OpenAudio
    | Saved
    | Discard
    | RewriteMemo
    | ReportMissing
    | Announce
    | Unbind
    | EmptySlot
    | ReleaseLease
    | DropClaim
    | ReturnClaim
    | Yield
)


# -- the machine -------------------------------------------------------------------------------

_FENCE_NUMBER = 0
_ENDING = (Unbind, EmptySlot, ReleaseLease)


class Ownership:
    """``receive`` takes an input and returns what is to be done about it, in this order.

    ``name`` tells this claim's probes from all others. ``patience`` is how long another active
    consumer may stay, in seconds. ``now`` is the wall clock's, in seconds since 1970; the epoch of
    a lease's first owner is that time in milliseconds.
    """

    def __init__(
        self, lease: int, *, name: str, patience: float, is_redelivered: bool, now: float
    ) -> None:
        self._lease = lease
        self._name = name
        self._patience = patience
        self._is_redelivered = is_redelivered
        self.state = Claimed.SEEKING
        self._gives_up_at = now + patience
        self._knock_at: float | None = None
        self._renew_at: float | None = None
        self._probes = 0
        self._kept: list[StateDelivered] = []
        self.epoch = 0
        self._newest: StateDelivered | None = None
        self._memo: StateDelivered | None = None
        self._pending: dict[int | Probe, float] = {}
        self._beat_at = 0.0
        self._unwanted: list[int] = []
        self._questioned: tuple[Probe, tuple[int, ...]] | None = None
        self._steps = iter(_ENDING)
        self._outputs: list[Output] = []

    @property
    def deadline(self) -> float | None:
        """When ``DeadlinePassed`` is due, in seconds since 1970."""
        match self.state:
            case Claimed.SEEKING if self._knock_at is not None:
                return min(self._knock_at, self._gives_up_at)
            case Claimed.SEEKING | Claimed.COUNTING:
                return self._gives_up_at
            case Claimed.FENCING | Claimed.OWNING | Claimed.ENDING:
                due = [*list(self._pending.values())[:1], self._renew_at, self._beat_at]
                return min(one for one in due if one is not None)
            case _:
                return None

    def receive(self, received: Input, now: float) -> list[Output]:
        if self.state is Claimed.LEFT:
            return []
        self._receive(received, now)
        outputs, self._outputs = self._outputs, []
        return outputs

    @singledispatchmethod
    def _receive(self, received: Input, now: float) -> None:
        raise TypeError(received)

    @_receive.register
    def _(self, _received: Consuming, now: float) -> None:
        if self.state is Claimed.SEEKING:
            self._knock_at = now + KNOCK

    @_receive.register
    def _(self, received: StateDelivered, now: float) -> None:
        match self.state:
            case Claimed.SEEKING:
                self._kept.append(received)
                self.state = Claimed.COUNTING
                self._probe(now)
            case Claimed.COUNTING:
                self._kept.append(received)
                if received.record == Probe(f"{self._name}/{self._probes}"):
                    self._counted(received, now)
            case _:
                self._hold(received, now)

    @_receive.register
    def _(self, received: Writing, now: float) -> None:
        self._pending[received.number] = now + self._patience

    @_receive.register
    def _(self, received: Unwanted, now: float) -> None:
        self._unwanted.append(received.tag)
        self._question(now)

    @_receive.register
    def _(self, _received: StepDone, _now: float) -> None:
        if self.state is Claimed.MISSING:
            self._leave(DropClaim("the slot holds no state of its lease"))
        elif (step := next(self._steps, None)) is not None:
            self._emit(step())
        else:
            self._ack(self._memo)
            self._leave(DropClaim("the stream is over"))

    @_receive.register
    def _(self, _received: DeadlinePassed, now: float) -> None:
        if self.state in {Claimed.SEEKING, Claimed.COUNTING}:
            self._seek_on(now)
        elif self._pending and next(iter(self._pending.values())) <= now:
            self._leave(Yield("what it wrote to the state did not come back"))
        else:
            self._keep_on(now)

    def _keep_on(self, now: float) -> None:
        if self._beat_at <= now:
            self._beat_at = now + BEAT
            self._probe(now)
        if self._renew_at is not None and self._renew_at <= now:
            self._renew_at = None
            if self._memo is not None:
                self._emit(RewriteMemo(_state(self._memo)))

    # -- from the claim to the fence -------------------------------------------------------------

    def _probe(self, now: float) -> Probe:
        self._probes += 1
        probe = Probe(f"{self._name}/{self._probes}")
        self._pending[probe] = now + self._patience
        self._emit(PublishProbe(probe))
        return probe

    def _seek_on(self, now: float) -> None:
        if now >= self._gives_up_at:
            reason = "another worker consumes the state"
            self._leave(ReturnClaim(reason) if self._is_redelivered else DropClaim(reason))
        elif self._knock_at is not None and self._knock_at <= now:
            self._knock_at = None
            self._probe(now)

    def _counted(self, received: StateDelivered, now: float) -> None:
        if received.is_redelivered:
            self._leave(ReturnClaim("another worker consumed the state meanwhile"))
            return
        kept, self._kept = self._kept, []
        self._pending.clear()
        self._beat_at = now + BEAT
        ours = [one for one in kept if _lease(one) == self._lease]
        self._newest = _newest([one for one in ours if _state(one).kind is not Kind.MEMO])
        self._memo = _newest([one for one in ours if _state(one).kind is Kind.MEMO])
        spare = [one for one in kept if _lease(one) <= self._lease]
        self._ack(*(one for one in spare if one not in (self._newest, self._memo)))
        self._judge(max(map(_lease, kept), default=0), now)

    def _judge(self, highest: int, now: float) -> None:
        if highest > self._lease:
            self._ack(self._newest, self._memo)
            self._leave(DropClaim("another stream leases the slot: this one is over"))
        elif self._newest is None:
            self.state = Claimed.MISSING
            self._emit(ReportMissing())
        elif _state(self._newest).kind is Kind.END:
            self.epoch = _state(self._newest).epoch
            self._end()
        else:
            newest = _state(self._newest)
            self.epoch = newest.epoch + 1 if newest.epoch else int(now * 1000)
            self.state = Claimed.FENCING
            self._pending[_FENCE_NUMBER] = now + self._patience
            self._emit(WriteFence(self.epoch, _FENCE_NUMBER, newest))

    # -- from the fence to the end ---------------------------------------------------------------

    def _hold(self, received: StateDelivered, now: float) -> None:
        lease, record = _lease(received), received.record
        epoch = record.epoch if isinstance(record, StateRecord) and lease == self._lease else -1
        if lease > self._lease:
            # Not acknowledged: it goes back when the channel is closed.
            self._ack(self._newest, self._memo)
            self._leave(DropClaim("another stream leases the slot: this one is over"))
        elif received.is_redelivered or epoch > self.epoch:
            self._leave(Yield("another worker owned the stream meanwhile"))
        elif epoch == self.epoch and self.state in {Claimed.FENCING, Claimed.OWNING}:
            self._take_back(received, now)
        else:
            self._ack(received)
            if isinstance(record, Probe):
                self._answer(record, now)

    def _question(self, now: float) -> None:
        """Whether this worker still owns the slot: one question is under way at a time."""
        if self._unwanted and self._questioned is None:
            self._questioned = (self._probe(now), tuple(self._unwanted))
            self._unwanted.clear()

    def _answer(self, probe: Probe, now: float) -> None:
        self._pending.pop(probe, None)
        if self._questioned is not None and self._questioned[0] == probe:
            tags = self._questioned[1]
            self._questioned = None
            self._emit(Discard(tags))
            self._question(now)

    def _take_back(self, received: StateDelivered, now: float) -> None:
        """One of this owner's own writes."""
        record = _state(received)
        self._pending.pop(record.number, None)
        if record.kind is Kind.MEMO:
            self._ack(self._memo)
            self._memo, self._renew_at = received, now + RENEW
        else:
            older, self._newest = self._newest, received
            if self.state is Claimed.FENCING:
                self._own(older)
            self._ack(older)
        if record.kind is not Kind.FENCE:
            self._emit(Saved(record.number))
        if record.kind is Kind.END and self.state is Claimed.OWNING:
            self._end()

    def _own(self, before: StateDelivered | None) -> None:
        self.state = Claimed.OWNING
        if before is not None:
            memo = None if self._memo is None else _state(self._memo)
            self._emit(OpenAudio(self.epoch, _state(before), memo))

    def _end(self) -> None:
        self.state = Claimed.ENDING
        if self._newest is not None:
            self._emit(Announce(_state(self._newest)))

    # -- small things ----------------------------------------------------------------------------

    def _leave(self, last: DropClaim | ReturnClaim | Yield) -> None:
        self.state = Claimed.LEFT
        self._emit(last)

    def _ack(self, *received: StateDelivered | None) -> None:
        if tags := tuple(one.tag for one in received if one is not None):
            self._emit(AckState(tags))

    def _emit(self, output: Output) -> None:
        self._outputs.append(output)


def _lease(received: StateDelivered) -> int:
    """Below every lease's for what is no state."""
    return received.record.lease if isinstance(received.record, StateRecord) else 0


def _state(received: StateDelivered) -> StateRecord:
    if not isinstance(received.record, StateRecord):
        raise TypeError(received.record)
    return received.record


def _newest(found: list[StateDelivered]) -> StateDelivered | None:
    """The last of those with the highest epoch."""
    return max(reversed(found), key=lambda one: _state(one).epoch, default=None)

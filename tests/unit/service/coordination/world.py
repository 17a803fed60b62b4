"""Workers, publishers and the truth about leases, around the broker of the model."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count

from tests.unit.service.coordination.broker_model import Connection, Consumer, Message, Queue

from speechmq.coordination import coordinator as office
from speechmq.coordination import ownership as owning
from speechmq.coordination.coordinator import REMEMBER, Coordinator
from speechmq.coordination.leases import (
    Lease,
    LeaseEnded,
    Probe,
    Record,
    Start,
    StateMissing,
    Token,
)
from speechmq.coordination.ownership import Claimed, Kind, Ownership, StateRecord

POOL = 3
PATIENCE = 15.0
WORKERS = 3


@dataclass(frozen=True, slots=True)
class Audio:
    """``lease`` is the truth; owners see the stream alone."""

    stream: str
    lease: int | None


@dataclass(frozen=True, slots=True)
class Marker:
    id: int


class World:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.ids = count(1)
        self.leases = Queue("leases")
        self.starts = Queue("start", is_exclusive=False)
        self.claims = Queue("claims", is_exclusive=False)
        self.states = {slot: Queue(f"slot.{slot}.state") for slot in range(1, POOL + 1)}
        self.audio = {slot: Queue(f"slot.{slot}.audio") for slot in range(1, POOL + 1)}
        self.bindings: set[tuple[int, str, int]] = set()
        self.unavailable: set[int] = set()
        self.published: list[Start] = []
        self.answers: dict[Start, list[tuple[float, str, int]]] = defaultdict(list)
        self.alive: dict[int, Lease] = {}
        self.over: set[int] = set()
        self.epochs: dict[int, tuple[int, object]] = {}
        self.ended: dict[int, int] = {}
        self.broken: list[str] = []
        self.frozen: list[Connection] = []
        self.workers = [Worker(self) for _ in range(WORKERS)]

    # -- publishers ------------------------------------------------------------------------------

    def start(self, stream: str) -> None:
        start = Start(stream, b"", f"m{next(self.ids)}")
        self.published.append(start)
        self.starts.publish(start)

    def repeat(self, start: Start) -> None:
        self.starts.publish(start)

    def send_audio(self, stream: str) -> None:
        leases = [one.number for one in self.alive.values() if one.start.stream_id == stream]
        for slot in {slot for slot, key, _ in self.bindings if key == stream}:
            self.audio[slot].publish(Audio(stream, max(leases, default=None)))

    # -- the truth -------------------------------------------------------------------------------

    def opened(self, lease: Lease) -> None:
        """A lease is alive once its maker goes on with it, until its end is published."""
        if lease.number in self.over or lease.number in self.alive:
            return
        for other in self.alive.values():
            if other.slot == lease.slot or other.start.stream_id == lease.start.stream_id:
                self.broken.append(f"{lease} beside {other}")
        self.alive[lease.number] = lease

    def publish_record(self, record: Record) -> None:
        if isinstance(record, LeaseEnded):
            self.over.add(record.number)
            self.alive.pop(record.number, None)
        self.leases.publish(record)

    def answer(self, start: Start, kind: str, lease: int) -> None:
        """A start that was refused may be accepted when the stream in its way has ended."""
        for when, was, of in self.answers[start]:
            is_same = (was, of) == (kind, lease) or was == "refused"
            if not is_same and self.now - when < REMEMBER:
                self.broken.append(f"{start} was answered {was} {of}, then {kind} {lease}")
        if (kind, lease) not in [(was, of) for _, was, of in self.answers[start]]:
            self.answers[start].append((self.now, kind, lease))

    def saved(self, lease: int, epoch: int, owner: object) -> None:
        """What an owner's write stands for, which no other may follow with an older one."""
        newest, by = self.epochs.get(lease, (0, owner))
        if epoch < newest or (epoch == newest and by is not owner):
            self.broken.append(f"two owners of {lease}: {epoch} after {newest}")
        if lease in self.over:
            self.broken.append(f"{lease} had an owner after its end")
        self.epochs[lease] = (epoch, owner)

    def took_away(self, slot: int, audio: Audio, lease: int) -> None:
        """Audio left the slot for good, by the owner of ``lease``."""
        holder = self.alive.get(audio.lease or 0)
        if holder is not None and holder.slot == slot and holder.number != lease:
            self.broken.append(f"the owner of {lease} took audio of {holder}")

    def heard(self, audio: Audio, lease: int) -> None:
        """What was published before the stream had a lease is early audio, and its own."""
        if audio.lease not in {None, lease}:
            self.broken.append(f"the owner of {lease} heard audio of {audio.lease}")

    # -- steps -----------------------------------------------------------------------------------

    def queues(self) -> list[Queue]:
        return [self.leases, self.starts, self.claims, *self.states.values(), *self.audio.values()]

    def connections(self) -> list[Connection]:
        alive = [one for worker in self.workers for one in worker.connections()]
        return [one for one in [*alive, *self.frozen] if one.frames]

    def possible_steps(self) -> list[Callable[[], None]]:
        deliveries = [one.deliver for one in self.queues() if one.can_deliver]
        return [*deliveries, *(one.run_one for one in self.connections())]

    def run(self, *, rounds: int) -> bool:
        """In a fair order; false if that does not come to rest."""
        for _ in range(rounds):
            is_busy = False
            for step in self.possible_steps():
                step()
                is_busy = True
            if not is_busy:
                return True
        return False

    def deposable(self) -> list[Queue]:
        return [one for one in self.queues() if one.consumers]

    def crash(self, worker: Worker, *, is_frozen: bool) -> None:
        self.workers.remove(worker)
        for connection in worker.connections():
            connection.die()
            if is_frozen:
                self.frozen.append(connection)
        self.workers.append(Worker(self))

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for worker in self.workers:
            worker.on_time()

    def owning(self) -> list[Owner]:
        owners = [one for worker in self.workers for one in worker.owners]
        return [one for one in owners if one.can_write]

    # -- the end ---------------------------------------------------------------------------------

    def verdict(self) -> list[object]:
        """What is wrong once the broker has healed and all streams have come to an end."""
        self.heal()
        found: list[object] = [*self.broken, *self.unanswered(), *self.unowned()]
        if not found:
            self.end_all()
            found = [*self.broken, *self.left_over()]
        return found

    def heal(self) -> None:
        """Everything comes through, and enough time passes for every deadline and look."""
        self.unavailable = set()
        for connection in self.frozen:
            while connection.frames:
                connection.run_one()
        self._rest()

    def _rest(self) -> None:
        """Past the deadlines of claims, two looks for an owner, and what is remembered."""
        for seconds in (0.0, 16.0, 125.0, 125.0, 16.0, 125.0, 16.0, 2.0, 2.0):
            self.pass_time(seconds)
            for owner in self.owning():
                owner.write(is_end=False)
            if not self.run(rounds=300):
                self.broken.append("the world did not come to rest")
                return

    def unanswered(self) -> list[Start]:
        """Starts that wait for a slot may be left."""
        waiting = sum(len(one.coordinator.machine._waiting) for one in self.workers)
        missing = [one for one in self.published if not self.answers[one]]
        return missing if len(missing) > waiting else []

    def unowned(self) -> list[Lease]:
        owned = {one.lease.number for one in self.owning()}
        return [one for number, one in self.alive.items() if number not in owned]

    def end_all(self) -> None:
        """Those that waited for a slot begin when others have ended."""
        for _ in self.published:
            for owner in self.owning():
                owner.write(is_end=True)
            self.run(rounds=300)
            self.pass_time(4.0)
            self.run(rounds=300)
        self._rest()

    def left_over(self) -> list[object]:
        """One token stays, and nothing else but what bears the number of a lease that is over: the
        slot's next owner acknowledges that."""
        held = [one.body for consumer in self.leases.consumers for one in consumer.unacked.values()]
        tokens = [one for one in held if isinstance(one, Token) and one.term]
        others = [one for one in held if not isinstance(one, Token)]
        in_slots = [
            message.body
            for queue in (*self.states.values(), self.claims, self.starts)
            for message in [
                *queue.ready,
                *(one for consumer in queue.consumers for one in consumer.unacked.values()),
            ]
            if getattr(message.body, "lease", None) not in self.over
            and not isinstance(message.body, Probe)
        ]
        return [*self.alive.values(), *others, *in_slots, *tokens[1:]]


class Worker:
    def __init__(self, world: World) -> None:
        self.world = world
        self.owners: list[Owner] = []
        self.coordinator = Candidate(world)
        self.connection = Connection()
        self.claims = Consumer(self._on_claim)
        self.connection.consume(world.claims, self.claims)

    def connections(self) -> list[Connection]:
        return [self.coordinator.connection, self.connection]

    def _on_claim(self, tag: int, message: Message) -> None:
        if any(one.lease == message.body and not one.is_left for one in self.owners):
            self.connection.ask(lambda: self.world.claims.ack(self.claims, tag))
        else:
            self.owners.append(
                Owner(self, tag, message.body, is_redelivered=message.is_redelivered)
            )

    def on_time(self) -> None:
        self.coordinator.on_time()
        self.owners = [one for one in self.owners if not one.is_left]
        for owner in self.owners:
            owner.on_time()


class Candidate:
    """A worker's connection to the queues of the coordinator."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._begin()

    def _begin(self) -> None:
        self.connection = Connection()
        self.machine = Coordinator(f"c{next(self.world.ids)}", pool=POOL, patience=PATIENCE)
        self.records = Consumer(self._on_record)
        self.starts = Consumer(self._on_start)
        self.uids: dict[int, Start] = {}
        self.connection.consume(self.world.leases, self.records)
        self.feed(office.Consuming())

    def on_time(self) -> None:
        deadline = self.machine.deadline
        if deadline is not None and deadline <= self.world.now:
            self.feed(office.DeadlinePassed())

    def _on_record(self, tag: int, message: Message) -> None:
        self.feed(office.RecordDelivered(tag, message.body, message.is_redelivered))

    def _on_start(self, tag: int, message: Message) -> None:
        self.uids[tag] = message.body
        self.feed(office.StartDelivered(tag, message.body, message.is_redelivered))

    def feed(self, received: office.Input) -> None:
        for output in self.machine.receive(received, self.world.now):
            self._do(output)

    def _do(self, output: office.Output) -> None:  # noqa: C901  # a table
        world, ask = self.world, self.connection.ask
        feed = partial(partial, self.feed)
        match output:
            case office.PublishRecord(record):
                ask(lambda: world.publish_record(record))
            case office.AckRecords(tags):
                ask(lambda: [world.leases.ack(self.records, tag) for tag in tags])
            case office.BeginReading():
                self.connection.consume(world.starts, self.starts)
            case office.Resign():
                self.connection.die()
                self._begin()
            case office.DeclareSlot(slot):
                is_down = slot in world.unavailable
                answer = office.SlotRefused(slot) if is_down else office.SlotDeclared(slot)
                ask(lambda: None, feed(answer))
            case office.OpenSlot(lease, is_new):
                world.opened(lease)
                opening = StateRecord(Kind.OPENING, lease.number)
                binding = (lease.slot, lease.start.stream_id, lease.number)
                ask(lambda: world.states[lease.slot].publish(opening))
                ask(
                    lambda: self._bind(binding) if is_new else None,
                    feed(office.SlotOpened(lease.number)),
                )
            case office.PublishClaim(lease):
                ask(lambda: world.claims.publish(lease), feed(office.ClaimPublished(lease.number)))
            case office.Accept(tag, lease):
                start = self.uids[tag]
                ask(
                    lambda: world.answer(start, "accepted", lease.number),
                    feed(office.Answered(tag)),
                )
            case office.Refuse(tag, start):
                ask(lambda: world.answer(start, "refused", 0), feed(office.Answered(tag)))
            case office.AckStart(tag):
                ask(lambda: world.starts.ack(self.starts, tag))
            case office.LookForOwner(lease):
                ask(lambda: self._look(lease))

    def _bind(self, binding: tuple[int, str, int]) -> None:
        """A binding that a frozen node makes late would stay for ever. It leads to copies that the
        slot's owners discard, unless the same stream leases that slot again."""
        if self.connection.is_alive:
            self.world.bindings.add(binding)

    def _look(self, lease: Lease) -> None:
        if self.connection.is_alive:
            has_owner = bool(self.world.states[lease.slot].consumers)
            self.feed(office.OwnerLooked(lease.number, has_owner))


class Owner:
    """The holder of one claim."""

    def __init__(self, worker: Worker, tag: int, lease: Lease, *, is_redelivered: bool) -> None:
        self.worker, self.world, self.lease = worker, worker.world, lease
        self.connection = worker.connection
        self._claim_tag = tag
        self.machine = Ownership(
            lease.number,
            name=f"o{next(self.world.ids)}",
            patience=PATIENCE,
            is_redelivered=is_redelivered,
            now=self.world.now,
        )
        self.state_queue = self.world.states[lease.slot]
        self.audio_queue = self.world.audio[lease.slot]
        self.state = Consumer(self._on_state)
        self.audio = Consumer(self._on_audio)
        self._held: deque[int] = deque()
        self._covered: dict[int, list[int]] = {}
        self._number = 0
        self._marker: Marker | None = None
        self._unsettled: set[int] = set()
        self._is_clean = True
        self._has_ended = False
        self.connection.consume(self.state_queue, self.state)
        self.feed(owning.Consuming())

    @property
    def is_left(self) -> bool:
        return self.machine.state is Claimed.LEFT

    @property
    def can_write(self) -> bool:
        return self.machine.state is Claimed.OWNING and not self._has_ended

    def write(self, *, is_end: bool) -> None:
        self._number += 1
        self._has_ended = is_end
        kind = Kind.END if is_end else Kind.CHECKPOINT
        record = StateRecord(kind, self.lease.number, self.machine.epoch, self._number)
        self._covered[self._number] = list(self._held)
        self._held.clear()
        self.feed(owning.Writing(self._number))
        self.connection.ask(lambda: self.state_queue.publish(record))

    def on_time(self) -> None:
        deadline = self.machine.deadline
        if deadline is not None and deadline <= self.world.now:
            self.feed(owning.DeadlinePassed())

        if self._marker is not None:
            self._send_marker()  # another consumer may have had the one before

    def _send_marker(self) -> None:
        """Nothing may come before it, or what came may have come again."""
        self._is_clean = True
        marker = self._marker = Marker(next(self.world.ids))
        self.connection.ask(lambda: self.audio_queue.publish(marker))

    def _on_state(self, tag: int, message: Message) -> None:
        self.feed(owning.StateDelivered(tag, message.body, message.is_redelivered))

    def _on_audio(self, tag: int, message: Message) -> None:
        if isinstance(message.body, Marker):
            self._on_marker(tag, message.body)
        elif (
            self.machine.state is Claimed.OWNING
            and message.body.stream == self.lease.start.stream_id
        ):
            self._held.append(tag)
        else:
            self._refuse(tag)

    def _refuse(self, tag: int) -> None:
        self._is_clean = False
        self._unsettled.add(tag)
        self.feed(owning.Unwanted(tag))

    def _discard(self, tags: tuple[int, ...]) -> None:
        for tag in tags:
            self._ack_audio(tag)
        self._unsettled.difference_update(tags)
        if self._marker is not None and not self._unsettled:
            self._send_marker()

    def _on_marker(self, tag: int, marker: Marker) -> None:
        self._ack_audio(tag)
        if marker == self._marker and self._is_clean and not self._unsettled:
            self._marker = None
            self.feed(owning.StepDone())

    def _ack_audio(self, tag: int) -> None:
        def ack() -> None:
            message = self.audio_queue.ack(self.audio, tag)
            if message is not None and isinstance(message.body, Audio):
                self.world.took_away(self.lease.slot, message.body, self.lease.number)

        self.connection.ask(ack)

    def feed(self, received: owning.Input) -> None:
        for output in self.machine.receive(received, self.world.now):
            self._do(output)

    def _do(self, output: owning.Output) -> None:  # noqa: C901  # a table
        world, ask = self.world, self.connection.ask
        done = partial(self.feed, owning.StepDone())
        match output:
            case owning.PublishProbe(probe):
                ask(lambda: self.state_queue.publish(probe))
            case owning.AckState(tags):
                ask(lambda: [self.state_queue.ack(self.state, tag) for tag in tags])
            case owning.WriteFence(epoch, number):
                fence = StateRecord(Kind.FENCE, self.lease.number, epoch, number)
                ask(lambda: self.state_queue.publish(fence))
            case owning.OpenAudio(epoch):
                world.saved(self.lease.number, epoch, self)
                self.connection.consume(self.audio_queue, self.audio)
            case owning.Saved(number):
                self._saved(number)
            case owning.Discard(tags):
                self._discard(tags)
            case owning.ReportMissing():
                ask(lambda: world.publish_record(StateMissing(self.lease.number)), done)
            case owning.Announce():
                ask(lambda: None, done)
            case owning.Unbind():
                binding = (self.lease.slot, self.lease.start.stream_id, self.lease.number)
                ask(lambda: world.bindings.discard(binding), done)
            case owning.EmptySlot():
                self._empty()
            case owning.ReleaseLease():
                ask(lambda: world.publish_record(LeaseEnded(self.lease.number)), done)
            case owning.DropClaim() | owning.ReturnClaim() | owning.Yield():
                self._leave(is_over=isinstance(output, owning.DropClaim))

    def _saved(self, number: int) -> None:
        self.world.saved(self.lease.number, self.machine.epoch, self)
        for tag in self._covered.pop(number):
            message = self.audio.unacked.get(tag)
            if message is not None:
                self.world.heard(message.body, self.lease.number)
            self._ack_audio(tag)

    def _empty(self) -> None:
        self.connection.consume(self.audio_queue, self.audio)
        self._send_marker()
        for tag in self._held:
            self._refuse(tag)
        self._held.clear()

    def _leave(self, *, is_over: bool) -> None:
        claims, consumer, tag = self.world.claims, self.worker.claims, self._claim_tag

        def settle() -> None:
            message = claims.ack(consumer, tag)
            if message is not None and not is_over:
                message.is_redelivered = True
                claims.ready.appendleft(message)

        self.connection.leave(self.audio_queue, self.audio)
        self.connection.leave(self.state_queue, self.state)
        self.connection.ask(settle)

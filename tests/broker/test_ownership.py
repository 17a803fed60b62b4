"""A stream has one owner at a time, whoever claims it, dies or lingers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiormq
import pytest
from pamqp import commands as spec
from tests.support.broker import Namespace
from tests.support.owners import NAMES, ByHand, RunningManager, by_hand, running_manager
from tests.support.relay import relaying
from tests.support.speaker import Speaker, said, speaking

from speechmq.broker.amqp.plane import open_plane
from speechmq.broker.stream.ownership import acquire, release
from speechmq.errors import BrokerError, StreamOwned
from speechmq.settings import BrokerSettings
from speechmq.telemetry.trace_context import context_of
from speechmq_emulator.server import Emulator, serve
from speechmq_schemas import StreamFailed

pytestmark = pytest.mark.timeout(120)
NUMBERS = list(range(20))


def settings(url: str) -> BrokerSettings:
    return BrokerSettings.model_validate({"url": url, "heartbeat": 1})


def is_settled(queues: dict[str, Any]) -> bool:
    """No claim, no queue of a stream, no owner."""
    claims = queues[NAMES.claims]
    kinds = {name.removeprefix("speechmq.").split(".")[0] for name in queues}
    return not kinds & {"stream", "state", "memo", "owner"} and (claims.ready, claims.unacked) == (
        0,
        0,
    )


async def until(condition: Callable[[], bool], within: float = 20.0) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def epochs(speaker: Speaker, stream_id: str) -> list[int]:
    """Of the stream's own events in order of arrival, each epoch once for each time it begins."""
    seen: list[int] = []
    for heard in speaker.ears.streams[stream_id]:
        epoch = heard.place[0]
        if epoch and seen[-1:] != [epoch]:
            seen.append(epoch)
    return seen


@asynccontextmanager
async def stage(namespace: Namespace) -> AsyncIterator[tuple[Emulator, ByHand, Speaker]]:
    """All but the owners."""
    async with (
        serve("ledger") as upstream,
        by_hand(namespace.url) as hand,
        speaking(namespace.url) as speaker,
    ):
        yield upstream, hand, speaker


# -- the lock --------------------------------------------------------------------------------------


async def test_stream_is_owned_by_exactly_one_of_two_that_want_it_at_once(
    namespace: Namespace,
) -> None:
    async with (
        open_plane(settings(namespace.url)) as one,
        open_plane(settings(namespace.url)) as other,
    ):
        for number in range(50):
            stream_id = f"s{number}"
            got = await asyncio.gather(
                acquire(one, NAMES, stream_id),
                acquire(other, NAMES, stream_id),
                return_exceptions=True,
            )
            assert Counter(map(type, got)) == {type(None): 1, StreamOwned: 1}


async def test_stream_is_free_for_another_once_it_was_disowned(namespace: Namespace) -> None:
    async with (
        open_plane(settings(namespace.url)) as one,
        open_plane(settings(namespace.url)) as other,
    ):
        await acquire(one, NAMES, "s")
        with pytest.raises(StreamOwned):
            await acquire(other, NAMES, "s")
        await release(one, NAMES, "s")
        await acquire(other, NAMES, "s")


async def test_stream_is_free_when_its_owners_connection_breaks_and_all_it_published_is_there(
    namespace: Namespace,
) -> None:
    """The next owner reads the state: nothing of the last may come in behind that."""
    async with AsyncExitStack() as later, relaying(namespace.url) as relay:
        other = await later.enter_async_context(open_plane(settings(namespace.url)))
        channel = await other.channel()
        for number in range(10):
            queue = f"q{number}"
            await channel.queue_declare(queue)
            one = await later.enter_async_context(open_plane(settings(relay.url)))
            await acquire(one, NAMES, "s")
            busy = asyncio.create_task(publish_for_ever(one, queue))
            await until_published(channel, queue)
            relay.cut()
            await until_owned(other)
            await channel.basic_publish(b"behind", routing_key=queue)
            assert await last_message(channel, queue) == b"behind"
            await release(other, NAMES, "s")
            with pytest.raises(Exception, match=r".*"):  # whatever the client makes of the loss
                await busy


async def publish_for_ever(plane: Any, queue: str) -> None:
    channel = await plane.channel()
    while True:
        await asyncio.gather(
            *(channel.basic_publish(b"before", routing_key=queue) for _ in range(20))
        )


async def until_published(channel: Any, queue: str) -> None:
    async with asyncio.timeout(10):
        while not (await channel.queue_declare(queue, passive=True)).message_count:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def until_owned(plane: Any) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await acquire(plane, NAMES, "s")
            except StreamOwned:
                continue
            return


async def last_message(channel: aiormq.abc.AbstractChannel, queue: str) -> bytes:
    body = b""
    while (found := await channel.basic_get(queue, no_ack=True)).body or found.delivery_tag:
        body = bytes(found.body)
        if not found.message_count:
            break
    return body


# -- two claims ------------------------------------------------------------------------------------


async def test_two_claims_of_one_stream_in_two_workers_make_one_owner(namespace: Namespace) -> None:
    async with (
        stage(namespace) as (upstream, hand, speaker),
        running_manager(namespace.url, upstream.url, worker={"capacity": 1}),
        running_manager(namespace.url, upstream.url, worker={"capacity": 1}),
    ):
        for number in range(8):
            stream_id = f"s{number}"
            await hand.admit(stream_id, claims=2)
            await speaker.say(stream_id, NUMBERS)
            await speaker.ears.until_over(stream_id)
            await namespace.wait_for_queues(is_settled)
            kinds = Counter(type(event).__name__ for event in speaker.ears.of(stream_id))
            assert (kinds["StreamStarted"], kinds["StreamResumed"], kinds["StreamEnded"]) == (
                1,
                0,
                1,
            )
            assert speaker.ears.words(stream_id) == said(NUMBERS)
            assert len(epochs(speaker, stream_id)) == 1
        assert (await namespace.queues())[NAMES.dead].ready == 0


async def test_second_claim_that_comes_when_its_stream_is_over_is_dropped_without_a_word(
    namespace: Namespace,
) -> None:
    async with (
        stage(namespace) as (upstream, hand, speaker),
        running_manager(namespace.url, upstream.url),
    ):
        await hand.admit("s")
        await speaker.say("s", NUMBERS)
        await speaker.ears.until_over("s")
        await namespace.wait_for_queues(is_settled)
        await hand.claim("s")
        await namespace.wait_for_queues(is_settled)
        await hand.admit("behind")
        await end(speaker, "behind")
        kinds = [type(event).__name__ for event in speaker.ears.of("s")]
        assert (kinds[-1], kinds.count("StreamFailed")) == ("StreamEnded", 0)


async def test_id_that_is_used_again_while_its_worker_clears_up_behind_the_last_is_another_stream(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_leave = asyncio.Event()

    async def release_late(*about: Any) -> None:
        await may_leave.wait()
        await release(*about)

    monkeypatch.setattr("speechmq.worker.owner.release", release_late)
    async with (
        stage(namespace) as (upstream, hand, speaker),
        running_manager(namespace.url, upstream.url) as worker,
    ):
        await hand.admit("s")
        await speaker.say("s", NUMBERS)
        await namespace.wait_for_queues(lambda queues: NAMES.state("s") not in queues)
        await hand.admit("s")
        await until(lambda: len(worker.manager._serving) == 2)
        may_leave.set()
        await until(lambda: running(worker, "s"))
        await speaker.say("s", NUMBERS)
        await speaker.ears.wait_for(lambda: len(speaker.ears.of("s", "StreamEnded")) == 2)
        assert speaker.ears.words("s") == said(NUMBERS) * 2
        await namespace.wait_for_queues(is_settled)


@pytest.mark.parametrize("was_owned", [True, False])
async def test_stream_whose_queue_expired_before_its_state_is_told_whoever_had_it(
    namespace: Namespace, was_owned: bool
) -> None:
    async with (
        stage(namespace) as (upstream, hand, speaker),
    ):
        await hand.admit("s")
        if was_owned:
            async with running_manager(namespace.url, upstream.url) as first:
                await until(lambda: running(first, "s"))
                await first.die()
        await hand.channel.queue_delete(NAMES.stream("s"))
        async with running_manager(namespace.url, upstream.url):
            await speaker.ears.until_over("s")
            await namespace.wait_for_queues(is_settled)
        assert [one.code for one in speaker.ears.of("s", "StreamFailed")] == ["queue_lost"]


async def owner_and_other(
    one: RunningManager, other: RunningManager, stream_id: str
) -> tuple[RunningManager, RunningManager]:
    """Of two managers that both have a claim: who runs the stream, and who waits."""

    def runs(manager: RunningManager) -> bool:
        owner = manager.manager._owners.get(stream_id)
        return owner is not None and owner._runner is not None

    await until(lambda: len(one.streams) == len(other.streams) == 1)
    await until(lambda: runs(one) or runs(other))
    return (one, other) if runs(one) else (other, one)


@pytest.mark.parametrize("who_dies", ["owner", "other"])
async def test_stream_with_two_claims_goes_on_when_one_of_their_workers_dies(
    namespace: Namespace, who_dies: str
) -> None:
    async with (
        stage(namespace) as (upstream, hand, speaker),
        running_manager(namespace.url, upstream.url, broker={"heartbeat": 10}) as one,
        AsyncExitStack() as later,
    ):
        one_claim = {"worker": {"capacity": 1}, "broker": {"heartbeat": 10}}
        await hand.admit("x")  # takes a place, so that each gets one claim of the other stream
        await until(lambda: one.streams == ["x"])
        await end(speaker, "x")
        await until(lambda: one.streams == [])
        other = await later.enter_async_context(
            running_manager(namespace.url, upstream.url, **one_claim)
        )
        await hand.admit("s", claims=2)
        owner, waits = await owner_and_other(one, other, "s")
        seq = await speaker.say("s", NUMBERS[:10], finish=False)
        await speaker.ears.wait_for(lambda: len(speaker.ears.words("s")) >= 5)
        await (owner if who_dies == "owner" else waits).die()
        await speaker.say("s", NUMBERS[10:], first_seq=seq)
        await speaker.ears.until_over("s")
        await namespace.wait_for_queues(is_settled, within=45.0)
        assert speaker.ears.words("s") == said(NUMBERS)
        assert epochs(speaker, "s") == sorted(set(epochs(speaker, "s")))
        assert len(speaker.ears.of("s", "StreamEnded")) == 1
        assert (await namespace.queues())[NAMES.dead].ready == 0


async def end(speaker: Speaker, stream_id: str) -> None:
    await speaker.say(stream_id, [1])
    await speaker.ears.until_over(stream_id)


async def test_state_is_not_touched_by_one_who_is_not_the_owner(namespace: Namespace) -> None:
    async with (
        serve("ledger") as upstream,
        by_hand(namespace.url) as hand,
        open_plane(settings(namespace.url)) as stranger,
    ):
        await acquire(stranger, NAMES, "s")
        queues = await hand.admit("s")
        async with running_manager(
            namespace.url, upstream.url, broker={"heartbeat": 10}
        ) as manager:
            await until(lambda: manager.streams == ["s"])
            await manager.manager.drain("enough")
            state = await hand.channel.basic_get(queues.state.name)
            assert state.delivery_tag is None
        assert upstream.sessions == ()
        claims = await hand.channel.queue_declare(NAMES.claims, passive=True)
        assert claims.message_count == 1


async def test_new_claim_whose_stream_keeps_another_owner_is_dropped(namespace: Namespace) -> None:
    async with (
        serve("ledger") as upstream,
        by_hand(namespace.url) as hand,
        open_plane(settings(namespace.url)) as stranger,
        running_manager(namespace.url, upstream.url),
    ):
        await acquire(stranger, NAMES, "s")
        await hand.admit("s")
        await namespace.wait_for_queues(
            lambda queues: (queues[NAMES.claims].ready, queues[NAMES.claims].unacked) == (0, 0)
        )


async def test_claim_that_had_an_owner_before_is_never_dropped_for_another_owner(
    namespace: Namespace,
) -> None:
    """The other may be a ghost that the broker has not removed yet."""
    async with (
        stage(namespace) as (upstream, hand, speaker),
        open_plane(settings(namespace.url)) as ghost,
    ):
        await acquire(ghost, NAMES, "s")
        await hand.admit("s")
        claim = await hand.channel.basic_get(NAMES.claims)
        await hand.channel.basic_reject(claim.delivery_tag or 0, requeue=True)
        async with running_manager(namespace.url, upstream.url) as manager:
            tried: set[int] = set()

            def tried_twice() -> bool:
                tried.update(id(owner) for owner in manager.manager._owners.values())
                return len(tried) > 1

            await until(tried_twice)
            await release(ghost, NAMES, "s")
            await speaker.say("s", NUMBERS)
            await speaker.ears.until_over("s")
            await namespace.wait_for_queues(is_settled)
        assert speaker.ears.words("s") == said(NUMBERS)


# -- letting go ------------------------------------------------------------------------------------


async def test_stop_while_a_claim_waits_for_its_stream_leaves_the_claim(
    namespace: Namespace,
) -> None:
    async with (
        serve("ledger") as upstream,
        by_hand(namespace.url) as hand,
        open_plane(settings(namespace.url)) as stranger,
    ):
        await acquire(stranger, NAMES, "s")
        await hand.admit("s")
        async with running_manager(namespace.url, upstream.url) as manager:
            await until(lambda: manager.streams == ["s"])
        claims = await hand.channel.queue_declare(NAMES.claims, passive=True)
        assert claims.message_count == 1


async def test_claim_that_returns_at_once_to_the_worker_that_gave_it_back_is_served(
    namespace: Namespace,
) -> None:
    """The broker closes the stream's channel again and again; each time the claim goes round."""
    async with (
        stage(namespace) as (upstream, hand, speaker),
        running_manager(namespace.url, upstream.url) as manager,
    ):
        ears = speaker.ears
        await hand.admit("s")
        for count in range(1, 4):
            # Nothing of the worker's may be on its way in a channel that is closed under it.
            await ears.wait_for(
                lambda count=count: (  # type: ignore[misc]
                    len(ears.of("s", "StreamStarted", "StreamResumed")) == count
                )
            )
            runner = manager.manager._owners["s"]._runner
            assert runner is not None
            await runner._queue.channel.basic_ack(4711)
            await until(lambda runner=runner: current(manager, "s") is not runner)  # type: ignore[misc]
        await speaker.say("s", NUMBERS)
        await speaker.ears.until_over("s")
        await namespace.wait_for_queues(is_settled)
        assert speaker.ears.words("s") == said(NUMBERS)


def current(manager: RunningManager, stream_id: str) -> object:
    owner = manager.manager._owners.get(stream_id)
    return owner._runner if owner is not None else None


def running(manager: RunningManager, stream_id: str) -> bool:
    return current(manager, stream_id) is not None


async def test_queue_that_is_deleted_under_its_owner_is_told_and_nothing_stays(
    namespace: Namespace,
) -> None:
    """What the owner says of it is in the trace that its claim carries."""
    context = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    async with (
        stage(namespace) as (upstream, hand, speaker),
        running_manager(namespace.url, upstream.url) as manager,
    ):
        await hand.admit("s", context=context)
        await until(lambda: running(manager, "s"))
        await hand.channel.queue_delete(NAMES.stream("s"))
        await speaker.ears.until_over("s")
        await namespace.wait_for_queues(is_settled)
        codes = [one.code for one in speaker.ears.of("s", "StreamFailed")]
        assert codes == ["queue_lost"]
        assert context_of(speaker.ears.streams["s"][-1].message.headers) == context


async def test_full_queue_of_a_consumer_keeps_no_failure_from_being_settled(
    namespace: Namespace,
) -> None:
    """Its nack of one stream's last word must not cost the other streams their connection."""
    async with (
        stage(namespace) as (upstream, hand, speaker),
        running_manager(namespace.url, upstream.url) as manager,
    ):
        arguments: dict[str, Any] = {"x-max-length": 1, "x-overflow": "reject-publish"}
        full = await speaker.channel.declare_queue("full", arguments=arguments)
        await full.bind(NAMES.events, "stream.failed.#")
        for stream_id in ("a", "b", "c"):
            await break_state(hand, stream_id)
            await speaker.ears.until_over(stream_id)
        await namespace.wait_for_queues(is_settled)
        assert not manager.task.done()
        failed: list[StreamFailed] = speaker.ears.of("c", "StreamFailed")
        assert [one.code for one in failed] == ["state_lost"]


async def break_state(hand: ByHand, stream_id: str) -> None:
    """The stream is admitted with a state that nobody can read."""
    queues = await hand.admit(stream_id, claims=0)
    properties = spec.Basic.Properties(user_id=hand.channel.users.own)
    await hand.channel.basic_publish(b"{}", routing_key=queues.state.name, properties=properties)
    await hand.admit(stream_id)


async def test_lock_that_cannot_be_let_go_ends_the_connection_that_holds_it(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim that went back before would find the stream owned while the worker lives."""

    async def no_answer(*_: object) -> None:
        raise BrokerError("no answer")

    async with (
        stage(namespace) as (upstream, hand, speaker),
    ):
        await hand.admit("s")
        async with running_manager(namespace.url, upstream.url) as manager:
            await until(lambda: running(manager, "s"))
            monkeypatch.setattr("speechmq.worker.owner.release", no_answer)
            await manager.manager.drain("enough")
            await asyncio.wait([manager.task], timeout=10)
            with pytest.raises(ExceptionGroup):
                manager.task.result()
            manager.task = asyncio.create_task(asyncio.sleep(0))
            monkeypatch.undo()
            await manager.plane._connection.close()
        async with running_manager(namespace.url, upstream.url):
            await speaker.say("s", NUMBERS)
            await speaker.ears.until_over("s")
        assert speaker.ears.words("s") == said(NUMBERS)

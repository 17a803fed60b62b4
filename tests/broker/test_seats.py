"""Streams of one user at once: a bound that holds over all workers, and outlives any of them."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from tests.support.broker import Namespace, user
from tests.support.scene import scene
from tests.support.speaker import Speaker, said, speaking, start_of
from tests.support.worker import running_worker
from yarl import URL

from speechmq.broker import topology
from speechmq.broker.amqp.plane import DataPlane, open_plane
from speechmq.broker.control.admission import Admission
from speechmq.broker.control.seats import Seats, seats_of
from speechmq.settings import BrokerSettings, Settings
from speechmq_emulator.server import serve
from speechmq_schemas import (
    AmqpMessage,
    ContractError,
    EndStream,
    Names,
    StreamFailed,
    from_command,
)

pytestmark = pytest.mark.timeout(120)
EVERYTHING = {"configure": ".*", "write": ".*", "read": ".*"}


def limited(streams: int) -> dict[str, str]:
    return {"SPEECHMQ_LIMITS__STREAMS_PER_USER": str(streams)}


async def start_as(speaker: Speaker, name: str | None, *stream_ids: str) -> None:
    for stream_id in stream_ids:
        message = from_command(stream_id, start_of(stream_id))
        await speaker.publish(replace(message, user_id=name))


async def until_judged(speaker: Speaker, stream_ids: Sequence[str]) -> list[str]:
    """Those that were accepted, once each has been accepted or refused."""
    kinds = ("StreamAccepted", "StreamFailed")
    ears = speaker.ears
    await ears.wait_for(lambda: all(ears.of(one, *kinds) for one in stream_ids))
    return [one for one in stream_ids if ears.of(one, "StreamAccepted")]


async def start_until_accepted(speaker: Speaker, name: str) -> str:
    """A worker that has just seen a user without a seat does not look again for a moment."""
    for number in itertools.count():
        await start_as(speaker, name, f"later{number}")
        if await until_judged(speaker, [f"later{number}"]):
            return f"later{number}"
        await asyncio.sleep(0.1)
    raise AssertionError


def user_of(url: str) -> str:
    return URL(url).user or ""


async def no_seats(namespace: Namespace) -> None:
    await namespace.wait_for_queues(lambda queues: not any(".seat." in name for name in queues))


async def test_user_has_so_many_streams_whichever_workers_they_are_with(
    namespace: Namespace,
) -> None:
    wanted = [f"s{number}" for number in range(12)]
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url, **limited(5)),
        running_worker(namespace.url, upstream.url, **limited(5)),
        speaking(namespace.url) as speaker,
    ):
        me = user_of(namespace.url)
        await start_as(speaker, me, *wanted)
        accepted = await until_judged(speaker, wanted)
        refused = [one for one in wanted if one not in accepted]
        await asyncio.gather(*(speaker.say(one, [1, 2, 3]) for one in accepted))
        await speaker.ears.until_over(*accepted)
        await no_seats(namespace)
        letters = await namespace.wait_for_queues(lambda queues: queues["speechmq.dead"].ready == 7)
        later = await start_until_accepted(speaker, me)
        await speaker.say(later, [4])
        await speaker.ears.until_over(later)
    assert (len(accepted), letters["speechmq.dead"].ready) == (5, 7)
    assert [speaker.ears.words(one) for one in accepted] == [said([1, 2, 3])] * 5
    assert speaker.ears.words(later) == said([4])
    [failed] = speaker.ears.of(refused[0], "StreamFailed")
    assert failed == StreamFailed(
        stream_id=refused[0],
        code="too_many_streams",
        reason=f"the user {me!r} has 5 streams, as many as one user may have at once; start this "
        "one when another has ended, or raise SPEECHMQ_LIMITS__STREAMS_PER_USER",
        retryable=True,
    )


async def test_users_do_not_take_up_each_others_streams(namespace: Namespace) -> None:
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url, **limited(1)),
        user(namespace, "other", EVERYTHING) as other,
        speaking(namespace.url) as mine,
        speaking(other) as theirs,
    ):
        await start_as(mine, user_of(namespace.url), "one", "two")
        await start_as(theirs, user_of(other), "three", "four")
        assert len(await until_judged(mine, ["one", "two"])) == 1
        assert len(await until_judged(theirs, ["three", "four"])) == 1


async def test_starts_that_do_not_say_whose_they_are_have_as_many_seats_as_one_user(
    namespace: Namespace,
) -> None:
    """To leave the user out is no way around the bound, and takes no seat of a named user."""
    async with scene(namespace, **limited(1)) as (_, speaker):
        await start_as(speaker, None, "one", "two")
        accepted = await until_judged(speaker, ["one", "two"])
        await start_as(speaker, user_of(namespace.url), "three")
        assert await until_judged(speaker, ["three"]) == ["three"]
    assert len(accepted) == 1
    [refused] = {"one", "two"} - set(accepted)
    [failed] = speaker.ears.of(refused, "StreamFailed")
    assert failed.reason.startswith("starts without the property user_id have 1 streams")


async def test_start_that_comes_twice_takes_one_seat(namespace: Namespace) -> None:
    async with scene(namespace, **limited(2)) as (_, speaker):
        me = user_of(namespace.url)
        await start_as(speaker, me, "one", "one", "two")
        assert await until_judged(speaker, ["one", "two"]) == ["one", "two"]
        await start_as(speaker, me, "three")
        assert await until_judged(speaker, ["three"]) == []


async def test_stream_keeps_its_seat_when_its_worker_is_killed(namespace: Namespace) -> None:
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url, **limited(1)) as first,
        speaking(namespace.url) as speaker,
    ):
        me, ears = user_of(namespace.url), speaker.ears
        await start_as(speaker, me, "one")
        await ears.wait_for(lambda: ears.of("one", "StreamStarted") != [])
        first.kill()
        async with running_worker(namespace.url, upstream.url, **limited(1)):
            await start_as(speaker, me, "two")
            assert await until_judged(speaker, ["two"]) == []
            await speaker.send("one", EndStream(seq=1))
            await ears.until_over("one")
            await no_seats(namespace)


@asynccontextmanager
async def seats_on(plane: DataPlane, limit: int) -> AsyncIterator[Seats]:
    yield Seats(plane, Names(), limit=limit, expires=3600.0, clock=time.monotonic)


async def test_seat_that_another_stream_has_by_now_is_not_freed(namespace: Namespace) -> None:
    async with (
        open_plane(BrokerSettings.model_validate({"url": namespace.url})) as plane,
        seats_on(plane, 1) as seats,
    ):
        seat = await seats.take("me", "one")
        assert seat is not None
        assert await seats.take("me", "one") == seat
        await seats.free(seat, "one")
        assert await seats.take("me", "two") == seat
        await seats.free(seat, "one")
        with pytest.raises(ContractError, match="has 1 streams"):
            await seats.take("me", "three")


@asynccontextmanager
async def admission_on(namespace: Namespace, limit: int) -> AsyncIterator[tuple[Admission, Seats]]:
    """Without a worker: nobody takes claims."""
    settings = Settings.model_validate(
        {"broker": {"url": namespace.url}, "limits": {"streams_per_user": limit}}
    )
    async with open_plane(settings.broker) as plane:
        await topology.declare(await plane.channel(), topology.shared(Names(), "quorum"))
        seats = seats_of(plane, settings, time.monotonic)
        yield Admission(plane, settings, lambda _: None, seats), seats


async def beside(seats: Seats, seat: str) -> str:
    """A stream, not yet there, that would have this seat if it could choose."""
    for number in itertools.count():
        got = await seats.take("me", f"other{number}")
        await seats.free(got or "", f"other{number}")
        if got == seat:
            return f"other{number}"
    raise AssertionError


def start_message(stream_id: str, **config: Any) -> AmqpMessage:
    return replace(from_command(stream_id, start_of(stream_id, **config)), user_id="me")


async def seats_in(namespace: Namespace) -> set[str]:
    return {name for name in await namespace.queues() if ".seat." in name}


async def test_start_that_is_delivered_again_keeps_its_seat_when_a_better_one_is_free(
    namespace: Namespace,
) -> None:
    """Its worker was killed in mid-admission; the seat would stay for an hour."""
    async with admission_on(namespace, 2) as (admission, seats):
        best = await seats.take("me", "one")
        await seats.free(best or "", "one")
        other = await beside(seats, best or "")
        await seats.take("me", other)
        await admission.admit(start_message("one"), redelivered=False)
        await seats.free(best or "", other)
        await admission.admit(start_message("one"), redelivered=True)
        await seats.take("me", other)
        assert len(await seats_in(namespace)) == 2
        with pytest.raises(ContractError):
            await seats.take("me", "third")


async def test_other_start_for_a_live_stream_leaves_the_streams_seat(namespace: Namespace) -> None:
    async with admission_on(namespace, 1) as (admission, seats):
        await admission.admit(start_message("one"), redelivered=False)
        await admission.admit(start_message("one", language="de"), redelivered=True)
        with pytest.raises(ContractError):
            await seats.take("me", "two")


async def test_user_without_a_seat_is_refused_without_a_look_at_each_for_a_moment(
    namespace: Namespace,
) -> None:
    now = 0.0
    async with open_plane(BrokerSettings.model_validate({"url": namespace.url})) as plane:
        seats = Seats(plane, Names(), limit=1, expires=3600.0, clock=lambda: now)
        seat = await seats.take("me", "one")
        for stream_id in ("two", "three"):
            with pytest.raises(ContractError):
                await seats.take("me", stream_id)
            await seats.free(seat or "", "one")  # which the next one does not see yet
        assert await seats.take("you", "two") is not None
        now = 1.0
        assert await seats.take("me", "two") == seat

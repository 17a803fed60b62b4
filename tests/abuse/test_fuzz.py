"""A publisher's user fuzzes every queue of the system for a minute, by every key that it may write
to and every header that RabbitMQ or a worker could route by.

No event is forged, and no stream of another is touched. Shorter or longer with
``SPEECHMQ_FUZZ_SECONDS``.
"""

from __future__ import annotations

import asyncio
import os
import random

import pytest
from tests.abuse.test_forged_routing import (
    CAPTIONS,
    TARGETS,
    Roles,
    declare_captions,
    drained,
    forged_headers,
    hostile_scene,
    roles,
)
from tests.abuse.test_publisher_garbage import BODIES, HEADERS, KEYS, TYPES
from tests.support.broker import Namespace
from tests.support.siege import bystanders, nothing_is_stuck
from tests.support.speaker import Speaker

from speechmq_schemas import AmqpMessage
from speechmq_schemas.replies import REPLIES

__all__ = ["roles"]  # the fixture

SECONDS = float(os.environ.get("SPEECHMQ_FUZZ_SECONDS", "60"))
SEED = int(os.environ.get("SPEECHMQ_FUZZ_SEED", "7"))
A_SECOND = 20
"""Messages: each refused one is a dead letter, and those are not bounded."""

pytestmark = pytest.mark.timeout(SECONDS * 2 + 180)


def fuzzed(chance: random.Random) -> AmqpMessage:
    """None is for the victim's key, which a publisher of its vhost may write to."""
    headers = {**chance.choice(HEADERS), **forged_headers(chance.choice(TARGETS))}
    headers["CC"] = chance.sample(TARGETS, 3)
    if chance.random() < 0.5:
        headers["seq"] = chance.choice([-1, "1", 2**62, None])
    body = chance.choice(list(BODIES.values()))
    target = chance.choice(TARGETS)
    return AmqpMessage(
        chance.choice(KEYS),
        chance.choice(TYPES),
        body[: chance.randrange(len(body) + 1)],
        headers,
        correlation_id="victim",
        reply_to=chance.choice([None, target, "amq.rabbitmq.reply-to.forged"]),
    )


async def fuzz(speaker: Speaker) -> int:
    """How many were sent."""
    chance, loop = random.Random(SEED), asyncio.get_running_loop()
    began, sent = loop.time(), 0
    while loop.time() - began < SECONDS:
        await speaker.publish(fuzzed(chance))
        sent += 1
        await asyncio.sleep(max(0.0, began + sent / A_SECOND - loop.time()))
    return sent


async def test_fuzz_of_every_queue_forges_no_event_and_touches_no_stream(
    namespace: Namespace, roles: Roles
) -> None:
    async with hostile_scene(namespace, roles) as speaker:
        await declare_captions(roles.consumer)
        words = range(max(10, int(SECONDS * 5)))
        async with bystanders(speaker, "victim", numbers=words, speed=1.0):
            sent = await fuzz(speaker)
        await nothing_is_stuck(namespace)
    assert sent > SECONDS * A_SECOND / 4
    # A worker answers to whatever queue of a consumer a question names: no event is among it.
    assert {kind for kind, _ in await drained(namespace.url, CAPTIONS)} <= {*REPLIES}
    events = [one for heard in speaker.ears.streams.values() for one in heard]
    assert {one.message.headers.get("x-speechmq-seat") for one in events} == {None}
    assert all(int(one.message.headers.get("epoch", 0)) < 2**52 for one in events)

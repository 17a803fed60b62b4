"""The users of docker-compose.yml: each can do its work, and nothing beyond it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aio_pika
import aiormq
import pytest
import yaml
from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused
from pamqp import commands as spec
from tests.support.broker import Namespace, user
from tests.support.broker_management import ManagementApi
from tests.support.speaker import BLOCK_SECONDS, RATE, Ears, Speaker, said
from tests.support.worker import running_worker

from speechmq.broker.topology import declare, shared, transcript_log
from speechmq.commandline.connection import connected
from speechmq.commandline.status import ask_status
from speechmq.commandline.subscription import replay, subscribe
from speechmq_emulator.ledger import encode
from speechmq_emulator.server import serve
from speechmq_schemas import Names, StreamStatus

pytestmark = pytest.mark.timeout(180)

COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"
Attempt = Callable[[AbstractChannel], Awaitable[object]]


def shipped_permissions() -> dict[str, dict[str, str]]:
    """Of each user in the vhost `speechmq`. Compose reads `$$` as `$`."""
    text = yaml.safe_load(COMPOSE.read_text())["configs"]["rabbitmq-definitions"]["content"]
    listed: list[dict[str, str]] = json.loads(text.replace("$$", "$"))["permissions"]
    patterns = ("configure", "write", "read")
    return {
        one["user"]: {pattern: one[pattern] for pattern in patterns}
        for one in listed
        if one["vhost"] == "speechmq"
    }


@pytest.fixture
async def urls(namespace: Namespace) -> AsyncIterator[dict[str, str]]:
    """By role, in a vhost that has what a worker declares and a stream's queue."""
    rights = shipped_permissions()
    async with AsyncExitStack() as stack:
        yield {
            role: await stack.enter_async_context(user(namespace, role, rights[f"speechmq-{role}"]))
            for role in ("worker", "publisher", "consumer")
        }


@pytest.fixture
async def declared(urls: dict[str, str]) -> None:
    """What is there while a stream runs, declared by the worker's user."""
    async with await aio_pika.connect(urls["worker"]) as connection:
        channel = await (await connection.channel()).get_underlay_channel()
        await declare(channel, shared(Names(), "quorum"))
        for queue in ("speechmq.stream.one", "speechmq.state.one"):
            await channel.queue_declare(queue, durable=True)


def consume(queue: str) -> Attempt:
    async def ignore(_: object) -> None: ...

    return lambda channel: channel.basic_consume(queue, ignore)


def get(queue: str) -> Attempt:
    return lambda channel: channel.basic_get(queue)


def publish(exchange: str, key: str) -> Attempt:
    return lambda channel: channel.basic_publish(b"", exchange=exchange, routing_key=key)


def declare_queue(queue: str, **arguments: Any) -> Attempt:
    return lambda channel: channel.queue_declare(queue, arguments=arguments)


def declare_exchange(name: str, **arguments: Any) -> Attempt:
    return lambda channel: channel.exchange_declare(
        name, exchange_type="topic", durable=True, arguments=arguments
    )


def own_queue_bound(exchange: str) -> Attempt:
    async def attempt(channel: AbstractChannel) -> None:
        declared = await channel.queue_declare(exclusive=True)
        await channel.queue_bind(declared.queue or "", exchange, "#")

    return attempt


READ = [consume, get]
QUEUES = ["start", "early", "claims", "dead", "stream.one", "state.one"]
FOREIGN: dict[str, Attempt] = {
    **{f"{how.__name__} {queue}": how(f"speechmq.{queue}") for how in READ for queue in QUEUES},
    "purge": lambda channel: channel.queue_purge("speechmq.claims"),
    "delete a queue": lambda channel: channel.queue_delete("speechmq.dead"),
    "delete an exchange": lambda channel: channel.exchange_delete("speechmq.events"),
    "declare a queue": declare_queue("speechmq.stream.two"),
    "take the lock of a stream": lambda channel: channel.queue_declare(
        "speechmq.owner.one", exclusive=True
    ),
    "declare an exchange": declare_exchange("speechmq.other"),
    "publish an event": publish("speechmq.events", "transcript.final.one"),
    "publish unrouted": publish("speechmq.unrouted", "stream.one"),
    "publish to a queue": publish("", "speechmq.claims"),
    "publish to amq.topic": publish("amq.topic", "x"),
    "listen to audio": own_queue_bound("speechmq.in"),
    "bind a queue of a stream": lambda channel: channel.queue_bind(
        "speechmq.stream.one", "speechmq.events", "#"
    ),
}
BEYOND = {
    "publisher": FOREIGN
    | {
        "listen to events": own_queue_bound("speechmq.events"),
        "declare a queue of its own": declare_queue("mine"),
    },
    "consumer": FOREIGN
    | {
        "publish a start": publish("speechmq.in", "start"),
        "publish audio": publish("speechmq.in", "stream.one"),
        "have dead letters published as events": declare_queue(
            "consumer.forger", **{"x-dead-letter-exchange": "speechmq.events"}
        ),
        "have dead letters published as audio": declare_queue(
            "consumer.forger", **{"x-dead-letter-exchange": "speechmq.in"}
        ),
        "declare a queue of another name": declare_queue("mine"),
    },
    "worker": {
        "declare a queue outside": declare_queue("mine"),
        "declare an exchange outside": declare_exchange("mine"),
        "read a consumer's queue": get("consumer.captions"),
        "publish outside": publish("amq.topic", "x"),
    },
}


async def granted(url: str, attempts: dict[str, Attempt]) -> list[str]:
    """Those that RabbitMQ did not refuse."""
    connection, found = await aiormq.connect(url), []
    for name, attempt in attempts.items():
        channel = await connection.channel()
        try:
            await attempt(channel)
        except ChannelAccessRefused:
            continue
        except aiormq.exceptions.AMQPError:
            pass  # of another reason: the right was there
        found.append(name)
        await channel.close()
    await connection.close()
    return found


@pytest.mark.parametrize("role", BEYOND)
@pytest.mark.usefixtures("declared")
async def test_user_can_do_nothing_beyond_its_work(urls: dict[str, str], role: str) -> None:
    assert await granted(urls[role], BEYOND[role]) == []


@pytest.mark.usefixtures("declared")
async def test_consumer_has_durable_queues_under_a_prefix_of_its_own(urls: dict[str, str]) -> None:
    connection = await aiormq.connect(urls["consumer"])
    channel = await connection.channel()
    await channel.queue_declare("consumer.captions", durable=True)
    await channel.queue_bind("consumer.captions", "speechmq.events", "transcript.final.#")
    found = await channel.basic_get("consumer.captions")
    assert isinstance(found.delivery, spec.Basic.GetEmpty)
    await channel.queue_delete("consumer.captions")
    await connection.close()


async def test_each_does_its_work_with_its_own_user(
    namespace: Namespace, urls: dict[str, str]
) -> None:
    """A stream through two workers, the first of which is killed in mid-stream."""
    numbers = list(range(100, 130))
    async with (
        serve("ledger") as upstream,
        running_worker(urls["worker"], upstream.url) as first,
        await aio_pika.connect(urls["publisher"]) as publisher,
        await aio_pika.connect(urls["consumer"]) as consumer,
    ):
        ears = await listening(consumer)
        inbound = await (await publisher.channel()).get_exchange("speechmq.in")
        speaker = Speaker(await publisher.channel(), inbound, ears)
        await speaker.start("one")
        audio = encode(numbers, sample_rate=RATE, encoding="pcm_s16le")
        half = len(audio) // 2
        seq = await speaker.say_audio("one", audio[:half], finish=False)
        await ears.wait_for(lambda: "w104" in ears.words("one"))
        status = await ask_status("one", urls["publisher"], Names(), 30.0)
        assert isinstance(status, StreamStatus), status
        first.kill()
        async with running_worker(urls["worker"], upstream.url):
            await speaker.say_audio("one", audio[half:], first_seq=seq)
            await ears.until_over("one")
    assert ears.words("one") == said(numbers)
    assert [one.finalised_seconds for one in ears.of("one", "StreamEnded")] == [
        len(numbers) * BLOCK_SECONDS
    ]
    assert "StreamResumed" in ears.kinds()["one"]
    assert (await namespace.queues())["speechmq.dead"].ready == 0


async def listening(connection: aio_pika.abc.AbstractConnection) -> Ears:
    ears = Ears()
    channel = await connection.channel()
    queue = await channel.declare_queue(exclusive=True)
    await queue.bind("speechmq.events", "#")
    await queue.consume(ears.hear, no_ack=True)
    return ears


@pytest.mark.usefixtures("declared")
async def test_listener_of_the_command_line_needs_no_more_than_a_consumer(
    urls: dict[str, str],
) -> None:
    async with connected(urls["consumer"], "test") as connection:
        await subscribe(connection, "speechmq.events")


async def test_consumer_reads_the_transcript_log(urls: dict[str, str]) -> None:
    connection = await aiormq.connect(urls["worker"])
    channel = await connection.channel()
    await declare(channel, shared(Names(), "quorum"))
    await declare(channel, transcript_log(Names(), max_age=3600, max_bytes=20_000_000))
    await connection.close()
    async with connected(urls["consumer"], "test") as reader:
        await replay(reader, Names().log)


@pytest.mark.usefixtures("declared")
async def test_autoscaler_sees_how_many_claims_there_are_and_may_do_nothing(
    namespace: Namespace,
) -> None:
    nothing = {"configure": "^$", "write": "^$", "read": "^$"}
    async with user(namespace, "keda", nothing, tags="management") as url:
        seen = ManagementApi(namespace.management._base_url, url)
        assert "speechmq.claims" in await seen.queues(namespace.prefix)
        attempts = BEYOND["publisher"] | BEYOND["consumer"]
        assert await granted(url, attempts) == []

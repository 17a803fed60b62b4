"""Consumers of one vhost that share nothing: each is confined by RabbitMQ's own permissions to the
streams of its tenant, and to queues of its own."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aio_pika
import aiormq
import pytest
from tests.broker.test_permissions import Attempt, consume, get, granted
from tests.support.broker import Namespace, user
from tests.support.scene import scene
from tests.support.speaker import Ears, said
from yarl import URL

from speechmq_schemas import Names

pytestmark = pytest.mark.timeout(120)
SECURITY = (Path(__file__).parents[2] / "SECURITY.md").read_text()
MINE, THEIRS = "consumer.acme.captions", "consumer.bank.captions"


def documented(tenant: str) -> tuple[dict[str, str], dict[str, str]]:
    """Permissions and topic permissions of SECURITY.md, for this tenant."""
    [row] = re.findall(
        r"^\| `consumer-acme` \| (.*) \| (.*) \| (.*) \| (.*) \|$", SECURITY, re.MULTILINE
    )
    patterns = [one.strip("`").replace("\\|", "|").replace("acme", tenant) for one in row]
    configure, write, read, topics = patterns
    return {"configure": configure, "write": write, "read": read}, {"write": "^$", "read": topics}


@asynccontextmanager
async def tenant(namespace: Namespace, name: str) -> AsyncIterator[str]:
    rights, topics = documented(name)
    async with user(namespace, name, rights) as url:
        who = URL(url).user or ""
        await namespace.management.confine(who, namespace.prefix, Names().events, topics)
        yield url


def bound(queue: str, key: str) -> Attempt:
    async def attempt(channel: aiormq.abc.AbstractChannel) -> None:
        await channel.queue_declare(queue, durable=True)
        await channel.queue_bind(queue, Names().events, key)

    return attempt


FOREIGN: dict[str, Attempt] = {
    "everything": bound(MINE, "#"),
    "all finals": bound(MINE, "transcript.final.*"),
    "all finals, with any word before": bound(MINE, "*.*.*"),
    "a stream of the other tenant": bound(MINE, "transcript.final.bank-1"),
    "any stream with a name like a tenant's": bound(MINE, "transcript.*.acme-1.#"),
    "more than one stream": bound(MINE, "transcript.final.acme-*"),
    "read the other's queue": get(THEIRS),
    "consume from the other's queue": consume(THEIRS),
    "purge it": lambda channel: channel.queue_purge(THEIRS),
    "delete it": lambda channel: channel.queue_delete(THEIRS),
    "bind it": lambda channel: channel.queue_bind(THEIRS, Names().events, "stream.*.acme-1"),
    "the transcript log": get("speechmq.log"),
}


async def test_consumer_of_a_tenant_hears_its_streams_and_reaches_nothing_of_anothers(
    namespace: Namespace,
) -> None:
    async with (
        scene(namespace, SPEECHMQ_BROKER__TRANSCRIPT_LOG="true") as (_, speaker),
        tenant(namespace, "acme") as acme,
        tenant(namespace, "bank") as bank,
        await aio_pika.connect(bank) as theirs,
        await aio_pika.connect(acme) as mine,
    ):
        await (await theirs.channel()).declare_queue(THEIRS, durable=True)
        ears = Ears()
        queue = await (await mine.channel()).declare_queue(MINE, durable=True)
        for key in ("stream.*.acme-1", "transcript.*.acme-1"):
            await queue.bind(Names().events, key)
        await queue.consume(ears.hear, no_ack=True)
        for stream_id in ("acme-1", "bank-1"):
            await speaker.start(stream_id)
            await speaker.say(stream_id, range(3))
        await ears.until_over("acme-1")
        await speaker.ears.until_over("bank-1")
        found = await granted(acme, FOREIGN)
    assert found == []
    assert ears.words("acme-1") == said(range(3))
    assert "bank-1" not in ears.streams


async def test_passive_declare_shows_how_full_anothers_queue_is(namespace: Namespace) -> None:
    """RabbitMQ asks no permission for it: SECURITY.md says so."""
    async with (
        tenant(namespace, "acme") as acme,
        tenant(namespace, "bank") as bank,
        await aio_pika.connect(bank) as theirs,
        await aio_pika.connect(acme) as mine,
    ):
        await (await theirs.channel()).declare_queue(THEIRS, durable=True)
        seen = await (await mine.channel()).get_queue(THEIRS)
        assert seen.declaration_result.message_count == 0
        await (await theirs.channel()).queue_delete(THEIRS)
    assert "*passive* declare" in SECURITY

"""Requests for temporary keys that cannot be served, and askers that are no good."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from tests.support.asker import Asker, asking
from tests.support.broker import Namespace
from tests.support.speaker import speaking, start_of
from tests.support.worker import running_worker

from speechmq_emulator.server import Emulator, serve
from speechmq_schemas import (
    AmqpMessage,
    CreateTemporaryKey,
    Reply,
    RequestFailed,
    TemporaryKey,
    from_command,
    from_request,
)

pytestmark = pytest.mark.timeout(120)

HUSH = "hush-permanent"
EVERY_KEY = json.dumps(
    {"*": {"key_credentials": ["default", "clinic", "wards", "bank", "lab"], "key_ttl": 86400}}
)


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def request_of(asker: Asker, name: str = "ask", **fields: Any) -> AmqpMessage:
    asked = CreateTemporaryKey(**{"ttl": 60, **fields})
    return from_request(asked, reply_to=asker.reply_to, correlation_id=name)


def raw(asker: Asker, name: str, body: bytes, kind: str = "CreateTemporaryKey") -> AmqpMessage:
    return AmqpMessage("temporary-key", kind, body, correlation_id=name, reply_to=asker.reply_to)


@asynccontextmanager
async def key_service(namespace: Namespace, **settings: str) -> AsyncIterator[tuple[Emulator, Any]]:
    async with (
        serve("ledger", api_keys=[HUSH], http_port=0) as upstream,
        running_worker(
            namespace.url,
            upstream.url,
            SPEECHMQ_UPSTREAM__API_KEY=HUSH,
            SPEECHMQ_UPSTREAM__MANAGEMENT_URL=f"{upstream.http_url}/v1",
            **{"SPEECHMQ_LIMITS__USERS": EVERY_KEY, **settings},
        ) as worker,
    ):
        yield upstream, worker


async def letters(namespace: Namespace, count: int) -> list[tuple[str, str]]:
    """Code and body of each dead letter."""
    await namespace.wait_for_queues(lambda queues: queues["speechmq.dead"].ready == count)
    found = []
    async with await aio_pika.connect(namespace.url) as connection:
        queue = await (await connection.channel()).get_queue("speechmq.dead")
        for _ in range(count):
            letter = await queue.get(no_ack=True)
            found.append((str(letter.headers["x-speechmq-code"]), letter.body.decode()))
    return found


def failed(answer: Reply) -> tuple[str, bool, list[str]]:
    assert isinstance(answer, RequestFailed)
    assert HUSH not in answer.reason
    return answer.code, answer.retryable, [one["path"] for one in answer.fields]


async def test_request_that_cannot_be_served_is_answered_with_the_reason(
    namespace: Namespace, unused_port: int
) -> None:
    clinic = "SPEECHMQ_UPSTREAM__CREDENTIALS__CLINIC__"
    wards = "SPEECHMQ_UPSTREAM__CREDENTIALS__WARDS__"
    async with (
        key_service(
            namespace,
            **{
                f"{clinic}API_KEY": "hush-permanent-but-unknown",
                f"{clinic}MANAGEMENT_URL": f"http://127.0.0.1:{unused_port}/v1",
                f"{wards}URL": "ws://127.0.0.1:1/v2",
            },
        ) as (_, worker),
        asking(namespace.url) as asker,
    ):
        answers = {
            "short": await asker.ask(raw(asker, "short", b'{"ttl": 59}')),
            "long": await asker.ask(raw(asker, "long", b'{"ttl": 86401}')),
            "without": await asker.ask(raw(asker, "without", b"{}")),
            "garbage": await asker.ask(raw(asker, "garbage", b"\xff{")),
            "huge": await asker.ask(raw(asker, "huge", b'{"ttl":' + b" " * 300_000 + b"60}")),
            "unknown": await asker.ask(raw(asker, "unknown", b"{}", "CreateKeys")),
            "other": await asker.ask(raw(asker, "other", b'{"ttl": 60}', "StartStream")),
            "bank": await asker.ask(request_of(asker, "bank", credential="bank")),
            "wards": await asker.ask(request_of(asker, "wards", credential="wards")),
            "clinic": await asker.ask(request_of(asker, "clinic", credential="clinic")),
        }
    found = {name: failed(answer) for name, answer in answers.items()}
    assert found.pop("other")[0] == "invalid_field"
    assert found == {
        "short": ("invalid_field", False, ["ttl"]),
        "long": ("invalid_field", False, ["ttl"]),
        "without": ("invalid_field", False, ["ttl"]),
        "garbage": ("bad_json", False, []),
        "huge": ("too_large", False, []),
        "unknown": ("unknown_type", False, []),
        "bank": ("unknown_credential", False, ["credential"]),
        "wards": ("no_api_key", False, ["credential"]),
        "clinic": ("key_unavailable", True, []),
    }
    assert not [line for line in worker.lines if HUSH in line]
    assert (await namespace.queues())["speechmq.dead"].ready == 0


async def test_request_with_a_key_that_is_refused_is_final(namespace: Namespace) -> None:
    async with (
        serve("ledger", api_keys=["another"], http_port=0) as other,
        key_service(
            namespace,
            SPEECHMQ_UPSTREAM__CREDENTIALS__LAB__API_KEY="hush-permanent-wrong",
            SPEECHMQ_UPSTREAM__CREDENTIALS__LAB__MANAGEMENT_URL=f"{other.http_url}/v1",
        ),
        asking(namespace.url) as asker,
    ):
        answer = await asker.ask(request_of(asker, credential="lab"))
    assert answer == RequestFailed(
        code="key_refused",
        reason=f"{other.http_url}/v1 made no temporary key: HTTP status 401; "
        "check SPEECHMQ_UPSTREAM__CREDENTIALS__LAB__API_KEY",
        retryable=False,
    )


async def test_request_that_nobody_can_be_answered_for_is_dead_lettered(
    namespace: Namespace,
) -> None:
    """Without a queue to answer to, or with one of ours: what is sent there would do harm."""
    async with key_service(namespace), asking(namespace.url) as asker:
        body = json.dumps({"ttl": 60}).encode()
        for reply_to in (None, "", "speechmq.claims", "speechmq.dead"):
            await asker.send(
                AmqpMessage("temporary-key", "CreateTemporaryKey", body, reply_to=reply_to)
            )
        found = await letters(namespace, 4)
        answer = await asker.ask(request_of(asker))
    assert sorted(found) == [
        *2 * [("bad_reply_to", '{"ttl": 60}')],
        *2 * [("missing_reply_to", '{"ttl": 60}')],
    ]
    assert isinstance(answer, TemporaryKey)


async def test_start_that_bears_a_reply_to_is_answered_by_events_alone(
    namespace: Namespace,
) -> None:
    """The library of the control plane would send an empty answer to any queue that is named."""
    async with key_service(namespace), speaking(namespace.url) as speaker:
        started = from_command("one", start_of("one"))
        await speaker.publish(replace(started, reply_to="speechmq.dead"))
        await speaker.say("one", [1])
        await speaker.ears.until_over("one")
    assert (await namespace.queues())["speechmq.dead"].ready == 0


async def test_program_of_the_page_runs_as_shown(namespace: Namespace) -> None:
    page = (Path(__file__).parents[2] / "docs/upstream.md").read_text()
    [program] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    async with key_service(namespace):
        running = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "AMQP_URL": namespace.url},
        )
        printed, _ = await running.communicate()
    assert f"It prints `{printed.decode().strip()}`" in page


@pytest.mark.parametrize("direct", [False, True], ids=["queue", "direct"])
async def test_answer_of_an_asker_that_is_gone_is_dropped(
    namespace: Namespace, direct: bool
) -> None:
    """Quietly: nothing of it is kept anywhere, and the next one is served."""
    async with key_service(namespace) as (_, worker):
        async with asking(namespace.url, direct=direct) as gone:
            lost = request_of(gone)
            if direct:
                await gone.send(lost)
        if not direct:
            async with asking(namespace.url) as other:
                await other.send(lost)
        async with asking(namespace.url) as asker:
            assert isinstance(await asker.ask(request_of(asker)), TemporaryKey)
        async with asyncio.timeout(20):
            # Who has no queue any more is not told from who never listens, when asked directly.
            while not direct and not any("answer_dropped" in one for one in worker.lines):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await namespace.wait_for_queues(
            lambda queues: (
                queues["speechmq.temporary-key"].ready == 0
                and queues["speechmq.temporary-key"].unacked == 0
                and queues["speechmq.dead"].ready == 0
            )
        )

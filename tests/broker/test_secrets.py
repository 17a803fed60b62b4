"""The key of upstream and the broker's password show nowhere: not where they are used, nor where
they are refused."""

from __future__ import annotations

import re

import httpx
import psutil
import pytest
from tests.support.broker import Namespace
from tests.support.siege import letters
from tests.support.speaker import said, speaking
from tests.support.worker import running_worker
from yarl import URL

from speechmq_emulator.server import serve
from speechmq_schemas import AmqpMessage

pytestmark = pytest.mark.timeout(120)
KEY = "key-that-must-not-be-seen"


@pytest.mark.parametrize("is_known", [True, False])
async def test_key_and_password_show_in_nothing_that_a_worker_says(
    namespace: Namespace, is_known: bool
) -> None:
    async with (
        serve("ledger", api_keys=[KEY if is_known else "another"]) as upstream,
        running_worker(
            namespace.url,
            upstream.url,
            SPEECHMQ_UPSTREAM__API_KEY=KEY,
            SPEECHMQ_LOG__LEVEL="DEBUG",
            SPEECHMQ_HEALTH__ADDRESS="127.0.0.1:0",
        ) as worker,
        speaking(namespace.url) as speaker,
    ):
        await speaker.start("one")
        if is_known:
            await speaker.publish(AmqpMessage("stream.one", "Nonsense", b"{}"))
            await speaker.say("one", [1, 2, 3])
        await speaker.ears.until_over("one")
        [port] = re.findall(r"health_listening.*?port=.*?(\d+)", "\n".join(worker.lines))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            pages = [(await http.get(page)).text for page in ("/status", "/metrics", "/ready")]
        argv = psutil.Process(worker.process.pid).cmdline()
        buried = await letters(namespace, 1) if is_known else []
    told = [*worker.lines, *argv, *pages, *map(repr, buried)]
    told += [repr(heard.message) for heard in speaker.ears.streams["one"]]
    secrets = (KEY, URL(namespace.url).password or "")
    assert [line for line in told if any(secret in line for secret in secrets)] == []
    assert speaker.ears.words("one") == (said([1, 2, 3]) if is_known else [])

"""What an operator sees of a real worker: its log."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.broker import Namespace
from tests.support.speaker import said, speaking
from tests.support.worker import running_worker

from speechmq_emulator.server import serve
from speechmq_schemas import AmqpMessage

pytestmark = pytest.mark.timeout(120)

KEY = "key-that-must-not-be-seen"
AUDIO = b"audio that must not be seen!"


def parsed(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


async def test_log_is_json_and_has_neither_key_nor_audio_nor_words(namespace: Namespace) -> None:
    """Also of messages that nobody can use, and at the level that tells most."""
    async with (
        serve("ledger", api_keys=[KEY]) as upstream,
        running_worker(
            namespace.url,
            upstream.url,
            SPEECHMQ_UPSTREAM__API_KEY=KEY,
            SPEECHMQ_LOG__FORMAT="json",
            SPEECHMQ_LOG__LEVEL="DEBUG",
        ) as worker,
        speaking(namespace.url) as speaker,
    ):
        await speaker.start("one")
        broken = AmqpMessage("stream.one", "AudioChunk", AUDIO[:27], {"seq": 1})
        await speaker.publish(broken)
        await speaker.say("one", list(range(10)), first_seq=2)
        await speaker.ears.until_over("one")
    log = parsed(worker.lines)
    told = "\n".join(worker.lines)
    assert all({"event", "level", "time", "logger"} <= line.keys() for line in log)
    assert sorted(line["event"] for line in log if line.get("stream_id") == "one") == [
        "audio_gap",
        "message_dead_lettered",
        "session_started",
        "start_admitted",
        "stream_claimed",
        "stream_ended",
        "stream_warning",
    ]
    for unseen in (KEY, AUDIO.decode()[:20], "Authorization", *said([3]), "\\u0000"):
        assert unseen not in told

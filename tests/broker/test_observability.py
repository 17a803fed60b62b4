"""What an operator sees of a real worker: its log, its health."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.broker import Namespace
from tests.support.observability import named_by_dashboards_and_rules
from tests.support.speaker import said, speaking
from tests.support.worker import WorkerProcess, running_worker

from speechmq_emulator.faults import FaultBook
from speechmq_emulator.server import serve
from speechmq_schemas import AmqpMessage, AudioChunk

pytestmark = pytest.mark.timeout(120)

LOOKS = "speechmq_event_loop_lag_seconds_count"
KEY = "key-that-must-not-be-seen"
AUDIO = b"audio that must not be seen!"


@asynccontextmanager
async def observed_worker(
    namespace: Namespace, upstream: str, **settings: str
) -> AsyncIterator[tuple[WorkerProcess, httpx.AsyncClient]]:
    """A worker that logs JSON, and a client of its health server."""
    how = {
        "SPEECHMQ_LOG__FORMAT": "json",
        "SPEECHMQ_HEALTH__ADDRESS": "127.0.0.1:0",
        **settings,
    }
    async with running_worker(namespace.url, upstream, **how) as worker:
        [port] = [one["port"] for one in parsed(worker.lines) if one["event"] == "health_listening"]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20.0) as http:
            yield worker, http


async def until(http: httpx.AsyncClient, page: str, wanted: Callable[[Any], bool]) -> Any:
    """Asks until the answer is wanted; fails with what was there after 20 s."""
    found: Any = None
    try:
        async with asyncio.timeout(20.0):
            while not wanted(found := (await http.get(page)).json()):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"{page} still is {found}") from None
    return found


def interrupted(times: int) -> Callable[[Any], bool]:
    return lambda found: found["interruptions"] == times


def hears(received: float) -> Callable[[Any], bool]:
    """One stream, in a session that has everything."""
    return lambda found: (
        [(one["state"], one["sent"], one["received"]) for one in found["streams"]]
        == [("streaming", received, received)]
    )


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


async def test_probes_and_status_tell_how_a_worker_is(namespace: Namespace) -> None:
    async with (
        serve("ledger") as upstream,
        observed_worker(namespace, upstream.url) as (_, http),
        speaking(namespace.url) as speaker,
    ):
        live, started, ready = [await http.get(page) for page in ("/live", "/started", "/ready")]
        assert (live.status_code, live.json()["live"]) == (200, True)
        assert (started.status_code, started.json()) == (200, {"started": True})
        assert (ready.status_code, ready.json()) == (
            200,
            {"ready": True, "reason": "", "draining": False, "interruptions": 0},
        )
        missing = await http.get("/nothing")
        assert missing.status_code == 404
        assert "/ready" in missing.json()["error"]

        await speaker.start("one")
        await speaker.say("one", list(range(5)), finish=False)
        status = await until(http, "/status", hears(1.0))
        [stream] = status["streams"]
        assert (stream["stream_id"], stream["state"]) == ("one", "streaming")
        assert 0 < stream["age"] < 60
        assert stream["lag"] == round(stream["received"] - stream["finalised"], 6)
        assert (status["waiting"], status["capacity"]) == (0, 200)


async def test_ready_follows_each_of_our_consumers_while_the_connection_lives(
    namespace: Namespace,
) -> None:
    """A queue is deleted, which is how a broker drops consumers; everything comes back."""
    async with (
        serve("ledger") as upstream,
        observed_worker(namespace, upstream.url) as (worker, http),
        speaking(namespace.url) as speaker,
    ):
        for times, queue in enumerate(("claims", "start", "early", "temporary-key"), start=1):
            await speaker.channel.queue_delete(f"speechmq.{queue}")
            began = asyncio.get_running_loop().time()
            await until(http, "/ready", interrupted(times))
            assert asyncio.get_running_loop().time() - began < 5.0
            await until(http, "/ready", lambda found: found["ready"])
        await speaker.start("one")
        await speaker.say("one", list(range(10)))
        await speaker.ears.until_over("one")
        assert speaker.ears.words("one") == said(range(10))
        assert worker.process.returncode is None
    lost = [line["reason"] for line in parsed(worker.lines) if line["event"] == "broker_lost"]
    assert [re.findall(r"speechmq\.([\w-]+)", reason)[0] for reason in lost] == [
        "claims",
        "start",
        "early",
        "temporary-key",
    ]


async def samples(http: httpx.AsyncClient) -> dict[str, float]:
    """Every sample of a scrape, by its name with labels."""
    answer = await http.get("/metrics")
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    return {
        one.name + (str(dict(sorted(one.labels.items()))) if one.labels else ""): one.value
        for family in families
        for one in family.samples
    }


async def test_seconds_in_metrics_add_up_through_gap_repeat_and_loss(namespace: Namespace) -> None:
    """received = finalised + gaps; the stream is sent again in part when its session is lost."""
    async with (
        serve("ledger", faults=FaultBook(["drop at=1s times=1"])) as upstream,
        observed_worker(namespace, upstream.url, SPEECHMQ_SESSION__GAP_TIMEOUT="0.2") as (
            _,
            http,
        ),
        speaking(namespace.url) as speaker,
    ):
        before = await samples(http)
        await speaker.start("stream-id-that-is-no-label")
        stream_id = "stream-id-that-is-no-label"
        first = await speaker.say(stream_id, list(range(8)), finish=False)
        # A chunk behind a final is timed.
        await speaker.ears.wait_for(lambda: speaker.ears.of(stream_id, "FinalTranscript") != [])
        await speaker.send(stream_id, AudioChunk(seq=first - 1), b"\0" * 1600)  # a repeat
        await speaker.send(stream_id, AudioChunk(seq=first), b"\0")  # half a sample
        await speaker.say(
            stream_id, list(range(8, 16)), first_seq=first + 2, speed=5.0
        )  # one never comes
        await speaker.ears.until_over(stream_id)
        await until(http, "/status", lambda found: found["streams"] == [])
        [ended] = speaker.ears.of(stream_id, "StreamEnded")
        async with asyncio.timeout(20):
            while not (after := await samples(http)).get(LOOKS):  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    def grew(name: str) -> float:
        return round(after.get(name, 0.0) - before.get(name, 0.0), 6)

    seconds = {
        kind: grew(f"speechmq_audio_{kind}_seconds_total")
        for kind in ("received", "sent", "replayed", "finalised", "gaps")
    }
    assert seconds["received"] == ended.received_seconds == 3.3
    assert seconds["gaps"] == ended.gap_seconds == 0.1
    assert seconds["finalised"] == round(seconds["received"] - seconds["gaps"], 6)
    assert seconds["replayed"] > 0
    assert seconds["sent"] == round(seconds["received"] + seconds["replayed"], 6)
    assert grew("speechmq_chunks_duplicates_total") == 1
    assert grew("speechmq_dead_letters_total{'code': 'bad_size'}") == 1
    assert grew("speechmq_session_resumes_total{'reason': 'upstream_lost'}") == 1
    assert grew("speechmq_session_retries_total") == 1
    assert grew("speechmq_stream_warnings_total{'code': 'bad_size'}") == 1
    assert grew("speechmq_stream_warnings_total{'code': 'connection_lost'}") == 1
    assert grew("speechmq_streams_finished_total{'code': '', 'outcome': 'ended'}") == 1
    assert grew("speechmq_finals_total") == ended.finals
    assert grew("speechmq_latency_upstream_to_published_seconds_count") == ended.finals
    assert 0 < grew("speechmq_latency_queue_to_upstream_seconds_count") <= ended.finals
    assert 0 < grew("speechmq_latency_speech_end_to_final_seconds_count") <= ended.finals
    assert after["speechmq_worker_ready"] == 1
    assert after["speechmq_streams_waiting"] == 0
    assert after["speechmq_worker_capacity"] == 200
    assert after["speechmq_audio_unacknowledged_bytes"] == 0
    quota = {name.partition("{")[0]: value for name, value in after.items() if "_quota_" in name}
    assert quota["speechmq_quota_limit"] >= quota["speechmq_quota_used"] >= 1
    assert [name for name in after if stream_id in name] == []
    scraped = {name.partition("{")[0] for name in after}
    assert named_by_dashboards_and_rules() <= scraped | {"up"}  # which Prometheus itself makes

"""Who pays, where a stream is served, and by which key: through RabbitMQ, a worker and the
emulator; rows of docs/features.md."""

from __future__ import annotations

import json
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.support.asker import asking
from tests.support.broker import Namespace
from tests.support.http_proxy import http_proxy
from tests.support.speaker import Speaker, said, speaking, start_of
from tests.support.worker import running_worker
from websockets.asyncio.client import connect

from speechmq_emulator.protocol.limits import Limits
from speechmq_emulator.server import Emulator, serve
from speechmq_schemas import (
    AmqpMessage,
    CreateTemporaryKey,
    StreamFailed,
    TemporaryKey,
    from_request,
)

pytestmark = pytest.mark.timeout(180)

CLINIC = "SPEECHMQ_UPSTREAM__CREDENTIALS__CLINIC__"


async def stream(speaker: Speaker, stream_id: str, **parts: Any) -> None:
    await speaker.send(stream_id, start_of(stream_id).model_copy(update=parts))
    await speaker.say(stream_id, [1, 2, 3])


def clinic(upstream: Emulator, **settings: str) -> dict[str, str]:
    """Variables of a credential of this name, with a key that only ``upstream`` takes."""
    named = {"URL": upstream.url, "API_KEY": "clinic-key", **settings}
    return {f"{CLINIC}{name}": value for name, value in named.items()}


async def test_start_names_the_credential_and_region_that_serve_it(namespace: Namespace) -> None:
    async with (
        serve("ledger") as shared,
        serve("ledger", api_keys=["clinic-key"]) as here,
        serve("ledger", api_keys=["clinic-key"]) as there,
        running_worker(
            namespace.url,
            shared.url,
            **clinic(here, FALLBACK_URLS=f'["{there.url}"]', APP="ward 7"),
        ),
        speaking(namespace.url) as speaker,
    ):
        await stream(speaker, "any")
        await stream(speaker, "clinic", credential="clinic")
        await stream(speaker, "there", credential="clinic", region=there.url)
        await speaker.ears.until_over("any", "clinic", "there")
        served = [len(one.sessions) for one in (shared, here, there)]
    assert [speaker.ears.words(one) for one in ("any", "clinic", "there")] == 3 * [said([1, 2, 3])]
    assert served == [1, 1, 1]


async def test_start_with_a_credential_or_region_that_it_may_not_use_is_refused(
    namespace: Namespace,
) -> None:
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        await speaker.send("one", start_of("one").model_copy(update={"credential": "bank"}))
        await speaker.send("two", start_of("two").model_copy(update={"region": "us"}))
        await speaker.ears.until_over("one", "two")
        await namespace.wait_for_queues(lambda queues: queues["speechmq.dead"].ready == 2)
    failures: list[StreamFailed] = [
        event for name in ("one", "two") for event in speaker.ears.of(name)
    ]
    assert [(one.code, one.retryable, one.fields) for one in failures] == [
        (
            "unknown_credential",
            False,
            [
                {
                    "path": "credential",
                    "reason": "the workers have no credential 'bank'; "
                    "see SPEECHMQ_UPSTREAM__CREDENTIALS",
                }
            ],
        ),
        (
            "region_not_allowed",
            False,
            [
                {
                    "path": "region",
                    "reason": f"credential 'default' may be used at {upstream.url} only",
                }
            ],
        ),
    ]


async def test_full_credential_holds_its_own_streams_back_and_no_others(
    namespace: Namespace,
) -> None:
    """Whether upstream says that it is full, or its limit in this worker is reached."""
    async with (
        serve("ledger", limits=Limits(quota=1)) as full,
        serve("ledger", api_keys=["clinic-key"]) as limited,
        running_worker(namespace.url, full.url, **clinic(limited, MAX_SESSIONS="1")),
        speaking(namespace.url) as speaker,
    ):
        ears = speaker.ears
        for name, parts in {"a": {}, "b": {"credential": "clinic"}}.items():
            await speaker.send(name, start_of(name).model_copy(update=parts))
        await ears.wait_for(
            lambda: all(ears.of(name, "StreamStarted") for name in ("a", "b")), within=60.0
        )
        await stream(speaker, "c")
        await stream(speaker, "d", credential="clinic")
        await ears.wait_for(lambda: all(ears.of(name, "StreamWarning") for name in ("c", "d")))
        assert (len(full.sessions), len(limited.sessions)) == (1, 1)
        await speaker.say("a", [1])
        await speaker.say("b", [2])
        await ears.until_over("a", "b", "c", "d")
    assert [ears.words(name) for name in "abcd"] == [
        said([1]),
        said([2]),
        said([1, 2, 3]),
        said([1, 2, 3]),
    ]
    warnings = {name: ears.of(name, "StreamWarning")[0] for name in ("c", "d")}
    assert {name: one.code for name, one in warnings.items()} == {
        "c": "quota_exceeded",
        "d": "quota_exceeded",
    }
    assert warnings["d"].reason.startswith("this worker's 1 sessions of credential 'clinic' are")


async def test_session_is_opened_with_a_temporary_key_that_is_made_for_it(
    namespace: Namespace,
) -> None:
    async with (
        serve("ledger", api_keys=["only-the-management-api-takes-this"], http_port=0) as upstream,
        running_worker(
            namespace.url,
            upstream.url,
            SPEECHMQ_UPSTREAM__API_KEY="only-the-management-api-takes-this",
            SPEECHMQ_UPSTREAM__AUTH="temporary_key",
            SPEECHMQ_UPSTREAM__MANAGEMENT_URL=f"{upstream.http_url}/v1",
        ) as worker,
        speaking(namespace.url) as speaker,
    ):
        for name in ("one", "two"):
            await stream(speaker, name)
        await speaker.ears.until_over("one", "two")
    assert [speaker.ears.words(name) for name in ("one", "two")] == 2 * [said([1, 2, 3])]
    assert not [line for line in worker.lines if "only-the-management" in line or "eyJ" in line]


@pytest.mark.parametrize("direct", [False, True], ids=["queue", "direct reply-to"])
async def test_temporary_key_is_made_for_who_asks_and_opens_a_session(
    namespace: Namespace, direct: bool
) -> None:
    """The key is nowhere but in the answer: in no log, event or dead letter."""
    secret = "only-the-management-api-takes-this"
    async with (
        serve("ledger", api_keys=[secret], http_port=0) as upstream,
        running_worker(
            namespace.url,
            upstream.url,
            SPEECHMQ_UPSTREAM__API_KEY=secret,
            SPEECHMQ_UPSTREAM__MANAGEMENT_URL=f"{upstream.http_url}/v1",
            SPEECHMQ_LIMITS__USERS='{"*": {"key_credentials": ["default"]}}',
        ) as worker,
        speaking(namespace.url) as speaker,
        asking(namespace.url, direct=direct) as asker,
    ):
        wanted = CreateTemporaryKey(ttl=60, client_ref="browser-7")
        asked_at = datetime.now(UTC)
        answer = await asker.ask(
            from_request(wanted, reply_to=asker.reply_to, correlation_id="ask-1")
        )
        assert isinstance(answer, TemporaryKey)
        async with connect(f"{answer.url}?jwt={answer.key_value}") as session:
            first = {
                "message": "StartRecognition",
                "audio_format": {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 8000},
                "transcription_config": {"language": "en"},
            }
            await session.send(json.dumps(first))
            words = [json.loads(await session.recv())["message"] for _ in range(2)]
        await speaker.publish(AmqpMessage("temporary-key", "CreateTemporaryKey", b'{"ttl": 60}'))
        await namespace.wait_for_queues(lambda queues: queues["speechmq.dead"].ready == 1)
        letter = await (await asker.channel.get_queue("speechmq.dead")).get(no_ack=True)
    assert "RecognitionStarted" in words
    assert (answer.ttl, answer.url) == (60, upstream.url)
    assert timedelta(0) <= answer.expires_at - asked_at - timedelta(seconds=60) < timedelta(30)
    everywhere = "\n".join([*worker.lines, str(letter.headers), letter.body.decode()])
    everywhere += str(speaker.ears.streams)
    assert answer.key_value not in everywhere
    assert secret not in everywhere


async def test_recogniser_behind_a_proxy_with_a_certificate_of_ones_own_serves_streams(
    namespace: Namespace, tmp_path: Path
) -> None:
    issuer = trustme.CA()
    issuer.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert("127.0.0.1").configure_cert(shown)
    async with (
        serve("ledger", tls=shown) as upstream,
        http_proxy("user:hush-proxy") as proxy,
        running_worker(
            namespace.url,
            upstream.url,
            SPEECHMQ_UPSTREAM__CA_FILE=str(tmp_path / "ca.pem"),
            SPEECHMQ_UPSTREAM__PROXY=proxy.url,
        ) as worker,
        speaking(namespace.url) as speaker,
    ):
        await stream(speaker, "one")
        await speaker.ears.until_over("one")
    assert speaker.ears.words("one") == said([1, 2, 3])
    assert proxy.asked == [f"127.0.0.1:{upstream.port}"]
    assert "hush" not in str(worker.lines)


async def test_stream_returns_to_the_first_region_once_it_is_well(namespace: Namespace) -> None:
    """It is led away by a region that is down, and goes back when its session is replaced."""
    async with (
        serve("ledger") as first,
        serve("ledger") as second,
        running_worker(
            namespace.url,
            first.url,
            SPEECHMQ_UPSTREAM__FALLBACK_URLS=f'["{second.url}"]',
            SPEECHMQ_SESSION__SUSPEND_AFTER="1",
        ),
        speaking(namespace.url) as speaker,
    ):
        ears = speaker.ears
        first.faults.add("refuse status=503 times=1")
        await speaker.start("one")
        seq = await speaker.say("one", [1, 2, 3], finish=False)
        await ears.wait_for(lambda: bool(ears.of("one", "StreamInfo")))
        assert (len(first.sessions), len(second.sessions)) == (0, 1)
        await speaker.say("one", [4, 5, 6], first_seq=seq)
        await ears.until_over("one")
        assert (len(first.sessions), len(second.sessions)) == (1, 1)
    assert ears.words("one") == said([1, 2, 3, 4, 5, 6])

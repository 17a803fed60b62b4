"""What a client of nothing but ``websockets`` sees of each fault, over real sockets."""

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import pytest
from httpx import AsyncClient
from tests.protocol.emulator.client import (
    KEY,
    RAW,
    Message,
    connected,
    next_message,
    only,
    recognise,
    send,
    start,
    until,
    words,
)
from tests.protocol.emulator.test_cli import COMMAND, running
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    ConnectionClosedError,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
)

from speechmq_emulator.faults import FaultBook
from speechmq_emulator.ledger import encode
from speechmq_emulator.protocol.errors import ErrorType, WarningType, close_code
from speechmq_emulator.server import Emulator, Limits, serve

CHUNK = bytes(3200)
QUIET = 0.5
"""Seconds for which a client waits for what must not come."""


@asynccontextmanager
async def faulty(*faults: str, seed: int = 0) -> AsyncIterator[Emulator]:
    """A server that is gone without a trace afterwards, whatever its faults have done."""
    before = asyncio.all_tasks()
    # The server may wait for nobody's close: the deadline would pass first.
    serving = serve("ledger", faults=FaultBook(faults, seed=seed), limits=Limits(close_timeout=600))
    async with AsyncExitStack() as stack:
        emulator = await stack.enter_async_context(serving)
        yield emulator
        async with asyncio.timeout(30):
            await stack.aclose()
    await until(lambda: asyncio.all_tasks() <= before)
    assert emulator.open_connections == 0
    assert emulator.faults.sessions == ()


async def texts(socket: ClientConnection) -> tuple[list[str], ConnectionClosed]:
    """All that comes, unread, and how it ended."""
    received = []
    async with asyncio.timeout(30):
        try:
            while True:
                received.append(str(await socket.recv()))
        except ConnectionClosed as closed:
            return received, closed


async def feed(socket: ClientConnection, chunks: int) -> None:
    """Send audio until it is sent or the connection is gone."""
    with suppress(ConnectionClosed):
        for _ in range(chunks):
            await socket.send(CHUNK)


async def finish(socket: ClientConnection, chunks: int) -> list[Message]:
    """End the stream; all messages up to the close."""
    await send(socket, "EndOfStream", last_seq_no=chunks)
    received, _ = await texts(socket)
    return [json.loads(text) for text in received]


def names(messages: list[str]) -> list[str]:
    return [json.loads(text)["message"] for text in messages]


async def nothing_comes(wait: Callable[[], Awaitable[Any]]) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(QUIET):
            await wait()


def fired(emulator: Emulator) -> list[tuple[int, str, float]]:
    """Session, fault and seconds of audio."""
    return [(f.session, f.text, round(f.audio_seconds, 3)) for f in emulator.faults.fired]


async def test_drop_is_a_reset_without_a_close_frame() -> None:
    async with faulty("drop at=0.3s") as emulator, connected(emulator.url) as socket:
        await start(socket)
        await feed(socket, 5)
        received, closed = await texts(socket)
        assert isinstance(closed, ConnectionClosedError)
        assert (closed.rcvd, closed.sent) == (None, None)
        assert isinstance(closed.__cause__, ConnectionResetError)
        assert set(names(received)) <= {"AudioAdded", "AddTranscript"}
        await until(lambda: emulator.open_connections == 0)
        assert [s.close_code for s in emulator.sessions] == [1006]
        (record,) = emulator.faults.fired
        assert (record.session_id, record.text) == (emulator.sessions[0].id, "drop at=0.3s")
        assert record.audio_seconds == pytest.approx(0.3)
        assert 0 <= time.monotonic() - record.at < 30


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("drop", []),
        ("drop sent=1", ["Info"]),
        ("drop after=1", ["Info"]),
        ("drop recognition", ["Info"]),
        ("drop on=RecognitionStarted", ["Info"]),
        ("drop behind=RecognitionStarted", ["Info", "RecognitionStarted"]),
        ("drop after=3", ["Info", "RecognitionStarted", "AudioAdded"]),
    ],
)
async def test_drop_comes_where_it_was_asked_for(fault: str, seen: list[str]) -> None:
    async with faulty(fault) as emulator, connected(emulator.url) as socket:
        assert await heard_in_turn(socket) == seen
        assert socket.close_code == 1006


async def heard_in_turn(socket: ClientConnection) -> list[str]:
    """Names of the messages up to the loss, where each of ours waits for the one before."""
    heard = []
    with suppress(ConnectionClosed):
        heard.append(json.loads(await socket.recv())["message"])
        config = {"language": "en"}
        await send(socket, "StartRecognition", audio_format=RAW, transcription_config=config)
        while True:
            heard.append(json.loads(await socket.recv())["message"])
            await socket.send(CHUNK)
    return heard


async def test_drop_between_the_last_final_and_the_end() -> None:
    async with faulty("drop on=EndOfTranscript") as emulator, connected(emulator.url) as socket:
        await start(socket)
        await socket.send(encode([1, 2]))
        messages = await finish(socket, 1)
        assert [w for w, _, _ in words(messages)] == ["w1", "w2"]
        assert only(messages, "EndOfTranscript") == []
        assert socket.close_code == 1006


async def test_drop_in_place_of_the_answer_to_the_handshake() -> None:
    async with faulty("drop handshake times=1") as emulator:
        with pytest.raises((InvalidMessage, ConnectionResetError)):
            await connect(emulator.url, additional_headers=KEY)
        async with connected(emulator.url) as socket:
            assert (await start(socket))["message"] == "RecognitionStarted"
        assert fired(emulator) == [(0, "drop handshake times=1", 0)]


async def test_close_has_its_code_and_reason() -> None:
    fault = "close code=1011 reason='out of tea' at=0.1s"
    async with faulty(fault) as emulator, connected(emulator.url) as socket:
        await start(socket)
        await feed(socket, 100)
        _, closed = await texts(socket)
        assert closed.rcvd is not None
        assert (closed.rcvd.code, closed.rcvd.reason) == (1011, "out of tea")
        assert closed.rcvd_then_sent


async def test_silent_connection_stays_open_and_answers_no_ping() -> None:
    async with faulty("silence at=0.2s") as emulator, connected(emulator.url) as socket:
        await start(socket)
        await feed(socket, 1)
        await next_message(socket, "AudioAdded")
        await feed(socket, 1)
        await until(lambda: len(emulator.faults.fired) == 1)
        pong = await socket.ping()
        await nothing_comes(lambda: asyncio.shield(pong))
        await nothing_comes(socket.recv)
        await feed(socket, 100)
        assert not socket.transport.is_closing()
        socket.transport.abort()
        await until(lambda: emulator.open_connections == 0)


async def test_silent_connection_is_reset_when_the_server_stops() -> None:
    async with connected_to_faulty("silence behind=RecognitionStarted") as (emulator, socket):
        await start(socket)
        await until(lambda: len(emulator.faults.fired) == 1)
    assert socket.close_code == 1006


@asynccontextmanager
async def connected_to_faulty(fault: str) -> AsyncIterator[tuple[Emulator, ClientConnection]]:
    """The server stops first."""
    async with faulty(fault) as emulator:
        socket = await connect(emulator.url, additional_headers=KEY, close_timeout=10)
        yield emulator, socket
    await socket.wait_closed()


async def test_silence_that_ends_loses_and_repeats_nothing() -> None:
    numbers = list(range(1, 11))
    async with faulty("silence at=0.6s for=0.7s") as emulator:
        began = time.monotonic()
        messages = await recognise(emulator.url, encode(numbers))
        assert time.monotonic() - began > 0.7
        assert [word for word, _, _ in words(messages)] == [f"w{n}" for n in numbers]
        assert [m["seq_no"] for m in only(messages, "AudioAdded")] == list(range(1, 21))


async def test_more_than_is_kept_waits_in_the_network_during_a_silence() -> None:
    numbers = list(range(500))
    async with faulty("silence at=0.6s for=0.3s") as emulator:
        messages = await recognise(emulator.url, encode(numbers), chunk=32_000)
        assert [word for word, _, _ in words(messages)] == [f"w{n}" for n in numbers]


async def test_handshake_is_refused_with_status_and_time_to_wait() -> None:
    async with faulty("refuse status=503 retry_after=7 times=2") as emulator:
        for _ in range(2):
            with pytest.raises(InvalidStatus) as refused:
                await connect(emulator.url, additional_headers=KEY)
            assert refused.value.response.status_code == 503
            assert refused.value.response.headers["Retry-After"] == "7"
        async with connected(emulator.url) as socket:
            assert (await start(socket))["message"] == "RecognitionStarted"


async def test_refusal_by_language_of_the_path() -> None:
    async with faulty("refuse status=404 language=fr") as emulator:
        with pytest.raises(InvalidStatus):
            await connect(f"{emulator.url}/fr", additional_headers=KEY)
        async with connected(f"{emulator.url}/en"):
            pass


async def test_handshake_without_a_key_is_no_session_of_the_plan() -> None:
    async with faulty("refuse status=503 times=1") as emulator:
        with pytest.raises(InvalidStatus) as unauthorised:
            await connect(emulator.url)
        assert unauthorised.value.response.status_code == 401
        assert emulator.faults.fired == ()


async def test_handshake_that_hangs_is_answered_late_or_never() -> None:
    async with faulty("hang for=0.3s times=1", "hang times=1 probability=1") as emulator:
        emulator.faults.remove(2)
        began = time.monotonic()
        async with connected(emulator.url):
            assert time.monotonic() - began > 0.3
        emulator.faults.add("hang")
        with pytest.raises(TimeoutError):
            await connect(emulator.url, additional_headers=KEY, open_timeout=QUIET)


async def test_handshake_that_hangs_ends_when_the_server_stops() -> None:
    async with faulty("hang") as emulator:
        connecting = asyncio.create_task(_connect(emulator.url))
        await until(lambda: len(emulator.faults.fired) == 1)
    with pytest.raises((InvalidHandshake, ConnectionError)):
        await connecting


async def _connect(url: str) -> ClientConnection:
    return await connect(url, additional_headers=KEY)


@pytest.mark.parametrize("kind", ErrorType)
async def test_error_of_any_type_is_followed_by_its_close(kind: ErrorType) -> None:
    fault = f"error type={kind.value} at=0.1s reason='no tea'"
    async with faulty(fault) as emulator, connected(emulator.url) as socket:
        await start(socket)
        await feed(socket, 30)
        received, closed = await texts(socket)
        error = {"message": "Error", "type": kind.value, "reason": "no tea"}
        assert json.loads(received[-1]) == error
        assert closed.rcvd is not None
        assert (closed.rcvd.code, closed.rcvd.reason) == (close_code(kind), kind.value)


async def test_error_may_be_the_first_message() -> None:
    async with faulty("error type=job_error") as emulator, connected(emulator.url) as socket:
        assert names((await texts(socket))[0]) == ["Error"]
        assert socket.close_code == 4013


async def test_error_may_come_in_place_of_the_start() -> None:
    fault = "error type=job_error recognition"
    async with faulty(fault) as emulator, connected(emulator.url) as socket:
        assert (await start(socket))["type"] == "job_error"
        await texts(socket)
        assert socket.close_code == 4013


@pytest.mark.parametrize("kind", WarningType)
async def test_warning_of_any_type_changes_nothing_else(kind: WarningType) -> None:
    async with faulty(f"warning type={kind.value} at=0.2s") as emulator:
        messages = await recognise(emulator.url, encode([1, 2]))
        (warning,) = only(messages, "Warning")
        assert (warning["type"], warning["reason"]) == (kind.value, "A fault was asked for")
        assert [word for word, _, _ in words(messages)] == ["w1", "w2"]


async def test_quota_counts_sessions_and_can_be_lifted() -> None:
    async with (
        faulty("quota sessions=1") as emulator,
        connected(emulator.url) as first,
        connected(emulator.url) as second,
    ):
        info = await next_message(first, "Info")
        assert info["quota"] == 1
        assert info["reason"].endswith(" active out of quota 1")
        assert (await start(first))["message"] == "RecognitionStarted"
        assert (await start(second))["type"] == "quota_exceeded"
        _, closed = await texts(second)
        assert closed.rcvd is not None
        assert (closed.rcvd.code, closed.rcvd.reason) == (4005, "quota_exceeded")
        assert fired(emulator) == [(1, "quota sessions=1", 0)]
        emulator.faults.clear()
        async with connected(emulator.url) as third:
            assert (await next_message(third, "Info"))["quota"] != 1
            assert (await start(third))["message"] == "RecognitionStarted"


async def test_quota_is_free_again_when_a_session_ends() -> None:
    async with faulty("quota sessions=1") as emulator:
        for _ in range(2):
            messages = await recognise(emulator.url, encode([1, 2]))
            assert messages[-1]["message"] == "EndOfTranscript"
            await until(lambda: emulator.open_connections == 0)
        assert emulator.faults.fired == ()


async def test_delayed_acknowledgements_come_late_and_in_order() -> None:
    async with faulty("delay message=AudioAdded by=0.6s") as emulator:
        async with connected(emulator.url) as socket:
            await start(socket)
            began = time.monotonic()
            for number in range(0, 8, 2):
                await socket.send(encode([number, number + 1]))
            first = await next_message(socket, "AddTranscript", "AudioAdded")
            assert first["message"] == "AddTranscript"
            messages = [await next_message(socket, "AudioAdded") for _ in range(4)]
            assert time.monotonic() - began > 0.6
            messages += await finish(socket, 4)
            acknowledged = [m["seq_no"] for m in only(messages, "AudioAdded")]
            assert acknowledged == [1, 2, 3, 4]
        assert socket.close_code == 1000


async def test_late_finals_still_come_before_the_end() -> None:
    async with faulty("delay message=AddTranscript by=0.6s") as emulator:
        began = time.monotonic()
        messages = await recognise(emulator.url, encode([1, 2, 3]))
        assert time.monotonic() - began > 0.6
        assert [word for word, _, _ in words(messages)] == ["w1", "w2", "w3"]
        assert messages[-1]["message"] == "EndOfTranscript"


async def test_withheld_acknowledgements_never_come() -> None:
    async with faulty("withhold message=AudioAdded") as emulator:
        messages = await recognise(emulator.url, encode([1, 2, 3]))
        assert only(messages, "AudioAdded") == []
        assert [word for word, _, _ in words(messages)] == ["w1", "w2", "w3"]


async def test_acknowledgements_withheld_for_a_time_come_together() -> None:
    async with faulty("withhold message=AudioAdded for=0.5s") as emulator:
        messages = await recognise(emulator.url, encode([1, 2, 3]))
        assert [m["seq_no"] for m in only(messages, "AudioAdded")] == [1, 2, 3, 4, 5, 6]


async def test_stall_before_the_end_keeps_the_connection_open() -> None:
    async with faulty("withhold message=EndOfTranscript") as emulator:
        async with connected(emulator.url) as socket:
            await start(socket)
            await socket.send(encode([1, 2]))
            await send(socket, "EndOfStream", last_seq_no=1)
            await next_message(socket, "AddTranscript")
            await nothing_comes(lambda: next_message(socket, "EndOfTranscript"))
            async with asyncio.timeout(10):
                await (await socket.ping())
        await until(lambda: emulator.open_connections == 0)


async def test_stall_before_the_end_may_end() -> None:
    async with faulty("withhold message=EndOfTranscript for=0.5s") as emulator:
        messages = await recognise(emulator.url, encode([1, 2]))
        assert messages[-1]["message"] == "EndOfTranscript"


async def test_garbage_is_no_json_and_the_session_goes_on() -> None:
    async with faulty("garbage on=AddTranscript") as emulator, connected(emulator.url) as socket:
        await start(socket)
        await socket.send(encode([1, 2]))
        await send(socket, "EndOfStream", last_seq_no=1)
        received, closed = await texts(socket)
        with pytest.raises(json.JSONDecodeError):
            json.loads(received[1])
        assert names([received[0], *received[2:]])[:2] == ["AudioAdded", "AddTranscript"]
        assert closed.rcvd is not None
        assert closed.rcvd.code == 1000


async def test_unknown_message_has_a_name_and_content() -> None:
    async with faulty("unknown name=Hello behind=AudioAdded") as emulator:
        messages = await recognise(emulator.url, encode([1, 2]), chunk=99_999)
        assert messages[:2] == [
            {"message": "AudioAdded", "seq_no": 1},
            {"message": "Hello", "content": "not in the published description"},
        ]


async def test_oversize_message_breaks_a_client_that_bounds_its_own() -> None:
    async with (
        faulty("oversize size=2M behind=RecognitionStarted") as emulator,
        connected(emulator.url) as socket,
    ):
        await start(socket)
        _, closed = await texts(socket)
        assert closed.sent is not None
        assert closed.sent.code == 1009


async def test_oversize_message_reaches_a_client_that_takes_it() -> None:
    async with (
        faulty("oversize size=2M") as emulator,
        connect(emulator.url, additional_headers=KEY, max_size=None) as socket,
    ):
        assert len(json.loads(await socket.recv())["reason"]) == 2 * 2**20


async def test_slow_server_reads_at_its_rate() -> None:
    async with (
        faulty("slow rate=32000 behind=RecognitionStarted") as emulator,
        connected(emulator.url) as socket,
    ):
        await start(socket)
        began = time.monotonic()
        await feed(socket, 6)
        messages = await finish(socket, 6)
        # 19,200 bytes of audio and a request at 32,000 bytes a second.
        assert time.monotonic() - began > 0.6
        assert [m["seq_no"] for m in only(messages, "AudioAdded")] == [1, 2, 3, 4, 5, 6]


async def test_slow_server_may_become_fast_again() -> None:
    async with faulty("slow rate=1 for=0.3s behind=RecognitionStarted") as emulator:
        messages = await recognise(emulator.url, encode([1, 2]))
        assert messages[-1]["message"] == "EndOfTranscript"


async def test_fault_now_strikes_the_sessions_that_live_and_no_other() -> None:
    async with faulty() as emulator:
        async with connected(emulator.url) as english, connected(f"{emulator.url}/fr") as french:
            await start(english)
            await start(french, language="fr")
            assert [(s.index, s.language) for s in emulator.faults.sessions] == [
                (0, "en"),
                (1, "fr"),
            ]
            emulator.faults.add("drop now language=fr")
            await texts(french)
            assert french.close_code == 1006
            assert fired(emulator) == [(1, "drop now language=fr", 0)]
            messages = await finish(english, 0)
            assert messages[-1]["message"] == "EndOfTranscript"
        assert (await recognise(emulator.url, encode([1])))[-1]["message"] == "EndOfTranscript"


async def test_fault_now_may_end_a_silence() -> None:
    async with (
        faulty("silence behind=RecognitionStarted") as emulator,
        connected(emulator.url) as socket,
    ):
        await start(socket)
        await until(lambda: len(emulator.faults.fired) == 1)
        emulator.faults.add("drop now")
        await texts(socket)
        assert socket.close_code == 1006


async def test_one_session_is_struck_at_once_or_later() -> None:
    async with faulty() as emulator:
        async with connected(emulator.url) as first, connected(emulator.url) as second:
            started = [await start(first), await start(second)]
            emulator.faults.strike(started[0]["id"], "close code=1011")
            emulator.faults.strike(started[1]["id"], "error type=job_error at=0.2s")
            await texts(first)
            assert first.close_code == 1011
            await feed(second, 3)
            await texts(second)
            assert second.close_code == 4013
            with pytest.raises(KeyError):
                emulator.faults.strike("nobody", "drop")
        assert [f.session for f in emulator.faults.fired] == [0, 1]


async def test_fault_that_is_withdrawn_does_not_happen() -> None:
    async with faulty("drop at=0.3s") as emulator, connected(emulator.url) as socket:
        await start(socket)
        emulator.faults.clear()
        await feed(socket, 5)
        assert (await finish(socket, 5))[-1]["message"] == "EndOfTranscript"


async def test_admin_api_strikes_and_tells() -> None:
    async with serve("ledger", http_port=0, admin=True) as emulator, connected(emulator.url) as one:
        started = await start(one)
        async with AsyncClient(base_url=f"{emulator.http_url}/admin") as admin:
            (live,) = (await admin.get("/sessions")).json()["sessions"]
            assert (live["id"], live["language"], live["recognising"]) == (
                started["id"],
                "en",
                True,
            )
            path = f"/sessions/{live['id']}/faults"
            answer = await admin.post(path, json={"action": "close", "code": 4013})
            assert (answer.status_code, answer.json()["text"]) == (201, "close code=4013")
            await texts(one)
            assert one.close_code == 4013
            (record,) = (await admin.get("/faults")).json()["fired"]
            assert (record["session_id"], record["text"]) == (started["id"], "close code=4013")
            await admin.post("/faults", json={"text": "drop now"})
            assert (await admin.delete("/faults")).status_code == 204


async def test_admin_api_is_off_unless_asked_for() -> None:
    async with serve("ledger", http_port=0) as emulator, AsyncClient() as client:
        assert (await client.get(f"{emulator.http_url}/admin/faults")).status_code == 404


async def test_admin_api_needs_a_second_port() -> None:
    with pytest.raises(ValueError, match="the admin API is on the second port: give http_port"):
        async with serve("ledger", admin=True):
            pass


async def test_command_takes_faults() -> None:
    with running("--engine", "ledger", "--fault", "refuse status=418") as (_, url):
        with pytest.raises(InvalidStatus) as refused:
            await connect(url, additional_headers=KEY)
        assert refused.value.response.status_code == 418


def test_command_refuses_what_is_no_fault() -> None:
    command = [*COMMAND, "--engine", "ledger", "--fault", "explode"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)
    assert done.returncode == 2
    assert "'explode' is no fault" in done.stderr


async def _run(seed: int) -> list[tuple[int, str, float]]:
    chaos = (
        "drop at=0.1s..1s probability=0.4",
        "error type=job_error after=3..9 probability=0.4",
    )
    async with faulty(*chaos, seed=seed) as emulator:
        for _ in range(12):
            async with connected(emulator.url) as socket:
                await start(socket)
                await feed(socket, 12)
                await send_end(socket)
                await texts(socket)
            await until(lambda: emulator.open_connections == 0)
        return fired(emulator)


async def send_end(socket: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        await send(socket, "EndOfStream", last_seq_no=12)


async def test_same_seed_makes_the_same_faults_at_the_same_places() -> None:
    first, again, other = await _run(2), await _run(2), await _run(3)
    assert first == again
    assert first != other
    assert len({text for _, text, _ in first}) == 2


@pytest.mark.parametrize(
    "fault",
    [
        "silence sent=2",
        "silence sent=2 for=60s",
        "withhold message=EndOfTranscript",
        "delay message=AudioAdded by=60s",
        "slow rate=10 behind=RecognitionStarted",
    ],
)
async def test_client_that_vanishes_leaves_nothing_behind(fault: str) -> None:
    async with faulty(fault) as emulator, connected(emulator.url) as socket:
        await start(socket)
        await feed(socket, 3)
        await until(lambda: len(emulator.faults.fired) == 1)
        socket.transport.abort()
        await until(lambda: emulator.open_connections == 0)
        await until(lambda: emulator.faults.sessions == ())


@pytest.mark.parametrize(
    "fault",
    [
        "withhold message=EndOfTranscript",
        "delay message=AudioAdded by=60s",
        "slow rate=10 behind=RecognitionStarted",
    ],
)
async def test_server_that_stops_closes_a_faulty_session(fault: str) -> None:
    async with connected_to_faulty(fault) as (emulator, socket):
        await start(socket)
        await feed(socket, 3)
        await until(lambda: len(emulator.faults.fired) == 1)
    assert socket.close_code == 1001

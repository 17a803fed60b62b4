"""`speechmq send` against a real broker and a worker that answers by a script."""

from __future__ import annotations

import asyncio
import io
import json
import time
from pathlib import Path

import pytest
from rich.console import Console
from tests.support.broker import Namespace
from tests.support.command_line import run_speechmq, speechmq
from tests.support.received_events import ended, final, partial
from tests.support.scripted_worker import Answers, accept_and_end, scripted_worker
from tests.support.tones import example
from tests.support.wav_files import write_wav

from speechmq.commandline.audio_file import read_audio_file
from speechmq.commandline.connection import connected
from speechmq.commandline.recording import read_recording
from speechmq.commandline.request import Wishes, start_stream
from speechmq.commandline.screen import LineScreen, screen_for
from speechmq.commandline.send import SendRequest, SendResult, send
from speechmq.errors import BrokerError, BrokerLost, ExchangeMissing, MessageRefused, NoAnswer
from speechmq_schemas import (
    AudioChunk,
    CommandMessage,
    EndStream,
    FileAudioFormat,
    Names,
    StartStream,
    StreamAccepted,
    StreamFailed,
    StreamStarted,
)

RATE = 16_000
AUDIO = bytes(range(256)) * 25  # 6400 bytes: 0.2 s


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "talk.wav", AUDIO, rate=RATE)


def request(wav: Path, *, chunk: float = 20.0, speed: float = 1.0, wait: float = 20) -> SendRequest:
    recording = read_recording(wav)
    start = start_stream("talk-1", recording, Wishes().over({}))
    return SendRequest(start, recording, chunk, speed, wait)


async def sent(
    url: str, what: SendRequest, console: Console | None = None, halt: asyncio.Event | None = None
) -> SendResult:
    screen = LineScreen(console or Console(file=io.StringIO()))
    async with connected(url, "test") as connection:
        return await send(what, connection, Names(), screen, halt or asyncio.Event())


def captioned(stream_id: str, came: CommandMessage) -> Answers:
    """Partials and a final for the audio's first half, a final at the end."""
    match came.command:
        case StartStream():
            started = StreamStarted(stream_id=stream_id, session_id="x")
            return [StreamAccepted(stream_id=stream_id), started]
        case AudioChunk(seq=5):
            return [partial("good", stream=stream_id), final("good", "day", stream=stream_id)]
        case EndStream():
            return [final("bye", segment=2, stream=stream_id), ended(stream_id)]
        case _:
            return []


async def test_send_publishes_the_start_the_audio_and_the_end_in_order(
    namespace: Namespace, wav: Path
) -> None:
    what = request(wav)
    async with scripted_worker(namespace.url) as worker:
        result = await sent(namespace.url, what)
    chunks = [
        CommandMessage(AudioChunk(seq=n + 1), AUDIO[n * 640 : (n + 1) * 640]) for n in range(10)
    ]
    assert worker.received["talk-1"] == [
        CommandMessage(what.start),
        *chunks,
        CommandMessage(EndStream(seq=11)),
    ]
    assert result.end == ended("talk-1", chunks=10)
    assert result.summary.events == {"StreamAccepted": 1, "StreamEnded": 1}


async def test_send_passes_on_the_bytes_of_a_file_that_has_to_be_decoded(
    namespace: Namespace, tmp_path: Path
) -> None:
    file = tmp_path / "talk.mp3"
    file.write_bytes(example("mp3", 3))
    start = start_stream("talk-1", recording := read_audio_file(file), Wishes().over({}))
    async with scripted_worker(namespace.url) as worker:
        await sent(namespace.url, SendRequest(start, recording, 100.0, speed=4.0))
    first, *chunks, last = worker.received["talk-1"]
    assert first.command == start
    assert start.audio_format == FileAudioFormat(type="file")
    assert b"".join(one.audio for one in chunks) == file.read_bytes()
    assert last == CommandMessage(EndStream(seq=len(chunks) + 1))


async def test_send_is_never_faster_than_speech(namespace: Namespace, wav: Path) -> None:
    async with scripted_worker(namespace.url):
        begun = time.monotonic()
        await sent(namespace.url, request(wav))
    assert time.monotonic() - begun >= 9 * 0.020


async def test_send_at_a_high_speed_loses_nothing(namespace: Namespace, tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "long.wav", AUDIO * 50, rate=RATE)
    async with scripted_worker(namespace.url) as worker:
        result = await sent(namespace.url, request(wav, speed=1000))
    assert b"".join(one.audio for one in worker.received["talk-1"]) == AUDIO * 50
    assert result.end == ended("talk-1", chunks=500)


async def test_send_shows_captions_and_sums_up(namespace: Namespace, wav: Path) -> None:
    console = Console(file=io.StringIO())
    async with scripted_worker(namespace.url, captioned):
        result = await sent(namespace.url, request(wav), console)
    assert isinstance(console.file, io.StringIO)
    assert sorted(console.file.getvalue().splitlines()) == sorted(
        [
            "       ·  accepted",
            "       ·  recognition has started",
            " 00:00.0  good day",
            "       ·  end sent; waiting 20 s at most for the last words",
            " 00:00.0  bye",
            "       ·  ended after 2.0 s of audio",
        ]
    )
    summary = result.summary
    assert (summary.words, summary.finals, summary.finals_with_words) == (3, 2, 2)
    assert summary.first_partial_latency is not None
    assert summary.median_final_latency is not None


async def test_send_stops_when_the_stream_fails(namespace: Namespace, tmp_path: Path) -> None:
    def refuse(stream_id: str, came: CommandMessage) -> Answers:
        if not isinstance(came.command, StartStream):
            return []
        return [StreamFailed(stream_id=stream_id, code="no", reason="not you", retryable=False)]

    an_hour = write_wav(tmp_path / "long.wav", bytes(RATE * 2 * 3600), rate=RATE)
    async with scripted_worker(namespace.url, refuse) as worker:
        result = await sent(namespace.url, request(an_hour, chunk=100))
    assert result.end == StreamFailed(
        stream_id="talk-1", code="no", reason="not you", retryable=False
    )
    assert EndStream not in {type(one.command) for one in worker.received["talk-1"]}


async def test_send_ends_the_stream_when_told_to_halt(namespace: Namespace, tmp_path: Path) -> None:
    halt = asyncio.Event()

    def halting(stream_id: str, came: CommandMessage) -> Answers:
        if isinstance(came.command, AudioChunk) and came.command.seq == 3:
            halt.set()
        return accept_and_end(stream_id, came)

    an_hour = write_wav(tmp_path / "long.wav", bytes(RATE * 2 * 3600), rate=RATE)
    async with scripted_worker(namespace.url, halting) as worker:
        result = await sent(namespace.url, request(an_hour), halt=halt)
    commands = [one.command for one in worker.received["talk-1"]]
    chunks = len(commands) - 2
    assert chunks >= 3
    assert commands[-1] == EndStream(seq=chunks + 1)
    assert result.end == ended("talk-1", chunks=chunks)


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([], "no worker has accepted the stream"),
        ([StreamAccepted(stream_id="talk-1")], "it was accepted, but no worker has taken it"),
        (
            [
                StreamAccepted(stream_id="talk-1"),
                StreamStarted(stream_id="talk-1", session_id="x"),
            ],
            "it has started, but not ended",
        ),
    ],
)
async def test_send_tells_how_far_the_stream_came_when_no_end_comes(
    namespace: Namespace, wav: Path, answers: Answers, told: str
) -> None:
    def half_way(_: str, came: CommandMessage) -> Answers:
        return answers if isinstance(came.command, StartStream) else []

    # The deadline is far behind the answers also where the machine is slow.
    async with scripted_worker(namespace.url, half_way):
        with pytest.raises(NoAnswer, match=rf"stream 'talk-1' had no end within 2 s: {told}"):
            await sent(namespace.url, request(wav, speed=10, wait=2))


async def test_send_tells_that_no_worker_was_ever_there(namespace: Namespace, wav: Path) -> None:
    with pytest.raises(ExchangeMissing) as raised:
        await sent(namespace.url, request(wav))
    assert str(raised.value) == (
        "no worker has declared the exchange 'speechmq.events' yet: start one with "
        "`speechmq worker`, or check --url and --namespace"
    )


async def test_send_tells_that_the_queue_is_full(namespace: Namespace, wav: Path) -> None:
    async with scripted_worker(namespace.url, max_bytes=0) as worker:
        bound = asyncio.create_task(_until_bound(namespace))
        with pytest.raises(MessageRefused, match=r"^RabbitMQ refused (AudioChunk|EndStream) \d+: "):
            await sent(namespace.url, request(wav, speed=0.05))
        await bound
    assert type(worker.received["talk-1"][0].command) is StartStream


async def _until_bound(namespace: Namespace) -> None:
    await namespace.wait_for_queues(lambda queues: "speechmq.stream.talk-1" in queues)


async def test_send_tells_that_a_message_was_returned(namespace: Namespace, wav: Path) -> None:
    async with scripted_worker(namespace.url) as worker:
        queue = await worker.channel.get_queue("speechmq.early")
        await queue.delete(if_unused=False)
        start = await worker.channel.get_queue("speechmq.start")
        await start.delete(if_unused=False)
        with pytest.raises(MessageRefused, match="RabbitMQ returned StartStream: no queue takes"):
            await sent(namespace.url, request(wav))


async def test_send_tells_that_the_connection_was_lost(
    namespace: Namespace, tmp_path: Path
) -> None:
    an_hour = write_wav(tmp_path / "long.wav", bytes(RATE * 2 * 3600), rate=RATE)
    under_way = asyncio.Event()

    def watching(stream_id: str, came: CommandMessage) -> Answers:
        if isinstance(came.command, AudioChunk):
            under_way.set()
        return accept_and_end(stream_id, came)

    async with (
        scripted_worker(namespace.url, watching),
        connected(namespace.url, "test") as connection,
    ):
        screen = LineScreen(Console(file=io.StringIO()))
        sending = asyncio.create_task(
            send(request(an_hour), connection, Names(), screen, asyncio.Event())
        )
        await under_way.wait()
        assert connection.transport is not None
        await connection.transport.connection.close(ConnectionError("the cable was pulled"))
        with pytest.raises(BrokerLost, match="the connection to RabbitMQ was lost while"):
            await sending


async def test_broker_that_is_not_there_is_told_without_credentials(unused_port: int) -> None:
    with pytest.raises(BrokerError) as raised:
        async with connected(f"amqp://user:secret@127.0.0.1:{unused_port}/", "test"):
            pass
    assert f"RabbitMQ at 127.0.0.1:{unused_port} cannot be reached" in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.fixture
def unused_port() -> int:
    import socket  # noqa: PLC0415

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_send_leaves_no_queue_behind(namespace: Namespace, wav: Path) -> None:
    async with scripted_worker(namespace.url):
        await sent(namespace.url, request(wav))
        expected = {"speechmq.start", "speechmq.early", "speechmq.stream.talk-1"}
        await namespace.wait_for_queues(lambda queues: set(queues) == expected)


async def test_command_shows_captions_and_a_summary(namespace: Namespace, wav: Path) -> None:
    async with scripted_worker(namespace.url, captioned):
        done = await run_speechmq(
            "send", str(wav), "--stream-id", "a-1", "--url", namespace.url, "--chunk-ms", "20"
        )
    assert (done.code, done.err) == (0, "")
    assert done.out.isprintable() or "\x1b" not in done.out
    lines = done.out.splitlines()
    assert lines[0] == "sending as stream a-1"
    assert " 00:00.0  good day" in lines
    assert "words           3" in lines
    assert "finals          2, 2 with words" in lines


async def test_command_prints_json_and_nothing_else(namespace: Namespace, wav: Path) -> None:
    async with scripted_worker(namespace.url, captioned):
        done = await run_speechmq("send", str(wav), "--url", namespace.url, "--json")
    assert (done.code, done.err) == (0, "")
    events = [json.loads(line) for line in done.out.splitlines()]
    kinds = ["StreamAccepted", "StreamStarted", "FinalTranscript", "StreamEnded"]
    assert [event["type"] for event in events] == kinds
    assert events[-1]["routing_key"].startswith("stream.ended.talk-")


async def test_command_ends_the_stream_on_ctrl_c(namespace: Namespace, tmp_path: Path) -> None:
    an_hour = write_wav(tmp_path / "long.wav", bytes(RATE * 2 * 3600), rate=RATE)
    async with (
        scripted_worker(namespace.url) as worker,
        speechmq("send", str(an_hour), "--url", namespace.url, "--stream-id", "b") as command,
    ):
        await command.line("       ·  accepted")
        command.interrupt()
        done = await command.finish()
    assert (done.code, done.err) == (0, "")
    assert isinstance(worker.received["b"][-1].command, EndStream)


async def test_command_leaves_at_once_on_a_second_ctrl_c(
    namespace: Namespace, tmp_path: Path
) -> None:
    def never_end(stream_id: str, came: CommandMessage) -> Answers:
        accepted = [StreamAccepted(stream_id=stream_id)]
        return accepted if isinstance(came.command, StartStream) else []

    an_hour = write_wav(tmp_path / "long.wav", bytes(RATE * 2 * 3600), rate=RATE)
    async with (
        scripted_worker(namespace.url, never_end),
        speechmq("send", str(an_hour), "--url", namespace.url) as command,
    ):
        await command.line("       ·  accepted")
        command.interrupt()
        await command.line("       ·  end sent; waiting 60 s at most")
        command.interrupt()
        done = await command.finish()
    assert (done.code, done.err) == (130, "")


async def test_command_exits_by_what_went_wrong(namespace: Namespace, tmp_path: Path) -> None:
    def fail(stream_id: str, _: CommandMessage) -> Answers:
        return [StreamFailed(stream_id=stream_id, code="x", reason="y", retryable=False)]

    wav = str(write_wav(tmp_path / "a.wav", bytes(640)))
    async with scripted_worker(namespace.url, fail):
        failed = await run_speechmq("send", wav, "--url", namespace.url)
    unreadable = await run_speechmq("send", str(tmp_path), "--url", namespace.url)
    refused = await run_speechmq("send", wav, "--url", namespace.url, "--stream-id", "a.b")
    unknown = await run_speechmq("send", wav, "--url", namespace.url, "--namespace", "other")
    codes = [one.code for one in (failed, unreadable, refused, unknown)]
    assert codes == [1, 2, 2, 3]
    assert "       ·  failed, x: y" in failed.out.splitlines()
    assert unreadable.err == f"speechmq: {tmp_path} is not a file\n"
    assert refused.err.startswith("speechmq: 'a.b' cannot be a stream id")
    assert unknown.err.startswith("speechmq: no worker has declared the exchange 'other.events'")


def test_screen_for_a_pipe_is_the_one_that_the_tests_use() -> None:
    assert type(screen_for(Console(file=io.StringIO()), as_json=False)) is LineScreen

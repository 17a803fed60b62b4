"""Publishers against a real broker, and with a real worker and the emulator's ledger engine."""

from __future__ import annotations

import asyncio

import pytest
from tests.client.support import FRAME, NAMES, backend, exchanges, frames, until, until_ended
from tests.support.broker import Namespace
from tests.support.speaker import RATE, said

from speechmq_client import (
    AccessRefused,
    BrokerUnavailable,
    ExchangeMissing,
    NoAnswer,
    Pressure,
    Publisher,
    RawAudioFormat,
    RequestRefused,
    StartRefused,
    StartStream,
    StreamHandle,
    StreamOver,
    StreamState,
    Subscriber,
    TranscriptionConfig,
    threads,
)

pytestmark = pytest.mark.timeout(240)


async def test_every_word_comes_back_once(namespace: Namespace) -> None:
    numbers = {f"s{n}": list(range(100 * n, 100 * n + 20)) for n in (1, 2, 3)}
    async with (
        backend(namespace.url),
        Subscriber(namespace.url) as subscriber,
        Publisher(namespace.url, streams_per_connection=2) as publisher,
    ):

        async def speak(stream_id: str) -> tuple[float, int, float]:
            async with await publisher.start_raw(
                stream_id, sample_rate=RATE, max_delay=0.7
            ) as stream:
                assert (await stream.status()).stream_id == stream_id
                for frame in frames(numbers[stream_id]):
                    await stream.send(frame)
            ended = await stream.wait_ended()
            return ended.received_seconds, ended.chunks, ended.gap_seconds

        totals = await asyncio.gather(*map(speak, numbers))
        transcripts = await until_ended(subscriber, *numbers)
        await until(lambda: publisher.streams == [])
        with pytest.raises(RequestRefused) as unknown:
            await publisher.status("never")
    assert {one: [w.content for w in transcripts[one].words] for one in numbers} == {
        one: said(spoken) for one, spoken in numbers.items()
    }
    assert totals == [(4.0, 40, 0.0)] * 3
    assert unknown.value.code == "unknown_stream"
    assert (await namespace.queues())[NAMES.dead].ready == 0


async def test_refused_start_raises_its_reason(namespace: Namespace) -> None:
    start = StartStream(
        stream_id="one",
        audio_format=RawAudioFormat(encoding="pcm_s16le", sample_rate=RATE),
        transcription_config=TranscriptionConfig(language="en"),
        credential="nobody",
    )
    async with backend(namespace.url), Publisher(namespace.url) as publisher:
        with pytest.raises(StartRefused) as refused:
            await publisher.start(start)
        early = await publisher.start(start.model_copy(update={"stream_id": "two"}), wait=False)
        with pytest.raises(StartRefused):
            await early.wait_ended()
        with pytest.raises(StartRefused):
            await early.send(bytes(FRAME))
    assert (refused.value.stream_id, refused.value.code) == ("one", "unknown_credential")
    assert not refused.value.retryable


def test_threads_have_the_same(namespace: Namespace) -> None:
    numbers = list(range(100, 110))

    async def open_backend() -> None:
        async with backend(namespace.url):
            ready.set()
            await done.wait()

    ready, done = asyncio.Event(), asyncio.Event()

    async def run() -> list[str]:
        running = asyncio.create_task(open_backend())
        await ready.wait()
        try:
            return await asyncio.to_thread(speak)
        finally:
            done.set()
            await running

    def speak() -> list[str]:
        with (
            threads.Subscriber(namespace.url, skip_empty=True) as subscriber,
            threads.Publisher(namespace.url) as publisher,
        ):
            with publisher.start_raw("one", sample_rate=RATE, max_delay=0.7) as stream:
                for frame in frames(numbers):
                    stream.send(frame)
            assert stream.wait_ended().received_seconds == 2.0
            for delivery in subscriber:
                delivery.ack()
                if delivery.transcript is not None and delivery.transcript.state == "ended":
                    assert subscriber.receive(within=0.01) is None
                    return [word.content for word in delivery.transcript.words]
        raise AssertionError

    assert asyncio.run(run()) == said(numbers)


# -- without a worker -----------------------------------------------------------------------------


async def test_publisher_says_that_no_worker_was_there(namespace: Namespace) -> None:
    with pytest.raises(ExchangeMissing) as missing:
        async with Publisher(namespace.url, connect_timeout=1.0):
            pass
    assert missing.value.exchange == NAMES.inbound


async def test_publisher_waits_for_the_first_worker(namespace: Namespace) -> None:
    opening = asyncio.create_task(Publisher(namespace.url).__aenter__())
    await asyncio.sleep(0)
    async with exchanges(namespace.url):
        publisher = await opening
        await publisher.__aexit__(None, None, None)


async def test_wrong_password_is_refused_at_once(namespace: Namespace) -> None:
    url = namespace.url.replace("://", "://nobody:wrong@").replace("@guest:guest@", "@")
    wrong = f"amqp://nobody:wrong@{url.rpartition('@')[2]}"
    with pytest.raises(AccessRefused, match="check user and password"):
        async with Publisher(wrong):
            pass


async def test_no_broker_at_all_is_unavailable() -> None:
    with pytest.raises(BrokerUnavailable, match=r"127.0.0.1:1 cannot be reached within 1 s"):
        async with Publisher("amqp://127.0.0.1:1/", connect_timeout=1.0):
            pass


async def test_second_address_serves_when_the_first_does_not(namespace: Namespace) -> None:
    async with (
        exchanges(namespace.url),
        Publisher(["amqp://127.0.0.1:1/", namespace.url]) as publisher,
    ):
        assert publisher.streams == []


async def test_start_without_an_answer_ends_the_stream(namespace: Namespace) -> None:
    async with exchanges(namespace.url) as channel:
        queue = await channel.declare_queue("all", durable=True)
        for key in ("start", "stream.one"):
            await queue.bind(NAMES.inbound, key)
        async with Publisher(namespace.url, start_timeout=0.5) as publisher:
            with pytest.raises(NoAnswer, match="no worker accepted stream one within"):
                await publisher.start_raw("one")
        kinds = [(await queue.get()).type for _ in range(2)]
    assert kinds == ["StartStream", "EndStream"]


async def send_all(stream: StreamHandle, chunks: list[bytes]) -> None:
    for chunk in chunks:
        await stream.send(chunk)


async def test_full_queue_holds_audio_back_and_loses_none(namespace: Namespace) -> None:
    reported: list[Pressure] = []

    def note(_stream: StreamHandle, pressure: Pressure) -> None:
        reported.append(pressure)

    async with exchanges(namespace.url) as channel:
        await (await channel.declare_queue("starts")).bind(NAMES.inbound, "start")
        queue = await channel.declare_queue(
            "small", arguments={"x-max-length": 3, "x-overflow": "reject-publish"}
        )
        await queue.bind(NAMES.inbound, "stream.one")
        publisher = Publisher(
            namespace.url,
            listen=False,
            max_unconfirmed_seconds=1.0,
            on_pressure=note,
            patience=0.5,
        )
        async with publisher:
            stream = await publisher.start_raw("one", sample_rate=RATE)
            chunk = bytes(5 * FRAME)
            with pytest.raises(BrokerUnavailable, match="queue_full"):
                await send_all(stream, [chunk] * 20)
            assert stream.pressure is Pressure.QUEUE_FULL
            assert stream.unconfirmed_seconds == pytest.approx(1.0)
            sent = 3 + stream.unconfirmed
            seqs: list[object] = []
            async with queue.iterator() as deliveries:
                async for delivery in deliveries:
                    seqs.append(delivery.headers["seq"])
                    await delivery.ack()
                    if len(seqs) == sent:
                        break
            await until(lambda: stream.unconfirmed == 0)
            await stream.end()
            assert stream.state is StreamState.ENDING
            with pytest.raises(StreamOver):
                await stream.send(chunk)
    assert list(dict.fromkeys(seqs)) == list(range(1, sent + 1))
    assert reported == [Pressure.NONE, Pressure.QUEUE_FULL, Pressure.NONE]

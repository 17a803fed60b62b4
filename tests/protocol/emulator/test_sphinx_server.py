"""Sessions with real recognition, over real sockets, on a sentence of 5 s."""

import asyncio
import os
import re
import signal
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from tests.protocol.emulator.client import (
    Message,
    connected,
    lives,
    next_message,
    only,
    recognise,
    rest,
    send,
    spans,
    start,
    transcript,
    until,
    words,
)

from speechmq_emulator.audio import SampleReader, Samples, encode
from speechmq_emulator.server import Emulator, serve
from speechmq_emulator.sphinx.engine import SphinxEngine

SPOKEN = re.findall(
    r"\w+", "hello i would like to know if it is going to rain in the city this weekend"
)
SECOND = 32_000


def speech() -> bytes:
    with wave.open(str(Path(__file__).with_name("speech-16k.wav"))) as recording:
        audio: bytes = recording.readframes(recording.getnframes())
    return audio


def speech_samples() -> Samples:
    return SampleReader("pcm_s16le").read(speech())


def heard(messages: list[Message]) -> list[str]:
    return re.findall(r"[a-z']+", transcript(messages).lower())


def word_errors(reference: list[str], hypothesis: list[str]) -> int:
    """The least number of words to insert, delete and replace."""
    previous = list(range(len(hypothesis) + 1))
    for i, expected in enumerate(reference, 1):
        row = [i]
        for j, word in enumerate(hypothesis, 1):
            replaced = previous[j - 1] + (word != expected)
            row.append(min(previous[j] + 1, row[-1] + 1, replaced))
        previous = row
    return previous[-1]


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with serve("sphinx", workers=4) as running:
        yield running


@pytest.mark.parametrize("max_delay", [0.7, 1.0, 4.0])
async def test_speech_is_recognised_almost_word_for_word(
    emulator: Emulator, max_delay: float
) -> None:
    messages = await recognise(emulator.url, speech(), max_delay=max_delay)
    assert word_errors(SPOKEN, heard(messages)) <= 2
    assert transcript(messages)[0].isupper()
    assert transcript(messages).endswith(". ")
    assert messages[-1] == {"message": "EndOfTranscript"}


async def test_finals_tile_the_audio_to_its_end(emulator: Emulator) -> None:
    audio = bytes(SECOND) + speech() + bytes(SECOND) + speech()[:33_334]
    messages = await recognise(emulator.url, audio, max_delay=1.0)
    begins = [begin for begin, _ in spans(messages)]
    ends = [end for _, end in spans(messages)]
    assert begins == [0.0, *ends[:-1]]
    assert ends[-1] == len(audio) / SECOND
    assert all(begin <= end for begin, end in spans(messages))
    assert (0.0, 0.36) in spans(messages)
    times = [time for _, begin, end in words(messages) for time in (begin, end)]
    assert times == sorted(times)


async def test_words_are_final_within_max_delay_of_their_end(emulator: Emulator) -> None:
    """In audio time: a chunk's finals come before the chunk after the next is confirmed."""
    async with connected(emulator.url) as socket:
        await start(socket, max_delay=1.0)
        late = [await lateness(socket, speech())]
    assert max(late) <= 1.0 + 0.1


async def lateness(socket: Any, audio: bytes) -> float:
    """The longest time from the end of a word to the end of the audio that made it final."""
    worst = 0.0
    for sent, at in enumerate(range(0, len(audio), 3200)):
        await socket.send(audio[at : at + 3200])
        while True:
            message = await next_message(socket, "AudioAdded", "AddTranscript")
            if message["message"] == "AudioAdded":
                break
            # Finals of the chunk before: they are written behind its confirmation.
            ends = [r["end_time"] for r in message["results"]]
            worst = max(worst, *(sent * 0.1 - end for end in ends), 0.0)
    return worst


async def test_partials_show_words_that_become_final(emulator: Emulator) -> None:
    messages = await recognise(emulator.url, speech(), enable_partials=True)
    partials = [m for m in only(messages, "AddPartialTranscript") if m["results"]]
    shown = {r["alternatives"][0]["content"] for m in partials for r in m["results"]}
    assert set(heard(messages)) <= {content.lower() for content in shown}


async def test_confidences_are_shares(emulator: Emulator) -> None:
    messages = await recognise(emulator.url, speech(), max_delay=1.0)
    results = [r for m in only(messages, "AddTranscript") for r in m["results"]]
    assert all(0.0 <= r["alternatives"][0]["confidence"] <= 1.0 for r in results)
    (full_stop,) = [r for r in results if r["type"] == "punctuation"]
    assert (full_stop["attaches_to"], full_stop["is_eos"]) == ("previous", True)


@pytest.mark.parametrize("trigger", [0.3, 0.8])
async def test_utterance_ends_once_a_pause(emulator: Emulator, trigger: float) -> None:
    audio = speech() + bytes(2 * SECOND)
    config = {"end_of_utterance_silence_trigger": trigger}
    messages = await recognise(emulator.url, audio, conversation_config=config)
    (ended,) = only(messages, "EndOfUtterance")[-1:]
    (_, _, last_word_end) = words(messages)[-1]
    final = messages[: messages.index(ended)]
    at = ended["metadata"]["end_time"]
    assert ended["metadata"]["start_time"] == at
    assert trigger <= round(at - last_word_end, 2) <= trigger + 0.4
    assert at - only(final, "AddTranscript")[-1]["metadata"]["end_time"] == pytest.approx(0.08)


@pytest.mark.parametrize(("encoding", "rate"), [("mulaw", 16000), ("pcm_f32le", 16000)])
async def test_encodings_are_heard_alike(emulator: Emulator, encoding: str, rate: int) -> None:
    samples = speech_samples()
    audio_format = {"type": "raw", "encoding": encoding, "sample_rate": rate}
    messages = await recognise(
        emulator.url, encode(samples, encoding), audio_format=audio_format, chunk=3333
    )
    assert word_errors(SPOKEN, heard(messages)) <= 2
    assert spans(messages)[-1][1] == len(samples) / rate


@pytest.mark.parametrize("rate", [22050, 48000])
async def test_other_rates_are_resampled(emulator: Emulator, rate: int) -> None:
    samples = speech_samples()
    at = np.arange(int(len(samples) * rate / 16000)) * 16000 / rate
    resampled = np.interp(at, np.arange(len(samples)), samples).astype(np.float32)
    audio_format = {"type": "raw", "encoding": "pcm_s16le", "sample_rate": rate}
    audio = encode(resampled, "pcm_s16le")
    messages = await recognise(emulator.url, audio, audio_format=audio_format, chunk=9600)
    assert word_errors(SPOKEN, heard(messages)) <= 2
    assert spans(messages)[-1][1] == pytest.approx(len(resampled) / rate, abs=0.001)


async def test_stream_without_audio_ends_at_once(emulator: Emulator) -> None:
    messages = await recognise(emulator.url, b"")
    assert messages == [{"message": "EndOfTranscript"}]


async def test_noise_is_covered_by_finals_while_it_goes_on(emulator: Emulator) -> None:
    noise = np.random.default_rng(1).normal(0, 3000, 16000 * 8).astype("<i2").tobytes()
    messages = await recognise(emulator.url, noise, max_delay=1.0)
    ends = [end for _, end in spans(messages)]
    assert max(b - a for a, b in zip([0.0, *ends], ends, strict=False)) <= 2.0
    assert ends[-1] == 8.0


async def test_four_sessions_at_once_hear_the_same(emulator: Emulator) -> None:
    results = await asyncio.gather(*(recognise(emulator.url, speech()) for _ in range(4)))
    alone = transcript(await recognise(emulator.url, speech()))
    assert [transcript(messages) for messages in results] == [alone] * 4


async def test_session_beyond_the_workers_is_refused() -> None:
    async with serve("sphinx", workers=1) as emulator, connected(emulator.url) as first:
        await start(first)
        async with connected(emulator.url) as second:
            assert (await start(second))["type"] == "quota_exceeded"
            await rest(second)
        assert second.close_code == 4005


async def test_language_other_than_english_is_refused(emulator: Emulator) -> None:
    async with connected(emulator.url) as socket:
        assert (await start(socket, language="de"))["type"] == "invalid_language"


def worker_processes() -> list[psutil.Process]:
    """The worker processes of this test process's nursery."""
    nurseries = psutil.Process().children()
    return [worker for nursery in nurseries for worker in nursery.children()]


async def test_dead_worker_is_a_job_error_for_its_own_session_alone(emulator: Emulator) -> None:
    async with connected(emulator.url) as doomed, connected(emulator.url) as other:
        await start(doomed)
        (worker,) = worker_processes()
        await start(other)
        os.kill(worker.pid, signal.SIGKILL)
        (error,) = await rest(doomed)
        assert (error["message"], error["type"]) == ("Error", "job_error")
        assert (doomed.close_code, doomed.close_reason) == (4013, "job_error")
        await other.send(bytes(3200))
        await send(other, "EndOfStream", last_seq_no=1)
        messages = [m["message"] for m in await rest(other)]
        assert messages == ["AudioAdded", "AddTranscript", "EndOfTranscript"]


async def test_dead_nursery_is_replaced(emulator: Emulator) -> None:
    (nursery,) = psutil.Process().children()
    nursery.kill()
    nursery.wait(10)
    messages = await recognise(emulator.url, bytes(3200))
    assert messages[-1] == {"message": "EndOfTranscript"}


async def test_worker_ends_with_its_session(emulator: Emulator) -> None:
    async with connected(emulator.url) as socket:
        await start(socket)
        (worker,) = worker_processes()
    await until(lambda: not lives(worker))


async def test_engine_leaves_no_process_behind() -> None:
    async with serve("sphinx") as emulator, connected(emulator.url) as socket:
        await start(socket)
        family = psutil.Process().children(recursive=True)
        assert len(family) == 2
    assert [process for process in family if lives(process)] == []


def test_engine_needs_a_worker() -> None:
    with pytest.raises(ValueError, match="workers is 0, but a session needs one"):
        SphinxEngine(0)

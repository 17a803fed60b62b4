"""Everything that ledger audio can say arrives at a client, whole and on time."""

import asyncio
import base64
import io
import wave
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from tests.protocol.emulator.client import (
    RAW,
    Message,
    connected,
    next_message,
    only,
    rest,
    send,
    start,
    words,
)
from websockets.asyncio.client import ClientConnection

from speechmq_emulator.ledger import Spoken, encode
from speechmq_emulator.server import Emulator, serve

Numbers = Sequence[int | Spoken | None]


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with serve("ledger") as running:
        yield running


async def converse(
    url: str, audio: bytes, config: dict[str, Any] | None = None, **fields: Any
) -> list[Message]:
    """A whole session; all messages behind its start."""
    async with connected(url) as socket:
        fields = {"audio_format": RAW, **fields}
        config = {"language": "en", **(config or {})}
        await send(socket, "StartRecognition", transcription_config=config, **fields)
        await next_message(socket, "RecognitionStarted")
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(rest(socket))
            await say(socket, audio)
        return reading.result()


async def say(socket: ClientConnection, audio: bytes) -> None:
    chunks = [audio[at : at + 3200] for at in range(0, len(audio), 3200)]
    for chunk in chunks:
        await socket.send(chunk)
    await send(socket, "EndOfStream", last_seq_no=len(chunks))


def results(messages: Sequence[Message]) -> list[Message]:
    """All results of all finals."""
    return [result for m in only(messages, "AddTranscript") for result in m["results"]]


def spoken_by(messages: Sequence[Message]) -> list[tuple[str, str]]:
    return [
        (r["alternatives"][0]["content"], r["alternatives"][0]["speaker"])
        for r in results(messages)
    ]


SPEAKERS = {"diarization": "speaker"}
DIALOGUE: Numbers = [1, Spoken(2, voice=2), 3]


async def test_two_voices_have_two_labels(emulator: Emulator) -> None:
    messages = await converse(emulator.url, encode(DIALOGUE), SPEAKERS)
    assert spoken_by(messages) == [("w1", "S1"), ("w2", "S2"), ("w3", "S1")]


async def test_later_session_knows_a_voice_by_its_identifier(emulator: Emulator) -> None:
    asking = {**SPEAKERS, "speaker_diarization_config": {"get_speakers": True}}
    messages = await converse(emulator.url, encode(DIALOGUE), asking)
    (told,) = only(messages, "SpeakersResult")
    ann, bob = told["speakers"]
    assert [ann["label"], bob["label"]] == ["S1", "S2"]
    named = [{**ann, "label": "Ann"}, {**bob, "label": "Bob"}]
    again = {**SPEAKERS, "speaker_diarization_config": {"speakers": named}}
    messages = await converse(emulator.url, encode(DIALOGUE), again)
    assert spoken_by(messages) == [("w1", "Ann"), ("w2", "Bob"), ("w3", "Ann")]


async def test_unknown_identifier_is_warned_of(emulator: Emulator) -> None:
    nobody = {"label": "Ann", "speaker_identifiers": [base64.b64encode(b"nobody").decode()]}
    config = {**SPEAKERS, "speaker_diarization_config": {"speakers": [nobody]}}
    messages = await converse(emulator.url, encode([1]), config)
    assert [m["type"] for m in only(messages, "Warning")] == ["speaker_id"]
    assert spoken_by(messages) == [("w1", "S1")]


async def test_audio_event_is_told_from_its_first_sample_to_its_last(emulator: Emulator) -> None:
    audio = encode([1, Spoken(2, begins="music"), 3, Spoken(4, ends="music"), 5])
    messages = await converse(emulator.url, audio, audio_events_config={})
    events = [m["event"] for m in messages if m["message"].startswith("AudioEvent")]
    assert events == [
        {"type": "music", "start_time": 0.2, "confidence": 1.0},
        {"type": "music", "end_time": 0.8},
    ]


async def test_sentence_is_translated_into_every_target(emulator: Emulator) -> None:
    audio = encode([1, Spoken(2, ends_sentence=True), None, 3, Spoken(4, ends_sentence=True)])
    translation = {"target_languages": ["de", "fr"]}
    messages = await converse(emulator.url, audio, translation_config=translation)
    for language in ("de", "fr"):
        translations = [
            sentence
            for m in only(messages, "AddTranslation")
            if m["language"] == language
            for sentence in m["results"]
        ]
        times = [(sentence["start_time"], sentence["end_time"]) for sentence in translations]
        assert times == [(0.0, 0.4), (0.6, 1.0)]


async def test_number_in_words_is_an_entity(emulator: Emulator) -> None:
    audio = encode([1, Spoken(42, in_words=True), 2, 3])
    messages = await converse(emulator.url, audio)
    (entity,) = [r for r in results(messages) if r["type"] == "entity"]
    assert entity["alternatives"][0]["content"] == "42"
    spoken = [w["alternatives"][0]["content"] for w in entity["spoken_form"]]
    assert (spoken, entity["start_time"], entity["end_time"]) == (["forty", "two"], 0.2, 0.4)


async def test_number_in_words_is_written_in_digits_without_entities(emulator: Emulator) -> None:
    audio = encode([1, Spoken(42, in_words=True), 2, 3])
    messages = await converse(emulator.url, audio, {"enable_entities": False})
    assert [word for word, _, _ in words(messages)] == ["w1", "42", "w2", "w3"]


async def test_disfluency_is_tagged_or_left_out(emulator: Emulator) -> None:
    audio = encode([1, Spoken(2, disfluency=True), 3])
    tagged = await converse(emulator.url, audio)
    tags = [r["alternatives"][0].get("tags") for r in results(tagged)]
    assert tags == [None, ["disfluency"], None]
    config = {"transcript_filtering_config": {"remove_disfluencies": True}}
    left = await converse(emulator.url, audio, config)
    assert [word for word, _, _ in words(left)] == ["w1", "w3"]


async def test_quiet_word_is_dropped_below_the_threshold(emulator: Emulator) -> None:
    audio = encode([1, Spoken(2, quiet=True), 3])
    messages = await converse(emulator.url, audio, {"audio_filtering_config": {}})
    loud, quiet, _ = [r["volume"] for r in results(messages)]
    assert (loud > 30, quiet) == (True, 2.0)
    config = {"audio_filtering_config": {"volume_threshold": 4.0}}
    messages = await converse(emulator.url, audio, config)
    assert [word for word, _, _ in words(messages)] == ["w1", "w3"]


async def test_forced_end_of_utterance_settles_the_words_before_it(emulator: Emulator) -> None:
    async with connected(emulator.url) as socket:
        await start(socket)
        await socket.send(encode([1]))
        await send(socket, "ForceEndOfUtterance")
        final = await next_message(socket, "AddTranscript")
        ended = await next_message(socket, "EndOfUtterance")
    assert (final["forced"], final["metadata"]["transcript"]) == (True, "w1 ")
    metadata = {"start_time": 0.2, "end_time": 0.2}
    assert (ended["forced"], ended["metadata"]) == (True, metadata)


async def test_forced_end_ahead_of_the_audio_waits_for_it(emulator: Emulator) -> None:
    async with connected(emulator.url) as socket:
        await start(socket)
        await send(socket, "ForceEndOfUtterance", timestamp=0.6)
        await say(socket, encode([1, 2, 3, 4]))
        messages = await rest(socket)
    told = [
        (m["message"], m["metadata"]["end_time"], m.get("forced", False))
        for m in messages
        if m["message"] in {"AddTranscript", "EndOfUtterance"}
    ]
    assert told == [
        ("AddTranscript", 0.4, False),
        ("AddTranscript", 0.6, True),
        ("EndOfUtterance", 0.6, True),
        ("AddTranscript", 0.8, False),
    ]


async def test_partials_begin_when_the_configuration_says_so(emulator: Emulator) -> None:
    async with connected(emulator.url) as socket:
        await start(socket)
        first, second = encode([1, 2]), encode([3, 4])
        await socket.send(first)
        change = {"enable_partials": True}
        await send(socket, "SetRecognitionConfig", transcription_config=change)
        await socket.send(second)
        await send(socket, "EndOfStream", last_seq_no=2)
        messages = await rest(socket)
    partials = [m["metadata"]["transcript"] for m in only(messages, "AddPartialTranscript")]
    assert partials == ["w3"]


async def test_lossless_file_says_the_same_as_raw_audio(emulator: Emulator) -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(16000)
        audio.writeframes(encode([1, 2, 3]))
    messages = await converse(emulator.url, file.getvalue(), audio_format={"type": "file"})
    assert words(messages) == [("w1", 0.0, 0.2), ("w2", 0.2, 0.4), ("w3", 0.4, 0.6)]


async def test_channels_keep_their_words_apart(emulator: Emulator) -> None:
    channels = {"left": [1, 2], "right": [3, 4]}
    config: dict[str, Any] = {
        "diarization": "channel",
        "channel_diarization_labels": list(channels),
    }
    async with connected(emulator.url) as socket:
        await start(socket, **config)
        for channel, numbers in channels.items():
            audio = base64.b64encode(encode(numbers)).decode()
            await send(socket, "AddChannelAudio", channel=channel, data=audio)
        await send(socket, "EndOfStream", last_seq_no=2)
        messages = await rest(socket)
    finals = {m["channel"]: m["metadata"]["transcript"] for m in only(messages, "AddTranscript")}
    assert finals == {"left": "w1 w2 ", "right": "w3 w4 "}

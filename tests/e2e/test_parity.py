"""Events say what the official Python client hears, for the same audio and configuration.

Both speak to one emulator. Whole contents are compared, in their order: what upstream says beside
them (acknowledgements, the begin and the end of a session) has no content, and what an event adds
(``stream_id``, ``segment_id``) is taken off. Times are equal because the origin of a stream's first
session is 0.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from speechmatics import rt
from speechmatics.rt import AsyncClient, AudioEncoding, AudioFormat, ServerMessageType
from tests.protocol.emulator.client import Message, only, until
from tests.support.broker import Namespace
from tests.support.speaker import RATE, Heard, Speaker, speaking, start_of
from tests.support.worker import running_worker

from speechmq_emulator.ledger import Spoken, encode
from speechmq_emulator.server import Emulator, serve
from speechmq_schemas import (
    AudioChunk,
    AudioEventsConfig,
    Command,
    EndStream,
    ForceEndOfUtterance,
    GetSpeakers,
    MidSessionConfig,
    TranslationConfig,
    UpdateConfig,
)

pytestmark = pytest.mark.timeout(180)

STEP = RATE // 10 * 2
FORMAT = AudioFormat(AudioEncoding.PCM_S16LE, sample_rate=RATE, chunk_size=STEP)
CLIENT_MODELS: Mapping[str, Any] = {
    "translation_config": rt.TranslationConfig,
    "audio_events_config": rt.AudioEventsConfig,
}
MODELS: Mapping[str, Any] = {
    "translation_config": TranslationConfig,
    "audio_events_config": AudioEventsConfig,
}
SILENT = {"RecognitionStarted", "AudioAdded", "EndOfTranscript", "Info"}
OURS = {"stream_id", "segment_id"}
FRAME = {"message", "metadata", "format"}
NAMES = {
    "AddTranscript": "FinalTranscript",
    "AddPartialTranscript": "PartialTranscript",
    "AddTranslation": "FinalTranslation",
    "AddPartialTranslation": "PartialTranslation",
    "EndOfUtterance": "EndOfUtterance",
    "SpeakersResult": "SpeakersResult",
    "AudioEventStarted": "AudioEventStarted",
    "AudioEventEnded": "AudioEventEnded",
}


@dataclass(frozen=True)
class Wish:
    """A command in both tongues: upstream's message, and ours for a place in the order."""

    message: Message
    command: Callable[[int], Command]


@dataclass(frozen=True)
class Case:
    """What is said, with wishes in between; ``kinds`` are those that must come."""

    said: Sequence[Sequence[int | Spoken | None] | Wish]
    kinds: set[str]
    config: Mapping[str, Any] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)

    @property
    def transcription_config(self) -> dict[str, Any]:
        return {"language": "en", "enable_partials": True, "max_delay": 0.7, **self.config}


FORCED = Wish({"message": "ForceEndOfUtterance"}, lambda seq: ForceEndOfUtterance(seq=seq))
FORCED_AT = Wish(
    {"message": "ForceEndOfUtterance", "timestamp": 0.4},
    lambda seq: ForceEndOfUtterance(seq=seq, timestamp=0.4),
)
NOW = Wish({"message": "GetSpeakers"}, lambda seq: GetSpeakers(seq=seq))
AT_THE_END = Wish(
    {"message": "GetSpeakers", "final": True}, lambda seq: GetSpeakers(seq=seq, final=True)
)
SLOWER = MidSessionConfig(max_delay=2.0, enable_partials=False)
CHANGED = Wish(
    {
        "message": "SetRecognitionConfig",
        "transcription_config": SLOWER.model_dump(exclude_unset=True),
    },
    lambda seq: UpdateConfig(seq=seq, transcription_config=SLOWER),
)
PAUSE = [None] * 4
WORDS = list(range(100, 110))

CASES = {
    "transcripts": Case([WORDS], {"FinalTranscript", "PartialTranscript"}),
    "finals alone": Case([WORDS], {"FinalTranscript"}, {"enable_partials": False}),
    "ends of utterances": Case(
        [[1, 2, *PAUSE, 3, 4, *PAUSE, 5]],
        {"FinalTranscript", "PartialTranscript", "EndOfUtterance"},
        {"conversation_config": {"end_of_utterance_silence_trigger": 0.4}},
    ),
    "translations": Case(
        [[1, 2, Spoken(3, ends_sentence=True), 4, Spoken(5, ends_sentence=True), *PAUSE]],
        {"FinalTranscript", "PartialTranscript", "FinalTranslation", "PartialTranslation"},
        others={"translation_config": {"target_languages": ["de", "fr"], "enable_partials": True}},
    ),
    "speakers": Case(
        [[1, 2, 3], NOW, AT_THE_END, [Spoken(n, voice=2) for n in range(4, 9)]],
        {"FinalTranscript", "PartialTranscript", "SpeakersResult"},
        {"diarization": "speaker"},
    ),
    "sounds": Case(
        [[1, Spoken(2, begins="music"), 3, Spoken(4, ends="music"), 5]],
        {"FinalTranscript", "PartialTranscript", "AudioEventStarted", "AudioEventEnded"},
        others={"audio_events_config": {"types": ["music"]}},
    ),
    "entities": Case(
        [[1, Spoken(25, in_words=True), 2, 3, 4, 5]],
        {"FinalTranscript", "PartialTranscript"},
        {"enable_entities": True},
    ),
    "forced ends": Case(
        [[1, 2, 3, 4], FORCED, [5, 6, 7], FORCED_AT, [8, 9]],
        {"FinalTranscript", "PartialTranscript", "EndOfUtterance"},
        {"max_delay": 4.0},
    ),
    "a changed configuration": Case(
        [WORDS, CHANGED, WORDS], {"FinalTranscript", "PartialTranscript"}
    ),
    "one model for all languages": Case(
        [WORDS],
        {"FinalTranscript", "PartialTranscript"},
        {"language": "multi", "model": "melia-1"},
    ),
    "vocabulary and replacements": Case(
        [WORDS],
        {"FinalTranscript", "PartialTranscript"},
        {
            "additional_vocab": ["gnocchi", {"content": "w", "sounds_like": ["double you"]}],
            "transcript_filtering_config": {"replacements": [{"from": "w101", "to": "hello"}]},
            "punctuation_overrides": {"permitted_marks": ["."]},
        },
    ),
}


def chunks_of(said: Sequence[int | Spoken | None]) -> list[bytes]:
    audio = encode(said, sample_rate=RATE)
    return [audio[at : at + STEP] for at in range(0, len(audio), STEP)]


async def heard_by_the_client(upstream: Emulator, case: Case) -> list[Message]:
    """Each chunk waits until the one before it is acknowledged, so a wish has its place too."""
    messages: list[Message] = []
    sent = 0
    async with AsyncClient(api_key="dev", url=upstream.url) as client:
        for kind in ServerMessageType:
            client.on(kind, messages.append)
        models = {
            "translation_config": rt.TranslationConfig,
            "audio_events_config": rt.AudioEventsConfig,
        }
        await client.start_session(
            transcription_config=rt.TranscriptionConfig(**case.transcription_config),
            audio_format=FORMAT,
            **{name: models[name](**value) for name, value in case.others.items()},
        )
        for part in case.said:
            if isinstance(part, Wish):
                await client.send_message(part.message)
                continue
            for chunk in chunks_of(part):
                await client.send_audio(chunk)
                sent += 1
                await until(lambda: len(only(messages, "AudioAdded")) == sent)  # noqa: B023
        await client.stop_session()
    return messages


async def published_by_the_worker(speaker: Speaker, stream_id: str, case: Case) -> list[Heard]:
    parts = {name: MODELS[name](**value) for name, value in case.others.items()}
    start = start_of(stream_id, **case.config).model_copy(update=parts)
    await speaker.send(stream_id, start)
    seq = 1
    for part in case.said:
        for chunk in [None] if isinstance(part, Wish) else chunks_of(part):
            if isinstance(part, Wish):
                await speaker.send(stream_id, part.command(seq))
            else:
                await speaker.send(stream_id, AudioChunk(seq=seq), chunk or b"")
            seq += 1
    await speaker.send(stream_id, EndStream(seq=seq))
    await speaker.ears.until_over(stream_id)
    return sorted(speaker.ears.streams[stream_id], key=lambda heard: heard.place)


def content_of_message(message: Message) -> dict[str, Any]:
    """Upstream's message, in the names of our events."""
    content = {name: value for name, value in message.items() if name not in FRAME}
    return {"type": NAMES[message["message"]], **content, **message.get("metadata", {})}


def is_content(heard: Heard) -> bool:
    """Not of the stream's own life."""
    return not heard.message.type.startswith("Stream")


def content_of_event(heard: Heard) -> dict[str, Any]:
    body = json.loads(heard.message.body)
    content = {name: value for name, value in body.items() if name not in OURS}
    return {"type": heard.message.type, **content}


async def test_events_say_what_the_official_client_hears(namespace: Namespace) -> None:
    """One worker for all, which is what takes its time."""
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url),
        speaking(namespace.url) as speaker,
    ):
        events = {
            name: await published_by_the_worker(speaker, f"case-{number}", case)
            for number, (name, case) in enumerate(CASES.items())
        }
        messages = {name: await heard_by_the_client(upstream, case) for name, case in CASES.items()}
    for name, case in CASES.items():
        official = [
            content_of_message(one) for one in messages[name] if one["message"] not in SILENT
        ]
        ours = [content_of_event(one) for one in events[name] if is_content(one)]
        assert {one["type"] for one in official} == case.kinds, name
        assert ours == official, name

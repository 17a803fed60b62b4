"""``speechmatics-rt`` as it is installed, unchanged, against the emulator."""

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, BinaryIO, cast

import pytest
from speechmatics.rt import (
    AsyncClient,
    AsyncMultiChannelClient,
    AudioEncoding,
    AudioEventsConfig,
    AudioFormat,
    AuthenticationError,
    ConnectionError,  # noqa: A004  # the client's own
    ConversationConfig,
    JWTAuth,
    ServerMessageType,
    SpeakerDiarizationConfig,
    SpeakerIdentifier,
    TranscriptionConfig,
    TranscriptionError,
    TranscriptResult,
    TranslationConfig,
)
from tests.protocol.emulator.client import Message, only, until, words

from speechmq_emulator.engine import Emit, EngineStream
from speechmq_emulator.ledger import Spoken, encode
from speechmq_emulator.ledger.engine import LedgerEngine
from speechmq_emulator.protocol.config import StartRecognition
from speechmq_emulator.protocol.limits import Limits
from speechmq_emulator.server import Emulator, serve
from speechmq_emulator.speech.events import ChunkTaken, EngineEvent

CHUNK_BYTES = 3200
FORMAT = AudioFormat(AudioEncoding.PCM_S16LE, sample_rate=16000, chunk_size=CHUNK_BYTES)
CONFIG = TranscriptionConfig(language="en")

Client = AsyncClient | AsyncMultiChannelClient


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with serve("ledger", http_port=0) as running:
        yield running


def heard_by(client: Client) -> list[Message]:
    """All that the server will have said to this client."""
    messages: list[Message] = []
    for kind in ServerMessageType:
        client.on(kind, messages.append)
    return messages


class Microphone:
    """A source of audio that waits for the acknowledgement of each chunk, the last one too.

    So the client, which takes the number of the last ``AudioAdded`` for that of the last
    chunk, is right in the end.
    """

    def __init__(self, client: AsyncClient, audio: bytes) -> None:
        self._audio = io.BytesIO(audio)
        self._sent = self._acknowledged = 0
        client.on(ServerMessageType.AUDIO_ADDED, self._acknowledge)

    def _acknowledge(self, message: Message) -> None:
        self._acknowledged = message["seq_no"]

    async def read(self, size: int) -> bytes:
        await until(lambda: self._acknowledged == self._sent)
        chunk = self._audio.read(size)
        self._sent += bool(chunk)
        return chunk


async def transcribe(client: AsyncClient, audio: bytes, **config: Any) -> list[Message]:
    messages = heard_by(client)
    source = cast("BinaryIO", Microphone(client, audio))
    await client.transcribe(source, audio_format=FORMAT, timeout=30, **config)
    return messages


async def until_heard(messages: Sequence[Message], name: str) -> None:
    await until(lambda: only(messages, name) != [])


async def test_client_gets_finals_partials_and_ends_of_utterances(emulator: Emulator) -> None:
    config = TranscriptionConfig(
        language="en",
        enable_partials=True,
        max_delay=0.7,
        conversation_config=ConversationConfig(end_of_utterance_silence_trigger=0.4),
    )
    audio = encode([1, 2, None, None, None, 3])
    async with AsyncClient(api_key="dev", url=emulator.url) as client:
        messages = await transcribe(client, audio, transcription_config=config)
        assert client.session_id == only(messages, "RecognitionStarted")[0]["id"]
    assert [content for content, _, _ in words(messages)] == ["w1", "w2", "w3"]
    first, *_ = only(messages, "AddPartialTranscript")
    assert first["metadata"]["transcript"] == "w1"
    assert [m["metadata"]["end_time"] for m in only(messages, "EndOfUtterance")] == [0.8]
    assert only(messages, "Warning") == []
    assert messages[-1] == {"message": "EndOfTranscript"}


async def test_client_reads_results_as_its_own_types(emulator: Emulator) -> None:
    async with AsyncClient(api_key="dev", url=emulator.url) as client:
        messages = await transcribe(client, encode([1, 2]), transcription_config=CONFIG)
    (final,) = only(messages, "AddTranscript")
    result = TranscriptResult.from_message(final)
    assert result.metadata.transcript == "w1 w2 "
    assert [
        (r.type, r.start_time, r.end_time, alternative.content, alternative.language)
        for r in result.results
        for alternative in r.alternatives or ()
    ] == [("word", 0.0, 0.2, "w1", "en"), ("word", 0.2, 0.4, "w2", "en")]


async def test_client_gets_translations(emulator: Emulator) -> None:
    translation = TranslationConfig(target_languages=["de", "fr"], enable_partials=True)
    async with AsyncClient(api_key="dev", url=emulator.url) as client:
        messages = await transcribe(
            client,
            encode([1, Spoken(2, ends_sentence=True), None, None, None]),
            transcription_config=TranscriptionConfig(language="en", enable_partials=True),
            translation_config=translation,
        )
    finals = only(messages, "AddTranslation")
    assert {m["language"] for m in finals} == {"de", "fr"}
    assert {m["language"] for m in only(messages, "AddPartialTranslation")} == {"de", "fr"}
    for language in ("de", "fr"):
        (final,) = [m for m in finals if m["language"] == language]
        (sentence,) = final["results"]
        assert (sentence["start_time"], sentence["end_time"]) == (0.0, 0.4)


async def test_client_gets_audio_events(emulator: Emulator) -> None:
    audio = encode([Spoken(1, begins="music"), Spoken(2, ends="music")])
    async with AsyncClient(api_key="dev", url=emulator.url) as client:
        messages = await transcribe(
            client,
            audio,
            transcription_config=CONFIG,
            audio_events_config=AudioEventsConfig(types=["music"]),
        )
    assert [m["event"]["type"] for m in only(messages, "AudioEventStarted")] == ["music"]
    assert [m["event"]["end_time"] for m in only(messages, "AudioEventEnded")] == [0.4]


async def test_client_knows_speakers_of_an_earlier_session_again(emulator: Emulator) -> None:
    audio = encode([1, 2, Spoken(3, voice=2), Spoken(4, voice=2)])
    diarization = TranscriptionConfig(language="en", diarization="speaker")
    async with AsyncClient(api_key="dev", url=emulator.url) as client:
        messages = heard_by(client)
        await client.start_session(transcription_config=diarization, audio_format=FORMAT)
        await client.send_audio(audio)
        await until_heard(messages, "AudioAdded")
        await client.send_message({"message": "GetSpeakers"})
        await until_heard(messages, "SpeakersResult")
        await client.stop_session()
    assert speakers_of(messages) == ["S1", "S1", "S2", "S2"]
    (result,) = only(messages, "SpeakersResult")
    second = next(s for s in result["speakers"] if s["label"] == "S2")
    diarization.speaker_diarization_config = SpeakerDiarizationConfig(
        speakers=[SpeakerIdentifier("Agent", second["speaker_identifiers"])]
    )
    async with AsyncClient(api_key="dev", url=emulator.url) as client:
        messages = await transcribe(client, audio, transcription_config=diarization)
    assert speakers_of(messages) == ["S1", "S1", "Agent", "Agent"]


def speakers_of(messages: Sequence[Message]) -> list[str]:
    return [
        result["alternatives"][0]["speaker"]
        for message in only(messages, "AddTranscript")
        for result in message["results"]
        if result["type"] == "word"
    ]


async def test_client_forces_the_end_of_an_utterance(emulator: Emulator) -> None:
    async with AsyncClient(api_key="dev", url=emulator.url) as client:
        messages = heard_by(client)
        await client.start_session(transcription_config=CONFIG, audio_format=FORMAT)
        await client.send_audio(encode([1]))
        await client.force_end_of_utterance()
        await until_heard(messages, "EndOfUtterance")
        assert words(messages) == [("w1", 0.0, 0.2)]
        (ended,) = only(messages, "EndOfUtterance")
        assert (ended["forced"], ended["metadata"]["end_time"]) == (True, 0.2)
        await until_heard(messages, "AudioAdded")
        await client.stop_session()
    assert messages[-1] == {"message": "EndOfTranscript"}


async def test_client_transcribes_two_channels(emulator: Emulator) -> None:
    sources: dict[str, BinaryIO] = {
        "left": io.BytesIO(encode([1, 2, 3, 4])),
        "right": io.BytesIO(encode([11, 12, 13, 14])),
    }
    async with AsyncMultiChannelClient(api_key="dev", url=emulator.url) as client:
        messages = heard_by(client)
        config = TranscriptionConfig(language="en", diarization="channel")
        await client.transcribe(sources, transcription_config=config, audio_format=FORMAT)
        # It returns as soon as it has sent the last EndOfChannel.
        await until_heard(messages, "EndOfTranscript")
    (started,) = only(messages, "RecognitionStarted")
    assert started["channel_ids"] == ["left", "right"]
    for channel, contents in (("left", "w1 w2 w3 w4"), ("right", "w11 w12 w13 w14")):
        finals = [m for m in only(messages, "AddTranscript") if m["channel"] == channel]
        assert [content for content, _, _ in words(finals)] == contents.split()
        added = [m for m in only(messages, "ChannelAudioAdded") if m["channel"] == channel]
        assert [m["seq_no"] for m in added] == list(range(1, 9))


async def test_client_gets_in_with_a_temporary_key(emulator: Emulator) -> None:
    auth = JWTAuth("dev", ttl=60, client_ref="a client", mp_url=emulator.http_url)
    async with AsyncClient(auth, url=emulator.url) as client:
        messages = await transcribe(client, encode([1]), transcription_config=CONFIG)
    assert words(messages) == [("w1", 0.0, 0.2)]


async def test_client_gets_no_temporary_key_for_an_unknown_one(emulator: Emulator) -> None:
    client = AsyncClient(JWTAuth("unknown", mp_url=emulator.http_url), url=emulator.url)
    with pytest.raises(AuthenticationError, match=r"Failed to generate JWT: HTTP 40[13]"):
        await client.start_session(transcription_config=CONFIG, audio_format=FORMAT)
    await client.close()


async def test_client_is_refused_with_an_unknown_key(emulator: Emulator) -> None:
    client = AsyncClient(api_key="unknown", url=emulator.url)
    with pytest.raises(ConnectionError, match="HTTP 401"):
        await client.start_session(transcription_config=CONFIG, audio_format=FORMAT)
    await client.close()


async def test_client_tells_why_a_session_was_refused(emulator: Emulator) -> None:
    config = TranscriptionConfig(language="en", max_delay=9)
    async with AsyncClient(api_key="dev", url=emulator.url) as client:
        with pytest.raises(TranscriptionError, match=r"transcription_config\.max_delay"):
            await client.start_session(transcription_config=config, audio_format=FORMAT)


class LateAcknowledgements:
    """The ledger engine, but each ``AudioAdded`` behind the first waits for the end."""

    name = "late"
    quota = 1

    def __init__(self) -> None:
        self._ledger = LedgerEngine()

    def speaks(self, language: str) -> bool:
        return True

    @asynccontextmanager
    async def stream(self, start: StartRecognition, emit: Emit) -> AsyncIterator["LateStream"]:
        late = LateReports(emit)
        async with self._ledger.stream(start, late.take) as stream:
            yield LateStream(stream, late)


class LateReports:
    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._taken = 0
        self._held: list[EngineEvent] = []

    def take(self, event: EngineEvent) -> None:
        self._taken += isinstance(event, ChunkTaken)
        if self._taken > 1 and isinstance(event, ChunkTaken):
            self._held.append(event)
        else:
            self._emit(event)

    def release(self) -> None:
        for event in self._held:
            self._emit(event)


class LateStream:
    def __init__(self, stream: EngineStream, reports: LateReports) -> None:
        self.feed = stream.feed
        self.end_utterance = stream.end_utterance
        self.configure = stream.configure
        self.tell_speakers = stream.tell_speakers
        self._stream = stream
        self._reports = reports

    async def finish(self) -> None:
        self._reports.release()
        await self._stream.finish()


async def stopped_before_the_acknowledgements(limits: Limits) -> list[Message]:
    """Five chunks are sent, and one is acknowledged, when the client stops."""
    async with (
        serve(LateAcknowledgements(), limits=limits) as emulator,
        AsyncClient(api_key="dev", url=emulator.url) as client,
    ):
        messages = heard_by(client)
        await client.start_session(transcription_config=CONFIG, audio_format=FORMAT)
        audio = encode([1, 2, 3, 4, 5])
        for at in range(0, len(audio), 2 * CHUNK_BYTES):
            await client.send_audio(audio[at : at + 2 * CHUNK_BYTES])
        await until_heard(messages, "AudioAdded")
        async with asyncio.timeout(30):
            await client.stop_session()
    return messages


async def test_client_miscounts_chunks_when_acknowledgements_are_late() -> None:
    messages = await stopped_before_the_acknowledgements(Limits())
    error = messages[-1]
    assert (error["message"], error["type"]) == ("Error", "protocol_error")
    assert error["reason"].startswith("EndOfStream.last_seq_no is 1, but 5 chunks came")


async def test_lenient_server_takes_the_miscounted_chunks() -> None:
    messages = await stopped_before_the_acknowledgements(Limits(lenient=True))
    assert [content for content, _, _ in words(messages)] == ["w1", "w2", "w3", "w4", "w5"]
    assert [m["seq_no"] for m in only(messages, "AudioAdded")] == [1, 2, 3, 4, 5]
    assert messages[-1] == {"message": "EndOfTranscript"}

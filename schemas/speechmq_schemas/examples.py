"""One realistic message of each kind, out of the life of one stream; for tests and for documents.

The stream starts, is translated, loses a chunk, moves to another worker and ends; another start is
refused, and one more stream has channels.

Everything here is made by the mapping itself from real models, and is the same on every run.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from .amqp import AmqpMessage, from_command, from_event, from_reply, from_request
from .commands import (
    AudioChunk,
    CreateTemporaryKey,
    EndChannel,
    EndStream,
    ForceEndOfUtterance,
    GetSpeakers,
    GetStreamStatus,
    StartStream,
    UpdateConfig,
)
from .config import (
    AdditionalVocab,
    AudioEventsConfig,
    ConversationConfig,
    MidSessionConfig,
    PunctuationOverrides,
    RawAudioFormat,
    TranscriptFilteringConfig,
    TranscriptionConfig,
    TranslationConfig,
    WordReplacement,
)
from .events import (
    AudioEventEnd,
    AudioEventEnded,
    AudioEventStart,
    AudioEventStarted,
    AudioGap,
    EndOfUtterance,
    Event,
    FinalTranscript,
    FinalTranslation,
    PartialTranscript,
    PartialTranslation,
    RecognitionAlternative,
    RecognitionResult,
    Speaker,
    SpeakersResult,
    StreamAccepted,
    StreamDetached,
    StreamEnded,
    StreamFailed,
    StreamInfo,
    StreamResumed,
    StreamStarted,
    StreamWarning,
    TranslatedSentence,
    UpstreamMessage,
)
from .replies import RequestFailed, StreamStatus, TemporaryKey

STREAM_ID = "call-0042"
REFUSED_STREAM_ID = "call-0043"
CHANNELS_STREAM_ID = "call-0044"
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACED: Mapping[str, str] = MappingProxyType({"traceparent": TRACEPARENT})


def tone(milliseconds: int = 10, sample_rate: int = 16_000, peak: int = 8_000) -> bytes:
    """A triangle wave of 400 Hz in ``pcm_s16le``; whole numbers only, so it never varies."""
    period = sample_rate // 400
    rising = [peak * (4 * step - period) // period for step in range(period // 2)]
    wave = [*rising, *(-sample for sample in rising)]
    count = sample_rate * milliseconds // 1000
    return b"".join(wave[i % period].to_bytes(2, "little", signed=True) for i in range(count))


def _start() -> StartStream:
    return StartStream(
        stream_id=STREAM_ID,
        audio_format=RawAudioFormat(type="raw", encoding="pcm_s16le", sample_rate=16_000),
        transcription_config=TranscriptionConfig(
            language="en",
            output_locale="en-GB",
            additional_vocab=[
                "speechmq",
                AdditionalVocab(content="gnocchi", sounds_like=["nyohki", "nokey"]),
            ],
            diarization="speaker",
            max_delay=1.5,
            enable_partials=True,
            transcript_filtering_config=TranscriptFilteringConfig(
                replacements=[WordReplacement(from_="colour", to="color")]
            ),
            punctuation_overrides=PunctuationOverrides(permitted_marks=[".", ",", "?"]),
            conversation_config=ConversationConfig(end_of_utterance_silence_trigger=0.5),
        ),
        translation_config=TranslationConfig(target_languages=["de"], enable_partials=True),
        audio_events_config=AudioEventsConfig(types=["applause", "music"]),
        idle_timeout=30,
        labels={"tenant": "acme", "queue": "support"},
    )


def _change() -> UpdateConfig:
    silence = ConversationConfig(end_of_utterance_silence_trigger=0.8)
    config = MidSessionConfig(max_delay=2.5, conversation_config=silence)
    return UpdateConfig(seq=60, transcription_config=config)


def _commands() -> tuple[AmqpMessage, ...]:
    return (
        from_command(STREAM_ID, _start(), headers=TRACED),
        from_command(STREAM_ID, AudioChunk(seq=1), tone()),
        from_command(STREAM_ID, _change(), headers=TRACED),
        from_command(STREAM_ID, ForceEndOfUtterance(seq=91, timestamp=8.9), headers=TRACED),
        from_command(STREAM_ID, GetSpeakers(seq=92, final=False), headers=TRACED),
        from_command(CHANNELS_STREAM_ID, EndChannel(seq=140, channel="agent"), headers=TRACED),
        from_command(STREAM_ID, EndStream(seq=271), headers=TRACED),
        KEY_REQUEST,
        STATUS_REQUEST,
    )


KEY_REQUEST = from_request(
    CreateTemporaryKey(ttl=600, client_ref="agent-7", credential="support"),
    reply_to="amq.gen-JzTY20BRgKO-HjmUJj0wLg",
    correlation_id="ask-1",
    headers=TRACED,
)


STATUS_REQUEST = from_request(
    GetStreamStatus(stream_id=STREAM_ID),
    reply_to="amq.gen-JzTY20BRgKO-HjmUJj0wLg",
    correlation_id="ask-2",
    headers=TRACED,
)


def _status() -> StreamStatus:
    return StreamStatus(
        stream_id=STREAM_ID,
        state="streaming",
        epoch=1_795_363_200_001,
        worker="worker-7c9f-1-3ab9",
        since=datetime(2026, 11, 22, 16, 0, 12, tzinfo=UTC),
        received_seconds=18.4,
        finalised_seconds=16.9,
        gap_seconds=0.1,
        lag_seconds=1.4,
    )


def _replies() -> tuple[AmqpMessage, ...]:
    key = TemporaryKey(
        key_value="eyJhbGciOi.example.not-a-key",
        ttl=600,
        expires_at=datetime(2026, 11, 22, 16, 10, tzinfo=UTC),
        url="wss://eu.rt.speechmatics.com/v2",
    )
    refused = RequestFailed(
        code="invalid_field",
        reason="CreateTemporaryKey is not valid: ttl: Input should be greater than or equal to 60",
        retryable=False,
        fields=[{"path": "ttl", "reason": "Input should be greater than or equal to 60"}],
    )
    status = from_reply(_status(), STATUS_REQUEST, headers=TRACED)
    return (
        *(from_reply(one, KEY_REQUEST, headers=TRACED) for one in (key, refused)),
        status,
    )


def _word(content: str, start: float, end: float, confidence: float) -> RecognitionResult:
    heard = RecognitionAlternative(
        content=content, confidence=confidence, language="en", speaker="S1"
    )
    return RecognitionResult(type="word", start_time=start, end_time=end, alternatives=[heard])


def _full_stop(at: float) -> RecognitionResult:
    mark = RecognitionAlternative(content=".", confidence=1.0, language="en", speaker="S1")
    return RecognitionResult(
        type="punctuation",
        start_time=at,
        end_time=at,
        alternatives=[mark],
        attaches_to="previous",
        is_eos=True,
    )


def _partial() -> PartialTranscript:
    return PartialTranscript(
        stream_id=STREAM_ID,
        segment_id=1,
        start_time=0.2,
        end_time=0.92,
        transcript="Good",
        results=[_word("Good", 0.36, 0.92, 0.88)],
    )


def _final() -> FinalTranscript:
    return FinalTranscript(
        stream_id=STREAM_ID,
        segment_id=1,
        start_time=0.0,
        end_time=1.4,
        transcript="Good morning. ",
        results=[
            _word("Good", 0.36, 0.68, 0.97),
            _word("morning", 0.68, 1.32, 0.99),
            _full_stop(1.32),
        ],
    )


def _translations() -> tuple[Event, ...]:
    so_far = TranslatedSentence(content="Guten", start_time=0.36, end_time=0.68, speaker="S1")
    whole = TranslatedSentence(
        content="Guten Morgen.", start_time=0.36, end_time=1.32, speaker="S1"
    )
    return (
        PartialTranslation(stream_id=STREAM_ID, language="de", results=[so_far]),
        FinalTranslation(stream_id=STREAM_ID, language="de", results=[whole]),
    )


def _sounds() -> tuple[Event, ...]:
    begins = AudioEventStart(type="applause", start_time=11.4, confidence=0.81)
    ends = AudioEventEnd(type="applause", end_time=12.1)
    return (
        AudioEventStarted(stream_id=STREAM_ID, event=begins),
        AudioEventEnded(stream_id=STREAM_ID, event=ends),
    )


def _speakers() -> SpeakersResult:
    voice = Speaker(label="S1", speaker_identifiers=["XX0x1c2b4d5e6f70"])
    return SpeakersResult(stream_id=STREAM_ID, speakers=[voice])


def _started() -> StreamStarted:
    return StreamStarted(
        stream_id=STREAM_ID,
        session_id="807670e9-14af-4fa2-9e8f-5d525c22156e",
        language_pack_info={
            "language_description": "English",
            "word_delimiter": " ",
            "writing_direction": "left-to-right",
            "itn": True,
            "adapted": False,
        },
        labels={"tenant": "acme", "queue": "support"},
    )


def _ended() -> StreamEnded:
    return StreamEnded(
        stream_id=STREAM_ID,
        reason="end",
        received_seconds=26.7,
        finalised_seconds=26.6,
        gap_seconds=0.1,
        chunks=266,
        duplicates=2,
        finals=31,
    )


def _refused() -> StreamFailed:
    return StreamFailed(
        stream_id=REFUSED_STREAM_ID,
        code="invalid_field",
        reason="StartStream is not valid: audio_format.sample_rate: "
        "Input should be greater than or equal to 8000",
        retryable=False,
        fields=[
            {
                "path": "audio_format.sample_rate",
                "reason": "Input should be greater than or equal to 8000",
            }
        ],
    )


def _first_epoch() -> tuple[Event, ...]:
    return (
        StreamAccepted(stream_id=STREAM_ID),
        _started(),
        _partial(),
        _final(),
        EndOfUtterance(stream_id=STREAM_ID, start_time=1.48, end_time=1.48),
        *_translations(),
        _speakers(),
        AudioGap(stream_id=STREAM_ID, start_time=11.1, end_time=11.2, first_seq=112, last_seq=112),
        StreamWarning(
            stream_id=STREAM_ID,
            code="late_chunk",
            reason="chunk 112 came after its gap was declared; it was dropped",
        ),
        *_sounds(),
        UpstreamMessage(stream_id=STREAM_ID, message="AddSummary", summary="A caller says hello."),
        StreamDetached(stream_id=STREAM_ID, reason="the worker is being shut down"),
    )


def _second_epoch() -> tuple[Event, ...]:
    resumed = StreamResumed(
        stream_id=STREAM_ID,
        session_id="c1a4f1b2-3f0c-4a55-9f6d-0b6f6a0f7d11",
        origin=12.3,
        reason="taken over from another worker",
    )
    suspended = StreamInfo(
        stream_id=STREAM_ID,
        code="suspended",
        reason="no audio came for 120.0 s; the next goes on from here",
    )
    return (resumed, suspended, _ended())


def _events() -> tuple[AmqpMessage, ...]:
    return tuple(
        from_event(event, epoch=epoch, seq=seq, headers=TRACED)
        for epoch, events in ((1, _first_epoch()), (2, _second_epoch()), (1, (_refused(),)))
        for seq, event in enumerate(events, start=1)
    )


EXAMPLES: Mapping[str, AmqpMessage] = MappingProxyType(
    {message.type: message for message in (*_commands(), *_events(), *_replies())}
)
"""By type: every command, every event and every reply once."""

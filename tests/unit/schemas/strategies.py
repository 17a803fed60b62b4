"""Messages of every kind, right and wrong, for hypothesis."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import BaseModel

from speechmq_schemas import commands, config, events, replies
from speechmq_schemas.amqp import AmqpMessage, CommandMessage
from speechmq_schemas.commands import COMMANDS
from speechmq_schemas.events import EVENTS
from speechmq_schemas.examples import EXAMPLES
from speechmq_schemas.replies import REPLIES

# A slow run on a loaded machine is no failure.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

MODELS: Mapping[str, type[BaseModel]] = {**COMMANDS, **EVENTS, **REPLIES}

M = TypeVar("M", bound=BaseModel)
Fields = Mapping[str, SearchStrategy[Any]]

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
words = text.filter(bool)
numbers = st.floats(allow_nan=False, allow_infinity=False)
seconds = st.floats(0, 1e6)
seqs = st.integers(1, 2**63 - 1)
credential_names = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
stream_ids = st.from_regex(r"[A-Za-z0-9_-]{1,128}", fullmatch=True)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
json_objects = st.dictionaries(text, json_values, max_size=3)


def _instances(
    model: type[M], required: Fields, optional: Fields | None = None, *, extra: bool = True
) -> SearchStrategy[M]:
    """``model`` with all, some or none of its optional fields, and with fields that it lacks."""
    taken = set(model.model_fields) | {field.alias for field in model.model_fields.values()}
    extras = st.dictionaries(text.filter(lambda key: key not in taken), json_values, max_size=2)
    fields = st.fixed_dictionaries(dict(required), optional=dict(optional or {}))
    both = st.tuples(extras if extra else st.just({}), fields)
    return both.map(lambda pair: model(**{**pair[0], **pair[1]}))


transcription_configs = _instances(
    config.TranscriptionConfig,
    {"language": st.sampled_from(["en", "cmn_en", "es-419"])},
    {
        "domain": st.none() | words,
        "additional_vocab": st.lists(
            words
            | _instances(
                config.AdditionalVocab,
                {"content": words},
                {"sounds_like": st.none() | st.lists(words, min_size=1, max_size=2)},
            ),
            max_size=3,
        ),
        "max_delay": st.none() | st.floats(0.7, 4),
        "enable_partials": st.none() | st.booleans(),
        "speaker_diarization_config": _instances(
            config.SpeakerDiarizationConfig,
            {},
            {
                "max_speakers": st.integers(2, 99),
                "speakers": st.lists(
                    _instances(
                        config.KnownSpeaker,
                        {
                            "label": st.sampled_from(["Ann", "S1a", "Bo B", "s1"]),
                            "speaker_identifiers": st.lists(
                                words, min_size=1, max_size=2, unique=True
                            ),
                        },
                    ),
                    max_size=2,
                ),
            },
        ),
        "transcript_filtering_config": _instances(
            config.TranscriptFilteringConfig,
            {},
            {
                "replacements": st.lists(
                    _instances(config.WordReplacement, {"from_": text, "to": text}), max_size=2
                )
            },
        ),
        "punctuation_overrides": _instances(
            config.PunctuationOverrides,
            {},
            {"permitted_marks": st.lists(st.sampled_from([".", "。", "all"]), max_size=2)},
        ),
    },
)

mid_session_configs = _instances(
    config.MidSessionConfig,
    {},
    {
        "language": st.none() | st.sampled_from(["en", "cmn_en"]),
        "max_delay": st.none() | st.floats(0.7, 4),
        "max_delay_mode": st.none() | st.sampled_from(["flexible", "fixed"]),
        "enable_partials": st.none() | st.booleans(),
        "conversation_config": st.none()
        | _instances(
            config.ConversationConfig,
            {},
            {"end_of_utterance_silence_trigger": st.floats(0, 2)},
            extra=False,
        ),
    },
    extra=False,
)
translation_configs = _instances(
    config.TranslationConfig,
    {"target_languages": st.lists(st.sampled_from(["de", "fr", "cmn"]), max_size=5)},
    {"enable_partials": st.none() | st.booleans()},
)
audio_events_configs = _instances(
    config.AudioEventsConfig, {}, {"types": st.none() | st.lists(words, max_size=2)}
)

raw_formats = st.builds(
    config.RawAudioFormat,
    type=st.just("raw"),
    encoding=st.sampled_from(["pcm_s16le", "pcm_f32le", "mulaw", "alaw"]),
    sample_rate=st.integers(8_000, 48_000),
)
some_channels = st.builds(
    config.Channels,
    layout=st.sampled_from(["separate", "interleaved"]),
    labels=st.sampled_from([["agent", "customer"], ["a", "b", "the third"]]),
)


def _of_channels(
    start: commands.StartStream, form: config.RawAudioFormat, channels: config.Channels
) -> commands.StartStream:
    """Those are of raw audio, and are not translated."""
    update = {"audio_format": form, "channels": channels, "translation_config": None}
    return start.model_copy(update=update)


mono_starts = _instances(
    commands.StartStream,
    {
        "stream_id": stream_ids,
        "audio_format": raw_formats | st.just(config.FileAudioFormat(type="file")),
        "transcription_config": transcription_configs,
    },
    {
        "translation_config": st.none() | translation_configs,
        "audio_events_config": st.none() | audio_events_configs,
        "credential": st.none() | credential_names,
        "region": st.none() | words,
        "idle_timeout": st.none() | st.floats(0, 86_400, exclude_min=True),
        "labels": st.dictionaries(words, text, max_size=3),
    },
    extra=False,
)
starts = mono_starts | st.builds(_of_channels, mono_starts, raw_formats, some_channels)

placed_commands: SearchStrategy[commands.Command] = st.one_of(
    _instances(
        commands.UpdateConfig,
        {"seq": seqs, "transcription_config": mid_session_configs},
        extra=False,
    ),
    _instances(
        commands.ForceEndOfUtterance,
        {"seq": seqs},
        {"timestamp": st.none() | seconds},
        extra=False,
    ),
    _instances(commands.GetSpeakers, {"seq": seqs}, {"final": st.booleans()}, extra=False),
    st.builds(commands.EndStream, seq=seqs),
)

key_requests = _instances(
    commands.CreateTemporaryKey,
    {"ttl": st.integers(60, 86_400)},
    {"client_ref": st.none() | words, "credential": st.none() | credential_names},
    extra=False,
)

command_messages: SearchStrategy[tuple[str, CommandMessage]] = st.one_of(
    starts.map(lambda start: (start.stream_id, CommandMessage(start))),
    st.tuples(
        stream_ids,
        st.builds(CommandMessage, st.builds(commands.AudioChunk, seq=seqs), st.binary()),
    ),
    st.tuples(stream_ids, placed_commands.map(CommandMessage)),
)

_results = st.lists(
    _instances(
        events.RecognitionResult,
        {"type": words, "start_time": seconds, "end_time": seconds},
        {
            "alternatives": st.lists(
                _instances(
                    events.RecognitionAlternative,
                    {"content": text, "confidence": st.floats(0, 1)},
                    {"speaker": st.none() | words, "tags": st.none() | st.lists(words, max_size=2)},
                ),
                max_size=2,
            ),
            "is_eos": st.none() | st.booleans(),
        },
    ),
    max_size=2,
)
_stream = {"stream_id": stream_ids}
_span = {"start_time": seconds, "end_time": seconds}
_forced: Fields = {"forced": st.booleans()}
_transcript = {
    **_stream,
    **_span,
    "segment_id": st.integers(1),
    "transcript": text,
    "results": _results,
}
_translation: Fields = {
    **_stream,
    "language": words,
    "results": st.lists(
        _instances(
            events.TranslatedSentence,
            {"content": text, **_span},
            {"speaker": st.none() | words},
        ),
        max_size=2,
    ),
}
_fields: Fields = {"fields": st.lists(st.dictionaries(text, text, max_size=2), max_size=2)}
_totals: Fields = {
    **dict.fromkeys(("received_seconds", "finalised_seconds", "gap_seconds"), numbers),
    **dict.fromkeys(("chunks", "duplicates", "finals"), st.integers()),
}

EVENT_STRATEGIES: dict[str, SearchStrategy[Any]] = {
    "StreamAccepted": _instances(events.StreamAccepted, _stream),
    "StreamStarted": _instances(
        events.StreamStarted,
        {**_stream, "session_id": text},
        {"language_pack_info": json_objects, "labels": st.dictionaries(text, text, max_size=2)},
    ),
    "StreamResumed": _instances(
        events.StreamResumed, {**_stream, "session_id": text, "origin": seconds, "reason": text}
    ),
    "StreamDetached": _instances(events.StreamDetached, {**_stream, "reason": text}),
    "StreamInfo": _instances(events.StreamInfo, {**_stream, "code": text, "reason": text}),
    "StreamWarning": _instances(
        events.StreamWarning, {**_stream, "code": text, "reason": text}, _fields
    ),
    "StreamEnded": _instances(
        events.StreamEnded, {**_stream, **_totals, "reason": st.sampled_from(["end", "idle"])}
    ),
    "StreamFailed": _instances(
        events.StreamFailed,
        {"stream_id": text, "code": text, "reason": text, "retryable": st.booleans()},
        _fields,
    ),
    "PartialTranscript": _instances(events.PartialTranscript, _transcript, _forced),
    "FinalTranscript": _instances(events.FinalTranscript, _transcript, _forced),
    "EndOfUtterance": _instances(events.EndOfUtterance, {**_stream, **_span}, _forced),
    "PartialTranslation": _instances(events.PartialTranslation, _translation),
    "FinalTranslation": _instances(events.FinalTranslation, _translation),
    "SpeakersResult": _instances(
        events.SpeakersResult,
        {
            **_stream,
            "speakers": st.lists(
                _instances(
                    events.Speaker,
                    {"label": text, "speaker_identifiers": st.lists(text, max_size=2)},
                ),
                max_size=2,
            ),
        },
    ),
    "AudioEventStarted": _instances(
        events.AudioEventStarted,
        {
            **_stream,
            "event": _instances(
                events.AudioEventStart,
                {"type": text, "start_time": seconds, "confidence": st.floats(0, 1)},
            ),
        },
    ),
    "AudioEventEnded": _instances(
        events.AudioEventEnded,
        {
            **_stream,
            "event": _instances(events.AudioEventEnd, {"type": text, "end_time": seconds}),
        },
    ),
    "AudioGap": _instances(
        events.AudioGap,
        {**_stream, **_span, "first_seq": st.integers(), "last_seq": st.integers()},
    ),
    "UpstreamMessage": _instances(events.UpstreamMessage, {**_stream, "message": words}),
}
requests: SearchStrategy[commands.Request] = key_requests | st.builds(
    commands.GetStreamStatus, stream_id=stream_ids
)

REPLY_STRATEGIES: dict[str, SearchStrategy[Any]] = {
    "TemporaryKey": _instances(
        replies.TemporaryKey,
        {
            "key_value": words,
            "ttl": st.integers(60, 86_400),
            "expires_at": st.datetimes(timezones=st.just(UTC)),
            "url": text,
        },
    ),
    "StreamStatus": _instances(
        replies.StreamStatus,
        {"stream_id": stream_ids, "state": st.sampled_from(["waiting", "streaming"])},
        {
            "epoch": st.none() | st.integers(),
            "worker": st.none() | text,
            "since": st.none() | st.datetimes(timezones=st.just(UTC)),
            "received_seconds": st.none() | seconds,
            "finalised_seconds": st.none() | seconds,
            "gap_seconds": st.none() | seconds,
            "lag_seconds": st.none() | seconds,
        },
    ),
    "RequestFailed": _instances(
        replies.RequestFailed,
        {"code": text, "reason": text, "retryable": st.booleans()},
        {"fields": st.lists(st.dictionaries(text, text, max_size=2), max_size=2)},
    ),
}
valid_replies: SearchStrategy[replies.Reply] = st.one_of(list(REPLY_STRATEGIES.values()))
valid_events: SearchStrategy[events.Event] = st.one_of(list(EVENT_STRATEGIES.values()))


# --- What no reader may choke on -------------------------------------------------------------

types = st.sampled_from([*COMMANDS, *EVENTS, *REPLIES]) | st.text()
header_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.binary(max_size=9),
    st.text(max_size=9),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.datetimes(),
    st.decimals(),
)
headers = st.dictionaries(st.sampled_from(["seq", "epoch", "traceparent"]) | text, header_values)

_hostile_json = st.sampled_from(
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "[" * 150 + "]" * 150,
        "NaN",
        "-Infinity",
        "1e999",
        "9" * 5_000,
        '"\\ud800"',
        "null",
        "true",
        "",
        "{}",
        '"' + "x" * 300_000 + '"',
        "[" + '"",' * 5_000 + '""]',
    ]
)
_any_json = json_values.map(json.dumps) | _hostile_json


def _spoilt(message: AmqpMessage, field: str, value: str) -> bytes:
    """The body of ``message`` with ``value`` as the text of ``field``."""
    kept = {} if not message.body.startswith(b"{") else json.loads(message.body)
    kept.pop(field, None)
    listed = [f"{json.dumps(key)}:{json.dumps(inner)}" for key, inner in kept.items()]
    return ("{" + ",".join([*listed, f"{json.dumps(field)}:{value}"]) + "}").encode()


_field_names = st.sampled_from(
    sorted({name for model in MODELS.values() for name in model.model_fields})
)
_spoilt_bodies = st.builds(
    _spoilt, st.sampled_from(list(EXAMPLES.values())), _field_names | words, _any_json
)
bodies = st.one_of(
    st.binary(),
    _any_json.map(lambda value: value.encode("utf-8", "surrogatepass")),
    _spoilt_bodies,
    _spoilt_bodies.map(lambda body: body + b"\xff"),
    st.sampled_from([message.body for message in EXAMPLES.values()]),
)
arbitrary_messages = st.builds(
    AmqpMessage,
    routing_key=st.text(max_size=9),
    type=types,
    body=bodies,
    headers=headers,
    correlation_id=st.none() | st.text(max_size=9) | stream_ids,
)
spoilt_examples = st.builds(
    lambda message, field, value: AmqpMessage(
        message.routing_key,
        message.type,
        _spoilt(message, field, value),
        message.headers,
        correlation_id=message.correlation_id,
    ),
    st.sampled_from(list(EXAMPLES.values())),
    _field_names | words,
    _any_json,
)

"""The protocol core: every row of its table, and what each refusal says."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from speechmq_emulator.protocol.config import StartRecognition
from speechmq_emulator.protocol.errors import ErrorType, Refusal, close_code
from speechmq_emulator.protocol.session import (
    TRANSITIONS,
    Close,
    FeedEngine,
    FinishEngine,
    Input,
    OpenEngine,
    Output,
    Send,
    Session,
    State,
)
from speechmq_emulator.protocol.start import Offer
from speechmq_emulator.speech.events import (
    ChunkTaken,
    Ended,
    Failed,
    Final,
    Mark,
    Partial,
    UtteranceEnded,
    Word,
)


def start_fields(**transcription_config: Any) -> dict[str, Any]:
    return {
        "message": "StartRecognition",
        "audio_format": {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 16000},
        "transcription_config": {"language": "en", **transcription_config},
    }


def start(**transcription_config: Any) -> str:
    return json.dumps(start_fields(**transcription_config))


def end_of_stream(last_seq_no: int) -> str:
    return json.dumps({"message": "EndOfStream", "last_seq_no": last_seq_no})


def new_session(path_language: str | None = None, deadline: float | None = None) -> Session:
    offer = Offer(lambda language: language != "fi", "test 1", path_language)
    return Session("an-id", offer, deadline=deadline)


def recognising_session(**transcription_config: Any) -> Session:
    session = new_session()
    session.receive(start(**transcription_config))
    session.engine_started()
    return session


def finishing_session(chunks: int = 0) -> Session:
    session = recognising_session()
    for _ in range(chunks):
        session.receive(b"\0\0")
    session.receive(end_of_stream(chunks))
    return session


def closed_session() -> Session:
    session = new_session()
    session.receive("{}")
    return session


def session_in(state: State) -> Session:
    starting = new_session()
    starting.receive(start())
    sessions = {
        State.AWAITING_START: new_session(),
        State.STARTING: starting,
        State.RECOGNISING: recognising_session(),
        State.FINISHING: finishing_session(),
        State.CLOSED: closed_session(),
    }
    assert sessions[state].state is state
    return sessions[state]


def give(session: Session, cause: Input) -> list[Output]:
    give_one: dict[Input, Callable[[], list[Output]]] = {
        Input.START_RECOGNITION: lambda: session.receive(start()),
        Input.ADD_AUDIO: lambda: session.receive(b"\0\0"),
        Input.END_OF_STREAM: lambda: session.receive(end_of_stream(session.chunks_received)),
        Input.UNSUPPORTED: lambda: session.receive('{"message": "GetSpeakers"}'),
        Input.DEADLINE: session.deadline_passed,
        Input.ENGINE_STARTED: session.engine_started,
        Input.CHUNK_TAKEN: lambda: session.recognised(ChunkTaken()),
        Input.TRANSCRIPT: lambda: session.recognised(UtteranceEnded(1.0)),
        Input.ENGINE_ENDED: lambda: session.recognised(Ended()),
        Input.ENGINE_FAILED: lambda: session.recognised(Failed("gone")),
    }
    return give_one[cause]()


def refused(kind: str, code: int, reason: str) -> list[Output]:
    error = {"message": "Error", "type": kind, "reason": reason}
    return [Send(error), Close(code, kind)]


FROM_CLIENT = {Input.START_RECOGNITION, Input.ADD_AUDIO, Input.END_OF_STREAM, Input.UNSUPPORTED}
PAIRS = list(product(set(State) - {State.CLOSED}, Input))


@pytest.mark.parametrize(("state", "cause"), sorted(TRANSITIONS, key=str))
def test_session_follows_the_table(state: State, cause: Input) -> None:
    session = session_in(state)
    give(session, cause)
    assert session.state is TRANSITIONS[state, cause]


@pytest.mark.parametrize(
    ("state", "cause"),
    sorted((p for p in PAIRS if p not in TRANSITIONS and p[1] in FROM_CLIENT), key=str),
)
def test_session_calls_a_message_out_of_place_a_protocol_error(state: State, cause: Input) -> None:
    session = session_in(state)
    name = "GetSpeakers" if cause is Input.UNSUPPORTED else cause.value
    reason = f"{name} is out of place while {state.name}"
    if state is State.AWAITING_START:
        reason += "; StartRecognition comes first"
    assert give(session, cause) == refused("protocol_error", 1003, reason)
    assert session.state is State.CLOSED


@pytest.mark.parametrize(
    ("state", "cause"),
    sorted(
        (p for p in PAIRS if p not in TRANSITIONS and p[1].name.startswith("ENGINE_E")), key=str
    ),
)
def test_session_raises_when_the_engine_is_out_of_turn(state: State, cause: Input) -> None:
    with pytest.raises(RuntimeError, match=f"the engine's end came while {state.name}"):
        give(session_in(state), cause)


@pytest.mark.parametrize("cause", Input)
def test_closed_session_answers_nothing(cause: Input) -> None:
    assert give(closed_session(), cause) == []


def test_whole_session_speaks_the_protocol() -> None:
    session = new_session()
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert session.connected(usage=1, quota=50, at=at) == [
        Send(
            {
                "message": "Info",
                "type": "concurrent_session_usage",
                "reason": "1 concurrent sessions active out of quota 50",
                "usage": 1,
                "quota": 50,
                "last_updated": "2026-01-02T03:04:05Z",
            }
        )
    ]
    opened = StartRecognition.model_validate(start_fields())
    assert session.receive(start()) == [OpenEngine(opened)]
    assert session.engine_started() == [
        Send(
            {
                "message": "RecognitionStarted",
                "orchestrator_version": "test 1",
                "id": "an-id",
                "language_pack_info": {
                    "adapted": False,
                    "itn": False,
                    "language_description": "English",
                    "word_delimiter": " ",
                    "writing_direction": "left-to-right",
                },
            }
        )
    ]
    assert session.receive(b"one") == [FeedEngine(b"one")]
    assert session.receive(b"two") == [FeedEngine(b"two")]
    assert session.recognised(ChunkTaken()) == [Send({"message": "AudioAdded", "seq_no": 1})]
    assert session.receive(end_of_stream(2)) == [FinishEngine()]
    assert session.recognised(ChunkTaken()) == [Send({"message": "AudioAdded", "seq_no": 2})]
    assert session.recognised(Ended()) == [Send({"message": "EndOfTranscript"}), Close(1000, "")]


def test_final_bears_words_marks_and_a_text_to_append() -> None:
    session = recognising_session()
    final = Final(0.2, 1.0, (Word("Good", 0.3, 0.6, 0.9), Word("day", 0.6, 0.9), Mark(".", 0.9)))
    assert session.recognised(final) == [
        Send(
            {
                "message": "AddTranscript",
                "format": "2.9",
                "results": [
                    word("Good", 0.3, 0.6, 0.9),
                    word("day", 0.6, 0.9, 1.0),
                    {
                        "alternatives": [{"confidence": 1.0, "content": ".", "language": "en"}],
                        "attaches_to": "previous",
                        "end_time": 0.9,
                        "is_eos": True,
                        "start_time": 0.9,
                        "type": "punctuation",
                    },
                ],
                "metadata": {"end_time": 1.0, "start_time": 0.2, "transcript": "Good day. "},
            }
        )
    ]


def word(content: str, start_time: float, end_time: float, confidence: float) -> dict[str, Any]:
    return {
        "alternatives": [{"confidence": confidence, "content": content, "language": "en"}],
        "end_time": end_time,
        "start_time": start_time,
        "type": "word",
    }


def test_empty_final_has_an_empty_text() -> None:
    (sent,) = recognising_session().recognised(Final(0.0, 0.36))
    assert sent == Send(
        {
            "message": "AddTranscript",
            "format": "2.9",
            "results": [],
            "metadata": {"end_time": 0.36, "start_time": 0.0, "transcript": ""},
        }
    )


def test_partial_text_has_no_trailing_delimiter() -> None:
    (sent,) = recognising_session().recognised(Partial(0.0, 0.5, (Word("hello", 0.1, 0.4),)))
    assert isinstance(sent, Send)
    assert sent.message["metadata"] == {"end_time": 0.5, "start_time": 0.0, "transcript": "hello"}


def test_end_of_utterance_takes_no_time() -> None:
    assert recognising_session().recognised(UtteranceEnded(2.44)) == [
        Send(
            {
                "message": "EndOfUtterance",
                "format": "2.9",
                "metadata": {"end_time": 2.44, "start_time": 2.44},
            }
        )
    ]


def test_words_bear_the_unknown_speaker_when_speakers_are_asked_for() -> None:
    session = recognising_session(diarization="speaker")
    (sent,) = session.recognised(Final(0.0, 0.5, (Word("hello", 0.1, 0.4),)))
    assert isinstance(sent, Send)
    assert sent.message["results"][0]["alternatives"] == [
        {"confidence": 1.0, "content": "hello", "language": "en", "speaker": "UU"}
    ]


@pytest.mark.parametrize("last_seq_no", [0, 2])
def test_end_of_stream_with_a_wrong_count_is_a_protocol_error(last_seq_no: int) -> None:
    session = recognising_session()
    session.receive(b"one")
    reason = (
        f"EndOfStream.last_seq_no is {last_seq_no}, but 1 chunks came; "
        "it must be the number of AddAudio messages sent"
    )
    assert session.receive(end_of_stream(last_seq_no)) == refused("protocol_error", 1003, reason)


def test_audio_behind_the_end_of_stream_is_warned_about_and_ignored() -> None:
    session = finishing_session()
    warning = {
        "message": "Warning",
        "type": "add_audio_after_eos",
        "reason": "AddAudio behind EndOfStream is ignored",
    }
    assert session.receive(b"late") == [Send(warning)]
    assert session.chunks_received == 0


def test_unsupported_message_is_not_allowed() -> None:
    outputs = recognising_session().receive('{"message": "ForceEndOfUtterance"}')
    reason = "ForceEndOfUtterance is not supported by this version of the emulator"
    assert outputs == refused("not_allowed", 4003, reason)


def test_engine_failure_is_a_job_error() -> None:
    assert recognising_session().recognised(Failed("It died")) == refused(
        "job_error", 4013, "It died"
    )


def test_engine_refusal_ends_the_session() -> None:
    session = session_in(State.STARTING)
    refusal = Refusal(ErrorType.QUOTA_EXCEEDED, "All in use")
    assert session.engine_refused(refusal) == refused("quota_exceeded", 4005, "All in use")


def test_start_that_does_not_come_is_an_idle_timeout() -> None:
    session = new_session(deadline=60.0)
    assert session.deadline == 60.0
    reason = "No StartRecognition came; send it right behind the handshake"
    assert session.deadline_passed() == refused("idle_timeout", 1008, reason)


def test_deadline_is_lifted_by_the_start() -> None:
    session = new_session(deadline=60.0)
    session.receive(start())
    assert session.deadline is None
    assert session.deadline_passed() == []


def test_translation_targets_are_warned_about_one_by_one() -> None:
    session = new_session()
    fields = start_fields() | {"translation_config": {"target_languages": ["de", "fr"]}}
    session.receive(json.dumps(fields))
    messages = [sent.message for sent in session.engine_started() if isinstance(sent, Send)]
    assert [(m.get("type"), m.get("reason")) for m in messages[1:]] == [
        ("unsupported_translation_pair", "Translation from en to de is not offered"),
        ("unsupported_translation_pair", "Translation from en to fr is not offered"),
        (
            "empty_translation_target_list",
            "No supported target language is left: nothing is translated",
        ),
    ]


@pytest.mark.parametrize(
    ("language", "path_language", "reason"),
    [
        ("xx", None, "transcription_config.language: 'xx' is not a language"),
        (
            "fi",
            None,
            "transcription_config.language: this engine does not recognise Finnish ('fi')",
        ),
        ("en", "de", "transcription_config.language: 'en' differs from 'de' in the URL"),
    ],
)
def test_language_that_can_not_be_served_is_refused(
    language: str, path_language: str | None, reason: str
) -> None:
    outputs = new_session(path_language).receive(start(language=language))
    assert outputs == refused("invalid_language", 1003, reason)


def test_language_of_the_path_is_accepted_when_it_agrees() -> None:
    session = new_session("en")
    session.receive(start())
    assert session.state is State.STARTING


def test_file_audio_is_refused_for_now() -> None:
    fields = start_fields() | {"audio_format": {"type": "file"}}
    reason = "audio_format.type: 'file' is not supported by this version; send raw audio"
    assert new_session().receive(json.dumps(fields)) == refused("invalid_audio_type", 1003, reason)


@pytest.mark.parametrize("diarization", ["channel", "channel_and_speaker"])
def test_channel_diarization_is_refused_for_now(diarization: str) -> None:
    reason = (
        f"transcription_config.diarization: {diarization!r} needs channels, "
        "which this version does not take"
    )
    outputs = new_session().receive(start(diarization=diarization))
    assert outputs == refused("invalid_config", 1003, reason)


def test_close_codes_are_those_of_the_service() -> None:
    assert {kind.value: close_code(kind) for kind in ErrorType} == {
        "invalid_message": 1003,
        "invalid_model": 4004,
        "invalid_language": 1003,
        "invalid_config": 1003,
        "invalid_audio_type": 1003,
        "invalid_output_format": 1003,
        "not_authorised": 4001,
        "not_allowed": 4003,
        "job_error": 4013,
        "protocol_error": 1003,
        "quota_exceeded": 4005,
        "timelimit_exceeded": 4006,
        "idle_timeout": 1008,
        "session_timeout": 1008,
        "unknown_error": 1011,
    }

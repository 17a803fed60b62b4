"""The protocol core: every row of its table, whole sessions, and what ends them."""

from datetime import UTC, datetime
from itertools import product

import pytest
from tests.unit.emulator.protocol.sessions import (
    CHUNK,
    closed_session,
    end_of_stream,
    exhausted_session,
    finishing_session,
    give,
    message,
    new_session,
    recognising_session,
    refused,
    session_for,
    session_in,
    start,
    start_fields,
    warned,
)

from speechmq_emulator.protocol.config import StartRecognition
from speechmq_emulator.protocol.errors import ErrorType, Refusal, close_code
from speechmq_emulator.protocol.limits import Limits
from speechmq_emulator.protocol.outputs import Close, FeedEngine, FinishEngine, OpenEngine, Send
from speechmq_emulator.protocol.states import FROM_CLIENT, TRANSITIONS, Input, State
from speechmq_emulator.speech.events import ChunkTaken, Ended, Failed, UtteranceEnded

PAIRS = list(product(set(State) - {State.CLOSED}, Input))
# What another input leads to, and so can not be given alone in these tests.
LED_TO = {Input.CHANNEL_ENDED}


@pytest.mark.parametrize(
    ("state", "cause"), sorted((p for p in TRANSITIONS if p[1] not in LED_TO), key=str)
)
def test_session_follows_the_table(state: State, cause: Input) -> None:
    session = session_for(state, cause)
    if (state, cause) == (State.RECOGNISING, Input.AUDIO_LIMIT):
        session = recognising_session(Limits(duration=1))
    expected = TRANSITIONS[state, cause]
    if cause is Input.END_OF_CHANNEL:  # The only channel's end is the stream's.
        expected = State.FINISHING
    give(session, cause)
    assert session.state is expected


@pytest.mark.parametrize(
    ("state", "cause"),
    sorted((p for p in PAIRS if p not in TRANSITIONS and p[1] in FROM_CLIENT), key=str),
)
def test_session_calls_a_message_out_of_place_a_protocol_error(state: State, cause: Input) -> None:
    session = session_for(state, cause)
    reason = f"{cause.value} is out of place while {state.name}"
    if state is State.AWAITING_START:
        reason += "; StartRecognition comes first"
    assert give(session, cause) == refused("protocol_error", 1003, reason)
    assert session.state is State.CLOSED


@pytest.mark.parametrize(
    ("state", "cause"),
    [
        (State.RECOGNISING, Input.ENGINE_STARTED),
        (State.FINISHING, Input.ENGINE_STARTED),
        (State.STARTING, Input.CHUNK_TAKEN),
        (State.STARTING, Input.CHANNEL_ENDED),
    ],
)
def test_session_raises_when_the_engine_is_out_of_turn(state: State, cause: Input) -> None:
    with pytest.raises(RuntimeError, match=f"{cause.value} came while {state.name}"):
        give(session_in(state), cause)


def test_session_raises_when_the_engine_ends_what_goes_on() -> None:
    with pytest.raises(RuntimeError, match="the engine ended channel None out of turn"):
        recognising_session().recognised(Ended())


@pytest.mark.parametrize("cause", sorted(set(Input) - {Input.ENGINE_STARTED}, key=str))
def test_closed_session_answers_nothing(cause: Input) -> None:
    assert give(closed_session(), cause) == []


def test_closed_session_has_no_use_for_an_engine() -> None:
    session = closed_session()
    assert session.engine_started() == []
    assert session.refused(Refusal(ErrorType.QUOTA_EXCEEDED, "full")) == []


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
                    "itn": True,
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


@pytest.mark.parametrize("last_seq_no", [0, 2])
def test_end_of_stream_with_a_wrong_count_is_a_protocol_error(last_seq_no: int) -> None:
    session = recognising_session()
    session.receive(b"one")
    reason = (
        f"EndOfStream.last_seq_no is {last_seq_no}, but 1 chunks came; "
        "it must be the number of AddAudio messages sent"
    )
    assert session.receive(end_of_stream(last_seq_no)) == refused("protocol_error", 1003, reason)


def test_lenient_session_takes_a_count_that_is_too_small() -> None:
    session = recognising_session(Limits(lenient=True))
    session.receive(b"one")
    assert session.receive(end_of_stream(0)) == [FinishEngine()]


def test_lenient_session_takes_no_count_that_is_too_large() -> None:
    session = recognising_session(Limits(lenient=True))
    reason = (
        "EndOfStream.last_seq_no is 1, but 0 chunks came; "
        "it must be the number of AddAudio messages sent"
    )
    assert session.receive(end_of_stream(1)) == refused("protocol_error", 1003, reason)


def test_audio_behind_the_end_of_stream_is_warned_about_and_ignored() -> None:
    session = finishing_session()
    warning = warned("add_audio_after_eos", "AddAudio behind EndOfStream is ignored")
    assert session.receive(b"late") == [warning]
    assert session.channels.sent == 0


def test_audio_beyond_the_limit_is_acknowledged_and_ignored() -> None:
    session = recognising_session(Limits(duration=0.25))
    reason = "The limit of 0.25 s of audio is exceeded: what follows is ignored"
    warning = warned("duration_limit_exceeded", reason, duration_limit=0.25)
    assert session.receive(CHUNK) == [FeedEngine(CHUNK)]
    assert session.receive(CHUNK) == [FeedEngine(CHUNK)]
    assert session.recognised(ChunkTaken()) == [Send({"message": "AudioAdded", "seq_no": 1})]
    assert session.receive(CHUNK) == [
        warning,
        Send({"message": "AudioAdded", "seq_no": 2}),
        FinishEngine(),
    ]
    assert session.recognised(ChunkTaken()) == [Send({"message": "AudioAdded", "seq_no": 3})]
    assert session.receive(CHUNK) == [Send({"message": "AudioAdded", "seq_no": 4})]
    assert session.receive(end_of_stream(4)) == []
    assert session.recognised(Ended()) == [Send({"message": "EndOfTranscript"}), Close(1000, "")]


def test_session_beyond_its_audio_ends_without_an_end_of_stream() -> None:
    assert exhausted_session().recognised(Ended()) == [
        Send({"message": "EndOfTranscript"}),
        Close(1000, ""),
    ]


def test_audio_up_to_the_limit_is_recognised() -> None:
    session = recognising_session(Limits(duration=0.1))
    assert session.receive(CHUNK) == [FeedEngine(CHUNK)]


@pytest.mark.parametrize(
    "command",
    [
        message("ForceEndOfUtterance"),
        message("SetRecognitionConfig", transcription_config={"max_delay": 1}),
    ],
)
def test_command_beyond_the_audio_limit_is_ignored(command: str) -> None:
    assert exhausted_session().receive(command) == []


def test_report_of_a_starting_engine_is_sent_behind_the_start() -> None:
    session = session_in(State.STARTING)
    assert session.recognised(UtteranceEnded(0.5)) == []
    messages = [out.message["message"] for out in session.engine_started() if type(out) is Send]
    assert messages == ["RecognitionStarted", "EndOfUtterance"]


def test_engine_failure_is_a_job_error() -> None:
    failed = Failed("It died")
    assert recognising_session().recognised(failed) == refused("job_error", 4013, "It died")


def test_engine_failure_may_be_of_another_type() -> None:
    failed = Failed("no wav", ErrorType.INVALID_AUDIO_TYPE)
    outputs = recognising_session().recognised(failed)
    assert outputs == refused("invalid_audio_type", 1003, "no wav")


def test_engine_refusal_ends_the_session() -> None:
    session = session_in(State.STARTING)
    refusal = Refusal(ErrorType.QUOTA_EXCEEDED, "All in use")
    assert session.refused(refusal) == refused("quota_exceeded", 4005, "All in use")


def test_session_knows_how_much_audio_has_come() -> None:
    session = recognising_session()
    session.receive(CHUNK)
    assert session.audio_seconds == 0.1
    assert new_session().audio_seconds == 0.0


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


def test_refusal_reads_as_its_type_and_reason() -> None:
    assert str(Refusal(ErrorType.JOB_ERROR, "It died")) == "job_error: It died"

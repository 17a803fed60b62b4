"""Where in a session which fault is due."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from speechmq_emulator.faults.course import Course, name_of
from speechmq_emulator.faults.grammar import parse, write
from speechmq_emulator.faults.plan import Drawn, FaultPlan

RAW = {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 16000}
Step = Callable[[Course], list[Drawn]]


def course(*faults: str, language: str | None = None) -> Course:
    return Course(0, FaultPlan(map(parse, faults)).draw(0), language=language)


def met(course: Course, *steps: Step) -> list[list[str]]:
    """What was due at each step."""
    return [[write(drawn.fault) for drawn in step(course)] for step in steps]


def handshake(course: Course) -> list[Drawn]:
    return course.handshake()


def connected(course: Course) -> list[Drawn]:
    return course.start()


def received(message: str | bytes) -> Step:
    return lambda course: course.receive(message)


def sending(name: str, **fields: Any) -> Step:
    return lambda course: course.sending(json.dumps({"message": name, **fields}))


def sent(name: str) -> Step:
    return lambda course: course.sent(json.dumps({"message": name}))


def start(audio_format: dict[str, Any] = RAW, language: str = "en") -> Step:
    fields = {
        "message": "StartRecognition",
        "audio_format": audio_format,
        "transcription_config": {"language": language},
    }
    return received(json.dumps(fields))


def channel_audio(channel: str, size: int) -> Step:
    data = base64.b64encode(bytes(size)).decode()
    return received(json.dumps({"message": "AddChannelAudio", "channel": channel, "data": data}))


def test_moments_come_in_their_order_and_once() -> None:
    session = course("refuse", "drop", "garbage recognition")
    steps = (handshake, handshake, connected, connected, start(), start())
    assert met(session, *steps) == [["refuse"], [], ["drop"], [], ["garbage recognition"], []]


def test_seconds_of_audio_are_those_received() -> None:
    session = course("drop at=0.2s", "garbage at=0.1s")
    steps = (start(), received(bytes(3199)), received(bytes(1)), received(bytes(3200)))
    assert met(session, *steps) == [[], [], ["garbage at=0.1s"], ["drop at=0.2s"]]
    assert session.audio_seconds == 0.2


@pytest.mark.parametrize(("encoding", "seconds"), [("pcm_f32le", 0.1), ("mulaw", 0.4)])
def test_seconds_of_audio_follow_the_encoding(encoding: str, seconds: float) -> None:
    session = course()
    met(session, start({**RAW, "encoding": encoding}), received(bytes(6400)))
    assert session.audio_seconds == seconds


def test_longest_channel_counts() -> None:
    session = course("drop at=0.2s")
    steps = (start(), channel_audio("a", 3200), channel_audio("b", 3200), channel_audio("b", 3200))
    assert met(session, *steps) == [[], [], [], ["drop at=0.2s"]]


def test_encoded_audio_counts_as_far_as_finals_go() -> None:
    session = course("drop at=2s")
    first, second = ({"metadata": {"end_time": end}} for end in (1.9, 2.1))
    steps = (
        start({"type": "file"}),
        received(bytes(100_000)),
        sending("AddTranscript", **first),
        sending("AddTranscript", **second),
    )
    assert met(session, *steps) == [[], [], [], ["drop at=2s"]]


def test_messages_are_counted_in_both_directions() -> None:
    session = course("drop after=2", "garbage sent=2")
    steps = (received("x"), sent("Info"), received(b""), sending("AudioAdded"), sent("AudioAdded"))
    assert met(session, *steps) == [[], [], ["drop after=2"], [], ["garbage sent=2"]]


def test_fault_comes_before_or_behind_the_first_message_of_a_name() -> None:
    session = course("drop on=AddTranscript", "garbage behind=AddTranscript")
    steps = (sending("Info"), sent("Info"), sending("AddTranscript"), sent("AddTranscript"))
    assert met(session, *steps, *steps) == [
        [],
        [],
        ["drop on=AddTranscript"],
        ["garbage behind=AddTranscript"],
        *[[]] * 4,
    ]


@pytest.mark.parametrize(("path", "asked"), [("fr", "en"), (None, "fr")])
def test_language_is_that_of_the_path_or_of_the_start(path: str | None, asked: str) -> None:
    session = course("drop after=1 language=fr", language=path)
    (due,) = met(session, start(language=asked))
    assert due == (["drop after=1 language=fr"] if asked == "fr" else [])


def test_fault_of_another_language_waits_for_ever() -> None:
    session = course("refuse language=fr", "drop language=fr", language="en")
    assert met(session, handshake, connected, start()) == [[], [], []]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "[" * 100_000,
        "null",
        '{"message": "StartRecognition"}',
        '{"message": "StartRecognition", "audio_format": 1, "transcription_config": []}',
        '{"message": "StartRecognition", "audio_format": {"sample_rate": -1, "encoding": []}}',
        '{"message": "AddChannelAudio", "channel": 1, "data": {}}',
    ],
)
def test_bad_request_counts_as_a_message_without_audio(text: str) -> None:
    session = course("drop after=2", "garbage at=0.1s")
    assert met(session, received(text), received(bytes(9999))) == [[], ["drop after=2"]]
    assert session.audio_seconds == 0


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"message":"AudioAdded","seq_no":1}', "AudioAdded"),
        ('{"seq_no":1,"message":"AudioAdded"}', "AudioAdded"),
        ('{"message', ""),
        ("{}", ""),
    ],
)
def test_name_of_a_message_is_found(text: str, name: str) -> None:
    assert name_of(text) == name

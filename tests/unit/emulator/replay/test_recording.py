"""A recorded session's file is read whole, or refused by the number of its wrong line."""

import json
from pathlib import Path
from typing import Any

import pytest

from speechmq_emulator.replay import Recording, RecordingError, read_recording
from speechmq_emulator.replay.recording import RecordedMessage


def line(audio_ts: Any, message: Any, **fields: Any) -> str:
    return json.dumps({"ts": 0.1, "audio_ts": audio_ts, "payload": {"message": message, **fields}})


def read(folder: Path, *lines: str) -> Recording:
    path = folder / "session.jsonl"
    path.write_text("\n".join(lines))
    return read_recording(path)


def test_messages_about_the_audio_are_kept_in_order(tmp_path: Path) -> None:
    recording = read(
        tmp_path,
        line(0, "AudioFormat", encoding="pcm_s16le"),
        line(0.0, "Info"),
        line(0.0, "RecognitionStarted", id="x"),
        line(0.1, "AudioAdded", seq_no=1),
        line(0.1, "AddTranscript", results=[]),
        "",
        line(0.3, "SomethingNew", value=3),
        line(0.5, "EndOfTranscript"),
    )
    assert recording == Recording(
        (
            RecordedMessage(0.1, {"message": "AddTranscript", "results": []}),
            RecordedMessage(0.3, {"message": "SomethingNew", "value": 3}),
        ),
        duration=0.5,
    )


def test_place_never_lies_before_one_above_it(tmp_path: Path) -> None:
    recording = read(tmp_path, line(1.0, "AddTranscript"), line(0.5, "EndOfUtterance"))
    assert [recorded.audio_seconds for recorded in recording.messages] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("{", "no JSON: Expecting property name"),
        ("\x00", "no JSON: Expecting value"),
        ("[" * 100_000, "no JSON: "),
        ("[]", "no JSON object"),
        ('{"payload": {"message": "Info"}}', "audio_ts is missing, or no number from 0 up"),
        (line("1", "Info"), "audio_ts is missing, or no number from 0 up"),
        (line(True, "Info"), "audio_ts is missing, or no number from 0 up"),
        (line(-1, "Info"), "audio_ts is missing, or no number from 0 up"),
        (line(float("nan"), "Info"), "audio_ts is missing, or no number from 0 up"),
        ('{"audio_ts": 1}', "payload is missing, or no object with a 'message'"),
        (line(1, 7), "payload is missing, or no object with a 'message'"),
    ],
)
def test_wrong_line_is_named(tmp_path: Path, wrong: str, reason: str) -> None:
    with pytest.raises(RecordingError) as error:
        read(tmp_path, line(1, "AddTranscript"), wrong)
    assert (error.value.path, error.value.line) == (tmp_path / "session.jsonl", 2)
    assert str(error.value).startswith(f"{error.value.path}, line 2: {reason}")


def test_line_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "noise"
    path.write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(RecordingError, match="noise, line 1: no JSON"):
        read_recording(path)


@pytest.mark.parametrize("lines", [[], [line(0, "Info")]])
def test_recording_without_a_message_about_its_audio_is_refused(
    tmp_path: Path, lines: list[str]
) -> None:
    with pytest.raises(RecordingError, match="line 1: the recording ends without a message"):
        read(tmp_path, *lines)


def test_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_recording(tmp_path / "none.jsonl")

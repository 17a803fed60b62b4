from pathlib import Path

import pytest
from tests.support.tones import example
from tests.support.wav_files import chunk, fmt, riff

from speechmq.commandline.audio_file import EncodedRecording, read_audio_file
from speechmq.commandline.recording import Recording
from speechmq.errors import RecordingError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "talk"


def test_samples_that_can_be_sent_as_they_are_are(path: Path) -> None:
    path.write_bytes(example("wav", 1))
    assert isinstance(read_audio_file(path), Recording)


@pytest.mark.parametrize("kind", ["mp3", "ogg", "webm", "flac", "aac", "mp4"])
def test_other_files_are_sent_byte_by_byte_in_their_own_time(path: Path, kind: str) -> None:
    path.write_bytes(example(kind, 5))
    recording = read_audio_file(path)
    assert isinstance(recording, EncodedRecording)
    assert recording.audio_format == {"type": "file"}
    assert recording.seconds == pytest.approx(2.0, abs=0.4)  # some only guess by their first frames
    cut = recording.cut(100)
    chunks = list(cut.chunks)
    assert b"".join(chunks) == path.read_bytes()
    assert cut.seconds * len(chunks) == pytest.approx(recording.seconds, abs=0.15)


def test_wav_file_of_two_channels_is_sent_as_a_file(path: Path) -> None:
    path.write_bytes(riff(fmt(1, bits=16, channels=2), chunk(b"data", bytes(4000))))
    assert read_audio_file(path).audio_format == {"type": "file"}


def test_wav_file_that_is_cut_short_is_told_as_before(path: Path) -> None:
    path.write_bytes(riff(fmt(1, bits=16), chunk(b"data", bytes(10), stated_size=1000)))
    with pytest.raises(RecordingError, match="is cut short"):
        read_audio_file(path)


@pytest.mark.parametrize("content", [b"", b"no audio at all", bytes(5000)])
def test_file_without_audio_is_told_with_a_cure(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"talk .*Convert it: ffmpeg -i talk"):
        read_audio_file(path)


def test_file_that_is_not_there_is_told(path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot be read: No such file"):
        read_audio_file(path)

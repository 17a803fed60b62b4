import io
import struct
import wave
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.wav_files import ALAW, EXTENSIBLE, FLOAT, MULAW, chunk, fmt, riff, write_wav

from speechmq.commandline.recording import Recording, read_recording
from speechmq.errors import RecordingError

SUBFORMAT_TAIL = bytes.fromhex("000000001000800000aa00389b71")
ADVICE = "Convert it: ffmpeg -i x.wav -ac 1 -c:a pcm_s16le mono.wav"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.wav"


def problem(path: Path, content: bytes) -> str:
    """What is said of a file with this content, without the folder that it is in."""
    path.write_bytes(content)
    with pytest.raises(RecordingError) as raised:
        read_recording(path)
    return str(raised.value).replace(str(path), "x.wav")


def test_recording_is_read_as_the_standard_library_writes_it(path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(b"ab" * 12_000)
    recording = read_recording(path)
    assert recording == Recording(path, "pcm_s16le", 8_000, 44, 24_000)
    assert recording.seconds == 1.5


@pytest.mark.parametrize(
    ("code", "bits", "encoding"),
    [(1, 16, "pcm_s16le"), (FLOAT, 32, "pcm_f32le"), (MULAW, 8, "mulaw"), (ALAW, 8, "alaw")],
)
def test_recording_has_the_encoding_that_the_format_says(
    path: Path, code: int, bits: int, encoding: str
) -> None:
    path.write_bytes(riff(fmt(code, bits=bits), chunk(b"data", bytes(64))))
    assert read_recording(path).encoding == encoding


def test_recording_of_the_extensible_kind_has_its_subformat(path: Path) -> None:
    extra = struct.pack("<HHIH", 22, 32, 4, FLOAT) + SUBFORMAT_TAIL
    path.write_bytes(riff(fmt(EXTENSIBLE, bits=32, extra=extra), chunk(b"data", bytes(8))))
    assert read_recording(path) == Recording(path, "pcm_f32le", 16_000, 68, 8)


def test_recording_starts_behind_other_chunks_of_any_length(path: Path) -> None:
    path.write_bytes(
        riff(chunk(b"LIST", b"odd"), fmt(extra=b"\0\0"), chunk(b"fact", b"1234"))
        + chunk(b"data", b"abcd")
        + chunk(b"LIST", b"behind it")
    )
    assert list(read_recording(path).chunks(samples=1)) == [b"ab", b"cd"]


def test_recording_of_unknown_length_goes_to_the_end_of_the_file(path: Path) -> None:
    for stated in (0xFFFF_FFFF, 0x7FFF_F000):
        path.write_bytes(riff(fmt(), chunk(b"data", bytes(10), stated_size=stated)))
        assert read_recording(path).size == 10


def test_recording_ends_with_its_last_whole_sample(path: Path) -> None:
    path.write_bytes(riff(fmt(), chunk(b"data", b"abcde")))
    assert list(read_recording(path).chunks(samples=100)) == [b"abcd"]


def test_chunks_are_as_long_as_asked_and_the_last_as_short_as_it_is(path: Path) -> None:
    recording = read_recording(write_wav(path, b"0011223344"))
    assert list(recording.chunks(samples=2)) == [b"0011", b"2233", b"44"]


def test_samples_per_chunk_are_rounded_and_never_none(path: Path) -> None:
    recording = read_recording(write_wav(path, bytes(100), rate=11_025))
    assert [recording.samples_per_chunk(ms) for ms in (100, 20, 0.01)] == [1102, 220, 1]


def test_chunks_tell_when_the_file_became_shorter(path: Path) -> None:
    recording = read_recording(write_wav(path, bytes(100)))
    write_wav(path, bytes(60))
    with pytest.raises(RecordingError, match="became shorter while it was being sent"):
        list(recording.chunks(samples=10))


def test_chunks_tell_when_the_file_is_gone(path: Path) -> None:
    recording = read_recording(write_wav(path, bytes(100)))
    path.unlink()
    with pytest.raises(RecordingError, match="cannot be read: No such file or directory"):
        list(recording.chunks(samples=10))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", f"x.wav is not a WAV file. {ADVICE}"),
        (b"ID3\x04 some mp3 or other", f"x.wav is not a WAV file. {ADVICE}"),
        (b"RIFF\0\0\0\0AVI ", f"x.wav is not a WAV file. {ADVICE}"),
        (riff(magic=b"RF64"), f"x.wav is a WAV file of kind RF64, not RIFF. {ADVICE}"),
        (riff(), "x.wav is cut short: it ends before its audio begins"),
        (riff(fmt()), "x.wav is cut short: it ends before its audio begins"),
        (riff(fmt())[:30], "x.wav is not a proper WAV file: its format chunk is too short"),
        (
            riff(chunk(b"LIST", b"", stated_size=2**32 - 2)),
            "x.wav is cut short: it ends before its audio begins",
        ),
        (
            riff(chunk(b"data", bytes(4))),
            "x.wav is not a proper WAV file: no format before the audio",
        ),
        (
            riff(*[chunk(b"junk", b"")] * 1001, fmt(), chunk(b"data", bytes(4))),
            "x.wav has no audio in its first 1000 chunks",
        ),
        (
            riff(fmt(), chunk(b"data", bytes(40), stated_size=4000)),
            "x.wav is cut short: its header promises 4000 bytes of audio, 40 are there",
        ),
        (riff(fmt(), chunk(b"data", b"")), "x.wav has no audio in it"),
        (riff(fmt(), chunk(b"data", b"1")), "x.wav has no audio in it"),
        (
            riff(fmt(channels=2), chunk(b"data", bytes(8))),
            f"x.wav has 2 channels; this version sends one. {ADVICE}",
        ),
        (
            riff(fmt(channels=0), chunk(b"data", bytes(8))),
            f"x.wav has 0 channels; this version sends one. {ADVICE}",
        ),
        (
            riff(fmt(bits=24), chunk(b"data", bytes(9))),
            "x.wav has 24-bit PCM samples; 16-bit PCM, 32-bit float, 8-bit A-law and µ-law can be "
            "sent. " + ADVICE,
        ),
        (
            riff(fmt(0x55), chunk(b"data", bytes(9))),
            "x.wav has 16-bit format 0x0055 samples; 16-bit PCM, 32-bit float, 8-bit A-law and "
            f"µ-law can be sent. {ADVICE}",
        ),
        (
            riff(fmt(rate=96_000), chunk(b"data", bytes(8))),
            "x.wav has 96000 samples a second; 8000 to 48000 can be sent. Convert it: ffmpeg -i "
            "x.wav -ac 1 -ar 16000 -c:a pcm_s16le mono.wav",
        ),
    ],
)
def test_recording_is_refused_with_what_is_wrong(path: Path, content: bytes, said: str) -> None:
    assert problem(path, content) == said


def test_recording_is_refused_when_there_is_none(path: Path) -> None:
    with pytest.raises(RecordingError, match=r"x\.wav cannot be read: No such file or directory"):
        read_recording(path)


def test_recording_is_refused_when_it_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="is not a file"):
        read_recording(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=120).map(lambda tail: riff(fmt(), tail)) | st.binary())
def test_recording_is_read_or_refused_whatever_is_in_the_file(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        recording = read_recording(path)
    except RecordingError:
        return
    audio = b"".join(recording.chunks(samples=7))
    assert audio == content[recording.offset :][: recording.size]
    assert len(audio) == recording.size > 0


def test_chunks_hold_one_chunk_in_memory_at_a_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = read_recording(write_wav(path, bytes(1000)))
    reads: list[int] = []

    class CountingFile(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            reads.append(size or 0)
            return super().read(size)

    content = path.read_bytes()
    monkeypatch.setattr(Path, "open", lambda *_: CountingFile(content))
    chunks = recording.chunks(samples=100)
    next(chunks)
    assert reads == [200]

"""Files of every format, encoded for real, decoded as they stream."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest

from speechmq_emulator.audio import FILE_RATE, FileReader, Samples, Undecodable, bytesource, file

SECONDS = 3.0
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}


def sweep(rate: int) -> Samples:
    """A tone that never sounds the same twice: a shift or a gap shows."""
    at = np.arange(round(SECONDS * rate)) / rate
    return (0.4 * np.sin(2 * np.pi * (200 + 120 * at) * at)).astype(np.float32)


class Form(NamedTuple):
    container: str
    codec: str
    rate: int = 16_000
    layout: str = "mono"


def encoded(path: Path, form: Form, **options: str) -> bytes:
    with av.open(path, "w", format=form.container, options=options) as container:
        stream = container.add_stream(form.codec, rate=form.rate, layout=form.layout)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.options = {"strict": "experimental"}
        for frame in framed(stream, form):
            container.mux(stream.encode(frame))
    return path.read_bytes()


def framed(stream: av.AudioStream, form: Form) -> list[av.AudioFrame | None]:
    """The sweep as the encoder takes it, then what makes it give up what it holds back."""
    size = stream.codec_context.frame_size or 1024
    resampler = av.AudioResampler(stream.codec_context.format, form.layout, form.rate, size)
    frame = av.AudioFrame.from_ndarray(sweep(form.rate)[np.newaxis], "fltp", "mono")
    frame.sample_rate, frame.pts = form.rate, 0
    return [*resampler.resample(frame), *resampler.resample(None), None]


def decoded(audio: bytes, chunk: int) -> list[Samples]:
    """What each chunk brought, and at the end what the file's end brought."""
    reader = FileReader()
    pieces = [reader.read(audio[at : at + chunk]) for at in range(0, len(audio), chunk)]
    return [*pieces, reader.finish()]


def similarity(samples: Samples) -> float:
    """1 for the sweep itself, at the delay at which it fits best."""
    wanted = sweep(FILE_RATE)
    length = 2 ** int(np.ceil(np.log2(len(wanted) + len(samples))))
    spectrum = np.fft.rfft(wanted, length).conj() * np.fft.rfft(samples, length)
    best = np.fft.irfft(spectrum).max()
    return float(best / np.linalg.norm(wanted) / np.linalg.norm(samples))


LOSSLESS = [
    Form("wav", "pcm_s16le", 16_000, "mono"),
    Form("wav", "pcm_f32le", 16_000, "mono"),
    Form("wav", "pcm_s24le", 16_000, "mono"),
    Form("flac", "flac", 16_000, "mono"),
    Form("ogg", "flac", 16_000, "mono"),
]
LOSSY = [
    Form("wav", "pcm_s16le", 48_000, "stereo"),
    Form("wav", "pcm_mulaw", 8_000, "mono"),
    Form("wav", "pcm_alaw", 8_000, "mono"),
    Form("wav", "adpcm_ima_wav", 16_000, "mono"),
    Form("mp3", "libmp3lame", 44_100, "stereo"),
    Form("adts", "aac", 44_100, "mono"),
    Form("ogg", "libopus", 48_000, "mono"),
    Form("ogg", "vorbis", 44_100, "stereo"),
    Form("amr", "libopencore_amrnb", 8_000, "mono"),
    Form("mp2", "mp2", 44_100, "mono"),
    Form("mpeg", "mp2", 44_100, "mono"),
    Form("mpegts", "mp2", 44_100, "mono"),
    Form("mpegts", "aac", 44_100, "mono"),
]


@pytest.mark.parametrize("form", LOSSLESS)
def test_lossless_file_gives_its_samples(tmp_path: Path, form: Form) -> None:
    audio = encoded(tmp_path / "sweep", form)
    samples = np.concatenate(decoded(audio, 1000))
    assert len(samples) == len(sweep(FILE_RATE))
    assert np.abs(samples - sweep(FILE_RATE)).max() < 1e-4


@pytest.mark.parametrize("form", LOSSY)
def test_file_gives_its_sound(tmp_path: Path, form: Form) -> None:
    audio = encoded(tmp_path / "sweep", form)
    samples = np.concatenate(decoded(audio, 1000))
    assert len(samples) / FILE_RATE == pytest.approx(SECONDS, abs=0.15)
    assert similarity(samples) > 0.95


@pytest.mark.parametrize(
    ("form", "latest"),
    [
        (Form("wav", "pcm_s16le", 16_000), 0.1),
        (Form("mp3", "libmp3lame", 44_100), 0.4),
        (Form("adts", "aac", 44_100), 0.4),
        (Form("amr", "libopencore_amrnb", 8_000), 0.2),
        (Form("mpegts", "mp2", 44_100), 0.4),
        # These hold audio back by format: Ogg in pages of a second, FLAC ten frames to check.
        (Form("ogg", "libopus", 48_000), 1.2),
        (Form("flac", "flac", 16_000), 2.0),
    ],
)
def test_samples_come_as_the_bytes_do(tmp_path: Path, form: Form, latest: float) -> None:
    audio = encoded(tmp_path / "sweep", form)
    pieces = decoded(audio, max(1, len(audio) // 60))[:-1]
    heard = np.cumsum([len(piece) for piece in pieces]) / FILE_RATE
    sent = SECONDS * np.arange(1, len(pieces) + 1) / len(pieces)
    assert (sent - heard).max() < latest


@pytest.mark.parametrize("options", [{"movflags": "faststart"}, FRAGMENTED])
def test_mp4_with_its_index_in_front_streams(tmp_path: Path, options: dict[str, str]) -> None:
    audio = encoded(tmp_path / "sweep", Form("mp4", "aac", 44_100), **options)
    pieces = decoded(audio, 1000)
    assert similarity(np.concatenate(pieces)) > 0.95
    assert sum(len(piece) for piece in pieces[: len(pieces) // 2]) > FILE_RATE


def test_m4a_with_its_index_at_the_end_is_decoded_when_it_is_whole(tmp_path: Path) -> None:
    audio = encoded(tmp_path / "sweep", Form("ipod", "aac", 44_100))
    *before, last = decoded(audio, 1000)
    assert [len(piece) for piece in before] == [0] * len(before)
    assert similarity(last) > 0.95


def test_m4a_with_its_index_at_the_end_is_refused_when_it_is_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bytesource, "MAX_HELD_BYTES", 10_000)
    audio = encoded(tmp_path / "sweep", Form("ipod", "aac", 44_100))
    with pytest.raises(Undecodable, match="with its index in front"):
        decoded(audio, 1000)


@pytest.mark.parametrize("form", [Form("wav", "pcm_s16le"), Form("mp3", "libmp3lame")])
def test_file_that_is_cut_off_gives_what_there_is(tmp_path: Path, form: Form) -> None:
    audio = encoded(tmp_path / "sweep", form)
    samples = np.concatenate(decoded(audio[: len(audio) // 2], 777))
    assert len(samples) / FILE_RATE == pytest.approx(SECONDS / 2, abs=0.2)


def test_chunks_make_no_difference(tmp_path: Path) -> None:
    audio = encoded(tmp_path / "sweep", Form("mp3", "libmp3lame", 44_100))
    whole = np.concatenate(decoded(audio, len(audio)))
    assert np.array_equal(np.concatenate(decoded(audio, 97)), whole)
    assert [len(piece) for piece in decoded(audio, 97)] == [len(p) for p in decoded(audio, 97)]


def test_text_behind_the_samples_of_a_wav_file_is_not_heard(tmp_path: Path) -> None:
    audio = encoded(tmp_path / "sweep", Form("wav", "pcm_s16le"))
    tagged = audio + b"LIST" + (1000).to_bytes(4, "little") + b"\x7f" * 1000
    assert len(np.concatenate(decoded(tagged, 1000))) == len(sweep(FILE_RATE))


def test_wav_file_of_unknown_length_is_read_to_its_end(tmp_path: Path) -> None:
    audio = encoded(tmp_path / "sweep", Form("wav", "pcm_s16le"))
    at = audio.index(b"data") + 4
    endless = audio[:at] + b"\xff" * 4 + audio[at + 4 :]
    assert len(np.concatenate(decoded(endless, 1000))) == len(sweep(FILE_RATE))


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"hello", bytes(100_000), PLAYLIST * 50, b"ffconcat version 1.0\n"]
)
def test_what_is_no_audio_is_refused(content: bytes) -> None:
    with pytest.raises(Undecodable, match="The audio file can not be decoded: it is none of wav"):
        decoded(content, 3200)


def test_later_calls_raise_the_same() -> None:
    reader = FileReader()
    reader.read(b"hello")
    for call in (reader.finish, lambda: reader.read(b"more"), reader.finish):
        with pytest.raises(Undecodable):
            call()


def test_file_of_endless_silence_in_few_bytes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "MAX_SECONDS_AT_ONCE", 1)
    audio = encoded(tmp_path / "sweep", Form("flac", "flac"))
    with pytest.raises(Undecodable, match="more than 1 s of audio come at once"):
        decoded(audio, len(audio))


@pytest.fixture
def threads() -> Iterator[set[threading.Thread]]:
    yield (before := set(threading.enumerate()))
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive(), "the demuxer outlived its reader"


@pytest.mark.parametrize("chunks", [[], [b"RIFF"], [b"OggS" + bytes(100)]])
def test_reader_that_is_let_go_leaves_no_thread(
    threads: set[threading.Thread], chunks: list[bytes]
) -> None:
    reader = FileReader()
    for chunk in chunks:
        reader.read(chunk)
    assert len(set(threading.enumerate()) - threads) == 1
    del reader

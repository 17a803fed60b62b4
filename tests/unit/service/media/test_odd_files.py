"""Files as recorders, browsers and people leave them: heard, or refused with what to do."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from tests.support.tones import FRAGMENTS, KINDS, RATE, Kind, example, hear, pitches, spoken

from speechmq.errors import UndecodableAudio
from speechmq.media.decoder import FileDecoder

TONES = [f"t{pitch}" for pitch in pitches(8)]
FILES = {
    **KINDS,
    "mp2": Kind("mp2", "mp2", 44_100),
    "flac in ogg": Kind("ogg", "flac"),
    "aac in matroska": Kind("matroska", "aac", 44_100),
    "flac in matroska": Kind("matroska", "flac"),
    "mp3 in matroska": Kind("matroska", "mp3", 44_100),
    "16 bits in matroska": Kind("matroska", "pcm_s16le"),
    "24 bits in matroska": Kind("matroska", "pcm_s24le"),
    "float in matroska": Kind("matroska", "pcm_f32le"),
    "opus in mp4": Kind("mp4", "libopus", 48_000, FRAGMENTS),
    "flac in mp4": Kind("mp4", "flac", 44_100, FRAGMENTS),
    "alac in mp4": Kind("mp4", "alac", 44_100, FRAGMENTS),
    "amr": Kind("amr", "libopencore_amrnb", 8000),
    **{
        codec: Kind("wav", codec)
        for codec in (
            *("pcm_u8", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"),
            *("pcm_alaw", "pcm_mulaw"),
        )
    },
}


# What PyAV has no encoder for: the same eight tones, encoded by Debian's ffmpeg.
FIXTURES = {
    "vorbis": "tones-vorbis.ogg",
    "speex": "tones-speex.ogg",
    "vorbis in webm": "tones-vorbis.webm",
}


def encoded(kind: str) -> bytes:
    if kind in FIXTURES:
        return (Path("tests/fixtures") / FIXTURES[kind]).read_bytes()
    return FILES[kind].encode(spoken(pitches(8)))


def heard(file: bytes, size: int = 700) -> tuple[list[str], str | None]:
    """Words, and what was wrong."""
    decoder = FileDecoder(RATE)
    audio = bytearray()
    for seq, at in enumerate(range(0, len(file), size), 1):
        audio += b"".join(one.audio for one in decoder.feed(seq, file[at : at + size]))
    audio += b"".join(one.audio for one in decoder.finish())
    return [word for word, *_ in hear(bytes(audio))], decoder.take_damage()


@pytest.mark.parametrize("kind", [*FILES, *FIXTURES])
def test_codec_that_the_page_names_is_decoded(kind: str) -> None:
    assert heard(encoded(kind)) == (TONES, None)


# -- several files in one stream -------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [100_000, 701])
def test_several_whole_files_are_heard_one_after_another(kind: str, size: int) -> None:
    words, damage = heard(3 * example(kind, 4), size)
    assert words == 3 * TONES[:4]
    assert damage is None


def test_files_of_different_kinds_are_heard_one_after_another() -> None:
    files = [encoded("vorbis"), *(example(kind, 8) for kind in ("ogg", "webm", "wav", "flac"))]
    assert heard(b"".join(files)) == (5 * TONES, None)


def wav(
    audio: bytes,
    *,
    size: int | None = None,
    form: bytes = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16),
    magic: bytes = b"RIFF",
    before: bytes = b"",
    after: bytes = b"",
) -> bytes:
    size = len(audio) if size is None else size
    head = magic + b"\xff\xff\xff\xff" + b"WAVE" + before + b"fmt " + struct.pack("<I", len(form))
    return head + form + b"data" + struct.pack("<I", size) + audio + after


SAMPLES = spoken(pitches(8)).tobytes()
WIDE = (spoken(pitches(8)).astype(np.int32) << 16).tobytes()
EXTENSIBLE = struct.pack("<HHI", 22, 24, 4) + b"\1\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
DS64 = b"ds64" + struct.pack("<IQQQI", 28, 2**33, len(SAMPLES), 0, 0)


def test_each_piece_with_the_head_of_the_first_is_heard() -> None:
    quarter = len(SAMPLES) // 4
    pieces = [SAMPLES[at : at + quarter] for at in range(0, len(SAMPLES), quarter)]
    file = b"".join(wav(piece, size=0xFFFFFFFF) for piece in pieces)
    assert heard(file, 4096) == (TONES, None)


@pytest.mark.parametrize(
    "file",
    [
        wav(SAMPLES, size=0),
        wav(SAMPLES, size=len(SAMPLES) + 44),
        wav(SAMPLES, size=0x7FFFF000),
        wav(SAMPLES, size=0xFFFFFFFF),
        wav(SAMPLES, before=b"JUNK" + struct.pack("<I", 27) + bytes(28)),
        wav(SAMPLES, after=b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + bytes(18)),
        wav(SAMPLES, form=struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 0, 16)),
        wav(WIDE, form=struct.pack("<HHIIHH", 0xFFFE, 1, RATE, 4 * RATE, 4, 32) + EXTENSIBLE),
        wav(WIDE, form=struct.pack("<HHIIHH", 1, 1, RATE, 4 * RATE, 4, 24)),
        wav(SAMPLES, magic=b"RF64", size=0xFFFFFFFF, before=DS64, after=b"LIST\0\0\0\0"),
        wav(SAMPLES, magic=b"BW64", size=0xFFFFFFFF, before=DS64),
    ],
    ids=[
        *("size 0", "size too large", "size of sox", "size of ffmpeg", "junk before", "list after"),
        *("block align 0", "24 in 32 bits", "24 in 32 bits, plain", "RF64", "BW64"),
    ],
)
def test_wav_file_is_heard_whatever_its_writer_left_out(file: bytes) -> None:
    words, damage = heard(file)
    assert (words, damage) == (TONES, None)


def test_truncated_wav_file_is_heard_as_far_as_it_goes() -> None:
    assert heard(wav(SAMPLES[: len(SAMPLES) // 2], size=len(SAMPLES))) == (TONES[:4], None)


# -- files that begin in their middle --------------------------------------------------------------


@pytest.mark.parametrize("kind", ["aac", "mp3"])
@pytest.mark.parametrize("cut", [1, 100, 1000, 5000])
def test_frames_that_begin_in_their_midst_are_heard(kind: str, cut: int) -> None:
    words, _ = heard(example(kind, 8)[cut:])
    assert words[-6:] == TONES[-6:]


@pytest.mark.parametrize(
    ("kind", "mark", "named"),
    [
        ("webm", b"\x1f\x43\xb6\x75", "a WebM or Matroska file"),
        ("mp4", b"moof", "an MP4 file in fragments"),
        ("ogg", b"OggS\0\0", "an Ogg file"),
    ],
)
def test_file_without_its_head_is_refused_once_and_by_name(
    kind: str, mark: bytes, named: str
) -> None:
    file = example(kind, 8)
    for cut in (file.index(mark) - (4 if kind == "mp4" else 0), file.index(mark) + 1500):
        with pytest.raises(UndecodableAudio, match=f"first bytes are missing: .* {named}"):
            heard(file[cut:], 1000)


# -- much that is not heard ------------------------------------------------------------------------


def film(container: str, *, noise: int, **options: str) -> bytes:
    """Tones beside pictures; ``noise`` makes these large."""
    file = io.BytesIO()
    random = np.random.default_rng(1)
    with av.open(file, "w", format=container, options=options) as output:
        pictures = output.add_stream("mjpeg", rate=2)
        assert isinstance(pictures, VideoStream)
        pictures.width = pictures.height = noise
        pictures.pix_fmt, pictures.codec_context.qmin = "yuvj420p", 1
        sound = output.add_stream("libopus", rate=48_000)
        assert isinstance(sound, AudioStream)
        sound.codec_context.layout = "mono"
        resampler = av.AudioResampler("s16", "mono", 48_000, 960)
        frame = av.AudioFrame.from_ndarray(spoken(pitches(8))[None, :], "s16", "mono")
        frame.sample_rate = RATE
        for number, piece in enumerate((*resampler.resample(frame), *resampler.resample(None))):
            if number % 25 == 0:
                pixels = random.integers(0, 256, (noise, noise, 3), np.uint8)
                picture = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="yuvj420p")
                output.mux(pictures.encode(picture))
            output.mux(sound.encode(piece))
        for stream in (pictures, sound):
            output.mux(stream.encode(None))
    return file.getvalue()


def test_large_pictures_between_the_sound_are_passed_over() -> None:
    file = film("matroska", noise=1024)
    assert len(file) > 7 * 300_000
    words, damage = heard(file, 100_000)
    assert (words, damage) == (TONES, None)


@pytest.mark.parametrize("size", [865_820, 3_000_000])
def test_pictures_in_tags_are_passed_over(size: int) -> None:
    art = np.random.default_rng(1).bytes(size)
    sizes = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    tagged = b"ID3\3\0\0" + sizes + art + example("mp3", 8)
    assert heard(tagged, 100_000) == (TONES, None)
    flac = example("flac", 8)
    block = b"\x06" + size.to_bytes(3, "big") + art
    assert heard(flac[:42] + block + flac[42:], 100_000) == (TONES, None)


def test_index_that_claims_more_than_memory_holds_is_refused() -> None:
    file = bytearray(example("mp4", 8))
    run = file.index(b"trun")
    file[run + 4 : run + 12] = struct.pack(">II", 1, 2**30)
    with pytest.raises(UndecodableAudio, match="claims 1073741824 samples in one index"):
        heard(bytes(file))

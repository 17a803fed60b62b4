"""Files of every kind: the same samples however they are cut, and from wherever one goes on."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator, Sequence

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from tests.support.tones import KINDS, RATE, example, hear, pitches, spoken, tone_times

from speechmq.errors import UndecodableAudio
from speechmq.media.decoder import FileDecoder
from speechmq.media.units import Decoded, Unit

ALL = sorted(KINDS)
TONES = 20
# Of samples, where another decoder goes on: a filter that changes the rate rounds by one.
ROUNDING = 2


def pictures(container: str, codec: str) -> bytes:
    """A file without sound."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=5)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(3):
            output.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        output.mux(stream.encode(None))
    return file.getvalue()


def chunks(file: bytes, size: int) -> list[tuple[int, bytes]]:
    return [(n, file[at : at + size]) for n, at in enumerate(range(0, len(file), size), 1)]


def decode(decoder: FileDecoder, messages: Sequence[tuple[int, bytes]]) -> Iterator[Decoded]:
    for seq, encoded in messages:
        yield from decoder.feed(seq, encoded)
    yield from decoder.finish()


def samples_of(decoded: Sequence[Decoded]) -> bytes:
    return b"".join(one.audio for one in decoded)


def heard_from(audio: bytes, position: int = 0) -> list[tuple[str, float, float]]:
    """Words at their times on the stream's clock; the first may be cut off."""
    return [
        (word, start + position / RATE, end + position / RATE) for word, start, end in hear(audio)
    ]


def assert_same_times(
    heard: Sequence[tuple[str, float, float]],
    expected: Sequence[tuple[str, float, float]],
    within: float,
) -> None:
    assert [word for word, *_ in heard] == [word for word, *_ in expected]
    for (word, *times), (_, *wanted) in zip(heard, expected, strict=True):
        assert times == pytest.approx(wanted, abs=within), word


@pytest.mark.parametrize("kind", ALL)
def test_tones_are_where_they_were_recorded(kind: str) -> None:
    audio = samples_of(list(decode(FileDecoder(RATE), chunks(example(kind), 700))))
    assert_same_times(heard_from(audio), tone_times(TONES, KINDS[kind].delay), within=0.002)


@pytest.mark.parametrize("kind", ALL)
def test_cuts_make_no_difference(kind: str) -> None:
    file = example(kind, 5)
    whole = samples_of(list(decode(FileDecoder(RATE), [(1, file)])))
    for size in (37, 999, 10_000):
        decoder = FileDecoder(RATE)
        assert samples_of(list(decode(decoder, chunks(file, size)))) == whole
        assert decoder.take_damage() is None


@pytest.mark.parametrize("kind", ALL)
def test_successor_goes_on_at_the_same_sample(kind: str) -> None:
    """From each of a number of units, with the chunks from the unit's on and nothing else."""
    messages = chunks(example(kind), 611)
    first = FileDecoder(RATE)
    positions: dict[Unit, int] = {}
    audio = b""
    for decoded in decode(first, messages):
        if decoded.unit is not None:
            positions.setdefault(decoded.unit, len(audio) // 2)
        audio += decoded.audio
    units = sorted(positions, key=positions.__getitem__)
    for unit in random.Random(7).sample(units, min(12, len(units))):
        rest = samples_of(
            list(decode(FileDecoder(RATE, first.heads, unit), messages[unit.seq - 1 :]))
        )
        at = positions[unit]
        assert len(rest) // 2 + at == pytest.approx(len(audio) // 2, abs=ROUNDING)
        # The sound of the first frames depends on those before them, the place of none does.
        expected = heard_from(audio[2 * at :], at)
        heard = heard_from(rest, at)
        both = max(0, min(len(expected), len(heard)) - 1)
        assert both >= len(expected) - 2
        assert_same_times(heard[len(heard) - both :], expected[len(expected) - both :], 0.002)


@pytest.mark.parametrize("kind", ALL)
def test_unit_before_the_next_chunk_leaves_nothing_out(kind: str) -> None:
    """What was handed on, and what a successor makes of the rest, is the whole."""
    messages = chunks(example(kind, 5), 611)
    whole = len(samples_of(list(decode(FileDecoder(RATE), messages)))) // 2
    first = FileDecoder(RATE)
    handed_on = 0
    starts: dict[Unit, int] = {}
    for seq, encoded in messages:
        for decoded in first.feed(seq, encoded):
            if decoded.unit is not None:
                starts.setdefault(decoded.unit, handed_on)
            handed_on += len(decoded.audio) // 2
        unit = first.unit_before(seq + 1)
        if unit is None:
            assert handed_on == 0
            continue
        at = starts.get(unit, handed_on)
        successor = FileDecoder(RATE, first.heads, unit)
        rest = samples_of(list(decode(successor, messages[unit.seq - 1 :])))
        assert at + len(rest) // 2 == pytest.approx(whole, abs=ROUNDING)


@pytest.mark.parametrize("kind", ALL)
def test_sound_behind_a_lost_chunk_is_heard_again(kind: str) -> None:
    messages = chunks(example(kind), 611)
    missing = len(messages) // 2
    decoder = FileDecoder(RATE)
    before = [one for seq, data in messages[:missing] for one in decoder.feed(seq, data)]
    decoder.lose(1)
    after = samples_of(list(decode(decoder, messages[missing + 1 :])))
    words = [word for word, *_ in heard_from(samples_of(before)) + heard_from(after)]
    expected = [word for word, *_ in tone_times(TONES)]
    assert words[:5] == expected[:5]
    assert words[-5:] == expected[-5:]
    assert len(words) >= TONES - 4


@pytest.mark.parametrize("kind", sorted(set(ALL) - {"wav"}))
def test_sound_behind_bytes_that_are_none_is_heard_again(kind: str) -> None:
    file = example(kind)
    middle = len(file) // 2
    rubbish = random.Random(3).randbytes(2000)
    damaged = file[:middle] + rubbish + file[middle + 2000 :]
    decoder = FileDecoder(RATE)
    audio = samples_of(list(decode(decoder, chunks(damaged, 611))))
    words = [word for word, *_ in heard_from(audio)]
    expected = [word for word, *_ in tone_times(TONES)]
    assert words[:5] == expected[:5]
    assert words[-5:] == expected[-5:]
    assert decoder.take_damage() is not None
    assert decoder.take_damage() is None


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"\x00\x00\x01\xba" + bytes(100), "it is an MPEG program stream"),
        (b"FORM\0\0\0\x10AIFF" + bytes(100), "it is AIFF"),
        (b"no sound at all " * 10, "it is none of WAV, MP3"),
        (random.Random(1).randbytes(300_000), "there is no audio in 26"),
        (example("wav", 1)[:30], "the WAV file's format is cut short"),
        (example("wav", 1)[:40], "the WAV file ends before its audio begins"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\1\0" + bytes(99), "does not say what its samples are"),
        (example("wav", 1)[:20] + b"\x11\0" + example("wav", 1)[22:], "format 17 with 16 bits"),
        (b"fLaC\x80\0\0\x22" + b"\0" * 34, "it claims 0 samples a second"),
        (pictures("matroska", "mpeg4"), "there is no audio in it"),
        (example("webm", 1)[:100], "WebM or Matroska file ends before its audio begins"),
        (b"\0\0\0\x10ftypM4A \0\0\0\0\0\0\1\0mdat", "has its index behind its audio"),
        (b"#!AMR_MC1.0\n" + bytes(20), "AMR files of several channels"),
        (b"\xff" * 400_000, "there is no audio in 26"),
    ],
)
def test_what_cannot_be_decoded_is_told_with_its_reason(file: bytes, reason: str) -> None:
    with pytest.raises(UndecodableAudio, match=reason):
        list(decode(FileDecoder(RATE), chunks(file, 1000)))


def test_nothing_at_all_is_no_fault() -> None:
    assert list(decode(FileDecoder(RATE), [])) == []


@pytest.mark.parametrize("kind", ALL)
def test_file_that_is_cut_off_is_decoded_as_far_as_it_goes(kind: str) -> None:
    file = example(kind)
    audio = samples_of(list(decode(FileDecoder(RATE), chunks(file[: len(file) // 2], 611))))
    assert [word for word, *_ in heard_from(audio)][:6] == [word for word, *_ in tone_times(6)]


def test_much_sound_in_few_bytes_is_handed_on_in_small_pieces() -> None:
    """Ten minutes of silence are 110 kB of FLAC."""
    silence = np.zeros(RATE * 600, np.int16)
    file = KINDS["flac"].encode(silence)
    assert len(file) < 200_000
    sizes = [len(one.audio) // 2 for one in FileDecoder(RATE).feed(1, file)]
    assert sum(sizes) > 0.99 * len(silence)
    assert max(sizes) <= RATE // 2


def test_file_of_another_form_behind_the_first_goes_on() -> None:
    """As a station sends it, or who puts files together."""
    first, second = spoken(pitches(3)), spoken(pitches(5))
    both = KINDS["ogg"].encode(first) + KINDS["ogg"].encode(second)
    words = [
        w for w, *_ in heard_from(samples_of(list(decode(FileDecoder(RATE), chunks(both, 611)))))
    ]
    assert words == [word for word, *_ in tone_times(3) + tone_times(5)]


def test_text_before_and_behind_the_sound_is_passed_over() -> None:
    picture = b"ID3\x04\0\0\0\0\x0f\x50" + bytes(2000)
    file = picture + example("mp3", 3) + b"TAG" + bytes(125)
    decoder = FileDecoder(RATE)
    audio = samples_of(list(decode(decoder, chunks(file, 100))))
    assert [word for word, *_ in heard_from(audio)] == [word for word, *_ in tone_times(3)]
    assert decoder.take_damage() is None

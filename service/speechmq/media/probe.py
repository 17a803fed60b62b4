"""Which container a file has, by its first bytes. Nothing is guessed among all that a codec library
knows: playlists, for one, would have it open files and addresses of a publisher's choice."""

from __future__ import annotations

from ..errors import UndecodableAudio
from .amr import AMR
from .flac import FLAC
from .frames import skip_id3
from .matroska import WEBM
from .mp4 import MP4
from .mpeg import AAC, MP3
from .ogg import OGG
from .packets import Container, Parsing
from .source import Source
from .wav import WAV

KNOWN = "WAV, MP3, AAC (ADTS), Ogg, WebM or Matroska, FLAC, AMR, and MP4 in fragments"
CONTAINERS = {one.name: one for one in (WAV, MP3, AAC, OGG, WEBM, FLAC, AMR, MP4)}
_MAGIC = (
    (b"OggS", OGG),
    (b"fLaC", FLAC),
    (b"\x1a\x45\xdf\xa3", WEBM),
    (b"#!AMR", AMR),
)
_ELSEWHERE = {
    b"\x00\x00\x01\xba": "an MPEG program stream",
    b"RF64": "a WAV file of kind RF64",
    b"RIFX": "a WAV file of kind RIFX",
    b"FORM": "AIFF",
    b"caff": "CAF",
    b"0&\xb2u": "WMA",
}


def read_file(source: Source) -> Parsing:
    """Any of ``KNOWN``, from its first byte. Raises ``UndecodableAudio`` for anything else."""
    first = yield from source.peek(12)
    while first.startswith(b"ID3"):
        yield from skip_id3(source)
        first = yield from source.peek(12)
    if first:
        yield from container_of(first).read(source)


def container_of(first: bytes) -> Container:
    for magic, container in _MAGIC:
        if first.startswith(magic):
            return container
    if first[:4] == b"RIFF" and first[8:12] == b"WAVE":
        return WAV
    if first[4:8] in (b"ftyp", b"styp", b"moov", b"moof"):
        return MP4
    other = _ELSEWHERE.get(first[:4])
    if other is not None:
        raise UndecodableAudio(f"it is {other}; known are {KNOWN}")
    # Frames can begin anywhere: sound that was cut off a longer file has no other head.
    is_adts = first[:1] == b"\xff" and len(first) > 1 and first[1] & 0xF6 == 0xF0
    return AAC if is_adts else MP3

"""What begins here? A file's kind by its first bytes, and the beginning of another file in it.

libav is not asked to guess: among all that it knows are playlists, which would have it open files
and addresses of a publisher's choice.
"""

from __future__ import annotations

import re
from functools import partial

from ..errors import UndecodableAudio
from . import containers, resync
from .containers import KNOWN
from .packets import Parsing
from .source import Source, Waiting

# So many bytes have frames, if they are frames without a container.
_ENOUGH = 4096
_MAGIC = (
    (re.compile(rb"OggS"), containers.OGG),
    (re.compile(rb"\x1a\x45\xdf\xa3"), containers.WEBM),
    (re.compile(rb"#!AMR"), containers.AMR),
    (re.compile(rb"....(ftyp|styp|moov|moof|mdat|free|skip|wide)", re.DOTALL), containers.MP4),
)
_ELSEWHERE = {
    b"\x00\x00\x01\xba": "an MPEG program stream",
    b"RIFX": "a WAV file of kind RIFX",
    b"FORM": "AIFF",
    b"caff": "CAF",
    b"0&\xb2u": "WMA",
}
_AMR = re.compile(rb"#!AMR(-WB)?\n")
_HEADLESS = (
    "its first bytes are missing: it goes on like {}, and cannot be decoded without its head"
)


def read_file(source: Source) -> Parsing:
    """Any of ``KNOWN``, from its first byte. Raises ``UndecodableAudio`` for anything else."""
    first = yield from source.peek(12)
    while first.startswith(b"ID3"):
        yield from _skip_id3(source)
        first = yield from source.peek(12)
    source.here()
    if not first:
        return
    if first.startswith(b"fLaC"):
        yield from containers.read_samples(source, "flac")
    elif first[:4] in (b"RIFF", b"RF64", b"BW64") and first[8:12] == b"WAVE":
        yield from containers.read_samples(source, "wav")
    else:
        yield from containers.read(source, (yield from _container(source, first)))


def _skip_id3(source: Source) -> Waiting[None]:
    """Text and pictures of any size, which nothing keeps."""
    header = yield from source.take(10)
    size = 0
    for byte in header[6:]:
        size = size << 7 | byte & 0x7F
    yield from source.skip(size)


def _container(source: Source, first: bytes) -> Waiting[containers.Container]:
    for magic, container in _MAGIC:
        if magic.match(first):
            yield from _require_head(source, container)
            return container
    other = _ELSEWHERE.get(first[:4])
    if other is not None:
        raise UndecodableAudio(f"it is {other}; known are {KNOWN}")
    found: list[containers.Container] = []
    find = partial(_find_frames, found)
    while not source.has_ended and source.available < _ENOUGH:
        if find(source.seen(0, _ENOUGH), False)[1]:
            break
        yield
    if not (yield from containers.seek(source, find)):
        raise UndecodableAudio(f"it is none of {KNOWN}")
    return found[-1]


def _find_frames(found: list[containers.Container], seen: bytes, is_last: bool) -> tuple[int, bool]:
    """The first frames of either kind, which may begin anywhere."""
    mpeg, is_mpeg = resync.find_mpeg(seen, is_last)
    adts, is_adts = resync.find_adts(seen, is_last)
    if is_mpeg or is_adts:
        is_first = is_mpeg and (mpeg < adts or not is_adts)
        found.append(containers.MP3 if is_first else containers.AAC)
        return (mpeg if is_first else adts), True
    _refuse_headless(seen)
    return min(mpeg, adts), False


def _require_head(source: Source, container: containers.Container) -> Waiting[None]:
    """Files that begin in their middle, as they do when their first chunk is lost."""
    seen = yield from source.peek(12)
    if container is containers.OGG and not seen[5] & 2:
        raise UndecodableAudio(_HEADLESS.format("an Ogg file"))
    if container is containers.AMR and not _AMR.match(seen):
        raise UndecodableAudio("AMR files of several channels are not decoded")
    if container is containers.MP4 and seen[4:8] == b"moof":
        raise UndecodableAudio(_HEADLESS.format("an MP4 file in fragments"))


def _refuse_headless(seen: bytes) -> None:
    if b"OggS\0" in seen:
        raise UndecodableAudio(_HEADLESS.format("an Ogg file"))
    if resync.find_fragment(seen, False)[1]:
        raise UndecodableAudio(_HEADLESS.format("an MP4 file in fragments"))
    if resync.find_block(seen, False)[1]:
        raise UndecodableAudio(_HEADLESS.format("a WebM or Matroska file"))

"""Where another file begins among the bytes of one: recorders send each piece as a file of its own,
stations one after another."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Six bytes and more that no encoder has a reason to write. A dot is any byte.
_TEMPLATES = (
    b"RIFF....WAVE",
    b"RF64....WAVE",
    b"BW64....WAVE",
    b"#!AMR\n",
    b"#!AMR-WB\n",
    b"\0\0\0.ftyp",
)
_EBML, _LONGEST_EBML = b"\x1a\x45\xdf\xa3", 64
_OGG_FIRST = b"OggS\0\x02"
_FLAC = b"fLaC\0\0\0\x22", b"fLaC\x80\0\0\x22"
# Ogg and Matroska hold the beginning of a FLAC file as the description of a track.
_NO_TRACK = rb"(?<!\x7fFLAC\x01\x00..)(?<!\x63\xa2.)(?<!\x63\xa2..)(?<!\x63\xa2.{8})"
_BEGINNING = re.compile(
    b"|".join(re.escape(one).replace(rb"\.", b".") for one in (*_TEMPLATES, _OGG_FIRST))
    + rb"|\x1a\x45\xdf\xa3.{1,50}?\x42\x82.(?:webm|matroska)"
    + rb"|ID3[\x02-\x04]\x00.[\x00-\x7f]{4}|"
    + _NO_TRACK
    + rb"fLaC[\x00\x80]\x00\x00\x22",
    re.DOTALL,
)
_SYNC = re.compile(rb"\xff[\xe2-\xff]")
# Zeros alone are silence, which must not be held back.
_MAY_BEGIN = re.compile(rb"[RBf#O\x1a]|\0\0\0.f", re.DOTALL)
# What each beginning holds: found far faster than by the pattern, and mostly not there.
# Of four bytes each, which CPython finds ten times as fast as five or six.
_MARKS = (b"WAVE", b"fLaC", b"#!AM", b"ftyp", _EBML, b"OggS", b"ID3\2", b"ID3\3", b"ID3\4")
_OGG_PAGE = re.compile(rb"OggS\0([\x00-\x07])")
# The first pages of an Ogg file, one for each of its tracks, are short.
_REMEMBERED = 300


class Splitter:
    """Bytes that may be the beginning of another file are held back until the next ones.

    ``has_tags``: a tag begins a file, too, as it does where frames have no container.
    """

    def __init__(self) -> None:
        self.has_tags = False
        self._before = b""
        self._held = b""

    def feed(self, encoded: bytes) -> Iterator[tuple[bytes, bool]]:
        """The bytes in pieces; whether another file begins with the piece."""
        seen, at, begins = self._held + encoded, 0, False
        may_begin = any(mark in seen for mark in _MARKS)
        for found in _BEGINNING.finditer(seen) if may_begin else ():
            start = found.start()
            if found[0] == _OGG_FIRST and self._follows_first_page(seen[:start]):
                continue  # another track of the same file
            if found[0].startswith(b"ID3") and not (self.has_tags or _is_before_frame(seen, start)):
                continue  # one in a container
            if start > at or begins:
                yield seen[at:start], begins
            at, begins = start, True
        end = self._held_from(seen, at + 1 if begins else at)
        self._held = seen[end:]
        self._before = (self._before + seen[:end])[-_REMEMBERED:]
        if end > at:
            yield seen[at:end], begins

    @property
    def held(self) -> int:
        """How many bytes are held back."""
        return len(self._held)

    def finish(self) -> bytes:
        """What is still held back."""
        held, self._held = self._held, b""
        return held

    def _follows_first_page(self, seen: bytes) -> bool:
        pages = _OGG_PAGE.findall(self._before + seen[-_REMEMBERED:])
        return bool(pages) and bool(pages[-1][0] & 2)

    def _held_from(self, seen: bytes, start: int) -> int:
        """Where a beginning may start of which not all is here."""
        for found in _MAY_BEGIN.finditer(seen, max(start, len(seen) - _LONGEST_EBML)):
            if _is_cut(seen[found.start() :]):
                return found.start()
        return len(seen)


def _is_before_frame(seen: bytes, at: int) -> bool:
    end = at + 10
    for shift, byte in zip((21, 14, 7, 0), seen[at + 6 : at + 10], strict=True):
        end += byte << shift
    return _SYNC.match(seen, end) is not None


def _is_cut(tail: bytes) -> bool:
    if _BEGINNING.match(tail):
        return False
    if tail[:4] == _EBML[: len(tail)]:
        return len(tail) < _LONGEST_EBML
    return any(_begins_with(tail, template) for template in (*_TEMPLATES, *_FLAC, _OGG_FIRST))


def _begins_with(tail: bytes, template: bytes) -> bool:
    if len(tail) >= len(template):
        return False
    wild = ord(".")
    return all(b in (wild, a) for a, b in zip(tail, template, strict=False))

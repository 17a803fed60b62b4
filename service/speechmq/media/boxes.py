"""The boxes of an MP4 file as they come: which fragment a byte is in, and what libav must not be
handed: an index that is of no use in mid-file, or one that claims more samples than memory holds.
"""

from __future__ import annotations

import re

from ..errors import UndecodableAudio

_CURE = "write it in fragments (ffmpeg -movflags frag_keyframe+empty_moov)"
_LARGEST_INDEX = 4 * 1024 * 1024
_MOST_SAMPLES = 20_000
_NAMES = frozenset(
    b"ftyp styp moov moof mdat sidx ssix prft emsg free skip wide mfra meta uuid udta pdin".split()
)
# How many samples a run has, or a table that states one size for all.
_COUNTS = re.compile(rb"trun....(....)|stsz........(....)", re.DOTALL)


class Boxes:
    """``offset`` is where in the file a box begins."""

    def __init__(self, offset: int, *, has_index: bool) -> None:
        self._fragments = [offset]
        self._next = offset  # where the next box begins
        self._at = offset  # of the first byte that is kept
        self._kept = b""
        self._name = b""
        self._has_index = has_index

    def feed(self, encoded: bytes) -> int:
        """How many of the bytes come before the first that is no box's.

        Raises ``UndecodableAudio`` for a file that must not be read.
        """
        self._kept += encoded
        while True:
            if self._name in (b"moov", b"moof"):
                self._check_counts()
            header = self._kept[self._next - self._at :][:16]
            if len(header) < (16 if header[:4] == b"\0\0\0\1" else 8):
                break
            if self._name == b"moov":
                self._check_fragments()
            self._kept = self._kept[self._next - self._at :]
            self._at = self._next
            if not self._begin_box(header):
                return max(0, len(encoded) - len(self._kept))
        self._forget()
        return len(encoded)

    def fragment_of(self, offset: int) -> int:
        """Where the index of the fragment with this byte begins."""
        while len(self._fragments) > 1 and self._fragments[1] <= offset:
            del self._fragments[0]
        return self._fragments[0]

    def _begin_box(self, header: bytes) -> bool:
        """Whether it is one."""
        size, self._name = int.from_bytes(header[:4], "big"), header[4:8]
        if size == 1:
            size = int.from_bytes(header[8:], "big")
        elif size == 0:
            size = 2**62  # to the end
        if size < 8 or self._name not in _NAMES:
            return False
        if self._name == b"mdat" and not self._has_index:
            raise UndecodableAudio(f"the MP4 file has its index behind its audio; {_CURE}")
        if self._name in (b"moov", b"moof") and size > _LARGEST_INDEX:
            raise UndecodableAudio(f"the index of the MP4 file has {size} bytes")
        if self._name == b"moof":
            self._fragments.append(self._at)
        self._has_index = self._has_index or self._name == b"moov"
        self._next += size
        return True

    def _check_counts(self) -> None:
        for found in _COUNTS.finditer(self._kept[: self._next - self._at]):
            count = int.from_bytes(found[1] or found[2], "big")
            if count > _MOST_SAMPLES:
                raise UndecodableAudio(f"the MP4 file claims {count} samples in one index")

    def _check_fragments(self) -> None:
        if b"mvex" not in self._kept[: self._next - self._at]:
            raise UndecodableAudio(f"the MP4 file is not in fragments; {_CURE}")

    def _forget(self) -> None:
        """Of what is no index, only what may be the next box's head is needed."""
        if self._name not in (b"moov", b"moof"):
            passed = min(len(self._kept), self._next - self._at)
            self._kept, self._at = self._kept[passed:], self._at + passed

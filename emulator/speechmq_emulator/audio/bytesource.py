"""Bytes that come one behind the other, and looking at the first of them without losing them."""

from io import BytesIO
from typing import Protocol

from speechmq_emulator.audio.errors import Undecodable

MAX_HELD_BYTES = 32 * 1024 * 1024
_PIECE = 64 * 1024


class Readable(Protocol):
    def read(self, size: int, /) -> bytes:
        """At least one byte and at most ``size``; empty at the end."""


class Rewound:
    """Bytes that have been read already, then the rest of the source. Can not be sought in."""

    def __init__(self, head: bytes, source: Readable) -> None:
        self._head = BytesIO(head)
        self._source = source

    def read(self, size: int, /) -> bytes:
        return self._head.read(size) or self._source.read(size)


class Scan:
    """Keeps what it reads. Used on the head of a file, or on a whole one of bounded size."""

    def __init__(self, source: Readable) -> None:
        self.source = source
        self._seen = bytearray()

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes; fewer only at the end of the source.

        Raises:
            Undecodable: that would be more than may be held.
        """
        start = len(self._seen)
        if start + size > MAX_HELD_BYTES:
            raise Undecodable(
                f"nothing in its first {MAX_HELD_BYTES} bytes can be decoded without the rest; "
                "an MP4 file must be written with its index in front ('faststart')"
            )
        while missing := start + size - len(self._seen):
            piece = self.source.read(missing)
            if not piece:
                break
            self._seen += piece
        return bytes(self._seen[start:])

    def take_all(self) -> BytesIO:
        """The whole file, as one that can be sought in."""
        while self.take(_PIECE):
            pass
        return BytesIO(bytes(self._seen))

    def rewind(self) -> Rewound:
        """The whole file from its first byte, as it comes."""
        return Rewound(bytes(self._seen), self.source)

"""Bytes of a file that come piece by piece, for parsers that wait for them.

A parser is a generator: it yields nothing while it lacks bytes, and goes on where it was when there
are more. So it reads as if the file were there, needs no thread, and can be left at any place.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

from ..errors import UndecodableAudio

T = TypeVar("T")
Waiting: TypeAlias = Generator[None, None, T]

# Nothing that belongs together in a file that streams is larger: no page, block or frame.
LARGEST = 1024 * 1024


class Source:
    """``offset`` is where the next unread byte lies in the file. ``mark`` is where a parser has to
    begin again to read what it has not made a packet of yet. ``garbage`` counts what was passed
    over in search of audio."""

    def __init__(self, offset: int = 0) -> None:
        self._bytes = bytearray()
        self.offset = offset
        self.mark = offset
        self.garbage = 0
        self.has_ended = False

    @property
    def end(self) -> int:
        """Where the bytes that are here end."""
        return self.offset + len(self._bytes)

    @property
    def available(self) -> int:
        return len(self._bytes)

    def feed(self, more: bytes) -> None:
        self._bytes += more

    def put_back(self, taken: bytes) -> None:
        """The bytes that were read last are unread again."""
        self._bytes[:0] = taken
        self.offset -= len(taken)

    def finish(self) -> None:
        """Nothing more comes; whoever waits gets what there is."""
        self.has_ended = True

    def here(self) -> None:
        """A parser may begin again from here."""
        self.mark = self.offset

    def peek(self, size: int, most: int = LARGEST) -> Waiting[bytes]:
        """The next ``size`` bytes, which stay; fewer only at the end of the file.

        Raises ``UndecodableAudio`` for more than ``most``.
        """
        if size > most:
            raise UndecodableAudio(
                f"a part of it at byte {self.offset} claims to be {size} bytes long"
            )
        while len(self._bytes) < size and not self.has_ended:
            yield
        return bytes(self._bytes[:size])

    def take_all(self) -> bytes:
        """What is here."""
        taken = bytes(self._bytes)
        self._drop(len(taken))
        return taken

    def take(self, size: int, most: int = LARGEST) -> Waiting[bytes]:
        """As ``peek``, and reads them."""
        taken = yield from self.peek(size, most)
        self._drop(len(taken))
        return taken

    def skip(self, size: int) -> Waiting[None]:
        """Passes over any number of bytes without keeping them."""
        while size and not (self.has_ended and not self._bytes):
            passed = min(size, len(self._bytes))
            self._drop(passed)
            size -= passed
            if size and not self.has_ended:
                yield

    def find(self, what: bytes, start: int = 0) -> int:
        """Where ``what`` begins in what is here, or -1; places count from the next unread byte."""
        return self._bytes.find(what, start)

    def seen(self, start: int, size: int) -> bytes:
        """What is here already of ``size`` bytes from ``start`` on."""
        return bytes(self._bytes[start : start + size])

    def discard(self, size: int) -> None:
        """Passes over what is no audio; a parser may begin again behind it."""
        size = min(size, len(self._bytes))
        self._drop(size)
        self.garbage += size
        self.here()

    def _drop(self, size: int) -> None:
        del self._bytes[:size]
        self.offset += size

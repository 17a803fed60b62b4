"""Bytes from one thread to another that works on them in step: never both at once.

``put`` returns when everything has been read and more is asked for, so what has been made
of the bytes by then depends on nothing but the bytes.
"""

from threading import Condition


class Abandoned(Exception):
    """Nobody will put anything more, and nobody wants what the reader makes of it."""


class Inlet:
    """One writer, one reader. Holds no more than the chunk that is being put."""

    def __init__(self) -> None:
        self._turn = Condition()
        self._chunk = b""
        self._position = 0
        self._hungry = False
        self._ended = False
        self._abandoned = False
        self._stopped = False

    def put(self, chunk: bytes) -> None:
        """Returns when ``chunk`` has been read and more is asked for, or the reader stopped."""
        if not chunk:
            return
        with self._turn:
            self._chunk, self._position, self._hungry = chunk, 0, False
            self._turn.notify_all()
            self._turn.wait_for(lambda: self._hungry or self._stopped)
            self._chunk = b""

    def end(self) -> None:
        """Nothing more comes: from here on the reader gets empty bytes. Does not wait."""
        with self._turn:
            self._ended = True
            self._turn.notify_all()

    def abandon(self) -> None:
        """Throw the reader out wherever it waits. Does not wait for it."""
        with self._turn:
            self._abandoned = True
            self._turn.notify_all()

    def read(self, size: int) -> bytes:
        """At least one byte, at most ``size``; empty at the end.

        Raises:
            Abandoned: instead of waiting for bytes that will not come.
        """
        with self._turn:
            while self._position == len(self._chunk) and not self._ended:
                if self._abandoned:
                    raise Abandoned
                self._hungry = True
                self._turn.notify_all()
                self._turn.wait()
            piece = self._chunk[self._position : self._position + size]
            self._position += len(piece)
            return piece

    def stop(self) -> None:
        """The reader reads no more; whoever puts is let go at once from here on."""
        with self._turn:
            self._stopped = True
            self._turn.notify_all()

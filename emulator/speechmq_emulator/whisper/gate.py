"""Makes threads wait for their turn to decode; ``turns`` decides whose it is."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from speechmq_emulator.whisper.turns import Turns


class SessionOver(Exception):
    """The stream was left while its thread waited to decode."""


class Seat:
    """One stream's way to the decoder, from its thread; ``leave`` comes from any thread."""

    def __init__(self, gate: "Gate") -> None:
        self._gate = gate
        self.is_over = False

    @contextmanager
    def turn(self, audio: float) -> Iterator[None]:
        """Hold a core for a decode of finals; waits for one.

        Raises:
            SessionOver: ``leave`` was called meanwhile.
        """
        self._gate.wait(self, audio)
        try:
            yield
        finally:
            self._gate.give_back()

    @contextmanager
    def preview(self) -> Iterator[bool]:
        """Hold a core for a decode of partials, if one is to be had at once."""
        granted = self._gate.try_preview(self)
        try:
            yield granted
        finally:
            if granted:
                self._gate.give_back()

    def leave(self) -> None:
        """Let the stream's thread end."""
        self._gate.leave(self)


class Gate:
    """``cores`` decodes take place at once."""

    def __init__(self, cores: int) -> None:
        self._turns = Turns(cores)
        self._changed = threading.Condition()

    def wait(self, seat: Seat, audio: float) -> None:
        with self._changed:
            self._turns.ask(seat, audio, time.monotonic())
            while not seat.is_over and not self._turns.take(seat):
                self._changed.wait()
            if seat.is_over:
                raise SessionOver

    def try_preview(self, seat: Seat) -> bool:
        with self._changed:
            return not seat.is_over and self._turns.take_preview(seat, time.monotonic())

    def give_back(self) -> None:
        with self._changed:
            self._turns.give_back()
            self._changed.notify_all()

    def leave(self, seat: Seat) -> None:
        with self._changed:
            seat.is_over = True
            self._turns.leave(seat)
            self._changed.notify_all()

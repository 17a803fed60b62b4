"""What the server asks of a recognition engine. ``ledger`` and ``sphinx`` are two."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from speechmq_emulator.protocol.config import StartRecognition
from speechmq_emulator.protocol.errors import ErrorType, Refusal
from speechmq_emulator.speech.events import EngineEvent

Emit = Callable[[EngineEvent], None]
"""Takes one report; never waits, never raises."""


class EngineStream(Protocol):
    """One session's recognition. It reports by the ``Emit`` that it was opened with."""

    async def feed(self, audio: bytes) -> None:
        """Hand over one chunk; returns as soon as there is room for another.

        ``ChunkTaken`` is reported when the engine has read it. Cancelled while waiting
        for room, the chunk has not been handed over. After ``Failed`` it returns at once.
        """

    async def finish(self) -> None:
        """No more audio comes: the last finals and ``Ended`` are reported in due course."""


class Engine(Protocol):
    """Recognises many streams at once, none of which delays another."""

    name: str
    quota: int
    """How many streams it takes at once."""

    def speaks(self, language: str) -> bool: ...

    def stream(
        self, start: StartRecognition, emit: Emit
    ) -> AbstractAsyncContextManager[EngineStream]:
        """Recognition for one session; leaving the context ends it, finished or not.

        Raises:
            Refusal: the engine can not take the session (``quota_exceeded``, ``job_error``).
        """


def quota_exceeded(quota: int) -> Refusal:
    """All of an engine's ``quota`` streams are in use."""
    reason = f"All {quota} concurrent sessions are in use; try again in 5 to 10 seconds"
    return Refusal(ErrorType.QUOTA_EXCEEDED, reason)

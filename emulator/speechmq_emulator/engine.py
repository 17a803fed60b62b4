"""What the server asks of a recognition engine. ``ledger``, ``sphinx`` and ``replay`` are three."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from speechmq_emulator.protocol.config import StartRecognition, TranscriptionConfig
from speechmq_emulator.protocol.errors import ErrorType, Refusal
from speechmq_emulator.speech.events import EngineEvent

Emit = Callable[[EngineEvent], None]
"""Takes one report; never waits, never raises."""


class EngineStream(Protocol):
    """The recognition of one channel (a session has one, unless it asked for several).

    It reports by the ``Emit`` that it was opened with. What is asked of it takes effect at
    its place in the audio: behind all chunks handed over before, before all behind. After
    ``Failed`` every method returns at once.
    """

    async def feed(self, audio: bytes) -> None:
        """Hand over one chunk; returns as soon as there is room for another.

        ``ChunkTaken`` is reported when the engine has read it. Cancelled while waiting
        for room, the chunk has not been handed over.
        """

    async def end_utterance(self, at: float | None) -> None:
        """Settle everything up to ``at`` (seconds; None: what has been handed over) now."""

    async def configure(self, config: TranscriptionConfig) -> None:
        """Go on with this configuration; what it changed has been checked."""

    async def tell_speakers(self) -> None:
        """Report ``Speakers`` as they are now."""

    async def finish(self) -> None:
        """No more audio comes: the last finals, ``Speakers`` with ``final`` (where speakers
        are told apart) and ``Ended`` are reported in due course."""


class Engine(Protocol):
    """Recognises many streams at once, none of which delays another."""

    name: str
    quota: int
    """How many streams it takes at once."""

    def speaks(self, language: str) -> bool: ...

    def stream(
        self, start: StartRecognition, emit: Emit
    ) -> AbstractAsyncContextManager[EngineStream]:
        """Recognition for one channel; leaving the context ends it, finished or not.

        Raises:
            Refusal: the engine can not take it (``quota_exceeded``, ``job_error``).
        """


def quota_exceeded(quota: int) -> Refusal:
    """All of an engine's ``quota`` streams are in use."""
    reason = f"All {quota} concurrent sessions are in use; try again in 5 to 10 seconds"
    return Refusal(ErrorType.QUOTA_EXCEEDED, reason)

"""A stream that goes on for ever, so that one kind of its inputs can be timed at a time.

A partial each half second, a final each one and a half, each confirmed at once: what the stream
holds does not grow. Upstream confirms audio each 100 ms, so chunks of 20 ms are put together.
"""

from collections.abc import Iterator
from itertools import count

from tests.support.streams import (
    RATE,
    added,
    chunk,
    drive,
    resume,
    started_stream,
    words,
)

from speechmq.core.values.inputs import ConnectionLost, Input, Published
from speechmq.core.values.outputs import Output, Publish, SendAudio
from speechmq.speechmatics.messages import FinalReceived, Metadata, PartialReceived

CONFIRMED_EVERY, PARTIAL_EVERY, FINAL_EVERY = 100, 500, 1500
"""Milliseconds."""
SAID = words(("said", 0.1, 0.4), ("in", 0.5, 0.6), ("these", 0.7, 1.0), ("words", 1.1, 1.4))


class Conversation:
    """In chunks of ``chunk_ms``. One that was ``resumed`` is in its second session, whose times
    have to be moved."""

    def __init__(self, chunk_ms: int = 100, *, resumed: bool = False) -> None:
        self.stream = started_stream()
        self._chunk_ms = chunk_ms
        self._now = 0.0
        self._outputs: list[Output] = []
        self._first = 1
        if resumed:
            self._resume()
        self._inputs = self._talk()

    def _resume(self) -> None:
        drive(self.stream, chunk(1), added(1))
        drive(self.stream, FinalReceived(Metadata(0.0, 0.1, ""), SAID), Published(2))
        drive(self.stream, ConnectionLost(1006, "gone"))
        resume(self.stream, "u2", now=20.0)
        self._now, self._first = 20.0, 2

    def next(self, kind: type[Input]) -> tuple[tuple[Input, float], dict[str, object]]:
        """Lives through all before the next input of ``kind``; the arguments for ``receive``."""
        for received in self._inputs:
            if type(received) is kind:
                return (received, self._now), {}
            self.receive(received, self._now)
        raise AssertionError("the talk has no end")

    def receive(self, received: Input, now: float) -> None:
        """What is timed."""
        self._outputs = self.stream.receive(received, now)

    def _newest_event(self) -> int:
        return max(one.seq for one in self._outputs if isinstance(one, Publish))

    def _talk(self) -> Iterator[Input]:
        said, sent = 0.0, 0
        for number in count(1):
            at = number * self._chunk_ms
            self._now += self._chunk_ms / 1000
            yield chunk(self._first + number - 1, samples=RATE * self._chunk_ms // 1000)
            sent += sum(isinstance(one, SendAudio) for one in self._outputs)
            if at % CONFIRMED_EVERY == 0:
                yield added(sent)
                sent += sum(isinstance(one, SendAudio) for one in self._outputs)
            if at % FINAL_EVERY == 0:
                yield FinalReceived(Metadata(said, at / 1000, "said in these words "), SAID)
                yield Published(self._newest_event())
                said = at / 1000
            elif at % PARTIAL_EVERY == 0:
                yield PartialReceived(Metadata(said, at / 1000, "said in these "), SAID)

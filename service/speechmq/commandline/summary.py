"""Counts a stream's events and measures how long words took. Pure.

Every latency is the time between two moments on the sender's clock: when the chunk that contains a
word's end was handed to RabbitMQ, and when the event with the word came back. It includes what
RabbitMQ, the worker and the recogniser take, and at a speed of 1 nothing else.
"""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass

from speechmq_schemas import FinalTranscript, PartialTranscript
from speechmq_schemas.events import RecognitionResult, Transcript

from .captions import Seen
from .pacing import SendTimes
from .received import Received

DEFINITIONS = (
    "First partial: from sending the end of its first word to receiving the first partial that has "
    "words. Final: from sending the end of its last word to receiving it; the median is over the "
    "finals that have words."
)
NOT_WORDS = {"punctuation"}


@dataclass(frozen=True, slots=True)
class Summary:
    """Latencies are in seconds, ``None`` where nothing was heard."""

    words: int
    finals: int
    finals_with_words: int
    first_partial_latency: float | None
    median_final_latency: float | None
    events: dict[str, int]

    def rows(self) -> list[tuple[str, str]]:
        events = ", ".join(f"{name} {count}" for name, count in self.events.items())
        return [
            ("words", str(self.words)),
            ("finals", f"{self.finals}, {self.finals_with_words} with words"),
            ("first partial", _seconds(self.first_partial_latency, "after its first word")),
            ("final, median", _seconds(self.median_final_latency, "after its last word")),
            ("events", events or "none"),
        ]


class Tally:
    """Adds up the events of one stream; ``sent`` may grow meanwhile."""

    def __init__(self, sent: SendTimes) -> None:
        self._sent = sent
        self._seen = Seen()
        self._events: Counter[str] = Counter()
        self._words = 0
        self._finals_with_words = 0
        self._first_partial: float | None = None
        self._final_latencies: list[float] = []

    def add(self, received: Received) -> None:
        """Takes an event in; one that came before counts nothing."""
        if self._seen.again(received.message.message_id):
            return
        self._events[received.message.type] += 1
        if isinstance(received.event, FinalTranscript):
            self._add_final(received.event, received.at)
        elif isinstance(received.event, PartialTranscript):
            self._add_partial(received.event, received.at)

    def _add_final(self, event: FinalTranscript, at: float) -> None:
        words = _words(event)
        if not words:
            return
        self._words += len(words)
        self._finals_with_words += 1
        latency = self._latency(words[-1], at)
        if latency is not None:
            self._final_latencies.append(latency)

    def _add_partial(self, event: PartialTranscript, at: float) -> None:
        words = _words(event)
        if words and self._first_partial is None:
            self._first_partial = self._latency(words[0], at)

    def _latency(self, word: RecognitionResult, at: float) -> float | None:
        sent = self._sent.sent_at(word.end_time)
        return None if sent is None else at - sent

    def summary(self) -> Summary:
        latencies = self._final_latencies
        return Summary(
            words=self._words,
            finals=self._events[FinalTranscript.__name__],
            finals_with_words=self._finals_with_words,
            first_partial_latency=self._first_partial,
            median_final_latency=statistics.median(latencies) if latencies else None,
            events=dict(sorted(self._events.items())),
        )


def _words(event: Transcript) -> list[RecognitionResult]:
    return [result for result in event.results if result.type not in NOT_WORDS]


def _seconds(value: float | None, since: str) -> str:
    return "none came" if value is None else f"{value:.2f} s {since}"

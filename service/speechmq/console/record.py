"""What is known of one stream: how it does, its newest words, and its events. Pure.

Times of day are seconds since 1970, as the caller's clock gives them; all others are seconds on the
stream's own clock.
"""

from __future__ import annotations

from typing import Any, Literal

from speechmq.commandline.caption_formats import clean
from speechmq.commandline.captions import news_of
from speechmq.commandline.received import Received
from speechmq_schemas import (
    AudioGap,
    Event,
    FinalTranscript,
    PartialTranscript,
    StreamAccepted,
    StreamDetached,
    StreamEnded,
    StreamFailed,
    StreamInfo,
    StreamResumed,
    StreamStarted,
    StreamWarning,
)
from speechmq_schemas.events import Transcript as Segment

from .kept import KeptEvents
from .reading import Reading, end_of_text

State = Literal["waiting", "live", "suspended", "handed over", "ended", "failed"]

STATES: dict[type[Event], State] = {
    StreamAccepted: "waiting",
    StreamStarted: "live",
    StreamResumed: "live",
    StreamDetached: "handed over",
    PartialTranscript: "live",
    FinalTranscript: "live",
    StreamEnded: "ended",
    StreamFailed: "failed",
}
OVER = frozenset({"ended", "failed"})

RECENT_FINALS = 24
"""So many finals are read for the newest lines,"""
RECENT_FINALS_LEFT = 8
"""of which these stay when there are more."""

LINES = 3
LINE_CHARACTERS = 280
LABELS = 8
LABEL_CHARACTERS = 80


class Record:
    """Made when the first event of a stream is heard, whichever that is."""

    def __init__(self, stream_id: str, now: float) -> None:
        self.stream_id = stream_id
        self.since = self.at = now
        self.state: State = "live"
        self.epoch = 0
        self.position = (-1, -1)
        self.kept = KeptEvents()
        self.labels: dict[str, str] = {}
        self.last_news: tuple[str, bool] | None = None
        self.heard_until = self.final_until = 0.0
        self.resumes = self.warnings = self.gaps = 0
        self.gap_seconds = 0.0
        self._recent = Recent(stream_id)

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    def begins_anew(self, received: Received) -> bool:
        """Whether the event belongs to another stream, that has the id of this one, which is over:
        another worker's epoch, or another start."""
        if not self.is_over or self.kept.knows(received):
            return False
        return received.position[0] > self.position[0] or isinstance(received.event, StreamAccepted)

    def apply(self, received: Received, now: float) -> bool:
        """Takes an event in; False if it came before."""
        event = received.event
        if event is None or self.kept.knows(received):
            return False
        self.at = max(self.at, now)
        self.epoch = max(self.epoch, received.position[0])
        self._follow(event, received.position)
        self._count(event)
        self.kept.add(received)
        self._recent.add(received)
        return True

    def _follow(self, event: Event, position: tuple[int, int]) -> None:
        """States follow the order of the events, not that of their arrival."""
        state = STATES.get(type(event))
        if isinstance(event, StreamInfo) and event.code == "suspended":
            state = "suspended"
        if state is None or position < self.position:
            return
        self.state, self.position = state, position

    def _count(self, event: Event) -> None:
        match event:
            case Segment(end_time=end):
                self.heard_until = max(self.heard_until, end)
                if isinstance(event, FinalTranscript):
                    self.final_until = max(self.final_until, end)
            case StreamStarted(labels=labels):
                self.labels = {
                    clean(name)[:LABEL_CHARACTERS]: clean(text)[:LABEL_CHARACTERS]
                    for name, text in list(labels.items())[:LABELS]
                }
            case StreamResumed():
                self.resumes += 1
            case StreamWarning():
                self.warnings += 1
            case AudioGap(start_time=start, end_time=end):
                self.gaps += 1
                self.gap_seconds += max(0.0, end - start)
            case StreamEnded(received_seconds=seconds):
                self.heard_until = max(self.heard_until, seconds)
        line = news_of(event)
        if line is not None:
            self.last_news = (end_of_line(line.text), line.kind == "trouble")

    def row(self) -> dict[str, Any]:
        """How the stream does, as the page shows it in its list."""
        return {
            "id": self.stream_id,
            "state": self.state,
            "over": self.is_over,
            "epoch": self.epoch,
            "since": round(self.since, 3),
            "at": round(self.at, 3),
            "heard": round(self.heard_until, 3),
            "lag": self._lag,
            "resumes": self.resumes,
            "warnings": self.warnings,
            "gaps": self.gaps,
            "gap_seconds": round(self.gap_seconds, 3),
            "labels": self.labels,
            "news": None if self.last_news is None else self.last_news[0],
            "trouble": self.last_news is not None and self.last_news[1],
            **self._recent.lines(),
        }

    @property
    def _lag(self) -> float | None:
        """Seconds that upstream has heard and not finalised; of a stream that goes on."""
        return None if self.is_over else round(max(0.0, self.heard_until - self.final_until), 3)


class Recent:
    """The newest lines of a stream: its newest events, read as its page reads all of them."""

    def __init__(self, stream_id: str) -> None:
        self._stream_id = stream_id
        self._start: Received | None = None
        self._finals: list[Received] = []
        self._reading = Reading(stream_id)

    def add(self, received: Received) -> None:
        self._reading.apply(received)
        if isinstance(received.event, StreamStarted):
            self._start = received
        elif isinstance(received.event, FinalTranscript):
            self._finals.append(received)
            if len(self._finals) > RECENT_FINALS:
                self._read_again()

    def _read_again(self) -> None:
        del self._finals[:-RECENT_FINALS_LEFT]
        self._reading = Reading(self._stream_id)
        for received in [*([self._start] if self._start else []), *self._finals]:
            self._reading.apply(received)

    def lines(self) -> dict[str, Any]:
        passages = [one for one in self._reading.entries().values() if "mark" not in one][-LINES:]
        return {
            "lines": [_line(one) for one in passages],
            "live": [_line(one) for one in self._reading.live()][-1:],
            "translations": self._translations(passages),
        }

    def _translations(self, passages: list[dict[str, Any]]) -> list[dict[str, str]]:
        newest = {one["language"]: one for line in passages for one in line.get("translations", ())}
        newest.update((one["language"], one) for one in self._reading.live_translations())
        return [_line(one) for one in list(newest.values())[:2]]


def _line(entry: dict[str, Any]) -> dict[str, str]:
    named: dict[str, str] = {
        name: entry[name] for name in ("speaker", "channel", "language") if name in entry
    }
    return {**named, "text": end_of_text(entry["text"], LINE_CHARACTERS)}


def end_of_line(text: str) -> str:
    """The beginning of it: of a reason, that says most."""
    return text if len(text) <= LINE_CHARACTERS else f"{text[:LINE_CHARACTERS]}…"

"""Folds events into captions: what to print, what to replace, what to leave out.

Pure. Events may come twice and out of order: duplicates are known by ``message_id``, a partial is
replaced by a newer one of its stream or by its final, and never comes back after it. Memory is
bounded, so that one may listen for weeks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

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

from .received import Received

REMEMBERED_IDS = 4096
REMEMBERED_STREAMS = 1024


@dataclass(frozen=True, slots=True)
class Line:
    """Something to keep: a final with its time on the stream's clock, or news of the stream."""

    stream_id: str
    kind: Literal["final", "news", "trouble"]
    text: str
    start_time: float | None = None


@dataclass(frozen=True, slots=True)
class Partial:
    """What is being said now; takes the place of the last one of the stream, or of its channel.
    Empty: nothing."""

    stream_id: str
    text: str
    channel: str | None = None


Change = Line | Partial


class Seen:
    """Tells whether a message came before. Remembers the last ``limit`` ids."""

    def __init__(self, limit: int = REMEMBERED_IDS) -> None:
        self._limit = limit
        self._ids: OrderedDict[str, None] = OrderedDict()

    def again(self, message_id: str | None) -> bool:
        """A message without an id is always new."""
        if message_id is None:
            return False
        if message_id in self._ids:
            return True
        self._ids[message_id] = None
        if len(self._ids) > self._limit:
            self._ids.popitem(last=False)
        return False


def labelled(channel: str | None, text: str) -> str:
    return f"{channel}: {text}" if channel is not None and text else text


@dataclass(slots=True)
class _Live:
    """The live line of one stream, or of one of its channels."""

    channel: str | None = None
    final_up_to: int = 0
    partial_position: tuple[int, int] = (-1, -1)
    partial_segment: int = 0
    partial_text: str = ""

    def partial(self, event: PartialTranscript, position: tuple[int, int]) -> list[Change]:
        if event.segment_id <= self.final_up_to or position < self.partial_position:
            return []
        self.partial_position, self.partial_segment = position, event.segment_id
        return self._show(event.stream_id, event.transcript)

    def final(self, event: FinalTranscript) -> list[Change]:
        self.final_up_to = max(self.final_up_to, event.segment_id)
        text = one_line(event.transcript)
        lines: list[Change] = (
            [Line(event.stream_id, "final", labelled(self.channel, text), event.start_time)]
            if text
            else []
        )
        replaced = self.partial_segment <= self.final_up_to
        return lines + (self._show(event.stream_id, "") if replaced else [])

    def _show(self, stream_id: str, transcript: str) -> list[Change]:
        text = one_line(transcript)
        if text == self.partial_text:
            return []
        self.partial_text = text
        return [Partial(stream_id, labelled(self.channel, text), self.channel)]


@dataclass(slots=True)
class Captions:
    """One fold over the events of any number of streams."""

    _seen: Seen = field(default_factory=Seen)
    _streams: OrderedDict[str, dict[str | None, _Live]] = field(default_factory=OrderedDict)

    def apply(self, received: Received) -> list[Change]:
        """What changes on the screen, in the order in which to change it."""
        if self._seen.again(received.message.message_id):
            return []
        event = received.event
        if isinstance(event, PartialTranscript):
            return self._live(event).partial(event, received.position)
        if isinstance(event, FinalTranscript):
            return self._live(event).final(event)
        if received.problem is not None:
            return [Line(received.stream_id, "trouble", one_line(received.problem))]
        return [] if event is None else self._news(event)

    def _live(self, event: PartialTranscript | FinalTranscript) -> _Live:
        lines = self._streams.setdefault(event.stream_id, {})
        self._streams.move_to_end(event.stream_id)
        if len(self._streams) > REMEMBERED_STREAMS:
            self._streams.popitem(last=False)
        channel = None if event.channel is None else one_line(event.channel)
        return lines.setdefault(channel, _Live(channel))

    def _news(self, event: Event) -> list[Change]:
        line = news_of(event)
        if line is None:
            return []
        changes: list[Change] = [line]
        over = isinstance(event, StreamEnded | StreamFailed)
        lines = self._streams.pop(event.stream_id, {}) if over else {}
        shown = [one for one in lines.values() if one.partial_text]
        return [*(Partial(event.stream_id, "", one.channel) for one in shown), *changes]


News = tuple[Literal["news", "trouble"], str]


def news_of(event: Event) -> Line | None:
    """What an event says of its stream, but for what was said in it."""
    tell = NEWS.get(type(event))
    if tell is None:
        return None
    kind, text = tell(event)
    return Line(event.stream_id, kind, one_line(text))


def one_line(text: str) -> str:
    """One line without control characters: transcripts are not to drive the terminal."""
    return "".join(c if c.isprintable() else "\ufffd" for c in " ".join(text.split()))


def _ended(event: StreamEnded) -> News:
    gaps = f", {event.gap_seconds:.1f} s of gaps" if event.gap_seconds else ""
    reason = "" if event.reason == "end" else f" ({event.reason})"
    return "news", f"ended{reason} after {event.received_seconds:.1f} s of audio{gaps}"


def _failed(event: StreamFailed) -> News:
    fields = "".join(f"; {one.get('path')}: {one.get('reason')}" for one in event.fields)
    again = "; it may be tried again" if event.retryable else ""
    return "trouble", f"failed, {event.code}: {event.reason}{fields}{again}"


def _gap(event: AudioGap) -> News:
    chunks = f"chunks {event.first_seq} to {event.last_seq}"
    if event.channel is not None:
        chunks += f", channel {event.channel}"
    return "trouble", f"no audio from {event.start_time:.2f} s to {event.end_time:.2f} s ({chunks})"


NEWS: dict[type[Event], Callable[..., News]] = {
    StreamAccepted: lambda event: ("news", "accepted"),
    StreamStarted: lambda event: ("news", "recognition has started"),
    StreamResumed: lambda event: (
        "news",
        f"recognition resumed at {event.origin:.2f} s: {event.reason}",
    ),
    StreamDetached: lambda event: ("news", f"handed over: {event.reason}"),
    StreamWarning: lambda event: ("trouble", f"warning, {event.code}: {event.reason}"),
    StreamInfo: lambda event: ("news", f"{event.code}: {event.reason}"),
    StreamEnded: _ended,
    StreamFailed: _failed,
    AudioGap: _gap,
}

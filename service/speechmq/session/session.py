"""One session: an upstream connection from the start of recognition to its end.

Knows how much audio is under way, and where the session's zero lies on the stream's clock, which
is the clock of all that it has published of what it hears.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import UNSET

from ..upstream.messages import (
    FinalReceived,
    FinalTranslationReceived,
    MalformedMessage,
    PartialReceived,
    PartialTranslationReceived,
    UtteranceEnded,
)
from .commands import Command
from .events import (
    EndOfUtterance,
    FinalTranscript,
    FinalTranslation,
    PartialTranscript,
    PartialTranslation,
)
from .journal import Journal
from .spec import Limits, StreamSpec
from .timeline import Timeline
from .transcript import Relabel, Relocation, end_of, last_word_end
from .window import Window


class Session:
    """Begins at the earliest audio that no confirmed final covers."""

    def __init__(
        self,
        spec: StreamSpec,
        limits: Limits,
        timeline: Timeline,
        *,
        journal: Journal,
        delimiter: str,
        now: float,
        relabel: Relabel | None = None,
    ) -> None:
        self._stream_id = spec.stream_id
        self._journal = journal
        self.origin = spec.seconds(timeline.rewind())
        self.since = now
        self.window = Window(spec.samples(limits.window), limits.window_chunks)
        self._for_upstream = spec.for_upstream
        self._patience = limits.coalesce
        self._enough = spec.samples(min(limits.coalesce, limits.window))
        self.held_until: float | None = None
        self._timeline = timeline
        self._translated: dict[str, float] = {}
        self._sounds_until = journal.sounds_until
        self._relocation = Relocation(self.origin, journal.watermark, delimiter, relabel)

    def sendable(self, now: float, *, is_last: bool) -> Iterator[bytes | Command]:
        """Takes out the audio that the window has room for, and the commands in between.

        Small pieces are put together, up to ``coalesce``. Nothing waits for more while nothing is
        under way, nor before a command, nor when it is the last; nor longer than ``coalesce``.
        """
        while first := self._timeline.next_unsent:
            pieces = [first] if first.command else self._timeline.next_audio(self._enough)
            samples = pieces[-1].end - first.start
            if first.command is None and not is_last and self._waits_for_more(now):
                return
            if not self.window.has_room(samples):
                return
            self._timeline.mark_sent(len(pieces))
            if first.command is not None:
                yield first.command
            elif samples:
                self.held_until = None
                self.window.send(samples)
                yield self._for_upstream(b"".join(one.audio for one in pieces))

    def _waits_for_more(self, now: float) -> bool:
        """Whether what is unsent is better held; ``held_until`` says how long."""
        timeline = self._timeline
        if (
            self.window.is_empty
            or timeline.position - timeline.sent >= self._enough
            or timeline.has_unsent_command
        ):
            return False
        if self.held_until is None:
            self.held_until = now + self._patience
        return self.held_until > now

    @property
    def has_sent_all(self) -> bool:
        return self._timeline.next_unsent is None

    def confirm(self, count: int) -> None:
        """Raises ``MalformedMessage`` when upstream confirms what it never got."""
        if not self.window.confirm(count):
            sent = self.window.sent_chunks
            raise MalformedMessage(f"upstream confirmed chunk {count}, but {sent} were sent")

    def hear_partial(self, received: PartialReceived) -> None:
        if not self._is_repeated(received.metadata.end_time):
            moved = self._relocation.move(received.metadata, received.results)
            segment_id = self._journal.segment_id
            forced = received.forced or UNSET
            partial = PartialTranscript(self._stream_id, segment_id, *moved, forced=forced)
            self._journal.publish(partial, confirm=False)

    def hear_final(self, received: FinalReceived) -> None:
        if not self._is_repeated(received.metadata.end_time):
            moved = self._relocation.move(received.metadata, received.results)
            segment_id = self._journal.segment_id
            forced = received.forced or UNSET
            final = FinalTranscript(self._stream_id, segment_id, *moved, forced=forced)
            if self._journal.is_translated:
                self._journal.spoke(last_word_end(self._relocation.words(final.results)))
            self._journal.publish_final(final)

    def hear_end_of_utterance(self, received: UtteranceEnded) -> None:
        if not self._is_repeated(received.metadata.end_time):
            time = self._relocation.time(received.metadata.end_time)
            self._journal.publish(
                EndOfUtterance(self._stream_id, time, time, received.forced or UNSET)
            )

    def hear_partial_translation(self, received: PartialTranslationReceived) -> None:
        after = self._journal.translated_to(received.language)
        sentences = self._relocation.sentences(received.results, after)
        if sentences:
            event = PartialTranslation(self._stream_id, received.language, sentences)
            self._journal.publish(event, confirm=False)

    def hear_translation(self, received: FinalTranslationReceived) -> None:
        """A sentence that an earlier session had translated is not told again."""
        after = self._translated.setdefault(
            received.language, self._journal.translated_to(received.language)
        )
        sentences = self._relocation.sentences(received.results, after)
        if sentences:
            end = max(end_of(sentence) for sentence in sentences)
            translation = FinalTranslation(self._stream_id, received.language, sentences)
            self._journal.publish_translation(translation, end)

    def hear_sound(self, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The sound's begin or end on the stream's clock; nothing if an earlier session told it.

        Raises ``MalformedMessage`` when it has no time.
        """
        moved = self._relocation.moved(event)
        time = moved.get("end_time", moved.get("start_time"))
        if not isinstance(time, int | float):
            raise MalformedMessage(f"upstream told of a sound, but not when: {dict(event)}")
        if self._relocation.is_repeated(time) or time <= self._sounds_until:
            return None
        self._journal.sounds_until = max(self._journal.sounds_until, time)
        return moved

    def time_of(self, stream_time: float) -> float:
        """A time of the stream on the session's clock; 0 for what lies before it."""
        return max(0.0, round(stream_time - self.origin, 6))

    def _is_repeated(self, end_time: float) -> bool:
        """Whether an earlier session told of everything up to then."""
        return self._relocation.is_repeated(self._relocation.time(end_time))

"""One session: an upstream connection from the start of recognition to its end.

Knows how much audio is under way, and where the session's zero lies on the clocks of the stream,
which are those of all that it returns. Each channel is heard for itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from ...media.channels import split
from ...speechmatics.messages import (
    FinalReceived,
    FinalTranslationReceived,
    MalformedMessage,
    PartialReceived,
    PartialTranslationReceived,
    SoundEnded,
    SoundStarted,
    UtteranceEnded,
)
from ..audio.timeline import Timeline
from ..record.coverage import Coverage
from ..values.commands import Command
from ..values.events import (
    AudioEventEnded,
    AudioEventStarted,
    EndOfUtterance,
    Event,
    FinalTranscript,
    FinalTranslation,
    PartialTranscript,
    PartialTranslation,
    label_of,
)
from ..values.outputs import EndAudio, EndChannelAudio, SendAudio
from ..values.spec import Channel, Limits, StreamSpec, Track
from .transcript import Relabel, Relocation, end_of, last_word_end
from .window import Window


@dataclass(slots=True)
class Hearing:
    """What upstream hears of one channel in this session.

    ``sounds_until`` is the newest begin or end of a sound that earlier sessions published;
    ``has_ended`` says that upstream knows of its end.
    """

    window: Window
    relocation: Relocation
    sounds_until: float
    has_ended: bool = False


class Session:
    """Begins at the earliest audio that no confirmed final covers.

    ``under_way`` counts the chunks that upstream has not read yet, of all channels.
    """

    def __init__(
        self,
        spec: StreamSpec,
        limits: Limits,
        timeline: Timeline,
        *,
        coverage: Coverage,
        delimiter: str,
        now: float,
        relabel: Relabel | None = None,
    ) -> None:
        self._spec = spec
        self._stream_id = spec.stream_id
        self._progress = coverage.progress
        self._translations = coverage.translations
        self.since = now
        self.under_way = 0
        self._patience = limits.coalesce
        # Chunks of separate channels take turns: joining would seldom find two of one, and waiting
        # would hold back the others.
        is_coalesced = len(spec.tracks) == 1
        self._enough = spec.samples(min(limits.coalesce, limits.window)) if is_coalesced else 0
        self.held_until: float | None = None
        self._timeline = timeline
        self._translated: dict[str, float] = {}
        begins = timeline.rewind()
        self.origin = spec.seconds(min(begins.values()))
        self._heard_in = {track: spec.channels_of(track) for track in spec.tracks}
        self._channels = {
            channel: Hearing(
                Window(spec.samples(limits.window), limits.window_chunks),
                Relocation(
                    spec.seconds(begins[spec.track_of(channel)]),
                    coverage.progress[channel].watermark,
                    delimiter,
                    relabel,
                ),
                coverage.progress[channel].sounds_until,
            )
            for channel in spec.channels
        }

    def sendable(self, now: float, *, is_last: bool) -> Iterator[SendAudio | Command]:
        """Takes out the audio that the window has room for, and the commands in between."""
        # Small pieces are put together at upstream's own pace, as with Nagle's algorithm: near
        # upstream nothing waits, far from it or under load chunks of 20 ms go by the handful.
        while first := self._timeline.next_unsent:
            pieces = [first] if first.command else self._timeline.next_audio(self._enough)
            samples = pieces[-1].end - first.start
            if first.command is None and not is_last and self._waits_for_more(first.track, now):
                return
            # An interleaved chunk goes to all of its channels, or waits: it is one piece.
            hearers = self._heard_in[first.track]
            for channel in hearers:
                if not self._channels[channel].window.has_room(samples):
                    return
            self._timeline.mark_sent(len(pieces))
            if first.command is not None:
                yield first.command
            elif samples:
                self.held_until = None  # set again by the first piece that waits after this
                audio = first.audio
                if len(pieces) > 1:
                    audio = b"".join([one.audio for one in pieces])
                for channel, part in self._parts(audio, hearers):
                    self._channels[channel].window.send(samples)
                    self.under_way += 1
                    yield SendAudio(self._spec.for_upstream(part), channel)

    def _parts(self, audio: bytes, hearers: tuple[Channel, ...]) -> Iterable[tuple[Channel, bytes]]:
        """Of each of the channels."""
        if len(hearers) == 1:
            return ((hearers[0], audio),)
        return zip(hearers, split(audio, len(hearers), self._spec.sample_bytes), strict=True)

    def _waits_for_more(self, track: Track, now: float) -> bool:
        """Whether what is unsent is better held; ``held_until`` says how long."""
        # A chunk goes at once when nothing is under way: it would wait for nothing. One that is
        # followed by a command goes, too: the command must not wait for audio after it.
        if (
            not self.under_way
            or self._timeline.tracks[track].unsent >= self._enough
            or self._timeline.has_unsent_command
        ):
            return False
        if self.held_until is None:
            self.held_until = now + self._patience
        return self.held_until > now

    @property
    def has_sent_all(self) -> bool:
        return self._timeline.next_unsent is None

    def confirm(self, count: int, channel: Channel = None) -> None:
        """Raises ``MalformedMessage`` when upstream confirms what it never got."""
        window = self._hearing(channel).window
        before = window.under_way
        is_known = window.confirm(count)
        self.under_way -= before - window.under_way
        if not is_known:
            what = "chunk" if channel is None else f"chunk of {channel!r}"
            raise MalformedMessage(
                f"upstream confirmed {what} {count}, but {window.sent_chunks} were sent"
            )

    def _hearing(self, channel: Channel) -> Hearing:
        """Raises ``MalformedMessage`` for a channel that the stream does not have."""
        try:
            return self._channels[channel]
        except KeyError:
            raise MalformedMessage(
                f"upstream spoke of channel {channel!r}, which the stream does not have"
            ) from None

    # -- ends ------------------------------------------------------------------------------------

    @property
    def open_channels(self) -> list[Channel]:
        return [channel for channel, one in self._channels.items() if not one.has_ended]

    def end_channel(self, channel: str) -> Iterable[EndChannelAudio]:
        # Upstream ends a session with its last channel: that end waits for the stream's.
        if self.open_channels == [channel] or self._channels[channel].has_ended:
            return ()
        return (self._end(channel),)

    def _end(self, channel: str) -> EndChannelAudio:
        hearing = self._channels[channel]
        hearing.has_ended = True
        return EndChannelAudio(channel, hearing.window.sent_chunks)

    def ends(self) -> Iterator[EndAudio | EndChannelAudio]:
        """How to say that no audio follows."""
        for channel in self.open_channels:
            if channel is None:
                yield EndAudio(self._channels[channel].window.sent_chunks)
            else:
                yield self._end(channel)

    # -- words of upstream -----------------------------------------------------------------------

    def hear_partial(self, received: PartialReceived, _now: float) -> Iterable[Event]:
        at = self._hearing(received.channel).relocation
        if at.has_published(received.metadata.end_time):
            return ()
        moved = at.move(received.metadata, received.results)
        # The id that its final will have, so that a consumer can upsert.
        segment_id = self._progress[received.channel].segment_id
        forced, label = received.forced or UNSET, label_of(received.channel)
        return (PartialTranscript(self._stream_id, segment_id, *moved, forced, label),)

    def hear_final(self, received: FinalReceived, _now: float) -> Iterable[Event]:
        channel = received.channel
        at = self._hearing(channel).relocation
        if at.has_published(received.metadata.end_time):
            return ()
        start, end, transcript, results = at.move(received.metadata, received.results)
        # Coverage waits for the translation of each word that is published.
        if self._translations.is_wanted:
            self._translations.speak(last_word_end(at.words(results)))
        progress = self._progress[channel]
        segment_id = progress.segment_id
        # No final covers audio that was never sent, whatever upstream says of its end.
        sent = self._timeline.tracks[self._spec.track_of(channel)].sent
        end = progress.finalise(min(end, self._spec.seconds(sent)))
        moved = (start, end, transcript, results)
        forced, label = received.forced or UNSET, label_of(channel)
        return (FinalTranscript(self._stream_id, segment_id, *moved, forced, label),)

    def hear_end_of_utterance(self, received: UtteranceEnded, _now: float) -> Iterable[Event]:
        at = self._hearing(received.channel).relocation
        if at.has_published(received.metadata.end_time):
            return ()
        time, label = at.time(received.metadata.end_time), label_of(received.channel)
        return (EndOfUtterance(self._stream_id, time, time, received.forced or UNSET, label),)

    def hear_partial_translation(
        self, received: PartialTranslationReceived, _now: float
    ) -> Iterable[Event]:
        after = self._translations.until.get(received.language, 0.0)
        sentences = self._hearing(None).relocation.sentences(received.results, after)
        if not sentences:
            return ()
        return (PartialTranslation(self._stream_id, received.language, sentences),)

    def hear_translation(self, received: FinalTranslationReceived, _now: float) -> Iterable[Event]:
        language = received.language
        # Nothing of this session's is dropped, only what an earlier one had translated.
        after = self._translated.setdefault(language, self._translations.until.get(language, 0.0))
        sentences = self._hearing(None).relocation.sentences(received.results, after)
        if not sentences:
            return ()
        self._translations.translate(language, max(end_of(sentence) for sentence in sentences))
        return (FinalTranslation(self._stream_id, language, sentences),)

    def hear_sound_start(self, received: SoundStarted, _now: float) -> Iterable[Event]:
        for sound in self._new_sound(received):
            yield AudioEventStarted(self._stream_id, sound, label_of(received.channel))

    def hear_sound_end(self, received: SoundEnded, _now: float) -> Iterable[Event]:
        for sound in self._new_sound(received):
            yield AudioEventEnded(self._stream_id, sound, label_of(received.channel))

    def _new_sound(self, received: SoundStarted | SoundEnded) -> Iterator[Mapping[str, Any]]:
        """The sound on the stream's clock; nothing if an earlier session published it.

        Raises ``MalformedMessage`` when it has no time.
        """
        hearing = self._hearing(received.channel)
        moved = hearing.relocation.moved(received.event)
        time = moved.get("end_time", moved.get("start_time"))
        if not isinstance(time, int | float):
            raise MalformedMessage(
                f"upstream told of a sound, but not when: {dict(received.event)}"
            )
        if not hearing.relocation.is_repeated(time) and time > hearing.sounds_until:
            progress = self._progress[received.channel]
            progress.sounds_until = max(progress.sounds_until, time)
            yield moved

    def time_of(self, stream_time: float, channel: Channel = None) -> float:
        """A time of the stream on the session's clock; 0 for what lies before it."""
        # The run-up to a replay may begin after the time that a publisher named.
        origin = self._channels[channel].relocation.origin
        return max(0.0, round(stream_time - origin, 6))

"""Where a stream resumes: the only thing that a worker leaves to its successor."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from ...media.units import Unit


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages that never came, with the silence that stands in their place, in samples.

    ``track`` is whose silence it is. One hole may be a gap in several of them. A refused command
    takes no audio with it (``holds_audio``): the bytes of a file go on behind it.
    """

    first_seq: int
    last_seq: int
    start: int
    end: int
    track: str | None = None
    holds_audio: bool = True


@dataclass(frozen=True, slots=True)
class Entry:
    """Where decoding can begin again in a stream that is a file; ``position`` is the sample of the
    stream with which the unit's audio begins."""

    position: int
    unit: Unit


@dataclass(frozen=True, slots=True)
class Totals:
    chunks: int = 0
    duplicates: int = 0
    finals: int = 0
    gap_samples: int = 0


@dataclass(frozen=True, slots=True)
class ChannelMark:
    """Where one of several channels stands: as the checkpoint's own ``position`` and
    ``watermark``, and how many finals it has. ``has_ended`` says that no more of it comes."""

    position: int = 0
    watermark: float = 0.0
    finals: int = 0
    has_ended: bool = False


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Travels in the header ``checkpoint`` of every state-bearing event.

    ``next_seq`` is the first message that is not covered and ``position`` its first sample.
    ``watermark`` is the time, in seconds, up to which finals have been published.
    ``gaps`` lists those at or behind ``next_seq``: a successor must not guess their length anew.
    ``translated`` is the time, by language, up to which translations have been published, and
    ``spoken`` the end of the last word that was. ``voices`` is the highest number of a speaker
    label so far. ``channels`` has the marks of each, by its label; a mono stream has none. Where
    there are some, ``position`` and ``watermark`` are the lowest of them. ``entry`` is where the
    bytes of a file are to be read from; without one, a successor in its midst has to find the next
    frame.
    """

    next_seq: int = 1
    position: int = 0
    watermark: float = 0.0
    gaps: tuple[Gap, ...] = ()
    totals: Totals = Totals()
    voices: int = 0
    translated: dict[str, float] = field(default_factory=dict)
    spoken: float = 0.0
    channels: dict[str, ChannelMark] = field(default_factory=dict)
    entry: Entry | None = None

    def mark(self, channel: str | None) -> ChannelMark:
        # A mono stream has no marks, so that checkpoints of before there were channels are read.
        if channel is None:
            return ChannelMark(self.position, self.watermark, self.totals.finals)
        return self.channels.get(channel, ChannelMark())

    def encode(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def decode(cls, text: str | bytes) -> Checkpoint:
        """Raises ``msgspec.MsgspecError`` for anything that ``encode`` did not make."""
        return msgspec.json.decode(text, type=cls)

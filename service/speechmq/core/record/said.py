"""How far one channel of a stream has been told of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..values.checkpoint import Checkpoint
from ..values.spec import Channel, StreamSpec


@dataclass(slots=True)
class Said:
    """``watermark`` is the end of the newest final in seconds, ``finals`` their number;
    ``sounds_until`` the newest begin or end of a sound that was told.

    Channels share the segment ids out, so that each of them counts up and no two have the same:
    with two, one has 1, 3, 5 and the other 2, 4, 6. ``first_id`` is that of its first segment.
    """

    watermark: float
    finals: int
    first_id: int
    channels: int
    sounds_until: float = -1.0

    @property
    def segment_id(self) -> int:
        """The segment that is being spoken: the id that the next final will have."""
        return self.first_id + self.finals * self.channels


def said_of(spec: StreamSpec, checkpoint: Checkpoint) -> dict[Channel, Said]:
    """What a predecessor has told, by channel."""

    def each() -> Iterator[tuple[Channel, Said]]:
        for first_id, channel in enumerate(spec.channels, 1):
            mark = checkpoint.mark(channel)
            yield channel, Said(mark.watermark, mark.finals, first_id, len(spec.channels))

    return dict(each())

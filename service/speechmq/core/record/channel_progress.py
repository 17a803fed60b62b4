"""How far one channel of a stream is final."""

from __future__ import annotations

from dataclasses import dataclass

from ..values.checkpoint import Checkpoint
from ..values.spec import Channel, StreamSpec


@dataclass(slots=True)
class ChannelProgress:
    """``watermark`` is the end of the newest final in seconds, ``finals`` their number;
    ``sounds_until`` the newest begin or end of a sound that was published.

    Channels share the segment ids out: of two, one has 1, 3, 5 and the other 2, 4, 6. ``first_id``
    is that of the channel's first segment, ``channels`` how many there are.
    """

    watermark: float
    finals: int
    first_id: int
    channels: int
    sounds_until: float = -1.0

    @property
    def segment_id(self) -> int:
        """The segment that is being spoken: the id that the next final will have."""
        # No state but the count of finals: a partial bears the id of its final after any resume,
        # and no two channels have the same, so that consumers can upsert by id alone.
        return self.first_id + self.finals * self.channels

    def finalise(self, end_time: float) -> float:
        """Where the channel is final with a final that ends at ``end_time``."""
        # No final takes back what an earlier one covered.
        self.watermark = max(self.watermark, end_time)
        self.finals += 1
        return self.watermark


def progress_of(spec: StreamSpec, checkpoint: Checkpoint) -> dict[Channel, ChannelProgress]:
    """What predecessors have published, by channel."""
    progress = {}
    for first_id, channel in enumerate(spec.channels, 1):
        mark = checkpoint.mark(channel)
        progress[channel] = ChannelProgress(
            mark.watermark, mark.finals, first_id, len(spec.channels)
        )
    return progress

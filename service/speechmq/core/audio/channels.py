"""The channels of a stream as its publisher sends them: which chunk is whose, and which have ended.

Refuses what was sent in another layout than the start says: upstream must hear no garbage.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..values.checkpoint import Checkpoint
from ..values.inputs import ChunkDelivered
from ..values.spec import StreamSpec, Track

Fault = tuple[str, str]
"""A code and a sentence."""

# A channel has paused when it was not heard among so many messages of each.
_ACTIVE_WITHIN = 4


class Channels:
    """``ended_at`` has the message that ended a channel."""

    def __init__(self, spec: StreamSpec, checkpoint: Checkpoint) -> None:
        self._spec = spec
        self._is_separate = bool(spec.channel_labels) and not spec.is_interleaved
        self._heard_at: dict[str, int] = {}
        self.ended_at = {
            channel: checkpoint.next_seq - 1
            for channel, mark in checkpoint.channels.items()
            if mark.has_ended
        }

    # -- chunks ----------------------------------------------------------------------------------

    def fault_of(self, delivery: ChunkDelivered) -> Fault | None:
        """Why the chunk is no channel's audio."""
        # No silence takes its place: it is not known whose it would be.
        channel = delivery.channel
        if not self._is_separate:
            return None if channel is None else self._not_separate(delivery.seq, channel)
        if channel is None:
            reason = f"chunk {delivery.seq} has no header 'channel'; the stream has {self._listed}"
            return "missing_channel", reason
        return self._unknown(channel) or self._over(channel)

    def _not_separate(self, seq: int, channel: str) -> Fault:
        what = "interleaved channels" if self._spec.is_interleaved else "no channels"
        reason = (
            f"chunk {seq} is said to be of channel {_quoted(channel)}, but the stream was started "
            f"with {what}; separate ones have the layout 'separate'"
        )
        return "unexpected_channel", reason

    def _unknown(self, channel: str) -> Fault | None:
        if channel in self._spec.channel_labels:
            return None
        return "unknown_channel", f"no channel is {_quoted(channel)}; the stream has {self._listed}"

    def _over(self, channel: str) -> Fault | None:
        if channel not in self.ended_at:
            return None
        reason = f"channel {_quoted(channel)} was ended by message {self.ended_at[channel]}"
        return "channel_ended", reason

    @property
    def _listed(self) -> str:
        return ", ".join(map(repr, self._spec.channel_labels))

    def heard(self, track: Track, seq: int) -> None:
        if track is not None:
            self._heard_at[track] = seq

    # -- commands --------------------------------------------------------------------------------

    def fault_of_end(self, channel: str) -> Fault | None:
        """Why the channel cannot be ended."""
        if self._spec.is_interleaved:
            return "channels_interleaved", "interleaved channels end together, with the stream"
        if not self._is_separate:
            return "unknown_channel", f"no channel is {_quoted(channel)}: the stream is mono"
        return self._unknown(channel) or self._over(channel)

    def fault_of_name(self, channel: str | None) -> Fault | None:
        """Why a command cannot be about the channel."""
        if channel is None or channel in self._spec.channel_labels:
            return None
        if not self._spec.channel_labels:
            return "unknown_channel", f"no channel is {_quoted(channel)}: the stream is mono"
        return self._unknown(channel)

    @property
    def newest(self) -> Track:
        """Whose audio came last: a command that is about none in particular stands after it."""
        if not self._is_separate:
            return None
        return max(self._heard_at, key=self._heard_at.__getitem__, default=self._spec.tracks[0])

    def ended_before(self, seq: int) -> frozenset[str]:
        return frozenset(channel for channel, at in self.ended_at.items() if at < seq)

    # -- holes -----------------------------------------------------------------------------------

    def share(self, first: int, last: int) -> Mapping[Track, int]:
        """How many of the messages ``first`` to ``last``, which never came, each channel gets."""
        # Whose they were is not known. Channels take turns: so regular publishers get back exactly
        # what was lost, and clocks run apart by a chunk where one is irregular. Silence in all
        # channels would let every clock run ahead by each loss.
        missing = last - first + 1
        if not self._is_separate:
            return {None: missing}
        takers = self._in_turn(first)
        if not takers:  # after the end of all channels there is no audio
            return {self._spec.tracks[0]: 0}
        each, rest = divmod(missing, len(takers))
        shares: dict[Track, int] = {
            channel: each + (n < rest) for n, channel in enumerate(takers[:missing])
        }
        for n, (channel, share) in enumerate(shares.items()):
            self.heard(channel, first + n + len(takers) * (share - 1))
        return shares

    def _in_turn(self, seq: int) -> list[str]:
        # The one whose turn is the longest ago comes first; who has paused had no turn to lose.
        open_ones = [one for one in self._spec.channel_labels if one not in self.ended_at]
        since = seq - _ACTIVE_WITHIN * len(self._spec.channel_labels)
        active = [one for one in open_ones if self._heard_at.get(one, since - 1) >= since]
        return sorted(active or open_ones, key=lambda one: self._heard_at.get(one, 0))


def _quoted(channel: str) -> str:
    # A publisher's word may have any length, and goes into a header and a log line.
    return repr(channel[:64])

"""The stream's audio on its own clocks, counted in samples, as far as it may be needed again.

A piece is kept from its place in the order until a confirmed final covers it, because a session
that takes over after a loss has to hear it once more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile

import msgspec

from ..values.checkpoint import Entry, Gap, Totals
from ..values.commands import CloseChannel, Command
from ..values.spec import Track


class Piece(msgspec.Struct, frozen=True, gc=False):
    """Samples ``start`` to ``end`` of a ``track``, or a ``command`` between two samples.

    Silence has no ``tag``, because no message brought it; its ``gap`` is what is left from here on.
    What was decoded has an ``entry``, and only the last piece of a message its tag.
    """

    seq: int
    start: int
    end: int
    audio: bytes
    tag: int | None = None
    gap: Gap | None = None
    command: Command | None = None
    track: Track = None
    entry: Entry | None = None

    @property
    def is_chunk(self) -> bool:
        """Whether a publisher sent it as audio; a message in several pieces counts once."""
        return self.tag is not None and self.command is None

    @property
    def must_be_passed(self) -> bool:
        """Whether only audio that follows it shows that it was heard."""
        # A final that ends where a command stands may be from before the command. No audio follows
        # the end of a channel, which a successor knows from the checkpoint.
        return self.command is not None and not isinstance(self.command, CloseChannel)


@dataclass(slots=True)
class Extent:
    """How far a track goes: ``position`` is the end of the audio placed so far; ``sent`` the end of
    what went upstream in the present session."""

    position: int
    sent: int

    @property
    def unsent(self) -> int:
        return self.position - self.sent


class Timeline:
    """The pieces of all tracks in the order of their messages; a mono stream has one track.

    ``chunks`` and ``gap_samples`` are the stream's totals, ``began`` those of its predecessors.
    ``replayed`` counts the samples that were sent before and are again.
    """

    def __init__(self, positions: Mapping[Track, int], began: Totals | None = None) -> None:
        began = began or Totals()
        self.tracks = {track: Extent(at, at) for track, at in positions.items()}
        self.chunks = began.chunks
        self.gap_samples = began.gap_samples
        self.replayed = 0
        self._pieces: deque[Piece] = deque()
        self._unsent: deque[Piece] = deque()
        self._unsent_commands = 0

    def __len__(self) -> int:
        return len(self._pieces)

    def place(
        self,
        seq: int,
        samples: int,
        audio: bytes,
        tag: int | None,
        track: Track = None,
        *,
        command: Command | None = None,
        entry: Entry | None = None,
    ) -> None:
        """A ``command`` has no samples: it goes upstream between the audio around it."""
        start = self.tracks[track].position
        self._append(Piece(seq, start, start + samples, audio, tag, None, command, track, entry))

    def place_gap(self, gap: Gap, silence: bytes, step: int, entry: Entry | None = None) -> None:
        """Places a gap in pieces of ``step`` samples, each made of ``silence``."""
        self.gap_samples += gap.end - gap.start
        sample_bytes = len(silence) // step
        # Each piece fits the window, which a gap of a minute would not. A gap without samples is a
        # piece all the same: a checkpoint has to name it.
        for start in range(gap.start, gap.end, step) or (gap.start,):
            end = min(start + step, gap.end)
            audio = silence[: (end - start) * sample_bytes]
            # A successor that begins here places what is left, and no more.
            left = replace(gap, start=start)
            piece = Piece(gap.first_seq, start, end, audio, gap=left, track=gap.track, entry=entry)
            self._append(piece)

    def _append(self, piece: Piece) -> None:
        self._pieces.append(piece)
        self._unsent.append(piece)
        self._unsent_commands += piece.command is not None
        self.chunks += piece.is_chunk
        self.tracks[piece.track].position = piece.end

    @property
    def pieces(self) -> list[Piece]:
        return list(self._pieces)

    @property
    def next_unsent(self) -> Piece | None:
        return self._unsent[0] if self._unsent else None

    @property
    def unsent(self) -> list[Piece]:
        return list(self._unsent)

    @property
    def has_unsent_command(self) -> bool:
        return self._unsent_commands > 0

    def next_audio(self, samples: int) -> list[Piece]:
        """What is unsent of one track up to the next command or piece of another: ``samples`` at
        most, but one piece at least."""
        first = self._unsent[0]
        if len(self._unsent) == 1:  # a stream that keeps pace has no more
            return [first]
        most = first.start + samples

        def belongs(piece: Piece) -> bool:
            return piece.command is None and piece.track == first.track and piece.end <= most

        return [first, *takewhile(belongs, islice(self._unsent, 1, None))]

    def mark_sent(self, pieces: int = 1) -> None:
        for _ in range(pieces):
            piece = self._unsent.popleft()
            self._unsent_commands -= piece.command is not None
            self.tracks[piece.track].sent = piece.end

    @property
    def first_seq(self) -> int | None:
        """The message with which a session that begins now would begin."""
        return self._pieces[0].seq if self._pieces else None

    def rewind(self) -> dict[Track, int]:
        """Makes everything that is kept unsent again; returns the samples where it begins."""
        # No session goes on where another ended: it hears whatever no confirmed final covers.
        self._unsent = deque(self._pieces)
        self._unsent_commands = sum(piece.command is not None for piece in self._pieces)
        starts = self.starts(self.pieces)
        for track, start in starts.items():
            self.replayed += self.tracks[track].sent - start
            self.tracks[track].sent = start
        return starts

    def starts(self, pieces: Sequence[Piece]) -> dict[Track, int]:
        """Where each track goes on when only ``pieces``, the last ones, are left to be heard."""
        if len(self.tracks) == 1 and pieces:  # of most streams, for each final
            return {pieces[0].track: pieces[0].start}
        # A track of which nothing is left goes on at its end.
        starts = {track: extent.position for track, extent in self.tracks.items()}
        for piece in reversed(pieces):
            starts[piece.track] = piece.start
        return starts

    def beyond(self, covered: Mapping[Track, int]) -> list[Piece]:
        """All pieces from the first on that is not covered, by the sample of its track up to which
        that was finalised."""
        # One order of messages, one prefix that is acknowledged: the first piece that its own track
        # does not cover ends it, whatever other tracks have covered after it. A command is passed,
        # too, when audio that follows it is covered, of whichever track.
        passed = 0
        for count, piece in enumerate(self._pieces, 1):
            end, until = piece.end, covered[piece.track]
            if end < until or (end == until and not piece.must_be_passed):
                if passed == count - 1 or end > piece.start:
                    passed = count
            elif piece.command is None or piece.track is None:
                break
        return list(islice(self._pieces, passed, None))

    def from_message(self, seq: int) -> list[Piece]:
        """The pieces of message ``seq`` and those behind it."""
        return [piece for piece in self._pieces if piece.seq >= seq]

    def release(self, seq: int) -> list[int]:
        """Forgets what was sent of the messages before ``seq``; the tags of their deliveries."""
        tags = []
        # What was not sent stays, also when a checkpoint leaves it out: this session must hear it.
        while self._pieces and self._pieces[0].seq < seq and not self._is_next(self._pieces[0]):
            piece = self._pieces.popleft()
            if piece.tag is not None:
                tags.append(piece.tag)
        return tags

    def _is_next(self, piece: Piece) -> bool:
        return bool(self._unsent) and self._unsent[0] is piece

    def oldest_sent(self, most: int) -> int:
        """How many of the oldest pieces can be let go: ``most``, or what the first message has."""
        # No part of a message can be acknowledged, and a successor begins with a whole one.
        pieces, sent = self.pieces, len(self._pieces) - len(self._unsent)
        wholes = [
            count
            for count in range(1, sent + 1)
            if count == len(pieces) or pieces[count].seq != pieces[count - 1].seq
        ]
        return max((count for count in wholes if count <= most), default=min(wholes, default=0))


def gap_samples_after(pieces: Iterable[Piece], sample: int, track: Track = None) -> int:
    """Silence in the place of what never came, as far as it lies after ``sample``."""
    return sum(
        piece.end - max(piece.start, sample)
        for piece in pieces
        if piece.gap is not None and piece.track == track and piece.end > sample
    )

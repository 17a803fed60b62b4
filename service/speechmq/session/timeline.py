"""The stream's audio on its own clock, counted in samples, as far as it may be needed again.

A piece is kept from its place in the order until a confirmed final covers it, because a session
that takes over after a loss has to hear it once more.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from itertools import dropwhile, islice, takewhile

from .checkpoint import Entry, Gap
from .commands import Command


@dataclass(frozen=True, slots=True)
class Piece:
    """Samples ``start`` to ``end``, or a ``command`` between two samples.

    Silence has no ``tag``, because nobody delivered it; its ``gap`` is what is left from here on.
    What was decoded has an ``entry``, and only the last piece of a message its tag.
    """

    seq: int
    start: int
    end: int
    audio: bytes
    tag: int | None = None
    gap: Gap | None = None
    command: Command | None = None
    entry: Entry | None = None


class Timeline:
    """``position`` is the end of the audio placed so far; ``sent`` the end of what went upstream
    in the present session. ``replayed`` counts the samples that were sent before and are again."""

    __slots__ = ("_pieces", "_unsent", "_unsent_commands", "position", "replayed", "sent")

    def __init__(self, position: int) -> None:
        self.position = position
        self.sent = position
        self.replayed = 0
        self._pieces: deque[Piece] = deque()
        self._unsent: deque[Piece] = deque()
        self._unsent_commands = 0

    def __len__(self) -> int:
        return len(self._pieces)

    def place(
        self, seq: int, samples: int, audio: bytes, tag: int | None, entry: Entry | None = None
    ) -> None:
        end = self.position + samples
        self._append(Piece(seq, self.position, end, audio, tag, entry=entry))

    def place_command(
        self, seq: int, command: Command, tag: int, entry: Entry | None = None
    ) -> None:
        at = self.position
        self._append(Piece(seq, at, at, b"", tag, command=command, entry=entry))

    def place_gap(self, gap: Gap, silence: bytes, step: int) -> None:
        """Places a gap in pieces of ``step`` samples, each made of ``silence``."""
        sample_bytes = len(silence) // step
        for start in range(gap.start, gap.end, step) or (gap.start,):
            end = min(start + step, gap.end)
            audio = silence[: (end - start) * sample_bytes]
            self._append(Piece(gap.first_seq, start, end, audio, gap=replace(gap, start=start)))

    def _append(self, piece: Piece) -> None:
        self._pieces.append(piece)
        self._unsent.append(piece)
        self._unsent_commands += piece.command is not None
        self.position = piece.end

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
        """What is unsent up to the next command, ``samples`` at most, but one piece at least."""
        first = next(iter(self._unsent))
        most = first.start + samples

        def belongs(piece: Piece) -> bool:
            return piece.command is None and piece.end <= most

        return [first, *takewhile(belongs, islice(self._unsent, 1, None))]

    def mark_sent(self, pieces: int = 1) -> None:
        for _ in range(pieces):
            piece = self._unsent.popleft()
            self._unsent_commands -= piece.command is not None
            self.sent = piece.end

    @property
    def first_seq(self) -> int | None:
        """The message with which a session that begins now would begin."""
        return self._pieces[0].seq if self._pieces else None

    def rewind(self) -> int:
        """Makes everything that is kept unsent again; returns the sample where it begins."""
        self._unsent = deque(self._pieces)
        self._unsent_commands = sum(piece.command is not None for piece in self._pieces)
        self.replayed += self.sent - self.begin
        self.sent = self.begin
        return self.sent

    @property
    def begin(self) -> int:
        """The first sample that is kept."""
        return self._pieces[0].start if self._pieces else self.position

    def from_sample(self, sample: int) -> list[Piece]:
        """The pieces that end behind ``sample``, and commands right there: what was finalised up to
        a command does not tell that the command was heard."""

        def is_before(piece: Piece) -> bool:
            return piece.end < sample or (piece.end == sample and piece.command is None)

        return list(dropwhile(is_before, self._pieces))

    def from_message(self, seq: int) -> list[Piece]:
        """The pieces of message ``seq`` and those behind it."""
        return [piece for piece in self._pieces if piece.seq >= seq]

    def release(self, seq: int) -> list[int]:
        """Forgets what was sent of the messages before ``seq``; the tags of their deliveries."""
        tags = []
        while self._pieces and self._pieces[0].seq < seq and not self._is_next(self._pieces[0]):
            piece = self._pieces.popleft()
            if piece.tag is not None:
                tags.append(piece.tag)
        return tags

    def _is_next(self, piece: Piece) -> bool:
        return bool(self._unsent) and self._unsent[0] is piece

    def sent_pieces(self) -> int:
        return len(self._pieces) - len(self._unsent)

    def gap_samples_after(self, sample: int) -> int:
        """Silence in the place of what never came, as far as it lies behind ``sample``."""
        return sum(
            piece.end - max(piece.start, sample)
            for piece in self._pieces
            if piece.gap is not None and piece.end > sample
        )

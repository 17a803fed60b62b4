"""The audio of a stream that is a file: bytes in the order of their messages, samples in place.

The decoder is a pure function of the bytes. It is asked for a little at a time, so that no chunk,
however much it decodes to, keeps other streams waiting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...media.decoder import FileDecoder
from ...media.packets import Head
from ...media.units import Decoded, Unit
from ..values.checkpoint import Checkpoint, Entry
from ..values.inputs import ChunkDelivered
from ..values.spec import StreamSpec
from .timeline import Timeline

# Samples, in seconds, that are decoded before other streams have their turn.
DECODED_AT_ONCE = 0.25


class Decoding:
    """One message at a time is decoded, in steps of about ``DECODED_AT_ONCE``.

    ``heads`` are what a predecessor knew of the files; it begins where ``checkpoint`` says.
    """

    def __init__(
        self,
        spec: StreamSpec,
        timeline: Timeline,
        checkpoint: Checkpoint,
        heads: Mapping[int, Head],
    ) -> None:
        entry = checkpoint.entry
        self._decoder = FileDecoder(spec.sample_rate, heads, entry.unit if entry else None)
        self._timeline = timeline
        self._extent = timeline.tracks[None]
        self._sample_bytes = spec.sample_bytes
        self._step = spec.samples(DECODED_AT_ONCE)
        self._seq: int | None = None
        self._tag: int | None = None
        self._samples: Iterator[Decoded] = iter(())
        self._held: Decoded | None = None
        self._entry: Entry | None = None
        self._entry_at_begin: Entry | None = None
        self._begins_with: Entry | None = None

    @property
    def heads(self) -> dict[int, Head]:
        """What the files say of themselves at their beginnings; another object with each new."""
        return self._decoder.heads

    @property
    def position(self) -> int:
        """The end of what is in place; a file has one channel."""
        return self._extent.position

    @property
    def ahead(self) -> int:
        """Samples in place that were not sent."""
        return self._extent.unsent

    @property
    def is_busy(self) -> bool:
        return self._seq is not None

    def begin(self, chunk: ChunkDelivered) -> None:
        """The next message; the one before has to be done with."""
        # Until the head is known, a successor has to read the file from its first byte.
        if self._begins_with is None:
            self._begins_with = Entry(self.position, Unit(chunk.seq))
        self._begin(chunk.seq, chunk.tag, self._decoder.feed(chunk.seq, chunk.audio))

    def finish(self, seq: int) -> None:
        """No chunk follows; ``seq`` is the message that would be next."""
        self._begin(seq, None, self._decoder.finish())

    def _begin(self, seq: int, tag: int | None, samples: Iterator[Decoded]) -> None:
        self._entry_at_begin = self._entry_now(seq)
        self._seq, self._tag, self._samples = seq, tag, samples

    def go_on(self) -> bool:
        """Puts some samples in place; whether they were the last of their message.

        Raises ``UndecodableAudio``.
        """
        enough = self.position + self._step
        for decoded in self._samples:
            # Only the last piece of a message bears its tag: a delivery is accounted for when all
            # of it is covered. So a piece is held until it is known whether another follows.
            self._place_held(None)
            self._held = decoded if decoded.audio else None
            if decoded.unit is None or self.position >= enough:
                return False
        self._place_last()
        return True

    def _place_held(self, tag: int | None) -> bool:
        held, self._held = self._held, None
        if held is None or held.unit is None or self._seq is None:
            return False
        self._entry = self._entry_of(held.unit)
        samples = len(held.audio) // self._sample_bytes
        self._timeline.place(self._seq, samples, held.audio, tag, entry=self._entry)
        return True

    def _place_last(self) -> None:
        is_placed = self._place_held(self._tag)
        seq, self._seq = self._seq, None
        # What the codec holds back comes with the next message, and this one is to be covered, too.
        if not is_placed and seq is not None and self._tag is not None:
            self._timeline.place(seq, 0, b"", self._tag, entry=self._entry_now(seq + 1))

    def lose(self, messages: int) -> None:
        """So many are missing here."""
        self._decoder.lose(messages)
        # The parser goes on at the next frame, page or block that it finds after the loss.
        self._entry = None
        if not self.heads:
            # The file's first bytes are gone: the head comes from what follows.
            self._begins_with = None

    def take_damage(self) -> str | None:
        return self._decoder.take_damage()

    def entry_before(self, next_seq: int) -> Entry | None:
        """Where a successor has to begin that needs nothing of what is in place; message
        ``next_seq`` is the next."""
        return self._entry_at_begin if self.is_busy else self._entry_now(next_seq)

    def _entry_now(self, next_seq: int) -> Entry | None:
        unit = self._decoder.unit_before(next_seq)
        if unit is not None:
            return self._entry_of(unit)
        # In the midst of a frame a successor can enter nowhere: it has to find the next one.
        if self.heads:
            return None
        return self._begins_with or Entry(self.position, Unit(next_seq))

    def _entry_of(self, unit: Unit) -> Entry:
        # All pieces of one unit have its beginning: a successor decodes it from its first sample.
        if self._entry is not None and self._entry.unit == unit:
            return self._entry
        return Entry(self.position, unit)

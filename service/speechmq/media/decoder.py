"""A file that comes in chunks to samples, and to the places in it where decoding can begin again.

No I/O, no clock, no thread: what comes out depends on the bytes that went in alone, not on how they
were cut. Owns which chunk a piece of the audio came from.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import UndecodableAudio
from .codec import Codec
from .packets import Head, Packet
from .places import Places
from .probe import CONTAINERS, KNOWN, read_file
from .source import Source
from .units import Decoded, Unit

# Samples are handed on in pieces of this length, in seconds, and bytes looked at in pieces of this
# size, so that whoever iterates can do something else in between.
STEP = 0.25
SLICE = 4 * 1024


class FileDecoder:
    """``head`` and ``unit`` are what a predecessor knew: neither for a new file, and a head alone
    for one in whose midst something is missing. A unit at the file's first byte is its beginning,
    whatever was known of its head later."""

    def __init__(self, rate: int, head: Head | None = None, unit: Unit | None = None) -> None:
        if unit is not None and unit.offset == 0:
            head = unit = None
        self._rate = rate
        self.head = head
        self._begin_at = unit
        self._source = Source(unit.offset if unit else 0)
        self._places = Places()
        self._misalignment = 0
        self._unit: Unit | None = None
        self._codec: Codec | None = None
        self._is_lost = head is not None and unit is None
        self._garbage = self._damaged = 0
        if head is None:
            self._parsing = read_file(self._source)
        else:
            self._parsing = CONTAINERS[head.container].resume(self._source, head, unit is not None)
            lead, before = (unit.lead, unit.before) if unit else (0, 0)
            self._codec = Codec(head, rate, lead=lead, before=before)

    # -- the interface ---------------------------------------------------------------------------

    def feed(self, seq: int, encoded: bytes) -> Iterator[Decoded]:
        """The samples that become known with the next chunk; to be iterated to its end.

        Raises ``UndecodableAudio``.
        """
        passed_over = self._cut(seq)
        self._places.add(self._source.end - passed_over, seq, len(encoded))
        for at in range(passed_over, len(encoded), SLICE):
            if at > passed_over:
                yield Decoded(b"", None)
            self._source.feed(encoded[at : at + SLICE])
            yield from self._decode()
        self._places.forget_before(self._source.mark)

    def finish(self) -> Iterator[Decoded]:
        """The samples that were held back for more to come. Raises ``UndecodableAudio``."""
        self._source.finish()
        yield from self._decode()
        if self.head is None and self._source.end:
            raise UndecodableAudio(f"it is none of {KNOWN}")
        if self._codec is not None:
            self._unit = self._unit or self.unit_before(0)
            self._codec.finish()
            yield from self._hand_on()

    def lose(self, chunks: int) -> None:
        """So many chunks are missing here, each as long as the last."""
        mark = self._source.mark
        self._note_damage()
        self._source = Source(self._source.end + chunks * self._places.last_size)
        self._unit, self._is_lost = None, True
        if self.head is None:
            self._parsing = read_file(self._source)
            return
        if self.head.block:
            self._misalignment = (mark - self._source.offset) % self.head.block
        self._codec = Codec(self.head, self._rate, lead=0, before=0)
        self._parsing = CONTAINERS[self.head.container].resume(self._source, self.head, False)

    def unit_before(self, next_seq: int) -> Unit | None:
        """Where one has to begin who needs all that has not been handed on; chunk ``next_seq`` is
        the next. Nothing while the file's head is unknown, or nothing was found behind a loss."""
        mark = self._source.mark
        if self._codec is None or self._is_lost:
            return None
        if self._begin_at is not None:
            return self._begin_at
        if self._unit is not None and self._unit.offset == mark:
            return self._unit
        if mark >= self._source.end:
            return self._unit_at(mark, next_seq, 0)
        return self._unit_at(mark, *self._places.of(mark))

    def take_damage(self) -> str | None:
        """What was wrong since the last time that this was asked."""
        self._note_damage()
        told = []
        if self._garbage:
            told.append(f"{self._garbage} bytes are no audio and were passed over")
        if self._damaged:
            told.append(f"{self._damaged} packets are damaged; silence takes their place")
        self._garbage = self._damaged = 0
        return " and ".join(told) or None

    def _note_damage(self) -> None:
        self._garbage += self._source.garbage
        self._source.garbage = 0
        if self._codec is not None:
            self._damaged += self._codec.damaged
            self._codec.damaged = 0

    # -- from bytes to samples -------------------------------------------------------------------

    def _cut(self, seq: int) -> int:
        """How much of a chunk is to be passed over: that of a successor's first which lies before
        its unit, and the rest of a sample behind a loss."""
        unit, self._begin_at = self._begin_at, None
        if unit is not None and unit.seq == seq:
            return unit.skip
        if unit is not None and unit.skip:
            self.lose(1)
        cut, self._misalignment = self._misalignment, 0
        return cut

    def _decode(self) -> Iterator[Decoded]:
        while (parsed := next(self._parsing, None)) is not None:
            if isinstance(parsed, Head):
                yield from self._open(parsed)
            elif parsed.payload:  # none at all would tell the codec that it is over
                yield from self._decode_packet(parsed)
        yield from self._hand_on()

    def _open(self, head: Head) -> Iterator[Decoded]:
        """The file's head, or that of another behind it."""
        lead = -(head.priming * self._rate // head.sample_rate) if head.sample_rate else 0
        if self._codec is not None:
            self._codec.finish()
            yield from self._hand_on()
            self._note_damage()
            lead += self._codec.lead
        self.head, self._unit = head, None
        self._codec = Codec(head, self._rate, lead=lead, before=0)

    def _decode_packet(self, packet: Packet) -> Iterator[Decoded]:
        codec = self._codec
        assert codec is not None  # noqa: S101  # no packet comes before its head
        yield from self._enter(packet.start, codec)
        codec.decode(packet.payload)
        if packet.missing:
            codec.pass_over(packet.missing)
        if codec.ready >= STEP * self._rate:
            yield from self._hand_on()

    def _enter(self, start: int, codec: Codec) -> Iterator[Decoded]:
        """A unit begins with each chunk in which a packet begins, and at each step."""
        unit = self._unit
        if unit is not None and unit.offset == start:
            return
        seq, skip = self._places.of(start)
        if unit is None or unit.seq != seq or not codec.ready:
            yield from self._hand_on()
            self._unit, self._is_lost = self._unit_at(start, seq, skip), False

    def _unit_at(self, offset: int, seq: int, skip: int) -> Unit:
        codec = self._codec
        assert codec is not None  # noqa: S101  # no packet comes before its head
        return Unit(seq, skip, codec.lead, offset, codec.before)

    def _hand_on(self) -> Iterator[Decoded]:
        if self._codec is not None and self._unit is not None and self._codec.ready:
            yield Decoded(self._codec.take(), self._unit)

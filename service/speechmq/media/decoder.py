"""A file that comes in chunks to samples, and to the places in it where decoding can begin again.

What comes out depends on the bytes that went in alone, not on how they were cut. Owns which chunk a
piece of the audio came from, and which file of several it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..errors import UndecodableAudio
from .codec import Codec, require_form
from .containers import KNOWN, TAGGED, resume
from .opening import read_file
from .packets import Head, Packet, Parsing, Pause
from .places import Places
from .source import Source
from .splitter import Splitter
from .units import Decoded, Unit

# Samples are handed on in pieces of this length, in seconds, and bytes looked at in pieces of this
# size, so that whoever iterates can do something else in between.
STEP = 0.25
SLICE = 4 * 1024
# Files in one stream may differ. A successor needs the heads of those that are not covered yet.
MOST_HEADS = 32


class FileDecoder:
    """``heads``, by number, and ``unit`` are what a predecessor knew: neither for a new stream, and
    heads alone for one in whose midst something is missing. Without its head, a file is read from
    the unit on as if it began there, which some kinds allow.

    A reader may have a thread. ``close`` ends it, and so does the end of the decoder itself.
    """

    def __init__(
        self, rate: int, heads: Mapping[int, Head] | None = None, unit: Unit | None = None
    ) -> None:
        self.heads = dict(heads or {})
        self._rate = rate
        self._begin_at = unit
        self._source = Source(unit.offset if unit else 0)
        self._splitter = Splitter()
        self._places = Places()
        self._misalignment = 0
        self._garbage = self._damaged = 0
        self._unit: Unit | None = None
        self._codec: Codec | None = None
        self._newest: Packet | None = None
        self._head = unit.head if unit else max(self.heads, default=None)
        if self._head not in self.heads:
            self._head = None
        self._is_lost = self._head is not None and unit is None
        self._lead = unit.lead if unit else 0
        if self._head is None:
            self._unit = unit
        self._parsing = self._read(unit)

    def _read(self, unit: Unit | None) -> Parsing:
        """From the beginning of a file, from a unit, or from wherever something is found."""
        if self._head is None:
            return read_file(self._source)
        head = self.heads[self._head]
        before, clock, audio_end = 0, 0, None
        if unit is not None:
            before, clock, audio_end = unit.before, unit.clock, unit.audio_end
        elif self._newest is not None:
            clock, audio_end = self._newest.clock, self._newest.audio_end
        self._codec = Codec(head, self._rate, lead=self._lead, before=before)
        is_at_packet = unit is not None
        return resume(self._source, head, clock, audio_end, is_at_packet=is_at_packet)

    # -- the interface ---------------------------------------------------------------------------

    def feed(self, seq: int, encoded: bytes) -> Iterator[Decoded]:
        """The samples that become known with the next chunk; to be iterated to its end.

        Raises ``UndecodableAudio``.
        """
        passed_over = self._cut(seq)
        self._places.add(self._received - passed_over, seq, len(encoded))
        for piece, is_beginning in self._splitter.feed(encoded[passed_over:]):
            if is_beginning:
                yield from self._begin_file()
            for at in range(0, len(piece), SLICE):
                if at or is_beginning:
                    yield Decoded(b"", None)
                self._source.feed(piece[at : at + SLICE])
                yield from self._decode()
        self._places.forget_before(self._source.mark)

    def finish(self) -> Iterator[Decoded]:
        """The samples that were held back for more to come. Raises ``UndecodableAudio``."""
        self._source.feed(self._splitter.finish())
        yield from self._finish_file()
        if not self.heads and self._source.end:
            raise UndecodableAudio(f"it is none of {KNOWN}")

    def close(self) -> None:
        self._parsing.close()

    def lose(self, chunks: int) -> None:
        """So many chunks are missing here, each as long as the last."""
        self._note_damage()
        self._parsing.close()
        mark = self._source.mark
        self._source = Source(self._received + chunks * self._places.last_size)
        self._splitter = Splitter()
        self._unit, self._is_lost, self._lead = None, True, 0
        if self._head is not None and self.heads[self._head].block:
            self._misalignment = (mark - self._source.offset) % self.heads[self._head].block
        self._parsing = self._read(None)

    def unit_before(self, next_seq: int) -> Unit | None:
        """Where one has to begin who needs all that has not been handed on; chunk ``next_seq`` is
        the next. Nothing while the file's head is unknown, or nothing was found behind a loss."""
        mark = self._source.mark
        if self._begin_at is not None:
            return self._begin_at
        if self._codec is None or self._is_lost:
            return self._unit
        if self._unit is not None and self._newest is not None and mark == self._newest.start:
            return self._unit
        if mark >= self._received:
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

    @property
    def _received(self) -> int:
        """Where in the stream the next chunk begins."""
        return self._source.end + self._splitter.held

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

    def _begin_file(self) -> Iterator[Decoded]:
        """What follows is a file of its own; what is left of the one before is in place first."""
        if not self._places.has_any_before(self._source.end):
            return
        try:
            yield from self._finish_file()
        except UndecodableAudio:
            self._garbage += self._source.end - self._source.mark
        lead = self._codec.lead if self._codec else self._lead
        begin = self._source.end
        self._note_damage()
        self._parsing.close()
        self._source, self._codec, self._newest = Source(begin), None, None
        self._head, self._lead, self._is_lost = None, lead, False
        self._unit = Unit(*self._places.of(begin), lead, begin)
        self._parsing = self._read(None)

    def _finish_file(self) -> Iterator[Decoded]:
        self._source.finish()
        yield from self._decode()
        if self._codec is not None:
            self._unit = self._unit or self.unit_before(0)
            self._codec.finish()
            yield from self._hand_on()

    def _decode(self) -> Iterator[Decoded]:
        while (parsed := next(self._parsing, None)) is not None:
            if isinstance(parsed, Pause):
                yield Decoded(b"", None)
            elif isinstance(parsed, Head):
                self._note_head(parsed)
            elif parsed.payload:  # none at all would tell the codec that it is over
                yield from self._decode_packet(parsed)
        yield from self._hand_on()

    def _note_head(self, head: Head) -> None:
        require_form(head.sample_rate, head.channels)
        known = [number for number, one in self.heads.items() if one == head]
        self._head = known[0] if known else max(self.heads, default=-1) + 1
        self._splitter.has_tags = head.container in TAGGED
        if not known:
            newest = sorted(self.heads)[-MOST_HEADS + 1 :]
            self.heads = {number: self.heads[number] for number in newest} | {self._head: head}

    def _decode_packet(self, packet: Packet) -> Iterator[Decoded]:
        codec = self._codec or self._open(packet)
        self._newest = packet
        yield from self._enter(packet, codec)
        if packet.missing:
            codec.pass_over(packet.missing)
        codec.decode(packet.payload)
        if codec.ready >= STEP * self._rate:
            yield from self._hand_on()

    def _open(self, packet: Packet) -> Codec:
        """With a file's first packet."""
        assert self._head is not None  # noqa: S101  # no packet comes before its head
        head = self.heads[self._head]
        priming = packet.priming * self._rate // (head.sample_rate or self._rate)
        self._codec = Codec(head, self._rate, lead=self._lead - priming, before=0)
        self._unit = None
        return self._codec

    def _enter(self, packet: Packet, codec: Codec) -> Iterator[Decoded]:
        """A unit begins with each chunk in which a packet begins, and at each step."""
        unit = self._unit
        if unit is not None and unit.offset == packet.start:
            return
        seq, skip = self._places.of(packet.start)
        if unit is None or unit.seq != seq or not codec.ready:
            yield from self._hand_on()
            self._unit, self._is_lost = self._unit_at(packet.start, seq, skip), False

    def _unit_at(self, offset: int, seq: int, skip: int) -> Unit:
        codec, newest = self._codec, self._newest
        assert codec is not None  # noqa: S101  # no packet comes before its head
        clock = newest.clock if newest else 0
        end = newest.audio_end if newest else None
        return Unit(seq, skip, codec.lead, offset, codec.before, self._head, clock, end)

    def _hand_on(self) -> Iterator[Decoded]:
        if self._codec is not None and self._unit is not None and self._codec.ready:
            yield Decoded(self._codec.take(), self._unit)

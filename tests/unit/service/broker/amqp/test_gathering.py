"""Under load the broker is read in strokes; a message that comes alone waits for nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from pamqp.frame import FrameTypes

from speechmq.broker.amqp.gathering import LEAST, STROKE, GatheringReader


def nobody(_channel: int, _frame: FrameTypes) -> bool:
    raise AssertionError("Whoever reads bytes has no frames.")


@dataclass
class Wire(asyncio.Transport):
    """What passes between the broker and a reader: its time goes on while the reader sleeps."""

    reader: asyncio.StreamReader = field(default_factory=asyncio.StreamReader)
    now: float = 100.0
    is_paused: bool = False
    slept: list[float] = field(default_factory=list)
    comes_meanwhile: list[bytes] = field(default_factory=list)

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False
        for piece in self.comes_meanwhile:
            self.reader.feed_data(piece)

    async def sleep(self, seconds: float) -> None:
        assert self.is_paused
        self.slept.append(round(seconds, 6))
        self.now += seconds

    def gathering(self) -> GatheringReader:
        return GatheringReader(self.reader, self, nobody, clock=lambda: self.now, sleep=self.sleep)


async def test_first_read_waits_for_nothing() -> None:
    wire = Wire()
    wire.reader.feed_data(b"frame")
    assert await wire.gathering().read(100) == b"frame"
    assert wire.slept == []


async def test_what_comes_within_a_stroke_is_read_at_once() -> None:
    wire = Wire(comes_meanwhile=[b"two", b"three"])
    reader = wire.gathering()
    wire.reader.feed_data(b"one")
    await reader.read(100)
    wire.now += STROKE / 4
    assert await reader.read(100) == b"twothree"
    assert wire.slept == [0.75 * STROKE]
    assert not wire.is_paused


@pytest.mark.parametrize("pause", [STROKE, 10 * STROKE, STROKE - LEAST / 2])
async def test_what_comes_later_than_that_waits_for_nothing(pause: float) -> None:
    wire = Wire()
    reader = wire.gathering()
    wire.reader.feed_data(b"one")
    await reader.read(100)
    wire.now += pause
    wire.reader.feed_data(b"two")
    assert await reader.read(100) == b"two"
    assert wire.slept == []


async def test_more_than_is_read_at_once_waits_for_nothing() -> None:
    """Or the largest piece in each stroke would be all that a worker can take."""
    wire = Wire()
    reader = wire.gathering()
    wire.reader.feed_data(b"onetwothree")
    assert [await reader.read(3), await reader.read(3), await reader.read(100)] == [
        b"one",
        b"two",
        b"three",
    ]
    assert wire.slept == []


async def test_end_of_the_stream_is_read_like_anything_else() -> None:
    wire = Wire()
    reader = wire.gathering()
    wire.reader.feed_data(b"one")
    wire.reader.feed_eof()
    assert [await reader.read(100), await reader.read(100)] == [b"one", b""]


async def test_reader_that_is_cancelled_leaves_its_transport_as_it_was() -> None:
    async def cancelled(_seconds: float) -> None:
        raise asyncio.CancelledError

    wire = Wire()
    reader = GatheringReader(wire.reader, wire, nobody, clock=lambda: wire.now, sleep=cancelled)
    wire.reader.feed_data(b"one")
    await reader.read(100)
    with pytest.raises(asyncio.CancelledError):
        await reader.read(100)
    assert not wire.is_paused

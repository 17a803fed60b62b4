"""What is measured, and in what order. Pure.

Each run measures all bridges under a load one behind the other, so that what else the machine does
meanwhile is shared out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bench.speed.bridges import BRIDGES, FLOOR, NAIVE, OURS, Bridge
from bench.speed.pacing import Load

TYPICAL, MANY, SMALL = (50, 100), (200, 100), (50, 20)
DISTANCE_MS = 50
"""There and back, to a recogniser in another town."""
SCALE_CHUNK_MS = 200
SCALES = {OURS: (10, 50, 100, 500), NAIVE: (10, 100), FLOOR: (10, 100, 500)}
"""Streams of long chunks, of which a core can take 500; not for the naive bridge."""
SHARED_OUT = ((50, 20, 10), (100, 40, 5), (250, 100, 2), (500, 200, 1))
"""Streams, chunk and haste: the same chunks and events each second, of more and more streams."""
SHARERS = (OURS, FLOOR)


@dataclass(frozen=True, slots=True)
class Step:
    bridge: Bridge
    load: Load


@dataclass(frozen=True, slots=True)
class Plan:
    """``held`` is for how many seconds the streams that a core is said to hold are held."""

    runs: int
    scale_runs: int
    seconds: float
    settle: float
    held: float | None = None

    def load(self, streams: int, chunk_ms: int) -> Load:
        return Load(streams, chunk_ms, self.seconds, self.settle)

    @property
    def typical(self) -> Load:
        return self.load(*TYPICAL)

    @property
    def many(self) -> Load:
        return self.load(*MANY)

    @property
    def small(self) -> Load:
        return self.load(*SMALL)

    @property
    def far(self) -> Load:
        """Small chunks where they can be put together, while earlier ones are under way."""
        return replace(self.small, distance_ms=DISTANCE_MS)

    @property
    def drained(self) -> Load:
        """Longer than a drain takes."""
        return Load(100, 100, 12.0, self.settle)

    def scales(self, bridge: Bridge) -> tuple[Load, ...]:
        return tuple(self.load(streams, SCALE_CHUNK_MS) for streams in SCALES[bridge])

    def shared_out(self) -> tuple[Load, ...]:
        return tuple(
            replace(self.load(streams, chunk_ms), haste=haste)
            for streams, chunk_ms, haste in SHARED_OUT
        )

    def steps(self) -> Iterator[Step]:
        for _ in range(self.runs):
            for load in (self.typical, self.many, self.small, self.far):
                yield from (Step(bridge, load) for bridge in BRIDGES)
        for _ in range(self.scale_runs):
            yield from (Step(one, load) for one in BRIDGES for load in self.scales(one))
            yield from self._sharing_out()

    def _sharing_out(self) -> Iterator[Step]:
        """What the scales do not have already."""
        for load in self.shared_out():
            yield from (Step(one, load) for one in SHARERS if load not in self.scales(one))


QUICK = Plan(runs=3, scale_runs=1, seconds=5.0, settle=2.0)
FULL = Plan(runs=3, scale_runs=3, seconds=15.0, settle=3.0, held=60.0)

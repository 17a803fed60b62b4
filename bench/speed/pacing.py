"""When each chunk of each stream is due. Pure.

Streams begin at moments drawn at random from one chunk's length, as strangers would: spread evenly
they would come in the kindest of all orders, together in the worst.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

RATE = 16_000
SAMPLE_BYTES = 2


@dataclass(frozen=True, slots=True)
class Load:
    """``streams`` that speak in chunks of ``chunk_ms``; measured for ``seconds`` when all have
    been speaking for ``settle``. Upstream answers ``distance_ms`` later than it might, and says
    ``haste`` times as many partials and finals as it would. What is due within ``tick_ms`` is
    published together; without it each chunk has its own moment, for which the load keeps awake."""

    streams: int
    chunk_ms: int
    seconds: float
    settle: float = 3.0
    distance_ms: int = 0
    haste: int = 1
    tick_ms: int = 0

    @property
    def chunk_seconds(self) -> float:
        return self.chunk_ms / 1000

    @property
    def chunk_bytes(self) -> int:
        return RATE * self.chunk_ms // 1000 * SAMPLE_BYTES

    @property
    def chunks_per_second(self) -> float:
        return self.streams / self.chunk_seconds

    def __str__(self) -> str:
        away = f", upstream {self.distance_ms} ms away" if self.distance_ms else ""
        return f"{self.streams} x {self.chunk_ms} ms{away}"


@dataclass(frozen=True, slots=True)
class Turn:
    """``due`` in seconds since the load began; ``seq`` counts a stream's chunks from 1."""

    due: float
    stream: int
    seq: int


def turns(load: Load, *, seed: int) -> Iterator[Turn]:
    """Every chunk in the order in which they are due, without end."""
    draw = random.Random(seed)  # noqa: S311  # a load, not a secret
    phases = sorted((draw.uniform(0, load.chunk_seconds), stream) for stream in range(load.streams))
    for number in count():
        for phase, stream in phases:
            yield Turn(number * load.chunk_seconds + phase, stream, number + 1)

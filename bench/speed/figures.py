"""Many measured numbers to the few that are shown. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lags:
    """Of some things that were late, in seconds."""

    count: int
    p50: float
    p99: float
    most: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Lags":
        ordered = sorted(seconds)
        if not ordered:
            return cls(0, 0.0, 0.0, 0.0)
        return cls(len(ordered), quantile(ordered, 0.5), quantile(ordered, 0.99), ordered[-1])


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest that at least ``share`` of all are no greater than."""
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


@dataclass(frozen=True, slots=True)
class Figure:
    """The same thing measured some times."""

    runs: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.runs)

    def shown(self, digits: int = 0, factor: float = 1.0) -> str:
        """The median, and behind it the least and the most where there are several runs."""
        median, low, high = (
            f"{value * factor:.{digits}f}"
            for value in (self.median, min(self.runs), max(self.runs))
        )
        return median if len(self.runs) == 1 else f"{median} ({low} to {high})"


def slope(points: Mapping[int, float]) -> float:
    """How much each one more costs: the least squares' line through ``points``."""
    return statistics.linear_regression(list(points), list(points.values())).slope


def streams_on_a_core(cost: float, chunk_seconds: float, share: float) -> int:
    """How many streams take ``share`` of a core, when a chunk costs ``cost`` seconds of it."""
    return int(round(share * chunk_seconds / cost, 6))

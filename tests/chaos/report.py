"""The outcome of a run as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles

from tests.chaos.recovery import Recovery
from tests.chaos.schedule import Load
from tests.chaos.verdict import Verdict

KILLED = "worker: kill -9"
HEADING = (
    "fault                                    injected  recoveries   p50 s   p99 s   max s"
    "  | beside others   max s"
)


@dataclass(frozen=True, slots=True)
class Report:
    """``leftovers`` says what was still there at the end that should not have been."""

    load: Load
    seed: int
    verdict: Verdict
    streams: int
    done: Counter[str]
    recoveries: Sequence[Recovery]
    leftovers: list[str]
    again: int

    @property
    def is_good(self) -> bool:
        return self.verdict.is_good and not self.leftovers

    def of_kind(self, kind: str, *, alone: bool) -> list[float]:
        return sorted(
            one.seconds for one in self.recoveries if one.kind == kind and one.is_alone == alone
        )

    def __str__(self) -> str:
        verdict, load = self.verdict, self.load
        lines = [
            f"seed {self.seed}: {load.workers} workers, {load.streams} streams at once, "
            f"{load.seconds:g} s, a fault every {load.every:g} s",
            HEADING,
            *[self._row(kind) for kind in sorted(self.done)],
            *self._slowest(),
            f"{self.done.total()} faults, {self.streams} streams, {verdict.words} words sent, "
            f"{verdict.lost} lost, {verdict.repeated} repeated "
            f"({verdict.repeats_published} before deduplication), "
            f"{verdict.wrong_times} wrong times; {self.again} messages published again",
            *verdict.complaints[:40],
            *self.leftovers,
            "all is well" if self.is_good else "NOT as it should be",
        ]
        return "\n".join(lines)

    def _slowest(self) -> list[str]:
        """Where to look in the log: its times are those of the same clock."""
        killed = [one for one in self.recoveries if one.kind == KILLED and one.is_alone]
        killed.sort(key=lambda one: one.seconds)
        return [
            f"slowest behind {KILLED}: {one.stream}, {one.seconds:.2f} s from {one.at:.3f} on"
            for one in killed[-3:]
        ]

    def _row(self, kind: str) -> str:
        alone, beside = self.of_kind(kind, alone=True), self.of_kind(kind, alone=False)
        row = f"{kind:<40} {self.done[kind]:>8}  {len(alone):>10}  "
        if alone:
            row += (
                f"{percentile(alone, 50):>6.2f}  {percentile(alone, 99):>6.2f}  {alone[-1]:>6.2f}"
            )
        else:
            row += f"{'-':>6}  {'-':>6}  {'-':>6}"
        return row + f"  | {len(beside):>13}  " + (f"{beside[-1]:>6.2f}" if beside else f"{'-':>6}")


def percentile(ordered: Sequence[float], percent: int) -> float:
    if len(ordered) == 1:
        return ordered[0]
    return quantiles(ordered, n=100, method="inclusive")[percent - 1]

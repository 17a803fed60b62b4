"""What was examined, what was found, and what cures it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """``text`` and ``cure`` are shown to anybody: no secret may be in them."""

    check: str
    verdict: Verdict
    text: str
    cure: str | None = None

    def lines(self) -> Iterator[str]:
        yield f"{self.verdict:<8} {self.check:<18} {self.text}"
        if self.cure is not None:
            yield f"{'':<8} {'':<18} -> {self.cure}"

    def json_line(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)


def ok(check: str, text: str) -> Finding:
    return Finding(check, Verdict.OK, text)


def failed(check: str, text: str, cure: str) -> Finding:
    return Finding(check, Verdict.FAILED, text, cure)


def warning(check: str, text: str, cure: str) -> Finding:
    return Finding(check, Verdict.WARNING, text, cure)


def unknown(check: str, text: str, cure: str) -> Finding:
    return Finding(check, Verdict.UNKNOWN, text, cure)


# An HTTP date has whole seconds, and the answer was under way for a while.
TOLERATED_SKEW = 5.0


def clock_finding(check: str, date: str | None, now: datetime) -> Finding:
    """Compares the ``Date`` of an HTTP answer with our own clock, ``now``."""
    try:
        theirs = parsedate_to_datetime(date or "")
        skew = (now - theirs).total_seconds()
    except (ValueError, TypeError):
        return unknown(check, "the answer bears no date", "compare the clocks by other means")
    if abs(skew) <= TOLERATED_SKEW:
        return ok(check, f"our clock agrees with it within {TOLERATED_SKEW:g} s")
    side = "ahead of" if skew > 0 else "behind"
    return warning(
        check,
        f"our clock is {abs(skew):.0f} s {side} its clock",
        "synchronise both with NTP: epochs of streams and the ends of keys are times",
    )

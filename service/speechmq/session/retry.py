"""Whether and when a lost session is tried again. A pure function of what happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .spec import Limits
from .timers import Timer

FIRST_DELAY = 0.25
LONGEST_DELAY = 10.0

# Speechmatics asks a client to wait 5 to 10 s behind these, whose cause is load or quota.
BUSY_CODES = frozenset({1011, 4005, 4013})
BUSY_ERRORS = frozenset({"job_error", "quota_exceeded", "unknown_error"})
TERMINAL_CODES = frozenset({4001, 4003, 4004, 4006})
TERMINAL_ERRORS = frozenset(
    {
        "invalid_message",
        "invalid_model",
        "invalid_language",
        "invalid_config",
        "invalid_audio_type",
        "invalid_output_format",
        "not_authorised",
        "not_allowed",
        "timelimit_exceeded",
    }
)
TERMINAL_STATUS = frozenset({400, 401, 403, 404, 405})


@dataclass(frozen=True, slots=True)
class Failure:
    """How a session ended: ``code`` is stable and short, ``reason`` a sentence."""

    code: str
    reason: str
    close_code: int | None = None
    status: int | None = None

    @property
    def is_terminal(self) -> bool:
        return (
            self.code in TERMINAL_ERRORS
            or self.close_code in TERMINAL_CODES
            or self.status in TERMINAL_STATUS
        )

    @property
    def is_busy(self) -> bool:
        return self.code in BUSY_ERRORS or self.close_code in BUSY_CODES


def delay_before(failure: Failure, attempt: int, jitter: float) -> float | None:
    """Seconds until the next try; nothing when another try cannot help.

    ``attempt`` counts failures since the last healthy stretch, from 1; ``jitter`` is from [0, 1).
    """
    if failure.is_terminal:
        return None
    if failure.is_busy:
        return 5.0 + 5.0 * jitter
    backoff: float = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (attempt - 1))
    return backoff * (0.5 + 0.5 * jitter)


def silence(timer: Timer, limits: Limits) -> Failure:
    """Upstream did not say in time what it owed."""
    if timer is Timer.START:
        return Failure("start_timeout", f"recognition did not start in {limits.start_timeout} s")
    if timer is Timer.ANSWER:
        return Failure("unanswered", f"upstream read no audio for {limits.answer_timeout} s")
    return Failure("end_timeout", f"no end of transcript came in {limits.end_timeout} s")


class Attempts:
    """Counts failures; a session that lived for long enough wipes out those before it."""

    __slots__ = ("_failures", "_jitter", "_limits")

    def __init__(self, limits: Limits, jitter: Callable[[], float]) -> None:
        self._limits = limits
        self._jitter = jitter
        self._failures = 0

    def delay_after(self, failure: Failure, *, lived: float) -> float | None:
        """Seconds until the next try, or nothing; ``lived`` is how long the session did."""
        if lived >= self._limits.healthy_after:
            self._failures = 0
        self._failures += 1
        if self._failures > self._limits.retry_attempts:
            return None
        return delay_before(failure, self._failures, self._jitter())

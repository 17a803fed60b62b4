"""Whether, when and where a lost session is tried again. Pure functions of what happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..values.spec import Limits
from ..values.timers import Timer

FIRST_REGION = 0
FIRST_DELAY = 0.25
LONGEST_DELAY = 10.0

QUOTA_CODE, QUOTA_ERROR = 4005, "quota_exceeded"
# Speechmatics asks a client to wait 5 to 10 s after these, whose cause is load or quota.
BUSY_CODES = frozenset({1011, QUOTA_CODE, 4013})
BUSY_ERRORS = frozenset({"job_error", QUOTA_ERROR, "unknown_error"})
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
        "undecodable_audio",
    }
)
TERMINAL_STATUS = frozenset({400, 401, 403, 404, 405, 410, 422})
# What keeps a stream from every region alike: another is no better.
EVERYWHERE_ERRORS = frozenset({QUOTA_ERROR, "key_unavailable"})
# What says that a place, and not the session, is in trouble; another region may be well.
ELSEWHERE_CODES = frozenset({1001, 1012, 1013, 4013})


@dataclass(frozen=True, slots=True)
class Failure:
    """How a session ended: ``code`` is stable and short, ``reason`` a sentence.

    ``began`` tells whether recognition had started in it.
    """

    code: str
    reason: str
    close_code: int | None = None
    status: int | None = None
    began: bool = False

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

    @property
    def is_quota(self) -> bool:
        """The account is full, in every region."""
        return self.code == QUOTA_ERROR or self.close_code == QUOTA_CODE

    @property
    def is_local_to_region(self) -> bool:
        """Whether the next region is worth a try: it was not reached, or said that it is down."""
        if self.is_quota or self.code in EVERYWHERE_ERRORS:
            return False
        never_began = not self.began and not self.is_busy
        return never_began or self.close_code in ELSEWHERE_CODES


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Try the same region in ``delay`` seconds; 0 is now."""

    delay: float


@dataclass(frozen=True, slots=True)
class TryElsewhere:
    """Try the next region of the list in ``delay`` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Another try cannot help."""


Decision = RetryAfter | TryElsewhere | GiveUp


def decide(
    failure: Failure, attempt: int, jitter: float, *, limits: Limits, regions: int = 1
) -> Decision:
    """What follows the ``attempt``-th failure (from 1) since the last healthy stretch.

    ``jitter`` is from [0, 1).
    """
    if failure.is_terminal:
        return GiveUp()
    if failure.is_quota:
        # For as long as it takes, and no failed attempt: the audio is safe in its queue.
        return RetryAfter(_asked_for(jitter))
    if attempt > limits.retry_attempts:
        return GiveUp()
    if regions > 1 and failure.is_local_to_region:
        # At once, as long as there is a region that was not tried since the last healthy stretch.
        rounds = attempt - regions + 1
        return TryElsewhere(_pause(failure, rounds, jitter) if rounds > 0 else 0.0)
    return RetryAfter(_pause(failure, attempt, jitter))


def region_after(decision: Decision, region: int, *, regions: int, was_healthy: bool) -> int:
    """Where the next try is made, of a session that was lost in ``region``."""
    # The first region is the one to prefer: a stream that was led away from it, and lived well for
    # a while, tries it again. If it still is in trouble, it is left again at once.
    if was_healthy and region != FIRST_REGION:
        return FIRST_REGION
    return (region + 1) % regions if isinstance(decision, TryElsewhere) else region


def _pause(failure: Failure, attempt: int, jitter: float) -> float:
    return _asked_for(jitter) if failure.is_busy else _backoff(attempt, jitter)


def _asked_for(jitter: float) -> float:
    return 5.0 + 5.0 * jitter


def _backoff(attempt: int, jitter: float) -> float:
    # 2 to the power of a large count is no float any more.
    backoff: float = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(attempt - 1, 10))
    return backoff * (0.5 + 0.5 * jitter)


def silence(timer: Timer, limits: Limits) -> Failure:
    """Upstream did not say in time what it owed."""
    # A failure like any other: a half-open connection says nothing, and never closes.
    if timer is Timer.START:
        return Failure("start_timeout", f"recognition did not start in {limits.start_timeout} s")
    if timer is Timer.ANSWER:
        reason = f"upstream read no audio for {limits.answer_timeout} s"
        return Failure("unanswered", reason, began=True)
    reason = f"no end of transcript came in {limits.end_timeout} s"
    return Failure("end_timeout", reason, began=True)


def overflow(held: int) -> str:
    """Why a stream fails whose events wait for the broker in too great a number."""
    return (
        f"{held} bytes of the stream's events wait for RabbitMQ, more than one stream may have: "
        "upstream says too much, or RabbitMQ takes too little; "
        "see SPEECHMQ_WORKER__STREAM_BACKLOG_BYTES"
    )


class Attempts:
    """Counts failures; a session that lived for long enough wipes out those before it.

    ``region`` is the place in the list of allowed regions that the next try is made in; ``retries``
    counts the tries that followed a failure. A session that is planned, and not forced by a loss,
    goes to the first.
    """

    def __init__(self, limits: Limits, jitter: Callable[[], float], *, regions: int = 1) -> None:
        self._limits = limits
        self._jitter = jitter
        self._regions = regions
        self._failures = 0
        self.region = self._planned = FIRST_REGION
        self._has_failed_in_first = False
        self.retries = 0

    def forgive(self, lived: float) -> bool:
        """Whether a session that lived for so many seconds was healthy."""
        was_healthy = lived >= self._limits.healthy_after
        if was_healthy:
            self._failures = 0
        return was_healthy

    def delay_after(self, failure: Failure, *, lived: float) -> float | None:
        """Seconds until the next try, or nothing; ``lived`` is how long the session did."""
        # What failed long ago says nothing of the next try.
        was_healthy = self.forgive(lived)
        self._failures += not failure.is_quota
        decision = decide(
            failure,
            self._failures,
            self._jitter(),
            limits=self._limits,
            regions=self._regions,
        )
        if isinstance(decision, GiveUp):
            return None
        self.retries += 1
        self.region = region_after(
            decision, self.region, regions=self._regions, was_healthy=was_healthy
        )
        return decision.delay

    # -- planned sessions ------------------------------------------------------------------------

    def return_to_first(self) -> None:
        # No session serves the stream for now, so its next one may begin anywhere.
        self.region = FIRST_REGION

    def plan(self) -> int:
        """The region of a session beside the present one."""
        # The first, or where the stream is now if the last one that was planned failed there.
        self._planned = self.region if self._has_failed_in_first else FIRST_REGION
        return self._planned

    def plan_failed(self) -> None:
        """The session that was planned did not come about."""
        self._has_failed_in_first = self._planned == FIRST_REGION

    def plan_succeeded(self) -> None:
        """The session that was planned serves the stream now."""
        self.region, self._has_failed_in_first = self._planned, False

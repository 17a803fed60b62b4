"""What a session may take, and when its time is up.

A ``Countdown`` knows no clock: it is told the time and says how much of it is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MINUTE = 60.0
HOUR = 60 * MINUTE

SESSION_WARNINGS = (45, 30, 15)
IDLE_WARNINGS = (15, 10, 5)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one client may take. Sizes in bytes, times in seconds.

    ``time_scale`` lets the limits on sessions come that much sooner (3600: an hour's limit
    after a second); the start, the close and the audio keep their own time.
    """

    quota: int | None = None
    """Sessions at once; None for as many streams as the engine takes."""
    max_channels: int = 2
    session: float = 48 * HOUR
    idle: float = HOUR
    """Without audio; warnings come before."""
    contact: float = 3 * MINUTE
    """Without audio, ping or pong; no warning comes before."""
    duration: float | None = None
    """Of raw audio in a channel; more is acknowledged and ignored."""
    time_scale: float = 1.0
    lenient: bool = False
    """Take a ``last_seq_no`` below the number of chunks that came: some clients send the
    last one acknowledged."""
    quality_info: bool = False
    """Tell the model's quality behind ``RecognitionStarted``. The documents have this
    message; recorded sessions do not."""
    start_timeout: float = 60.0
    close_timeout: float = 5.0
    message_size: int = 4 * 2**20
    """A longer message closes its connection with 1009."""
    unread_messages: int = 16
    """How many wait between socket and engine before TCP makes the client wait."""

    def __post_init__(self) -> None:
        positive = ("session", "idle", "contact", "duration", "time_scale", "max_channels", "quota")
        for name in positive:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}; it must be more than 0")


DEFAULTS = Limits()


class Countdown:
    """A limit that runs out ``length`` seconds after its (latest) start.

    ``warnings`` are minutes before that end; those that do not fit are left out.
    """

    def __init__(
        self, length: float, warnings: Sequence[int] = (), *, time_scale: float = 1.0
    ) -> None:
        self._length = length
        self._left = [m for m in warnings if m * MINUTE < length] + [0]
        self._scale = time_scale
        self._since = 0.0
        self._passed = len(self._left)

    def restart(self, now: float) -> None:
        self._since = now
        self._passed = 0

    @property
    def deadline(self) -> float | None:
        """When the next warning or the end is due; None before the start and behind the end."""
        if self._passed == len(self._left):
            return None
        left = self._left[self._passed] * MINUTE
        return self._since + (self._length - left) / self._scale

    def passed(self, now: float) -> list[int]:
        """Minutes left at each moment that has come since this was last asked; 0 is the end."""
        begun = self._passed
        while self.deadline is not None and self.deadline <= now:
            self._passed += 1
        return self._left[begun : self._passed]

    def elapsed(self, left: int) -> int:
        """Minutes since the start, by the limit's own time, when ``left`` are left."""
        return round(self._length / MINUTE) - left

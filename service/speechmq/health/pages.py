"""What each address of the health server answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..telemetry.loop_lag import LoopLag
from ..telemetry.observer import Observer
from .readiness import Readiness
from .server import Answer, Page, as_json


@dataclass(frozen=True, slots=True)
class Pages:
    """``clock`` is that of the observer's streams; ``capacity`` in streams."""

    readiness: Readiness
    observer: Observer
    loop_lag: LoopLag
    capacity: int
    clock: Callable[[], float]

    def by_path(self) -> Mapping[str, Page]:
        return {
            "/live": self.live,
            "/ready": self.ready,
            "/started": self.started,
            "/status": self.status,
        }

    async def live(self) -> Answer:
        """An event loop that does not move does not answer either."""
        return as_json({"live": True, "loop_lag_seconds": self.loop_lag.last})

    async def ready(self) -> Answer:
        return as_json(self._readiness(), is_well=self.readiness.verdict.is_ready)

    async def started(self) -> Answer:
        is_started = self.readiness.is_started
        return as_json({"started": is_started}, is_well=is_started)

    async def status(self) -> Answer:
        """Also of a worker that is not ready: who asks wants to know why."""
        now = self.clock()
        streams = [asdict(reading) for reading in self.observer.readings(now)]
        waiting = {"waiting": self.observer.waiting, "capacity": self.capacity}
        return as_json({**self._readiness(), **waiting, "streams": streams})

    def _readiness(self) -> dict[str, Any]:
        verdict = self.readiness.verdict
        return {
            "ready": verdict.is_ready,
            "reason": verdict.reason,
            "draining": self.readiness.is_draining,
            "interruptions": self.readiness.interruptions,
        }

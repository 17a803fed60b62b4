"""What each address of the health server answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..telemetry.loop_lag import LoopLag
from ..telemetry.observer import Observer
from .readiness import Readiness
from .server import Answer, Page, as_json

if TYPE_CHECKING:  # telemetry that is off is not imported
    from ..telemetry.metrics import Metrics

TEXT = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus's text format."""


@dataclass(frozen=True, slots=True)
class Pages:
    """``capacity`` is in streams."""

    readiness: Readiness
    observer: Observer
    loop_lag: LoopLag
    capacity: int
    metrics: Metrics | None

    def by_path(self) -> Mapping[str, Page]:
        return {
            "/live": self.live,
            "/ready": self.ready,
            "/started": self.started,
            "/status": self.status,
            "/metrics": self.scrape,
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
        streams = [asdict(reading) for reading in self.observer.readings()]
        waiting = {"waiting": self.observer.waiting, "capacity": self.capacity}
        return as_json({**self._readiness(), **waiting, "streams": streams})

    async def scrape(self) -> Answer:
        """What takes long is done beside the event loop."""
        if self.metrics is None:
            return as_json({"error": "metrics are off"}, is_well=False)
        self.metrics.refresh()
        text = await asyncio.to_thread(self.metrics.text)
        return Answer(text, content_type=TEXT)

    def _readiness(self) -> dict[str, Any]:
        verdict = self.readiness.verdict
        return {
            "ready": verdict.is_ready,
            "reason": verdict.reason,
            "draining": self.readiness.is_draining,
            "interruptions": self.readiness.interruptions,
        }

"""What a worker shows of itself, as far as the settings want it: health, metrics, traces."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ..broker.dead_letters import DEAD_LETTERED
from ..settings import Settings
from ..tasks import task_group
from ..telemetry.loop_lag import EVERY, LoopLag
from ..telemetry.observer import Observer
from ..telemetry.snapshot import Snapshot, sum_up
from ..upstream.account import Account
from .pages import Pages
from .readiness import Readiness
from .server import serving

if TYPE_CHECKING:
    from ..telemetry.metrics import Metrics
    from ..telemetry.tracing import Tracing

GOODBYE = 5.0
"""Seconds for what is left to be sent."""


class Monitor:
    """``accounts`` are those of the upstream in use, by name."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self.readiness = Readiness(clock)
        self.observer = Observer(clock)
        self.accounts: Mapping[str, Account] = {}
        self._metrics = self._open_metrics()
        self._tracing = self._open_tracing()
        self._loop_lag = LoopLag(self._tick)
        self._ticks = 0
        # What is pushed is that much older than the push.
        quarter = settings.telemetry.metrics_interval / 4
        self._ticks_a_refresh = max(1, int(quarter / EVERY))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Raises ``SettingsError`` when nobody can be told."""
        pages = Pages(
            self.readiness,
            self.observer,
            self._loop_lag,
            self._settings.worker.capacity,
            self._metrics,
        )
        try:
            async with serving(self._settings.health, pages.by_path()), task_group() as tasks:
                watching = tasks.create_task(self._loop_lag.watch())
                yield
                watching.cancel()
        finally:
            await self._close()

    async def _close(self) -> None:
        """A collector that does not answer keeps no worker from its end."""
        closing = threading.Thread(target=self._flush, name="telemetry's end", daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, GOODBYE)

    def _flush(self) -> None:
        for opened in (self._metrics, self._tracing):
            if opened is not None:
                opened.close()

    def _open_tracing(self) -> Tracing | None:
        telemetry = self._settings.telemetry
        if telemetry.otlp_endpoint is None or not telemetry.otlp_traces:
            return None
        from ..telemetry.resource import resource_of  # noqa: PLC0415 - takes a while
        from ..telemetry.tracing import Tracing  # noqa: PLC0415

        self.observer.tracing = Tracing(self._settings, resource_of(telemetry))
        return self.observer.tracing

    def _open_metrics(self) -> Metrics | None:
        """Nothing where nobody could see them: then nothing is imported either."""
        telemetry = self._settings.telemetry
        is_pushed = telemetry.otlp_endpoint is not None and telemetry.otlp_metrics
        if self._settings.health.address is None and not is_pushed:
            return None
        from ..telemetry.metrics import Metrics  # noqa: PLC0415 - takes a while
        from ..telemetry.resource import resource_of  # noqa: PLC0415

        metrics = Metrics(self._settings, resource_of(telemetry), self._snapshot)
        self.observer.instruments = metrics.instruments
        return metrics

    def _tick(self, lag: float) -> None:
        if self._metrics is None:
            return
        self._metrics.instruments.loop_lag.record(lag)
        self.observer.tick()
        self._ticks += 1
        if self._metrics.is_pushed and self._ticks % self._ticks_a_refresh == 0:
            self._metrics.refresh()

    def _snapshot(self) -> Snapshot:
        return sum_up(
            self.observer.past,
            self.observer.readings(),
            waiting=self.observer.waiting,
            quotas={name: (one.usage, one.quota) for name, one in self.accounts.items()},
            is_ready=self.readiness.verdict.is_ready,
            dead_letters=dict(DEAD_LETTERED),
        )

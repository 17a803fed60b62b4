"""Where metrics go: to ``/metrics`` for Prometheus, by OTLP, to both, or nowhere."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import generate_latest

from ..settings import Settings
from .instruments import Instruments
from .otlp import metric_exporter
from .snapshot import Snapshot

SCOPE = "speechmq"


class Metrics:
    """``snapshot`` is called on the event loop alone, by ``refresh``; readers see the last one."""

    def __init__(
        self, settings: Settings, resource: Resource, snapshot: Callable[[], Snapshot]
    ) -> None:
        self._take = snapshot
        self._last = Snapshot()
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        readers: list[MetricReader] = [
            PrometheusMetricReader(scope_info_enabled=False, registry=self._registry)
        ]
        telemetry = settings.telemetry
        self.is_pushed = telemetry.otlp_endpoint is not None and telemetry.otlp_metrics
        if self.is_pushed:
            interval = telemetry.metrics_interval * 1000
            readers.append(PeriodicExportingMetricReader(metric_exporter(telemetry), interval))
        self._provider = MeterProvider(readers, resource, shutdown_on_exit=False)
        meter = self._provider.get_meter(SCOPE, version("speechmq"))
        capacity = settings.worker.capacity
        self.instruments = Instruments(meter, lambda: self._last, capacity=capacity)

    def refresh(self) -> None:
        """To be called on the event loop: what is read is only whole there."""
        self._last = self._take()

    def text(self) -> bytes:
        """The newest snapshot in Prometheus's text format. Takes milliseconds, of any thread."""
        return generate_latest(self._registry)

    def close(self) -> None:
        """Pushes what is left. Blocks, if the collector does not answer, for its timeout."""
        self._provider.shutdown()

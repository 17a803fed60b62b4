"""Distributions of what is measured with each final, and how they get to both kinds of readers.

An instrument of the SDK takes 3 to 10 µs for each value and each reader. Here a value is two
additions; what it comes to is made into the SDK's and Prometheus's own terms when somebody asks.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from opentelemetry.sdk.metrics import export as otel
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector


class Histogram:
    """In seconds; ``bounds`` are the highest values of all buckets but the last."""

    def __init__(self, name: str, description: str, bounds: Sequence[float]) -> None:
        self.name = name
        self.description = description
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        self._least, self._most = math.inf, -math.inf
        self._since = time.time_ns()

    def record(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value
        self._least = min(self._least, value)
        self._most = max(self._most, value)

    @property
    def is_empty(self) -> bool:
        return not any(self._counts)

    def metric(self) -> otel.Metric:
        """As it is sent by OTLP: since the worker's start."""
        counts = tuple(self._counts)
        point = otel.HistogramDataPoint(
            attributes={},
            start_time_unix_nano=self._since,
            time_unix_nano=time.time_ns(),
            count=sum(counts),
            sum=self._sum,
            bucket_counts=counts,
            explicit_bounds=self._bounds,
            min=self._least,
            max=self._most,
        )
        data = otel.Histogram([point], otel.AggregationTemporality.CUMULATIVE)
        return otel.Metric(self.name, self.description, "s", data)

    def family(self) -> HistogramMetricFamily:
        """As it is scraped."""
        names = [*map(str, self._bounds), "+Inf"]
        buckets = list(zip(names, accumulate(self._counts), strict=True))
        name = self.name.replace(".", "_")
        return HistogramMetricFamily(name, self.description, buckets, self._sum, unit="seconds")


class Histograms(Collector):
    """Those of a worker. What nothing was measured of has no series."""

    def __init__(self) -> None:
        self._all: list[Histogram] = []

    def create(self, name: str, description: str, bounds: Sequence[float]) -> Histogram:
        self._all.append(Histogram(name, description, bounds))
        return self._all[-1]

    def collect(self) -> Iterable[HistogramMetricFamily]:
        return [one.family() for one in self._all if not one.is_empty]

    def beside(self, collected: otel.MetricsData) -> otel.MetricsData:
        """With what the SDK's own instruments tell, which is one scope of one resource."""
        [resource] = collected.resource_metrics
        [scope] = resource.scope_metrics
        metrics = [*scope.metrics, *(one.metric() for one in self._all if not one.is_empty)]
        whole = otel.ScopeMetrics(scope.scope, metrics, scope.schema_url)
        return otel.MetricsData(
            [otel.ResourceMetrics(resource.resource, [whole], resource.schema_url)]
        )

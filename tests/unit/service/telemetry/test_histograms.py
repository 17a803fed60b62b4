"""Distributions are those of the SDK's own instruments, to both kinds of readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from prometheus_client import CollectorRegistry, generate_latest

from speechmq.telemetry.histograms import Histograms

BOUNDS = (0.25, 1.0, 4.0)
# On a bound, between two, beyond all.
VALUES = [0.25, 0.125, 1.5, 1.0, 64.0]


def told(values: Sequence[float]) -> tuple[MetricsData, bytes, MetricsData, bytes]:
    """What the SDK tells of the values, and what we tell of them beside another counter."""
    registry, ours_registry = CollectorRegistry(), CollectorRegistry()
    reader = InMemoryMetricReader()
    prometheus = PrometheusMetricReader(scope_info_enabled=False, registry=registry)
    provider = MeterProvider([reader, prometheus], shutdown_on_exit=False)
    meter = provider.get_meter("test")
    theirs = meter.create_histogram(
        "a.time", "s", "How long", explicit_bucket_boundaries_advisory=BOUNDS
    )
    histograms = Histograms()
    ours_registry.register(histograms)
    ours = histograms.create("a.time", "How long", BOUNDS)
    for value in values:
        theirs.record(value)
        ours.record(value)
    meter.create_counter("other").add(1)
    whole = reader.get_metrics_data()
    assert whole is not None
    [resource] = whole.resource_metrics
    [scope] = resource.scope_metrics
    rest = replace(scope, metrics=[one for one in scope.metrics if one.name == "other"])
    alone = MetricsData([replace(resource, scope_metrics=[rest])])
    return (
        whole,
        generate_latest(registry),
        histograms.beside(alone),
        generate_latest(ours_registry),
    )


def plain(data: MetricsData) -> dict[str, tuple[Any, ...]]:
    """Without the times."""
    [resource] = data.resource_metrics
    [scope] = resource.scope_metrics
    return {
        one.name: (
            one.unit,
            one.description,
            getattr(one.data, "aggregation_temporality", None),
            [
                [
                    (name, list(value) if isinstance(value, Sequence) else value)
                    for name, value in vars(point).items()
                    if not name.endswith("time_unix_nano")
                ]
                for point in one.data.data_points
            ],
        )
        for one in scope.metrics
    }


@pytest.mark.parametrize("values", [VALUES, []])
def test_values_are_told_as_the_sdk_tells_them(values: list[float]) -> None:
    theirs, their_text, ours, our_text = told(values)
    assert plain(ours) == plain(theirs)
    of_ours = [line for line in their_text.splitlines() if b"a_time" in line]
    assert our_text.splitlines() == of_ours

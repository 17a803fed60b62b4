"""OTLP over HTTP, as protobuf: the exporters of an extra, and what is said where it is missing."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from ..errors import SettingsError
from ..settings import TelemetrySettings

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.trace.export import SpanExporter

PACKAGE = "opentelemetry.exporter.otlp.proto.http"


def require_exporter() -> None:
    """Raises ``SettingsError`` when the extra is not installed."""
    try:
        found = importlib.util.find_spec(PACKAGE)
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise SettingsError(
            "SPEECHMQ_TELEMETRY__OTLP_ENDPOINT is set, and what sends there is not installed: "
            "pip install 'speechmq[otlp]'"
        )


def metric_exporter(settings: TelemetrySettings) -> MetricExporter:
    """Raises ``SettingsError``."""
    require_exporter()
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415 - an extra
        OTLPMetricExporter,
    )

    return OTLPMetricExporter(
        endpoint=_endpoint(settings, "metrics"),
        headers=_headers(settings),
        timeout=settings.otlp_timeout,
    )


def span_exporter(settings: TelemetrySettings) -> SpanExporter:
    """Raises ``SettingsError``."""
    require_exporter()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - an extra
        OTLPSpanExporter,
    )

    return OTLPSpanExporter(
        endpoint=_endpoint(settings, "traces"),
        headers=_headers(settings),
        timeout=settings.otlp_timeout,
    )


def _endpoint(settings: TelemetrySettings, signal: str) -> str:
    return f"{(settings.otlp_endpoint or '').rstrip('/')}/v1/{signal}"


def _headers(settings: TelemetrySettings) -> dict[str, str]:
    return {name: value.get_secret_value() for name, value in settings.otlp_headers.items()}

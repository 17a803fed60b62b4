"""OpenTelemetry: metrics, traces, the collector."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from .address import Address, require_escaped
from .section import Seconds, Section


class TelemetrySettings(Section):
    """OpenTelemetry. Its own variables (`OTEL_RESOURCE_ATTRIBUTES` …) hold besides these."""

    otlp_endpoint: Address | None = None
    """A collector's address for OTLP over HTTP, as `http://collector:4318`"""
    otlp_headers: dict[str, SecretStr] = Field(default_factory=dict)
    """A JSON object of headers to send there, a token for one"""
    otlp_timeout: Seconds = 10.0
    """Longest wait for the collector"""
    otlp_metrics: bool = True
    """Push metrics to the collector; `/metrics` has them either way"""
    otlp_traces: bool = True
    """Send traces to the collector"""
    trace_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the streams to be traced whose publisher began no trace"""
    trace_transcripts: bool = False
    """Put what was said into spans"""
    metrics_interval: Seconds = 15.0
    """Between two pushes of metrics"""
    service_name: str = "speechmq-worker"
    """What traces and pushed metrics call the worker"""

    @field_validator("otlp_endpoint")
    @classmethod
    def _is_http(cls, endpoint: str | None) -> str | None:
        if endpoint is not None and not endpoint.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        if endpoint is not None:
            require_escaped(endpoint)
        return endpoint

"""Where telemetry is sent to, and what is said where it cannot be."""

from __future__ import annotations

import importlib.util
import time

import pytest
from pydantic import ValidationError

from speechmq.errors import SettingsError
from speechmq.health.monitor import Monitor
from speechmq.settings import Settings, TelemetrySettings
from speechmq.telemetry import otlp
from speechmq.telemetry.otlp import metric_exporter, span_exporter

ENDPOINT = {"otlp_endpoint": "http://collector:4318/", "otlp_headers": {"Authorization": "token"}}


def test_signals_have_addresses_of_their_own() -> None:
    settings = TelemetrySettings.model_validate(ENDPOINT)
    assert vars(span_exporter(settings))["_endpoint"] == "http://collector:4318/v1/traces"
    assert vars(metric_exporter(settings))["_endpoint"] == "http://collector:4318/v1/metrics"


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(SettingsError, match=r"pip install 'speechmq\[otlp\]'"):
        otlp.require_exporter()


def test_endpoint_that_is_no_address_is_refused() -> None:
    with pytest.raises(ValidationError, match="must begin with http"):
        TelemetrySettings(otlp_endpoint="collector:4317")


def test_token_of_the_collector_is_a_secret() -> None:
    settings = Settings.model_validate({"telemetry": ENDPOINT})
    assert "token" in settings.secrets()
    assert settings.redacted()["telemetry"]["otlp_headers"] == {"Authorization": "**********"}


def test_worker_without_a_listener_makes_no_telemetry() -> None:
    """Nothing of it is even made: what is off costs nothing."""
    monitor = Monitor(Settings(), time.monotonic)
    assert monitor.observer.instruments is None
    assert monitor.observer.tracing is None

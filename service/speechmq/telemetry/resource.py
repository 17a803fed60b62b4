"""Who it is that telemetry tells of."""

from __future__ import annotations

import os
import socket
from importlib.metadata import version

from opentelemetry.sdk.resources import Resource
from opentelemetry.semconv.attributes.service_attributes import SERVICE_NAME, SERVICE_VERSION

from ..settings import TelemetrySettings


def resource_of(settings: TelemetrySettings) -> Resource:
    """``OTEL_RESOURCE_ATTRIBUTES`` adds to it."""
    return Resource.create(
        {
            SERVICE_NAME: settings.service_name,
            SERVICE_VERSION: version("speechmq"),
            "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
        }
    )

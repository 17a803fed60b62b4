"""A collector of OTLP over HTTP: keeps every span that is sent to it."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")


@dataclass(frozen=True, slots=True)
class CollectedSpan:
    """Ids are hexadecimal; ``process`` is the instance that sent it, ``seconds`` how long it was;
    ``links`` are the traces that it names, ``text`` is all that its
    attributes and events say."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: str
    process: str
    seconds: float
    error: str
    links: frozenset[str]
    attributes: dict[str, Any]
    text: str


@dataclass
class Collector:
    url: str
    headers: list[dict[str, str]] = field(default_factory=list)
    spans: list[CollectedSpan] = field(default_factory=list)
    metrics: set[str] = field(default_factory=set)

    def of_trace(self, trace_id: str) -> dict[str, CollectedSpan]:
        """By their ids."""
        return {span.span_id: span for span in list(self.spans) if span.trace_id == trace_id}

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/metrics":
            for group in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.metrics |= {one.name for scope in group.scope_metrics for one in scope.metrics}
            return
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            process = _plain(resource.resource.attributes).get("service.instance.id", "")
            for scope in resource.scope_spans:
                self.spans += [_collected(span, process) for span in scope.spans]


def _collected(span: Any, process: str) -> CollectedSpan:
    return CollectedSpan(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        KINDS[span.kind],
        process,
        (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        span.status.message if span.status.code == 2 else "",
        frozenset(link.trace_id.hex() for link in span.links),
        _plain(span.attributes),
        str([_plain(span.attributes), *(_plain(one.attributes) for one in span.events)]),
    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@contextmanager
def running_collector() -> Iterator[Collector]:
    """Listens for the length of the block, on a thread."""
    collector = Collector("")

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the library's name
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.headers.append({key.lower(): one for key, one in self.headers.items()})
            collector.take(self.path, body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, name="collector")
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""One sentence from its publisher's message to its consumer, across the death of a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, Tracer, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from tests.support.broker import Namespace
from tests.support.otlp_collector import CollectedSpan, Collector, running_collector
from tests.support.speaker import Heard, Speaker, said, speaking, start_of
from tests.support.worker import running_worker

from speechmq_emulator.ledger import encode
from speechmq_emulator.server import serve
from speechmq_schemas import AudioChunk, EndStream, from_command

pytestmark = pytest.mark.timeout(120)

PROPAGATOR = TraceContextTextMapPropagator()
TOKEN = "token-that-must-not-be-seen"
CHUNKS = "4bf92f3577b34da6a3ce929d0e0e4736"


@contextmanager
def tracer_of(collector: Collector) -> Iterator[Tracer]:
    """Of a publisher and a consumer, which send their spans to the same collector."""
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"{collector.url}/v1/traces")
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider.get_tracer("test")
    provider.shutdown()


def traced(url: str) -> dict[str, str]:
    return {
        "SPEECHMQ_TELEMETRY__OTLP_ENDPOINT": url,
        "SPEECHMQ_TELEMETRY__OTLP_HEADERS": f'{{"Authorization": "Bearer {TOKEN}"}}',
        "SPEECHMQ_TELEMETRY__METRICS_INTERVAL": "0.5",
        "OTEL_BSP_SCHEDULE_DELAY": "100",  # what is not sent yet dies with the worker
    }


async def start(speaker: Speaker, tracer: Tracer) -> str:
    """Publishes the start in a span; the id of its trace."""
    with tracer.start_as_current_span("publish", kind=SpanKind.PRODUCER) as span:
        headers: dict[str, str] = {}
        PROPAGATOR.inject(headers)
        await speaker.publish(from_command("one", start_of("one"), headers=headers))
        return f"{span.get_span_context().trace_id:032x}"


async def say(speaker: Speaker, numbers: range, first_seq: int) -> int:
    """And a pause behind it. Each chunk names a context of the publisher's source."""
    audio = encode([*numbers, *[None] * 10], sample_rate=8000, encoding="pcm_s16le")
    for seq, at in enumerate(range(0, len(audio), 1600), start=first_seq):
        headers = {"traceparent": f"00-{CHUNKS}-{seq:016x}-01"}
        chunk = AudioChunk(seq=seq)
        await speaker.publish(from_command("one", chunk, audio[at : at + 1600], headers=headers))
    return seq + 1


def consume(tracer: Tracer, heard: Heard) -> None:
    parent = PROPAGATOR.extract(dict(heard.message.headers), Context())
    tracer.start_span("consume", parent, SpanKind.CONSUMER).end()


async def until(wanted: Callable[[], bool], within: float = 40.0) -> None:
    async with asyncio.timeout(within):
        while not wanted():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def path_of(span: CollectedSpan, spans: dict[str, CollectedSpan]) -> list[str]:
    """The names from a span up to the first one of its trace, or one that died with its worker."""
    names = [span.name]
    while span.parent_id:
        if span.parent_id not in spans:
            return [*names, "lost"]
        span = spans[span.parent_id]
        names.append(span.name)
    return names


async def test_one_trace_holds_a_stream_from_publisher_to_consumer_over_two_workers(
    namespace: Namespace,
) -> None:
    with running_collector() as collector, tracer_of(collector) as tracer:
        how = traced(collector.url)
        async with serve("ledger") as upstream:  # noqa: SIM117
            async with (
                running_worker(namespace.url, upstream.url, **how) as first,
                speaking(namespace.url) as speaker,
            ):
                trace_id = await start(speaker, tracer)
                seq = await say(speaker, range(10), 1)

                def names() -> set[str]:
                    return {span.name for span in collector.of_trace(trace_id).values()}

                # What is open when a worker is killed nobody hears of; one utterance is over.
                await until(lambda: {"send speechmq.events", "utterance"} <= names())
                async with running_worker(namespace.url, upstream.url, **how) as second:
                    first.kill()
                    await first.ended()
                    seq = await say(speaker, range(10, 20), seq)
                    await speaker.send("one", EndStream(seq=seq))
                    await speaker.ears.until_over("one")
                assert speaker.ears.words("one") == said(range(20))
                finals = [
                    heard
                    for heard in speaker.ears.streams["one"]
                    if heard.message.type == "FinalTranscript"
                ]
                for heard in finals:
                    consume(tracer, heard)
                contexts = [
                    get_current_span(PROPAGATOR.extract(dict(one.message.headers), Context()))
                    for one in speaker.ears.streams["one"]
                ]
        spans = collector.of_trace(trace_id)

    # Every event carries the trace, also those without a span.
    assert {f"{one.get_span_context().trace_id:032x}" for one in contexts} == {trace_id}
    by_name: dict[str, list[CollectedSpan]] = {}
    for span in spans.values():
        by_name.setdefault(span.name, []).append(span)
    admitted = ["send speechmq.claims", "process speechmq.start", "publish"]
    [begun] = by_name["start session"]
    [resumed] = by_name["resume session"]
    assert path_of(begun, spans) == ["start session", *admitted]
    assert path_of(resumed, spans) == ["resume session", *admitted]
    assert begun.process != resumed.process
    assert (begun.attributes["speechmq.reason"], resumed.attributes["speechmq.reason"]) == (
        "start",
        "take_over",
    )
    paths = {tuple(path_of(span, spans)) for span in by_name["consume"]}
    sent = ("consume", "send speechmq.events", "utterance")
    assert {(*sent, "start session", *admitted), (*sent, "resume session", *admitted)} <= paths
    send = by_name["send speechmq.events"][0]
    assert send.attributes == {
        "messaging.system": "rabbitmq",
        "messaging.destination.name": "speechmq.events",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "speechmq.stream_id": "one",
        "speechmq.epoch": send.attributes["speechmq.epoch"],
        "speechmq.event": "FinalTranscript",
        "speechmq.segment_id": send.attributes["speechmq.segment_id"],
    }
    assert send.kind == "PRODUCER"
    assert by_name["process speechmq.start"][0].kind == begun.kind == "CONSUMER"
    # The chunks' own trace is linked, and has no span of a worker's.
    assert {link for span in by_name["utterance"] for link in span.links} == {CHUNKS}
    assert collector.of_trace(CHUNKS) == {}
    # None per chunk, none that lasts, no words, no secret.
    ours = [span for span in spans.values() if span.process]
    assert len(ours) < 3 * len(finals) + 8
    assert max(span.seconds for span in ours) < 40
    told = "\n".join(span.text for span in ours)
    assert not [unseen for unseen in (*said(range(20)), TOKEN) if unseen in told]
    assert {one.get("authorization") for one in collector.headers} == {f"Bearer {TOKEN}", None}
    assert {
        "speechmq.audio.received",
        "speechmq.streams",
        "speechmq.finals",
        "speechmq.latency.upstream_to_published",
    } <= collector.metrics
    assert not [line for line in (*first.lines, *second.lines) if TOKEN in line]


async def test_worker_ends_in_time_though_no_collector_answers(namespace: Namespace) -> None:
    """And its streams notice nothing."""
    nobody = {
        "SPEECHMQ_TELEMETRY__OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    async with (
        serve("ledger") as upstream,
        running_worker(namespace.url, upstream.url, **nobody) as worker,
        speaking(namespace.url) as speaker,
    ):
        await speaker.start("one")
        await speaker.say("one", range(10))
        await speaker.ears.until_over("one")
        assert speaker.ears.words("one") == said(range(10))
        worker.terminate()
        assert await worker.ended(within=15.0) == 0

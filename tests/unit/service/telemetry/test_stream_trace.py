"""A stream's spans: where they begin and end, what they hang on, and what is not in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from tests.support.deliveries import Held
from tests.support.streams import EMPTY, added, chunk, final, partial, started_stream

from speechmq.core.stream import Stream
from speechmq.core.values import events
from speechmq.core.values.inputs import ConnectionLost, ConnectionOpened, DeadlinePassed, Input
from speechmq.core.values.outputs import OpenConnection, OpenStandby, Publish
from speechmq.settings import Settings
from speechmq.speechmatics.messages import Metadata, RecognitionStarted, UtteranceEnded
from speechmq.telemetry.observer import Observer
from speechmq.telemetry.stream_trace import MOST_LINKS
from speechmq.telemetry.trace_context import context_of, trace_id_of
from speechmq.telemetry.tracing import Tracing
from speechmq_schemas import ContractError

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "vendor=1"}
OTHER = "4bf92f3577b34da6a3ce929d0e0e4736"


@dataclass
class Traced:
    """An owner that is watched, and whose every event the broker confirms at once."""

    settings: Settings = field(default_factory=Settings)
    stream: Stream = field(default_factory=started_stream)
    headers: Mapping[str, Any] = field(default_factory=lambda: HEADERS)
    held: Held = field(default_factory=Held)

    def __post_init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        tracing = Tracing(self.settings, Resource({}), SimpleSpanProcessor(self.exporter))
        self.observer = Observer(lambda: 0.0)
        self.observer.tracing = tracing
        self.owner = self.observer.claimed("s")
        self.owner.began(
            self.stream, epoch=3, checkpoint=None, headers=self.headers, deliveries=self.held
        )
        self.sent: list[tuple[Publish, Mapping[str, str]]] = []
        self.see(OpenConnection(1))
        self.see(Publish(events.StreamStarted("s", "u1"), 1))

    def see(self, output: Any) -> None:
        self.owner.on_output(output)
        if isinstance(output, Publish):
            self.sent.append((output, self.owner.sending(output)))
            self.owner.published(output)

    def drive(self, *received: Input, now: float = 1.0) -> None:
        for one in received:
            for output in self.stream.receive(one, now):
                self.see(output)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]


def id_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.span_id:016x}"


def parent_of(span: ReadableSpan) -> str:
    return "" if span.parent is None else f"{span.parent.span_id:016x}"


def test_session_hangs_on_the_claim_and_the_first_event_on_the_session() -> None:
    traced = Traced()
    [session] = traced.spans
    assert (session.name, parent_of(session)) == ("start session", SPAN)
    assert session.attributes == {
        "messaging.system": "rabbitmq",
        "messaging.destination.name": "speechmq.claims",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "speechmq.stream_id": "s",
        "speechmq.epoch": 3,
        "speechmq.region": 1,
        "speechmq.session_id": "u1",
        "speechmq.reason": "start",
    }
    [(_, headers)] = traced.sent
    assert headers == {
        "traceparent": f"00-{TRACE}-{id_of(session)}-01",
        "tracestate": "vendor=1",
    }


def test_state_that_is_malformed_is_left_out() -> None:
    traced = Traced(headers={**HEADERS, "tracestate": "no state"})
    [session] = traced.spans
    assert traced.sent[0][1] == {"traceparent": f"00-{TRACE}-{id_of(session)}-01"}


def test_stream_without_a_trace_begins_one() -> None:
    traced = Traced(headers={})
    [session] = traced.spans
    assert session.parent is None
    assert trace_id_of(traced.sent[0][1]["traceparent"]) is not None


@pytest.mark.parametrize(("ratio", "is_sampled"), [(1.0, True), (0.0, False)])
def test_trace_that_begins_here_is_sampled_by_ratio_and_another_is_not(
    ratio: float, is_sampled: bool
) -> None:
    settings = Settings.model_validate({"telemetry": {"trace_ratio": ratio}})
    traced = Traced(settings=settings, headers={})
    flags = int(traced.sent[0][1]["traceparent"][-2:], 16)
    assert (len(traced.spans) == 1, bool(flags & 1)) == (is_sampled, is_sampled)
    # Whoever began a trace has decided for all of it.
    assert len(Traced(settings=settings).spans) == 1


def test_translation_is_sent_in_a_span_of_its_utterance() -> None:
    traced = Traced()
    traced.drive(chunk(1), added(1), partial(0.1, text="one"))
    traced.see(Publish(events.FinalTranslation("s", "de", [{"content": "eins"}]), 9))
    traced.drive(UtteranceEnded(Metadata(0.1, 0.1, "")))
    [send], [utterance] = traced.named("send speechmq.events"), traced.named("utterance")
    assert parent_of(send) == id_of(utterance)
    assert send.kind is SpanKind.PRODUCER
    assert send.attributes == {
        "messaging.system": "rabbitmq",
        "messaging.destination.name": "speechmq.events",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "speechmq.stream_id": "s",
        "speechmq.epoch": 3,
        "speechmq.event": "FinalTranslation",
    }


def test_utterance_is_one_span_from_its_first_words_to_the_pause() -> None:
    traced = Traced()
    traced.drive(chunk(1), chunk(2), chunk(3), added(3))
    traced.drive(partial(0.1, text="one"), final(0.1, text="one"), final(0.2, 0.1, text="two"))
    assert traced.named("utterance") == []
    traced.drive(UtteranceEnded(Metadata(0.2, 0.2, "")))
    [utterance] = traced.named("utterance")
    sends = traced.named("send speechmq.events")
    assert parent_of(utterance) == id_of(traced.named("start session")[0])
    assert {parent_of(one) for one in sends} == {id_of(utterance)}
    assert [(one.attributes or {})["speechmq.segment_id"] for one in sends] == [1, 2]
    carried = [headers["traceparent"].split("-")[2] for _, headers in traced.sent[1:]]
    # The partial and the end have the utterance's own context, each final that of its sending.
    assert carried == [id_of(utterance), *map(id_of, sends), id_of(utterance)]


def test_silence_ends_an_utterance_too() -> None:
    traced = Traced()
    traced.drive(chunk(1), chunk(2), added(2), final(0.1, text="one"), final(0.2, 0.1))
    assert len(traced.named("utterance")) == 1


def test_utterance_without_an_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechmq.telemetry.stream_trace.LONGEST_UTTERANCE", -1.0)
    traced = Traced()
    traced.drive(chunk(1), chunk(2), added(2), final(0.1, text="one"), final(0.2, 0.1, text="two"))
    assert len(traced.named("utterance")) == 2


def test_chunks_make_no_spans_and_their_contexts_are_linked_once() -> None:
    held = Held({seq: {"traceparent": f"00-{OTHER}-{seq // 2 + 1:016x}-01"} for seq in range(1, 5)})
    traced = Traced(held=held)
    traced.drive(*(chunk(seq) for seq in range(1, 5)), added(4))
    assert len(traced.spans) == 1
    traced.drive(final(0.3, text="one two three"), final(0.4, 0.3))
    [utterance] = traced.named("utterance")
    assert [f"{link.context.span_id:x}" for link in utterance.links] == ["1", "2"]
    assert {f"{link.context.trace_id:032x}" for link in utterance.links} == {OTHER}


def test_utterance_has_so_many_links_and_no_more() -> None:
    most, chunks = MOST_LINKS, MOST_LINKS + 4
    parents = {seq: f"00-{OTHER}-{seq:016x}-01" for seq in range(1, chunks + 1)}
    held = Held({seq: {"traceparent": parent} for seq, parent in parents.items()})
    traced = Traced(held=held)
    traced.drive(*(chunk(seq) for seq in range(1, chunks + 1)), added(chunks))
    traced.drive(final(chunks / 10 - 0.1, text="long"), final(chunks / 10, chunks / 10 - 0.1))
    [utterance] = traced.named("utterance")
    assert [link.context.span_id for link in utterance.links] == list(range(1, most + 1))


def test_lost_session_is_resumed_in_a_span_of_its_own_and_its_utterance_ends() -> None:
    traced = Traced()
    traced.drive(chunk(1), chunk(2), added(2), final(0.1, text="one"))
    traced.drive(ConnectionLost(1006, "gone"))
    traced.drive(DeadlinePassed(), now=2.0)
    traced.drive(ConnectionOpened(), RecognitionStarted("u2"), now=2.0)
    [resumed] = traced.named("resume session")
    assert parent_of(resumed) == SPAN
    assert (resumed.attributes or {})["speechmq.reason"] == "upstream_lost"
    assert len(traced.named("utterance")) == 1
    traced.drive(partial(0.2, 0.1, text="two"), now=2.0)
    traced.owner.over()
    assert [parent_of(one) for one in traced.named("utterance")] == [
        id_of(traced.named("start session")[0]),
        id_of(resumed),
    ]


def test_start_that_fails_says_so_and_the_next_is_another_span() -> None:
    traced = Traced()
    traced.drive(ConnectionLost(1006, "gone"))
    traced.drive(DeadlinePassed(), now=2.0)
    traced.drive(ConnectionOpened(), ConnectionLost(1006, "again"), now=3.0)
    [failed] = traced.named("resume session")
    assert failed.status.description == "connection_lost"
    assert (failed.attributes or {})["error.type"] == "connection_lost"


def test_session_that_stands_by_in_vain_says_so() -> None:
    traced = Traced()
    traced.see(OpenStandby(0, {}))
    traced.owner.over()
    assert [one.status.description for one in traced.named("resume session")] == ["let_go"]


@pytest.mark.parametrize("wanted", [False, True])
def test_words_are_in_spans_if_wanted_alone(wanted: bool) -> None:
    settings = Settings.model_validate({"telemetry": {"trace_transcripts": wanted}})
    traced = Traced(settings=settings)
    traced.drive(chunk(1), added(1), final(0.05, text="secret words"), final(0.1, 0.05))
    assert any("secret words" in span.to_json() for span in traced.spans) is wanted


def test_final_that_is_never_confirmed_ends_with_its_stream() -> None:
    traced = Traced()
    publish = Publish(events.FinalTranscript("s", 1, 0.0, 1.0, "x", EMPTY), 9)
    traced.owner.on_output(publish)
    traced.owner.sending(publish)
    traced.owner.over()
    [send] = traced.named("send speechmq.events")
    assert send.status.description == "let_go"


def test_trace_that_is_not_sampled_is_passed_on_and_makes_no_span() -> None:
    traced = Traced(headers={"traceparent": f"00-{TRACE}-{SPAN}-00"})
    assert traced.spans == []
    assert traced.sent[0][1]["traceparent"].startswith(f"00-{TRACE}-")
    assert traced.sent[0][1]["traceparent"].endswith("-00")


# -- admission -------------------------------------------------------------------------------------


def test_claim_hangs_on_the_start_and_the_start_on_its_publisher() -> None:
    traced = Traced()
    with traced.observer.admitting(HEADERS) as passage, passage.claiming() as headers:
        pass
    [claim], [start] = traced.named("send speechmq.claims"), traced.named("process speechmq.start")
    assert parent_of(start) == SPAN
    assert parent_of(claim) == id_of(start)
    assert headers["traceparent"] == f"00-{TRACE}-{id_of(claim)}-01"


def test_refused_start_says_why() -> None:
    traced = Traced()
    with traced.observer.admitting(HEADERS) as passage:
        passage.refused(ContractError("bad_json", "why"))
    [start] = traced.named("process speechmq.start")
    assert (start.attributes or {})["error.type"] == "bad_json"


def test_without_tracing_the_publisher_s_context_is_passed_on_as_it_is() -> None:
    with Observer().admitting({**HEADERS, "other": 1}) as passage:
        assert passage.headers == HEADERS == context_of(HEADERS)
        with passage.claiming() as headers:
            assert headers == HEADERS
    owner = Observer().claimed("s")
    started = Publish(events.StreamStarted("s", "u"), 1)
    assert owner.sending(started) == {}
    owner.began(
        started_stream(),
        epoch=1,
        checkpoint=None,
        headers={**HEADERS, "other": 1},
        deliveries=Held(),
    )
    assert owner.sending(started) == HEADERS

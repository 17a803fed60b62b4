import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.schemas.strategies import patient

from speechmq_schemas import Names, event_routing_key, stream_routing_key
from speechmq_schemas.events import EVENTS
from speechmq_schemas.routing import (
    EVENT_ROUTES,
    addressable,
    translation_routing_key,
    upstream_routing_key,
)


def test_every_event_but_upstreams_own_has_one_route() -> None:
    assert set(EVENT_ROUTES) == set(EVENTS) - {"UpstreamMessage"}
    assert len(set(EVENT_ROUTES.values())) == len(EVENT_ROUTES)


def test_event_routing_key_ends_in_the_stream() -> None:
    assert event_routing_key("FinalTranscript", "call-0042") == "transcript.final.call-0042"


def test_event_routing_key_knows_no_other_types() -> None:
    with pytest.raises(KeyError, match="Nonsense"):
        event_routing_key("Nonsense", "a")


def test_stream_routing_key_is_the_streams() -> None:
    assert stream_routing_key("call-0042") == "stream.call-0042"


@pytest.mark.parametrize(
    ("message", "key"),
    [
        ("AudioEventStarted", "upstream.AudioEventStarted.a"),
        ("two.words here", "upstream.two_words_here.a"),
        ("", "upstream.unknown.a"),
        ("x" * 300, f"upstream.{'x' * 64}.a"),
    ],
)
def test_upstream_routing_key_is_one_word_of_upstreams(message: str, key: str) -> None:
    assert upstream_routing_key(message, "a") == key


@pytest.mark.parametrize(
    ("language", "key"),
    [
        ("de", "translation.final.de.a"),
        ("*", "translation.final._.a"),
        ("zh.#", "translation.final.zh__.a"),
        ("", "translation.final.unknown.a"),
    ],
)
def test_translation_routing_key_names_the_language(language: str, key: str) -> None:
    assert translation_routing_key("FinalTranslation", language, "a") == key


@patient
@given(st.text(), st.text())
def test_routing_keys_fit_amqp_and_have_a_fixed_number_of_words(message: str, stream: str) -> None:
    for key in (upstream_routing_key(message, stream), event_routing_key("AudioGap", stream)):
        assert len(key.encode()) <= 255
        assert len(key.split(".")) == 3


@pytest.mark.parametrize("stream_id", ["", "a b", "a\n", "a" * 129, "é"])
def test_stream_without_a_usable_id_is_addressed_as_unknown(stream_id: str) -> None:
    assert addressable(stream_id) == "unknown"


def test_names_begin_with_the_namespace() -> None:
    names = Names("test-7")
    assert (names.inbound, names.events, names.start, names.unrouted, names.early) == (
        "test-7.in",
        "test-7.events",
        "test-7.start",
        "test-7.unrouted",
        "test-7.early",
    )
    assert (names.claims, names.dead, names.stream("a"), names.state("a")) == (
        "test-7.claims",
        "test-7.dead",
        "test-7.stream.a",
        "test-7.state.a",
    )

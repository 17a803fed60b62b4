import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.streams import words

from speechmq.core.recognition.transcript import Relabel, Relocation, join, shifted
from speechmq.speechmatics.messages import MalformedMessage, Metadata


def test_first_session_passes_results_on_untouched() -> None:
    raw = words(("hi", 0.1, 0.2))
    assert Relocation(0.0, 0.0).move(Metadata(0.1, 0.2, "hi "), raw) == (0.1, 0.2, "hi ", raw)


def test_results_behind_the_watermark_are_moved_and_keep_upstreams_text() -> None:
    moved = Relocation(10.0, 10.0).move(Metadata(0.1, 0.3, "Hi. "), words(("Hi", 0.1, 0.2)))
    [word] = msgspec.json.decode(words(("Hi", 10.1, 10.2)))
    assert moved == (10.1, 10.3, "Hi. ", [word])


@pytest.mark.parametrize(("origin", "watermark"), [(0.0, 0.15), (1.0, 1.15)])
def test_word_whose_midpoint_lies_at_the_watermark_was_said_before(
    origin: float, watermark: float
) -> None:
    raw = words(("old", 0.1, 0.2), ("new", 0.2, 0.3))
    start, end, transcript, results = Relocation(origin, watermark).move(
        Metadata(0.1, 0.3, "old new "), raw
    )
    assert (start, end, transcript) == (watermark, origin + 0.3, "new ")
    assert results == msgspec.json.decode(words(("new", origin + 0.2, origin + 0.3)))


def test_nothing_is_repeated_before_anything_was_said() -> None:
    assert not Relocation(0.0, 0.0).is_repeated(0.0)
    assert Relocation(5.0, 6.0).is_repeated(6.0)
    assert not Relocation(5.0, 6.0).is_repeated(6.01)


def test_both_forms_of_an_entity_are_moved() -> None:
    inner: dict[str, Any] = {"start_time": 1.0, "end_time": 1.5, "type": "word"}
    entity = {**inner, "type": "entity", "spoken_form": [inner], "written_form": [inner, 7]}
    later = {**inner, "start_time": 3.0, "end_time": 3.5}
    assert shifted(entity, 2.0) == {
        **later,
        "type": "entity",
        "spoken_form": [later],
        "written_form": [later],
    }


@pytest.mark.parametrize("raw", [b"{}", b'"x"', b"7", b"null"])
@pytest.mark.parametrize("relocation", [Relocation(0.0, 0.0), Relocation(1.0, 1.0)])
def test_results_that_are_no_list_are_malformed(raw: bytes, relocation: Relocation) -> None:
    with pytest.raises(MalformedMessage):
        relocation.move(Metadata(0, 1), msgspec.Raw(raw))


def test_results_that_are_no_objects_are_malformed() -> None:
    with pytest.raises(MalformedMessage):
        Relocation(1.0, 1.0).move(Metadata(0, 1), msgspec.Raw(b"[1]"))


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
odd_result = st.dictionaries(
    st.sampled_from(["start_time", "end_time", "alternatives", "attaches_to", "spoken_form"]),
    json_values,
)


@pytest.mark.parametrize("relabel", [None, str.lower])
@given(results=st.lists(odd_result))
def test_odd_results_never_break_the_stream(
    relabel: Relabel | None, results: list[dict[str, Any]]
) -> None:
    raw = msgspec.Raw(msgspec.json.encode(results))
    Relocation(1.0, 1.5, relabel=relabel).move(Metadata(0, 1), raw)


def test_speakers_get_the_names_that_they_have_on_the_stream() -> None:
    odd: list[Any] = [
        {},
        {"alternatives": 7},
        {"alternatives": [8, {}, {"speaker": None}, {"speaker": "S1"}]},
        {"spoken_form": [{"alternatives": [{"speaker": "S2"}]}], "written_form": "x"},
    ]
    raw = msgspec.Raw(msgspec.json.encode(odd))
    moved = Relocation(0.0, 0.0, relabel=str.lower).move(Metadata(0, 1, "x"), raw)
    assert moved == (
        0,
        1,
        "x",
        [
            {},
            {"alternatives": 7},
            {"alternatives": [8, {}, {"speaker": None}, {"speaker": "s1"}]},
            {"spoken_form": [{"alternatives": [{"speaker": "s2"}]}], "written_form": "x"},
        ],
    )


@pytest.mark.parametrize("form", ["spoken_form", "written_form"])
@pytest.mark.parametrize("relabel", [None, str.lower])
def test_entities_that_nest_without_end_are_malformed(form: str, relabel: Relabel | None) -> None:
    """However deep the decoder goes, what walks through its results may go less deep."""
    for depth in (10_000, *range(300, 600)):
        raw = msgspec.Raw((f'[{{"{form}":' * depth + "1" + "}]" * depth).encode())
        with contextlib.suppress(MalformedMessage):
            Relocation(1.0, 1.0, relabel=relabel).move(Metadata(0, 1), raw)


def test_join_attaches_punctuation_as_it_says() -> None:
    def result(content: str, attaches_to: str) -> dict[str, Any]:
        return {"alternatives": [{"content": content}], "attaches_to": attaches_to}

    marks = [("¿", "next"), ("Qué", "none"), ("?", "previous"), ("a", "none"), ("-", "both")]
    results = [result(*mark) for mark in marks]
    assert join([*results, result("b", "none")], " ") == "¿Qué? a-b "
    assert join(results[1:2], "") == "Qué"
    assert join([], " ") == ""

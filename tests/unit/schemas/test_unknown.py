from hypothesis import given
from tests.unit.schemas.strategies import json_values, patient, valid_events

from speechmq_schemas import Event, unknown_fields
from speechmq_schemas.config import TranscriptionConfig


def config(**fields: object) -> TranscriptionConfig:
    return TranscriptionConfig.model_validate({"language": "en", **fields})


def test_known_fields_are_not_named() -> None:
    vocabulary = ["plain", {"content": "gnocchi", "sounds_like": ["nyohki"]}]
    known = config(additional_vocab=vocabulary, max_delay=None, model="melia-1")
    assert list(unknown_fields(known)) == []


def test_unknown_fields_are_named_by_their_paths() -> None:
    found = unknown_fields(
        config(
            brand_new={"inner": 1},
            additional_vocab=["plain", {"content": "gnocchi", "stress": "first"}],
            transcript_filtering_config={"replacements": [{"from": "a", "to": "b", "flags": "i"}]},
        )
    )
    assert list(found) == [
        "brand_new",
        "additional_vocab.1.stress",
        "transcript_filtering_config.replacements.0.flags",
    ]


def test_path_has_a_bound() -> None:
    [path] = unknown_fields(config(**{"x" * 1000: 1}))
    assert path == "x" * 199 + "…"


@patient
@given(valid_events, json_values)
def test_one_more_field_is_one_more_path(event: Event, value: object) -> None:
    before = list(unknown_fields(event))
    more = type(event).model_validate({**event.model_dump(), "brand-new field": value})
    assert sorted(unknown_fields(more)) == sorted([*before, "brand-new field"])

"""The start's configuration against the API's published description, field by field.

`upstream_config.json` is what the description said when it was last looked at; with
`--asyncapi PATH` that is held against the description itself.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from speechmq_schemas.config import (
    AudioEventsConfig,
    MidSessionConfig,
    TranscriptionConfig,
    TranslationConfig,
)

RECORDED = Path(__file__).parent / "upstream_config.json"
MODELS: Mapping[str, type[BaseModel]] = {
    "TranscriptionConfig": TranscriptionConfig,
    "TranslationConfig": TranslationConfig,
    "AudioEventsConfig": AudioEventsConfig,
    "MidSessionTranscriptionConfig": MidSessionConfig,
}
RULES = (
    "type",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "minItems",
    "uniqueItems",
    "pattern",
)
CODE = r"^[A-Za-z][A-Za-z0-9_-]{1,63}$"
# What is refused here although the description allows it, and only that. The limits of speakers
# and targets are told in the API's prose.
STRICTER: Mapping[str, Mapping[str, Any]] = {
    "TranscriptionConfig.language": {"pattern": CODE},
    "TranscriptionConfig.domain": {"minLength": 1},
    "TranscriptionConfig.channel_diarization_labels": {"maxItems": 8},
    "TranscriptionConfig.speaker_diarization_config.speakers": {"maxItems": 50},
    "TranscriptionConfig.speaker_diarization_config.speakers[].speaker_identifiers[]": {
        "minLength": 1
    },
    "TranslationConfig.target_languages": {"maxItems": 5},
    "TranslationConfig.target_languages[]": {"pattern": CODE},
    "AudioEventsConfig.types[]": {"minLength": 1},
    "MidSessionTranscriptionConfig.language": {"pattern": CODE},
}


Rules = dict[str, dict[str, Any]]


class Walk:
    """Flattens a JSON Schema into the rules of each path; `[]` stands for a list's items."""

    def __init__(self, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self.rules: Rules = {}
        self._walk(schema, "")

    def _walk(self, schema: Mapping[str, Any], path: str) -> None:
        for branch in self._branches(schema):
            self._note(branch, path)
            required = branch.get("required", ())
            for name, inner in branch.get("properties", {}).items():
                below = f"{path}.{name}"
                self._walk(inner, below)
                self.rules[below]["required"] = name in required
            if "items" in branch:
                self._walk(branch["items"], f"{path}[]")

    def _note(self, branch: Mapping[str, Any], path: str) -> None:
        found = {rule: branch[rule] for rule in (*RULES, "maxItems") if rule in branch}
        if "pattern" in branch.get("not", {}):
            found["not"] = branch["not"]["pattern"].replace("[0-9]", r"\d")
        if "enum" in found:
            found["enum"] = sorted(found["enum"])
        if "type" in found:
            found["type"] = sorted({found["type"], *self.rules.get(path, {}).get("type", ())})
        self.rules.setdefault(path, {}).update(found)

    def _branches(self, schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """What the value may be, null apart, with references followed."""
        if "$ref" in schema:
            yield from self._branches(self._definitions[schema["$ref"].rpartition("/")[2]])
        elif ways := schema.get("anyOf") or schema.get("oneOf"):
            for way in ways:
                yield from self._branches(way)
        elif schema.get("type") != "null":
            yield schema


def described(schemas: Mapping[str, Any]) -> Rules:
    """The rules of every field of the configuration that the description has."""
    return {
        f"{name}{path}": rules
        for name in MODELS
        for path, rules in Walk(schemas[name], schemas).rules.items()
        if path
    }


def ours() -> Rules:
    found: Rules = {}
    for name, model in MODELS.items():
        schema = model.model_json_schema()
        walked = Walk(schema, schema.get("$defs", {})).rules
        found |= {f"{name}{path}": rules for path, rules in walked.items() if path}
    return found


def recorded() -> Rules:
    found: Rules = json.loads(RECORDED.read_text())
    return found


def test_description_is_the_recorded_one(pytestconfig: pytest.Config) -> None:
    published: Path | None = pytestconfig.getoption("--asyncapi")
    if published is None:
        pytest.skip("needs the published description: --asyncapi PATH")
    schemas = yaml.safe_load(published.read_text())["components"]["schemas"]
    assert described(schemas) == recorded()


def test_every_field_of_the_api_is_known_and_no_other() -> None:
    assert sorted(ours()) == sorted(recorded())


@pytest.mark.parametrize("path", sorted(recorded()))
def test_field_has_the_api_s_own_rules(path: str) -> None:
    assert ours()[path] == {**recorded()[path], **STRICTER.get(path, {})}

"""JSON Schemas (draft 2020-12) of what a message's body may be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from .amqp import OUTSIDE_BODY
from .commands import AudioChunk
from .routing import SCHEMA_VERSION


class _Generator(GenerateJsonSchema):
    """Without a title on every field: it says the field's name again."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a message's body; for an ``AudioChunk`` that of its headers."""
    name = model.__name__
    schema = model.model_json_schema(schema_generator=_Generator)
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": f"urn:speechmq:v{SCHEMA_VERSION}:{name}",
        "title": name,
        **(_open(schema) if model is AudioChunk else _body(name, schema)),
    }


def body_schemas(models: Iterable[type[BaseModel]], ref_template: str) -> dict[str, Any]:
    """The schemas of all bodies and of what they refer to, by name.

    ``ref_template`` holds ``{model}`` where a reference names its target.
    """
    _, document = models_json_schema(
        [(model, "validation") for model in models],
        ref_template=ref_template,
        schema_generator=_Generator,
    )
    definitions = document["$defs"]
    definitions.pop("JsonValue", None)  # nothing refers to it: `base.Json` stands for itself
    schemas = {name: _body(name, schema) for name, schema in definitions.items()}
    audio = "The audio itself, raw bytes as `audio_format` says, never base64"
    schemas[AudioChunk.__name__] = {"type": "string", "format": "binary", "description": audio}
    return schemas


def _open(schema: dict[str, Any]) -> dict[str, Any]:
    """Headers are open: brokers and tracers add their own."""
    return {key: value for key, value in schema.items() if key != "additionalProperties"}


def _body(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """``schema`` without the fields that travel elsewhere, its description in Markdown."""
    if "description" in schema:
        schema = {**schema, "description": schema["description"].replace("``", "`")}
    if outside := OUTSIDE_BODY.get(name):
        fields = {key: value for key, value in schema["properties"].items() if key not in outside}
        required = [key for key in schema["required"] if key not in outside]
        schema = {**schema, "properties": fields, "required": required}
    return schema

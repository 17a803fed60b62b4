"""Whether a message keeps to a description of the wire: the project's own, or the published one.

The project's own schemas stand beside this module. They were written from the facts of the
published description, and are stricter: every object is closed, and what the service always
sends is required.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml
from jsonschema_rs import Draft7Validator, Draft202012Validator

_HERE = Path(__file__).parent
_BINARY = "AddAudio"


class Sender(StrEnum):
    SERVER = "server"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Description:
    """``schemas`` holds those of each sender's text messages by name; references point into it."""

    name: str
    schemas: Mapping[Sender, Mapping[str, dict[str, Any]]]
    validators: Mapping[Sender, Mapping[str, Draft7Validator | Draft202012Validator]]

    def faults(self, sender: Sender, message: Any) -> list[str]:
        """What is wrong with a decoded message, a sentence a fault; none if it conforms."""
        name = message.get("message") if isinstance(message, dict) else None
        validator = self.validators[sender].get(name) if isinstance(name, str) else None
        if validator is None:
            return [f"{self.name}: {name!r} is no text message of the {sender}"]
        if validator.is_valid(message):
            return []
        return [
            f"{self.name}: {'.'.join(map(str, [name, *error.instance_path]))}: {error.message}"
            for error in validator.iter_errors(message)
        ]


def own_description() -> Description:
    """The schemas of this folder, with formats asserted."""
    schemas = {sender: _own_schemas(sender) for sender in Sender}
    validators = {
        sender: {
            name: Draft202012Validator(schema, validate_formats=True)
            for name, schema in by_name.items()
        }
        for sender, by_name in schemas.items()
    }
    return Description("wire schemas", schemas, validators)


def _own_schemas(sender: Sender) -> dict[str, dict[str, Any]]:
    document = json.loads((_HERE / f"{sender}.schema.json").read_text())
    names = [choice["$ref"].rpartition("/")[2] for choice in document["oneOf"]]
    return {name: {**document["$defs"][name], "$defs": document["$defs"]} for name in names}


def published_description(path: Path) -> Description:
    """The schemas out of an AsyncAPI 3 file as it is published.

    Its ``format``s (float, binary, bytes) are no formats of JSON Schema and assert nothing;
    keys that are no keywords (``example``, a stray ``payload``) are ignored likewise.
    """
    document = yaml.safe_load(path.read_text())
    channels = {Sender.CLIENT: "publish", Sender.SERVER: "subscribe"}
    schemas = {
        sender: _published_schemas(document, channel) for sender, channel in channels.items()
    }
    validators = {
        sender: {name: Draft7Validator(schema) for name, schema in by_name.items()}
        for sender, by_name in schemas.items()
    }
    return Description(path.name, schemas, validators)


def _published_schemas(document: dict[str, Any], channel: str) -> dict[str, dict[str, Any]]:
    components = document["components"]
    schemas = {}
    for name in document["channels"][channel]["messages"]:
        reference = components["messages"][name]["payload"]["$ref"]
        # In draft 7 nothing counts beside a $ref, so what it points into needs an allOf.
        schemas[name] = {"allOf": [{"$ref": reference}], "components": components}
    schemas.pop(_BINARY, None)
    return schemas

from collections import Counter
from collections.abc import Iterator
from functools import reduce
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from scripts.generate_contract import SCHEMAS, example

from speechmq_schemas.commands import COMMANDS
from speechmq_schemas.events import EVENTS
from speechmq_schemas.examples import EXAMPLES
from speechmq_schemas.replies import REPLIES

NAMES = sorted({**COMMANDS, **EVENTS, **REPLIES})


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text())
    return loaded


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for inner in node.values():
            yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)


def resolve(document: dict[str, Any], reference: str) -> Any:
    assert reference.startswith("#/"), f"{reference} leaves the document"
    return reduce(lambda node, key: node[key], reference[2:].split("/"), document)


def message_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    message: dict[str, Any] = document["components"]["messages"][name]
    return message


def check(document: dict[str, Any], schema: dict[str, Any], value: object) -> None:
    Draft202012Validator({**schema, "components": document["components"]}).validate(value)


def test_document_is_asyncapi_3(document: dict[str, Any]) -> None:
    assert document["asyncapi"] == "3.0.0"
    assert set(document) == {
        "asyncapi",
        "id",
        "info",
        "defaultContentType",
        "servers",
        "channels",
        "operations",
        "components",
    }


def test_every_reference_points_into_the_document(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert len(found) > len(NAMES)
    for reference in found:
        resolve(document, reference)


def test_every_component_is_referred_to(document: dict[str, Any]) -> None:
    found = set(references(document))
    unused = {
        f"#/components/{kind}/{name}"
        for kind, components in document["components"].items()
        for name in components
    } - found
    assert unused == set()


def test_every_message_is_in_one_channel(document: dict[str, Any]) -> None:
    found = Counter(name for one in document["channels"].values() for name in one["messages"])
    assert found == Counter(NAMES)


def test_every_channel_has_one_operation(document: dict[str, Any]) -> None:
    operations = document["operations"].values()
    asked = {one["reply"]["channel"]["$ref"] for one in operations if "reply" in one}
    found = Counter([*(one["channel"]["$ref"] for one in operations), *asked])
    assert found == Counter(f"#/channels/{name}" for name in document["channels"])


def test_publishers_send_and_consumers_receive(document: dict[str, Any]) -> None:
    found = {
        (
            one["action"],
            resolve(document, one["channel"]["$ref"])["bindings"]["amqp"]["exchange"]["name"],
        )
        for one in document["operations"].values()
    }
    assert found == {("receive", "speechmq.in"), ("send", "speechmq.events")}


def test_every_parameter_of_an_address_is_described(document: dict[str, Any]) -> None:
    for channel in document["channels"].values():
        if channel["address"] is None:
            continue
        named = {part[1:-1] for part in channel["address"].split(".") if part.startswith("{")}
        assert set(channel.get("parameters", {})) == named


@pytest.mark.parametrize("name", sorted({**COMMANDS, **EVENTS}))
def test_address_fits_the_routing_key_of_the_example(document: dict[str, Any], name: str) -> None:
    [channel] = [one for one in document["channels"].values() if name in one["messages"]]
    sent = EXAMPLES[name]
    asked = "call-0042" if sent.reply_to else sent.correlation_id
    values = {"stream_id": asked, "message": "AddSummary", "language": "de"}
    assert channel["address"].format(**values) == sent.routing_key


@pytest.mark.parametrize("name", NAMES)
def test_example_follows_the_schemas_of_its_message(document: dict[str, Any], name: str) -> None:
    message = message_of(document, name)
    [shown] = message["examples"]
    sent = example(EXAMPLES[name])
    assert shown.get("payload") == sent.get("body")
    check(document, message["headers"], shown["headers"])
    check(document, message["x-amqp-properties"], sent["properties"])
    if "payload" in shown:
        check(document, message["payload"], shown["payload"])


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_event_has_every_property_and_header(document: dict[str, Any], name: str) -> None:
    message = message_of(document, name)
    assert message["x-amqp-properties"]["required"] == [
        "type",
        "content_type",
        "correlation_id",
        "timestamp",
        "message_id",
    ]
    headers = resolve(document, message["headers"]["$ref"])
    assert list(headers["properties"]) == ["epoch", "seq", "schema_version", "traceparent"]


@pytest.mark.parametrize(
    ("operation", "request_name", "replies"),
    [
        ("receiveTemporaryKey", "CreateTemporaryKey", ["TemporaryKey", "RequestFailed"]),
        ("receiveStatus", "GetStreamStatus", ["StreamStatus", "RequestFailed"]),
    ],
)
def test_request_is_answered_where_its_asker_says(
    document: dict[str, Any], operation: str, request_name: str, replies: list[str]
) -> None:
    answer = document["operations"][operation]["reply"]
    channel = resolve(document, answer["channel"]["$ref"])
    assert (channel["address"], list(channel["messages"])) == (None, list(REPLIES))
    assert [one["$ref"].rpartition("/")[2] for one in answer["messages"]] == replies
    asked = message_of(document, request_name)["x-amqp-properties"]
    assert asked["required"] == ["type", "reply_to"]


@pytest.mark.parametrize("name", NAMES)
def test_message_is_told_by_its_type(document: dict[str, Any], name: str) -> None:
    message = message_of(document, name)
    assert message["bindings"]["amqp"]["messageType"] == name
    assert message["x-amqp-properties"]["properties"]["type"] == {"const": name}

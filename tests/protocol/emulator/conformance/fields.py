"""The fields of a schema, flat, so that two descriptions of one message can be compared."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

Facts = Mapping[str, frozenset[Any]]
"""Path of a field (``results[].type``) -> its permitted values, and its limits as pairs."""

_LIMITS = ("minimum", "maximum", "minLength", "minItems", "uniqueItems")


def facts(schema: dict[str, Any]) -> Facts:
    """The choices of a ``oneOf`` are taken together: what any of them has, the schema has."""
    found: dict[str, set[Any]] = defaultdict(set)
    waiting = [("", schema)]
    for path, node in waiting:
        target = _resolved(node, schema)
        found[path] |= _own_facts(target)
        waiting += _below(path, target)
    return {path.removeprefix("."): frozenset(known) for path, known in found.items()}


def values(known: frozenset[Any]) -> frozenset[Any]:
    """The permitted values alone; none means any."""
    return frozenset(fact for fact in known if not isinstance(fact, tuple))


def _resolved(node: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        target: Any = document
        for key in node["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        node = target
    return node


def _own_facts(node: dict[str, Any]) -> set[Any]:
    constants = {node["const"]} if "const" in node else set()
    return {
        *node.get("enum", ()),
        *constants,
        *((key, node[key]) for key in _LIMITS if key in node),
    }


def _below(path: str, node: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for choice in (*node.get("oneOf", ()), *node.get("allOf", ())):
        yield path, choice
    for name, child in node.get("properties", {}).items():
        yield f"{path}.{name}", child
    if "items" in node:
        yield f"{path}[]", node["items"]

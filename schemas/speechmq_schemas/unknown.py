"""Fields that a message has and this version of the contract does not know."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from .errors import MAX_PATH, excerpt


def unknown_fields(value: object) -> Iterator[str]:
    """Dotted paths of what ``value``, a model, was read with only because such fields are kept.

    What is inside an unknown field is not told apart: it is unknown as a whole.
    """
    return (excerpt(path, MAX_PATH) for path in _unknown(value, ""))


def _unknown(value: object, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown(item, f"{path}{index}.")
    elif isinstance(value, BaseModel):
        yield from (f"{path}{name}" for name in value.model_extra or ())
        for name in type(value).model_fields:
            yield from _unknown(getattr(value, name), f"{path}{name}.")

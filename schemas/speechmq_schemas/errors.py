"""The one error that reading a message can raise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

# A hostile message can be wrong in a million places, at paths of any length. What is said about it
# ends up in a header and in an event, so it has bounds.
MAX_FIELDS = 20
MAX_PATH = 200

# How `config` tells kinds of one field apart; pydantic puts it into the location.
_NOT_IN_PATHS = frozenset({"(word)", "(entry)", "(raw)", "(file)"})


def excerpt(text: str, limit: int) -> str:
    """``text``, cut to ``limit`` characters and marked with an ellipsis if it is longer."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field; ``path`` is dotted: ``transcription_config.max_delay``."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


class ContractError(ValueError):
    """A message does not follow the contract.

    ``code`` is stable and short (``bad_json``, ``invalid_field``, ``missing_seq``, …): it is the
    reason that a dead letter carries. ``fields`` names each wrong field, 20 at most.
    """

    def __init__(self, code: str, reason: str, fields: Sequence[FieldError] = ()) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.fields = tuple(fields)

    @classmethod
    def from_validation(cls, message_type: str, error: ValidationError) -> ContractError:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        if found[0]["type"] == "json_invalid":
            return cls("bad_json", f"the body of {message_type} is not JSON: {found[0]['msg']}")
        fields = [FieldError(_path(one["loc"]), one["msg"]) for one in found[:MAX_FIELDS]]
        listed = "; ".join(str(field) for field in fields)
        more = f"; and {len(found) - MAX_FIELDS} more" if len(found) > MAX_FIELDS else ""
        return cls("invalid_field", f"{message_type} is not valid: {listed}{more}", fields)


def _path(location: Sequence[int | str]) -> str:
    parts = (str(part) for part in location if part not in _NOT_IN_PATHS)
    return excerpt(".".join(parts), MAX_PATH)

"""How strict every model of the contract is.

Models are frozen. Nothing is coerced: ``"5"`` is no number and ``1`` no truth value, though a whole
number may stand for a float. NaN and Infinity are refused everywhere, because they are not JSON.
"""

from __future__ import annotations

from math import isfinite
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, WithJsonSchema
from pydantic_core import PydanticCustomError

NonEmpty = Annotated[str, Field(min_length=1)]


def finite(value: JsonValue) -> JsonValue:
    """``value`` itself; refuses NaN and Infinity at any depth."""
    if isinstance(value, float) and not isfinite(value):
        raise PydanticCustomError("finite_number", "Input should be a finite number")
    if isinstance(value, list | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            finite(inner)
    return value


Json = Annotated[JsonValue, AfterValidator(finite), WithJsonSchema({})]


class ContractModel(BaseModel):
    """Has the fields that it declares and no others."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        # A field named by a Python keyword is written with a trailing underscore in Python, and
        # always without one in JSON.
        validate_by_alias=True,
        validate_by_name=True,
        serialize_by_alias=True,
    )


class OpenModel(ContractModel):
    """Keeps fields that it does not know, so that a newer peer is understood."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, Json]

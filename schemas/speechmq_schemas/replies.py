"""What answers a request: goes to the queue that its ``reply_to`` names, and to nobody else."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field

from .base import OpenModel


class Reply(OpenModel):
    """An answer. ``type`` travels as the AMQP property of that name."""


class TemporaryKey(Reply):
    """Opens Realtime sessions at ``url`` until it expires; ``repr`` does not show the key."""

    key_value: Annotated[
        str,
        Field(min_length=1, repr=False, description="Send it as `?jwt=` or as a Bearer token"),
    ]
    ttl: Annotated[int, Field(description="Seconds for which it was made")]
    expires_at: Annotated[AwareDatetime, Field(description="When it opens no further session")]
    url: Annotated[str, Field(description="The WebSocket of the recogniser that takes it")]


class RequestFailed(Reply):
    """The request was not served."""

    code: Annotated[str, Field(description="Short and stable")]
    reason: str
    retryable: Annotated[bool, Field(description="Whether the same request may succeed later")]
    fields: list[dict[str, str]] = Field(
        default_factory=list, description="What is wrong with each field: `path` and `reason`"
    )


REPLIES: dict[str, type[Reply]] = {model.__name__: model for model in (TemporaryKey, RequestFailed)}

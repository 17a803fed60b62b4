"""What answers a request: goes to the queue that its ``reply_to`` names, and to nobody else."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from .base import OpenModel
from .commands import StreamId
from .events import Seconds


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


class StreamStatus(Reply):
    """How a stream is doing right now.

    Without a worker its state is `waiting`, and there is nothing more to tell. `received_seconds`
    is what its worker has taken from the queue: audio that the broker still holds is not known.
    """

    stream_id: StreamId
    state: Annotated[
        Literal["waiting", "connecting", "streaming", "suspended", "ending"],
        Field(description="`waiting`: accepted, but no worker has it now"),
    ]
    epoch: int | None = None
    worker: Annotated[str | None, Field(description="Who has it")] = None
    since: Annotated[AwareDatetime | None, Field(description="When that worker took it")] = None
    received_seconds: Seconds | None = None
    finalised_seconds: Seconds | None = None
    gap_seconds: Seconds | None = None
    lag_seconds: Annotated[
        float | None, Field(ge=0, description="Of what was received, how much is not final yet")
    ] = None


class RequestFailed(Reply):
    """The request was not served."""

    code: Annotated[str, Field(description="Short and stable")]
    reason: str
    retryable: Annotated[bool, Field(description="Whether the same request may succeed later")]
    fields: list[dict[str, str]] = Field(
        default_factory=list, description="What is wrong with each field: `path` and `reason`"
    )


REPLIES: dict[str, type[Reply]] = {
    model.__name__: model for model in (TemporaryKey, StreamStatus, RequestFailed)
}

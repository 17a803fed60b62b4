"""What one publisher may have."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from .section import Seconds, Section
from .upstream import CredentialName

EVERYBODY = "*"
"""In the place of a user's name: every user that has no entry."""


class UserSettings(BaseModel):
    """What a RabbitMQ user may have that others may not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stream_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{0,64}$")] = ""
    """The ids of its streams begin so, and those of no other user"""
    key_credentials: tuple[CredentialName, ...] = ()
    """Credentials that `CreateTemporaryKey` makes a key of for it"""
    key_ttl: Annotated[int, Field(ge=60, le=86_400)] = 3600
    """Longest life of such a key"""


class LimitsSettings(Section):
    """What one publisher may have."""

    streams_per_user: Annotated[int, Field(ge=1, le=1000)] | None = 200
    """Streams at once of one RabbitMQ user, over all workers; starts without AMQP's `user_id` \
count as one user's; `null`: no bound"""
    idle_timeout: Seconds = 3600.0
    """Longest `idle_timeout` that a start may ask for"""
    users: dict[str, UserSettings] = Field(default_factory=dict)
    """A JSON object of what single RabbitMQ users may have, by name; `*` is every other. Each has \
`stream_prefix`, `key_credentials` and `key_ttl`. Without it no temporary key is made"""

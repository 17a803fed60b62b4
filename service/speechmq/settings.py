"""Settings from the environment (``SPEECHMQ_…``, nested with two underscores). Read in ``app``.

Every bound and deadline of the worker has its name here. Secrets are ``SecretStr``: they show as
asterisks wherever settings are printed.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from .errors import SettingsError
from .session.spec import Limits

Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]


class BrokerSettings(BaseModel):
    """RabbitMQ. The URL holds a password, so it is a secret as a whole."""

    url: SecretStr = SecretStr("amqp://guest:guest@127.0.0.1:5672/")
    namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")] = "speechmq"
    queue_type: Literal["quorum", "classic"] = "quorum"
    heartbeat: Annotated[int, Field(ge=1, le=60, description="Seconds")] = 5
    connect_timeout: Seconds = 15.0
    publish_timeout: Annotated[
        float, Field(gt=0, description="Longest wait for a publisher confirm, in seconds")
    ] = 60.0
    stream_max_bytes: Annotated[
        int, Field(ge=1_000_000, description="A stream's queue refuses audio beyond this")
    ] = 256 * 1024 * 1024
    stream_expires: Annotated[
        float, Field(ge=3600, le=86_400, description="Seconds after which a lone queue goes")
    ] = 3600.0

    @field_validator("url")
    @classmethod
    def _is_amqp(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("amqp://", "amqps://")):
            raise ValueError("must begin with amqp:// or amqps://")
        return url


class UpstreamSettings(BaseModel):
    """Speechmatics Realtime, or anything that speaks its protocol."""

    url: Annotated[str, Field(pattern=r"^wss?://")] = "wss://eu.rt.speechmatics.com/v2"
    api_key: SecretStr | None = None
    app: Annotated[str | None, Field(description="Tags the account's usage: `sm-app`")] = None
    connect_timeout: Seconds = 10.0
    ping_interval: Seconds = 5.0
    ping_timeout: Seconds = 10.0
    max_message_bytes: Count = 4 * 1024 * 1024


class SessionSettings(BaseModel):
    """Bounds of one stream, in seconds unless the name says otherwise."""

    window: Annotated[float, Field(gt=0, description="Audio under way, not yet confirmed")] = 8.0
    window_chunks: Count = 512
    prefetch: Annotated[int, Field(ge=20, le=65_535)] = 1000
    resume_context: Annotated[float, Field(ge=0, description="Run-up of a resumed session")] = 0.5
    gap_timeout: Annotated[float, Field(gt=0, description="Wait for a missing message")] = 2.0
    early_wait: Annotated[float, Field(gt=0, description="Wait for an unknown stream")] = 10.0
    max_chunk: Annotated[float, Field(gt=0, le=60)] = 5.0
    max_gap: Seconds = 60.0
    idle_timeout: Annotated[float, Field(gt=0, description="Unless the start says another")] = 300.0
    start_timeout: Seconds = 30.0
    answer_timeout: Seconds = 10.0
    end_timeout: Seconds = 30.0
    retry_attempts: Count = 8
    healthy_after: Seconds = 10.0

    def limits(self) -> Limits:
        return Limits(**self.model_dump())


class WorkerSettings(BaseModel):
    capacity: Annotated[int, Field(ge=1, le=65_535, description="Streams at once")] = 200
    shutdown_grace: Annotated[float, Field(gt=0, description="Seconds for a clean end")] = 20.0


class Settings(BaseSettings):
    """Everything that a worker can be told."""

    model_config = SettingsConfigDict(
        env_prefix="SPEECHMQ_", env_nested_delimiter="__", extra="ignore"
    )

    broker: BrokerSettings = BrokerSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    session: SessionSettings = SessionSettings()
    worker: WorkerSettings = WorkerSettings()

    @classmethod
    def load(cls) -> Settings:
        """Raises ``SettingsError`` that names each variable and what is wrong with it."""
        try:
            return cls()
        except ValidationError as error:
            listed = "; ".join(_name_variable(found) for found in error.errors())
            raise SettingsError(f"the settings cannot be used: {listed}") from error

    def redacted(self) -> dict[str, Any]:
        """For printing: every value, secrets as asterisks."""
        return self.model_dump(mode="json")


def _name_variable(found: Any) -> str:
    path = "__".join(str(part) for part in found["loc"]).upper()
    return f"SPEECHMQ_{path}: {found['msg']}"

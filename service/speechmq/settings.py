"""Settings from the environment (``SPEECHMQ_…``, nested with two underscores). Read in ``app``.

Every bound and deadline of the worker has its name here. Secrets are ``SecretStr``: they show as
asterisks wherever settings are printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as SourceError
from yarl import URL

from .errors import SettingsError
from .section import Count, Seconds, Section
from .session.spec import Limits
from .upstream_settings import UpstreamSettings

HIGHEST_PORT = 65_535


class BrokerSettings(Section):
    """RabbitMQ. The URL holds a password, so it is a secret as a whole."""

    url: SecretStr = SecretStr("amqp://guest:guest@127.0.0.1:5672/")
    """RabbitMQ 3.10 or newer, `amqp://` or `amqps://`; holds the password"""
    namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")] = "speechmq"
    """Prefix of every exchange and queue"""
    queue_type: Literal["quorum", "classic"] = "quorum"
    """Of all queues but checkpoints; `classic` is cheaper and lives on one node"""
    worker_users: tuple[str, ...] = ()
    """RabbitMQ users of all workers, as a JSON list with this worker's own first, if that is not \
the URL's alone; what others write is no claim and no state"""
    heartbeat: Annotated[int, Field(ge=1, le=60)] = 5
    """A worker that misses two is taken for dead"""
    connect_timeout: Seconds = 15.0
    """Longest wait for a connection"""
    answer_timeout: Seconds = 60.0
    """Longest wait for a confirm, or for anything else that is asked of RabbitMQ"""
    stream_max_bytes: Annotated[int, Field(ge=1_000_000)] = 256 * 1024 * 1024
    """Unacknowledged audio of one stream; beyond it the broker refuses its publisher"""
    stream_expires: Annotated[float, Field(ge=3600, le=86_400)] = 3600.0
    """A stream's queue goes when no worker looks after it for so long, its state 24 times later"""
    transcript_log: bool = False
    """Keep finals in the queue `<namespace>.log`, for `speechmq listen --from-start`"""
    log_max_age: Annotated[float, Field(ge=60, le=315_360_000)] = 604_800.0
    """How long (7 days); RabbitMQ drops whole segments, a twentieth of the log each"""
    log_max_bytes: Annotated[int, Field(ge=10_000_000)] = 5_000_000_000
    """And how much of all streams together"""

    @field_validator("url")
    @classmethod
    def _is_amqp(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("amqp://", "amqps://")):
            raise ValueError("must begin with amqp:// or amqps://")
        return url


class SessionSettings(Section):
    """Bounds of one stream."""

    window: Seconds = 8.0
    """Audio under way to upstream, not yet confirmed"""
    window_chunks: Count = 512
    """The same, in chunks"""
    coalesce: Annotated[float, Field(ge=0, le=5)] = 0.1
    """Small chunks are put together up to this length while upstream has yet to confirm others"""
    prefetch: Annotated[int, Field(ge=20, le=65_535)] = 1000
    """Unacknowledged messages of one stream that a worker holds in memory"""
    resume_context: Annotated[float, Field(ge=0, le=10)] = 0.5
    """Run-up that a resumed session hears again"""
    gap_timeout: Seconds = 2.0
    """Wait for a missing message, before silence takes its place"""
    early_wait: Seconds = 45.0
    """Wait of audio and its stream's start for each other: three dead workers, 3 heartbeats each"""
    max_missing: Count = 100_000
    """A message whose `seq` lies further ahead is refused"""
    max_chunk: Annotated[float, Field(gt=0, le=60)] = 5.0
    """Audio that one message may carry"""
    max_chunk_bytes: Annotated[int, Field(ge=4096, le=16 * 1024 * 1024)] = 1024 * 1024
    """And bytes; a larger message of a stream is refused, and its copy cut to 4 KiB"""
    max_gap: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """Longest silence in a gap's place"""
    idle_timeout: Seconds = 300.0
    """A stream without a message for this long ends; its start may say otherwise"""
    start_timeout: Seconds = 30.0
    """Longest wait for recognition to start"""
    answer_timeout: Seconds = 8.0
    """Upstream that reads no audio for this long counts as lost"""
    end_timeout: Seconds = 30.0
    """Longest wait for the next final behind the end of the audio"""
    retry_attempts: Annotated[int, Field(ge=0)] = 8
    """Sessions in a row that may fail before the stream does"""
    healthy_after: Seconds = 10.0
    """A session that lived this long wipes out the failures before it"""
    rollover_after: Seconds = 169_200.0
    """A session is replaced after this long (47 h), or when upstream warns of its limit"""
    rollover_wait: Seconds = 30.0
    """Wait for a pause in the speech, before sessions are changed in the midst of it"""
    suspend_after: Seconds | None = 120.0
    """A stream without audio for this long gives its session up until more comes; `null`: never"""
    speakers_every: Seconds = 30.0
    """Between questions for the voices told apart, so that a later session knows them"""
    max_message_rate: Annotated[float, Field(ge=50)] = 1000.0
    """Messages of one stream a second, a refused one counting as ten; more are read later"""
    max_byte_rate: Annotated[float, Field(ge=100_000)] = 8_000_000.0
    """Bytes of one stream a second; more are read later"""
    rate_burst: Seconds = 10.0
    """A stream that has kept below both rates may send what they give in this time at once"""

    def limits(self) -> Limits:
        return Limits(**self.model_dump())


class LimitsSettings(Section):
    """What one publisher may have."""

    streams_per_user: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Streams at once of one RabbitMQ user, over all workers; starts then need AMQP's `user_id`"""


class WorkerSettings(Section):
    """The process."""

    capacity: Annotated[int, Field(ge=1, le=65_535)] = 200
    """Streams at once"""
    shutdown_grace: Seconds = 20.0
    """Longest wait on SIGTERM for streams to be handed over; a second signal ends it"""
    max_takeovers: Count = 8
    """A stream that was taken over as often without getting any further fails"""
    takeover_window: Seconds = 600.0
    """The time in which these count"""
    early_prefetch: Annotated[int, Field(ge=16, le=65_535)] = 2000
    """Messages held at once of streams that have no queue yet; more wait at the broker"""


class LogSettings(Section):
    """What the worker writes to stderr."""

    format: Literal["console", "json"] = "console"
    """`json`: one object a line"""
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Of the worker's own lines; libraries speak from WARNING on"""


class HealthSettings(Section):
    """HTTP for probes and scrapers."""

    address: str | None = None
    """`host:port` to listen on, as `0.0.0.0:8080`; of port 0, which is any, the log tells"""

    @field_validator("address")
    @classmethod
    def _is_address(cls, address: str | None) -> str | None:
        if address is not None:
            found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]/]*):([0-9]{1,5})", address)
            if found is None or int(found[2]) > HIGHEST_PORT:
                raise ValueError("must be host:port, as 0.0.0.0:8080 or [::]:8080")
        return address

    def host_and_port(self) -> tuple[str, int]:
        """Of an address that is set."""
        host, _, port = (self.address or "").rpartition(":")
        return host.strip("[]"), int(port)


class TelemetrySettings(Section):
    """OpenTelemetry. Its own variables (`OTEL_RESOURCE_ATTRIBUTES` …) hold besides these."""

    otlp_endpoint: str | None = None
    """A collector's address for OTLP over HTTP, as `http://collector:4318`"""
    otlp_headers: dict[str, SecretStr] = Field(default_factory=dict)
    """A JSON object of headers to send there, a token for one"""
    otlp_timeout: Seconds = 10.0
    """Longest wait for the collector"""
    otlp_metrics: bool = True
    """Push metrics to the collector; `/metrics` has them either way"""
    otlp_traces: bool = True
    """Send traces to the collector"""
    trace_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the streams to be traced whose publisher began no trace"""
    trace_transcripts: bool = False
    """Put what was said into spans"""
    metrics_interval: Seconds = 15.0
    """Between two pushes of metrics"""
    service_name: str = "speechmq-worker"
    """What traces and pushed metrics call the worker"""

    @field_validator("otlp_endpoint")
    @classmethod
    def _is_http(cls, endpoint: str | None) -> str | None:
        if endpoint is not None and not endpoint.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return endpoint


class Settings(BaseSettings):
    """Everything that a worker can be told."""

    model_config = SettingsConfigDict(
        env_prefix="SPEECHMQ_",
        env_nested_delimiter="__",
        extra="ignore",
        hide_input_in_errors=True,
    )

    broker: BrokerSettings = BrokerSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    session: SessionSettings = SessionSettings()
    limits: LimitsSettings = LimitsSettings()
    worker: WorkerSettings = WorkerSettings()
    log: LogSettings = LogSettings()
    health: HealthSettings = HealthSettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    @classmethod
    def load(cls) -> Settings:
        """Raises ``SettingsError`` that names each variable and what is wrong with it."""
        try:
            return cls()
        except ValidationError as error:
            listed = "; ".join(_name_variable(found) for found in error.errors())
            raise SettingsError(f"the settings cannot be used: {listed}") from error
        except SourceError as error:
            raise SettingsError(f"the settings cannot be used: {_name_section(error)}") from error

    def secrets(self) -> set[str]:
        """Everything that must not be seen, wherever in the settings it stands."""
        return set(_secrets_in(self))

    def redacted(self) -> dict[str, Any]:
        """For printing: every value, secrets as asterisks."""
        return self.model_dump(mode="json")


def _secrets_in(value: object) -> Iterator[str]:
    match value:
        case SecretStr():
            yield value.get_secret_value()
            yield from filter(None, [_password(value.get_secret_value())])
        case BaseModel():
            for _, field in value:
                yield from _secrets_in(field)
        case dict():
            yield from _secrets_in(tuple(value.values()))
        case list() | tuple():
            for one in value:
                yield from _secrets_in(one)


def _password(secret: str) -> str | None:
    """Of a secret that is a URL; what cannot be read as one has none."""
    try:
        return URL(secret).password
    except ValueError:
        return None


def _name_variable(found: Any) -> str:
    path = "__".join(str(part) for part in found["loc"]).upper()
    return f"SPEECHMQ_{path}: {found['msg']}"


def _name_section(error: SourceError) -> str:
    """The library says which part of the settings holds the list, and not which variable."""
    quoted = str(error).split('"')
    section = f"SPEECHMQ_{quoted[1].upper()}" if len(quoted) > 2 else "SPEECHMQ"
    return f"a list among the variables of {section} is not JSON: {error.__cause__}"

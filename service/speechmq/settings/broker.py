"""RabbitMQ: where it is, and what its queues may hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator

from .address import require_escaped, split_urls
from .section import Seconds, Section

SCHEMES = ("amqp://", "amqps://")


class BrokerSettings(Section):
    """RabbitMQ. The URL holds a password, so it is a secret as a whole."""

    url: SecretStr = SecretStr("amqp://guest:guest@127.0.0.1:5672/")
    """RabbitMQ 3.10 or newer, `amqp://` or `amqps://`; holds the password. A cluster's addresses \
stand with commas between and are tried in turn"""
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
    """Longest wait for a connection, over all addresses"""
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
        if not all(one.startswith(SCHEMES) for one in split_urls(url.get_secret_value())):
            raise ValueError("must begin with amqp:// or amqps://")
        for one in split_urls(url.get_secret_value()):
            require_escaped(one)
        return url

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses that ``url`` lists, in their order. Each holds a password."""
        return split_urls(self.url.get_secret_value())

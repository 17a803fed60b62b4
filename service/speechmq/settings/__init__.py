"""Settings from the environment (``SPEECHMQ_…``, nested with two underscores). Read in ``worker``.

Every bound and deadline of the worker has its name here. Secrets are ``SecretStr``: they show as
asterisks wherever settings are printed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as SourceError

from ..errors import SettingsError
from .address import MAY_HOLD_SECRET, secrets_of, split_urls
from .broker import BrokerSettings
from .health import HealthSettings
from .limits import LimitsSettings
from .log import LogSettings
from .session import SessionSettings
from .telemetry import TelemetrySettings
from .upstream import CredentialSettings, UpstreamSettings
from .worker import WorkerSettings

__all__ = [
    "BrokerSettings",
    "CredentialSettings",
    "HealthSettings",
    "LimitsSettings",
    "LogSettings",
    "SessionSettings",
    "Settings",
    "TelemetrySettings",
    "UpstreamSettings",
    "WorkerSettings",
    "split_urls",
]


class Settings(BaseSettings):
    """Everything that a worker can be told."""

    model_config = SettingsConfigDict(
        env_prefix="SPEECHMQ_",
        env_nested_delimiter="__",
        extra="ignore",
        env_parse_none_str="null",
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
        """For printing: every value, secrets as asterisks, and URLs without what may hold one."""
        return self.model_dump(mode="json")


def _secrets_in(value: object, *, may_hold: bool = False) -> Iterator[str]:
    match value:
        case SecretStr():
            yield value.get_secret_value()
            for url in split_urls(value.get_secret_value()):
                yield from secrets_of(url)
        case str() if may_hold:
            yield from secrets_of(value)
        case BaseModel():
            for name, field in value:
                marked = holds_secret(type(value).model_fields[name])
                yield from _secrets_in(field, may_hold=marked)
        case dict():
            yield from _secrets_in(tuple(value.values()))
        case list() | tuple():
            for one in value:
                yield from _secrets_in(one, may_hold=may_hold)


def holds_secret(field: FieldInfo) -> bool:
    """Whether the field is marked as one that may hold a secret, or its items are."""
    return MAY_HOLD_SECRET in field.metadata or _is_marked(field.annotation)


def _is_marked(annotation: object) -> bool:
    return annotation is SecretStr or any(
        part is MAY_HOLD_SECRET or _is_marked(part)
        for part in (*get_args(annotation), *getattr(annotation, "__metadata__", ()))
    )


def _name_variable(found: Any) -> str:
    path = "__".join(str(part) for part in found["loc"]).upper()
    return f"SPEECHMQ_{path}: {found['msg']}"


def _name_section(error: SourceError) -> str:
    """The library says which part of the settings holds the list, and not which variable."""
    quoted = str(error).split('"')
    section = f"SPEECHMQ_{quoted[1].upper()}" if len(quoted) > 2 else "SPEECHMQ"
    return f'a list among the variables of {section} is not JSON, as ["one", "two"] is'

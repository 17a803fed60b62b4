"""Log lines: one stable ``event`` name each, and fields beside it; JSON or for a terminal.

Lines go to stderr. Owns their form, and that no secret gets into them; what is told is told by
whoever meets it. Libraries speak from WARNING on only: below it websockets tells audio and headers.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import structlog
from structlog.stdlib import BoundLogger, ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from ..settings import LogSettings

OURS = "speechmq"
FOREIGN_EVENT = "library"
HIDDEN = "**********"
# Shorter ones are words of everyday language, and guessed at once anyway.
SHORTEST_SECRET = 6

_BEFORE: list[Processor] = [
    structlog.stdlib.filter_by_level,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
]

structlog.configure(
    processors=[*_BEFORE, ProcessorFormatter.wrap_for_formatter],
    wrapper_class=BoundLogger,
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)


def get_logger(name: str) -> BoundLogger:
    """``log.info("event_name", field=…)``: docs/observability.md has every name."""
    logger: BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def configure_logs(settings: LogSettings, secrets: Iterable[str]) -> None:
    """To be called once per process. What of ``secrets`` gets into a line is shown as asterisks."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Redacting(_formatter(settings), secrets))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(settings.level)
    # The clients log every loss once more, with a traceback; it is told once, by us.
    for noisy in ("aiormq", "aio_pika"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)


def _formatter(settings: LogSettings) -> ProcessorFormatter:
    return ProcessorFormatter(
        foreign_pre_chain=[*_BEFORE[1:], _name_foreign],
        processors=[ProcessorFormatter.remove_processors_meta, *_rendering(settings.format)],
    )


def _rendering(form: str) -> list[Processor]:
    if form == "console":
        # The default shows the values of every variable: audio, words and keys among them.
        return [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                timestamp_key="time",
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    return [
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("event"),
        structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
    ]


def _name_foreign(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A library's sentence is no stable name."""
    event["message"], event["event"] = event["event"], FOREIGN_EVENT
    return event


class _Redacting(logging.Formatter):
    """Works on the finished line, so that no library and no traceback gets past it."""

    def __init__(self, formatter: logging.Formatter, secrets: Iterable[str]) -> None:
        super().__init__()
        self._formatter = formatter
        written = {form for secret in secrets for form in (secret, quote(secret, safe=""))}
        longest_first = sorted(written, key=len, reverse=True)
        self._secrets = [secret for secret in longest_first if len(secret) >= SHORTEST_SECRET]

    def format(self, record: logging.LogRecord) -> str:
        line = self._formatter.format(record)
        for secret in self._secrets:
            line = line.replace(secret, HIDDEN)
        return line


def describe(error: BaseException) -> dict[str, Any]:
    """The fields of a line that tells of an error."""
    return {"error": type(error).__name__, "reason": str(error)}

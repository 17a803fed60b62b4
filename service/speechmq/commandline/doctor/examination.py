"""All that is examined, in order."""

from __future__ import annotations

from collections.abc import AsyncIterator

from speechmq.errors import SettingsError
from speechmq.settings import Settings

from .broker import broker_findings
from .finding import Finding, failed, ok
from .upstream import upstream_findings


async def examine(management_url: str | None = None) -> AsyncIterator[Finding]:
    """Each finding as soon as it is made. Without settings there is nothing to examine."""
    try:
        settings = Settings.load()
    except SettingsError as error:
        yield failed("settings", str(error), "mend the variables; docs/settings.md lists them")
        return
    yield ok("settings", "all can be used")
    async for finding in broker_findings(settings.broker, management_url):
        yield finding
    async for finding in upstream_findings(settings.upstream):
        yield finding

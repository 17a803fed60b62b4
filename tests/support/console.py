"""The console in the test's own process, and its events as a browser gets them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from speechmq.console.command import ConsoleRequest, run_console
from speechmq_schemas import Names


@dataclass
class RunningConsole:
    """``url`` is that of its page, without a slash; ``told`` what an operator was told."""

    url: str
    told: list[str]


def request_for(
    amqp_url: str, *, listen: str = "127.0.0.1:0", streams: int = 1000
) -> ConsoleRequest:
    return ConsoleRequest(amqp_url, Names(), listen, streams, 256 * 2**20)


@asynccontextmanager
async def running_console(request: ConsoleRequest) -> AsyncIterator[RunningConsole]:
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    told: list[str] = []
    running = asyncio.create_task(run_console(request, ready=url.set_result, tell=told.append))
    await asyncio.wait((running, url), return_when=asyncio.FIRST_COMPLETED)
    try:
        if running.done():
            await running
        yield RunningConsole(url.result().rstrip("/"), told)
    finally:
        running.cancel()
        await asyncio.wait((running,))


@dataclass
class Page:
    """What a page has been told."""

    lines: AsyncIterator[str]
    rows: dict[str, Any] = field(default_factory=dict)
    last_id: str = ""
    resets: int = 0

    async def take(self) -> bool:
        """The next event; False at the end of all."""
        async for line in self.lines:
            name, _, value = line.partition(": ")
            if name == "id":
                self.last_id = value
            if name == "data":
                self._apply(json.loads(value))
                return True
        return False

    def _apply(self, frame: dict[str, Any]) -> None:
        if frame["reset"]:
            self.rows.clear()
            self.resets += 1
        for key in frame["gone"]:
            del self.rows[key]
        self.rows.update((row["key"], row) for row in frame["rows"])

    def text(self) -> list[str]:
        """Of a stream's page: entries in order."""
        entries = [row for row in self.rows.values() if "order" in row]
        return [row["text"] for row in sorted(entries, key=lambda row: row["order"])]


@asynccontextmanager
async def looking_at(url: str, last_id: str = "") -> AsyncIterator[Page]:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    async with (
        httpx.AsyncClient(timeout=40.0) as client,
        client.stream("GET", url, headers=headers) as answer,
    ):
        assert answer.status_code == 200, answer.status_code
        yield Page(answer.aiter_lines())

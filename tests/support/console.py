"""The console as a process, and its events as a browser gets them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from tests.support.command_line import Running, speechmq

READY = "speechmq: console on "


@asynccontextmanager
async def running_console(amqp_url: str, *options: str) -> AsyncIterator[tuple[Running, str]]:
    """The process, and the URL of its page without a slash."""
    words = ("console", "--url", amqp_url, "--listen", "127.0.0.1:0", *options)
    async with speechmq(*words) as console:
        line = await console.line(READY)
        yield console, line.removeprefix(READY).rstrip("/")


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

"""The upstream as a worker sees it: the addresses it may use, and one account for all streams."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ..errors import AccountFull
from ..settings import UpstreamSettings
from .account import Account
from .connection import Connection, open_connection
from .messages import (
    ErrorReceived,
    InfoReceived,
    Received,
    RecognitionStarted,
    UnknownReceived,
)


class Upstream:
    """``regions`` is the number of addresses; the first is the one to prefer."""

    def __init__(self, settings: UpstreamSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._urls = (settings.url, *settings.fallback_urls)
        self.account = Account(clock)

    @property
    def regions(self) -> int:
        return len(self._urls)

    @asynccontextmanager
    async def connect(self, region: int) -> AsyncIterator[Connection]:
        """Raises ``AccountFull`` without a try, and what ``open_connection`` raises."""
        if self.account.is_full:
            raise AccountFull(self.account.usage, self.account.quota)
        async with open_connection(self._settings, self._urls[region]) as connection:
            seat = Seat(connection.socket, self.account)
            try:
                yield seat
            finally:
                seat.leave()


@dataclass(slots=True)
class Seat(Connection):
    """A connection that tells the account what its session says of it."""

    account: Account
    is_taken: bool = False

    async def receive(self) -> Received | UnknownReceived:
        received = await Connection.receive(self)
        self.note(received)
        return received

    def note(self, received: Received | UnknownReceived) -> None:
        match received:
            case InfoReceived(usage=float() | int() as usage, quota=float() | int() as quota):
                self.account.told(usage, quota)
            case RecognitionStarted():
                self.is_taken = True
            case ErrorReceived(type="quota_exceeded"):
                self.account.refused()

    def leave(self) -> None:
        """A session that never began leaves no room behind."""
        if self.is_taken:
            self.account.left()

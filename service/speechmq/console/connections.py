"""What connections to the console may cost: their number has a bound, and silence a deadline."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTIONS = 1000
"""All together."""
PER_ADDRESS = 300
"""Of one address; a reverse proxy has one for all of its browsers."""
REQUEST_SECONDS = 10.0
"""For the head of a request, from the connection or from the answer before it."""


class BoundedConnection(H11Protocol):
    """One that is too many is dropped at once, and one that sends no request after a while."""

    _silence: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self._is_too_many():
            transport.abort()
        else:
            self._wait_for_request()

    def _is_too_many(self) -> bool:
        open_now = [one for one in self.connections if isinstance(one, H11Protocol)]
        of_address = [one for one in open_now if _host_of(one) == _host_of(self)]
        return len(open_now) > CONNECTIONS or len(of_address) > PER_ADDRESS

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_answering():
            self._stop_waiting()
        elif self._silence is None:
            self._wait_for_request()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._wait_for_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait_for_request(self) -> None:
        self._stop_waiting()
        self._silence = self.loop.call_later(REQUEST_SECONDS, self._drop_silent)

    def _stop_waiting(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None

    def _drop_silent(self) -> None:
        if not self._is_answering():
            self.transport.abort()


def _host_of(connection: H11Protocol) -> str | None:
    return None if connection.client is None else connection.client[0]

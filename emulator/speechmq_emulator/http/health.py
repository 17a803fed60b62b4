"""The health service of the Speechmatics container, which answers on a port of its own.

Each probe reads the state of the server at the moment it is asked, in the event loop that
serves the sessions: a loop that hangs answers nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


@dataclass(frozen=True, slots=True)
class ActiveSession:
    """One session that is being served. ``request_id`` is what its handshake's
    ``x-request-id`` said; None where it said nothing."""

    session_id: str
    request_id: str | None = None


class Vitals(Protocol):
    """What the probes ask of the server."""

    def started(self) -> bool:
        """Whether everything is up; once true, always true."""

    def alive(self) -> bool:
        """Whether the WebSocket port is served."""

    def has_room(self) -> bool:
        """Whether one more session would be taken now."""

    def max_sessions(self) -> int:
        """How many sessions are served at once."""

    def active_sessions(self) -> Sequence[ActiveSession]:
        """The sessions being served, in the order of their starts."""


def routes(vitals: Vitals) -> list[Route]:
    """``/started``, ``/live``, ``/ready`` and ``/session_status``."""

    async def started(_: Request) -> JSONResponse:
        return _probe("started", vitals.started())

    async def live(_: Request) -> JSONResponse:
        return _probe("alive", vitals.started() and vitals.alive())

    async def ready(_: Request) -> JSONResponse:
        return _probe("ready", vitals.started() and vitals.alive() and vitals.has_room())

    async def session_status(_: Request) -> JSONResponse:
        sessions = [_described(session) for session in vitals.active_sessions()]
        return JSONResponse({"max_sessions": vitals.max_sessions(), "active_sessions": sessions})

    return [
        Route("/started", started),
        Route("/live", live),
        Route("/ready", ready),
        Route("/session_status", session_status),
    ]


def _probe(name: str, healthy: bool) -> JSONResponse:
    status = HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse({name: healthy}, status)


def _described(session: ActiveSession) -> dict[str, str]:
    # "only returns data for the request_id field if the header x-request-id was set"
    if session.request_id is None:
        return {"session_id": session.session_id}
    return {"session_id": session.session_id, "request_id": session.request_id}

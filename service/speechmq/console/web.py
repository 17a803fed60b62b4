"""The console as an ASGI application: two pages, their events, and a stream's files.

A transcript is what strangers said, and is taken for hostile: pages are files that hold none of it,
events are JSON that scripts put on the page as text, files are downloads of plain types. A strict
policy stands behind that.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from speechmq.commandline.caption_formats import Format, render
from speechmq_schemas.routing import is_stream_id

from .feed import Feed
from .hub import Hub
from .kept import transcript_of
from .login import HEALTH, Access, Login

ASSETS = Path(__file__).with_name("assets")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
EVERYBODY = Access()
MEDIA_TYPES = {
    Format.TXT: "text/plain",
    Format.SRT: "application/x-subrip",
    Format.VTT: "text/vtt",
    Format.JSON: "application/json",
}


def application(hub: Hub, hosts: list[str], access: Access = EVERYBODY) -> Starlette:
    """``hosts`` are the names that it may be called by: a page elsewhere could point a name of its
    own at this address, and read along. ``access`` is what a request must show."""
    pages = Pages(hub)
    return Starlette(
        routes=[
            Route("/", pages.overview),
            Route("/events", pages.overview_events),
            Route("/streams/{stream_id}", pages.stream),
            Route("/streams/{stream_id}/events", pages.stream_events),
            Route("/streams/{stream_id}/transcript.{style}", pages.transcript),
            Route(HEALTH, pages.health),
            Mount("/assets", StaticFiles(directory=ASSETS)),
        ],
        middleware=[
            Middleware(SafeHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False),
            Middleware(Login, access=access),
        ],
    )


class Pages:
    """What each path answers."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._rendering = asyncio.Semaphore(1)

    async def health(self, _: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def overview(self, _: Request) -> Response:
        return FileResponse(ASSETS / "overview.html")

    async def stream(self, request: Request) -> Response:
        if not is_stream_id(request.path_params["stream_id"]):
            return _not_found("this is no stream's id")
        return FileResponse(ASSETS / "stream.html")

    async def overview_events(self, request: Request) -> Response:
        return Feed(self._hub, None, _last_event_id(request))

    async def stream_events(self, request: Request) -> Response:
        stream_id = request.path_params["stream_id"]
        if not is_stream_id(stream_id):
            return _not_found("this is no stream's id")
        return Feed(self._hub, stream_id, _last_event_id(request))

    async def transcript(self, request: Request) -> Response:
        """Written by a thread, one at a time: a transcript of hours takes a second or two."""
        stream_id, style = request.path_params["stream_id"], request.path_params["style"]
        record = self._hub.board.record(stream_id)
        if style not in list(Format):
            return _not_found(f"formats are {', '.join(Format)}")
        if record is None:
            return _not_found("the console has heard nothing of such a stream")
        kept = iter(record.kept)

        def written() -> bytes:
            # A surrogate that stands alone has no form in UTF-8.
            text = render(transcript_of(kept, stream_id), Format(style)).text
            return text.encode(errors="replace")

        async with self._rendering:
            content = await asyncio.to_thread(written)
        name = f'attachment; filename="{stream_id}.{style}"'
        return Response(
            content,
            media_type=MEDIA_TYPES[Format(style)],
            headers={"Content-Disposition": name},
        )


def _last_event_id(request: Request) -> str | None:
    """A browser that tries again sends the header by itself; a page that was hidden, the query."""
    return request.headers.get("last-event-id") or request.query_params.get("last-event-id")


def _not_found(reason: str) -> Response:
    return PlainTextResponse(f"{reason}\n", 404)


class SafeHeaders:
    """Puts HEADERS into every answer, also of errors."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers)

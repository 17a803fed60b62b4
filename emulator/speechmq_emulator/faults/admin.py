"""The admin API of a server's faults, as Starlette routes; who may reach it is not decided here.

A fault comes as text (``text/plain``, or ``{"text": "drop at=1s"}``) or by its words
(``{"action": "drop", "at": "1s"}``).
"""

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
)
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from speechmq_emulator.faults.book import FaultBook, LiveSession
from speechmq_emulator.faults.fault import Fault, FaultError
from speechmq_emulator.faults.grammar import build, parse, write
from speechmq_emulator.faults.plan import Planned

_LONGEST_BODY = 16 * 1024


class FaultText(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str


class FaultWords(BaseModel):
    """The words of a fault are further fields: ``{"action": "close", "code": 1011}``."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, str | int | float] = Field(init=False)

    action: str


def _kind(body: object) -> str:
    return "text" if isinstance(body, dict) and "text" in body else "words"


_Body = Annotated[
    Annotated[FaultText, Tag("text")] | Annotated[FaultWords, Tag("words")], Discriminator(_kind)
]
_BODY: TypeAdapter[_Body] = TypeAdapter(_Body)


def routes(book: FaultBook) -> list[BaseRoute]:
    """The routes, all of them below ``/admin``."""
    admin = _Admin(book)
    return [
        Route("/admin/faults", admin.faults, methods=["GET", "POST", "DELETE"]),
        Route("/admin/faults/{number:int}", admin.fault, methods=["DELETE"]),
        Route("/admin/sessions", admin.sessions, methods=["GET"]),
        Route("/admin/sessions/{session_id}/faults", admin.strike, methods=["POST"]),
    ]


class _Admin:
    def __init__(self, book: FaultBook) -> None:
        self._book = book

    async def faults(self, request: Request) -> Response:
        if request.method == "POST":
            return await self._add(request)
        if request.method == "DELETE":
            self._book.clear()
            return Response(status_code=204)
        return JSONResponse(
            {
                "seed": self._book.seed,
                "faults": [_described(planned) for planned in self._book.planned],
                "fired": [asdict(fired) for fired in self._book.fired],
            }
        )

    async def fault(self, request: Request) -> Response:
        number: int = request.path_params["number"]
        if self._book.remove(number):
            return Response(status_code=204)
        return _problem(404, f"there is no fault {number}; GET /admin/faults lists them")

    async def sessions(self, _request: Request) -> Response:
        return JSONResponse({"sessions": [_session(live) for live in self._book.sessions]})

    async def _add(self, request: Request) -> Response:
        try:
            planned = self._book.add(await _fault(request))
        except FaultError as error:
            return _problem(422, str(error))
        except _TooLong as error:
            return _problem(413, str(error))
        headers = {"Location": f"/admin/faults/{planned.number}"}
        return JSONResponse(_described(planned), status_code=201, headers=headers)

    async def strike(self, request: Request) -> Response:
        session_id: str = request.path_params["session_id"]
        try:
            planned = self._book.strike(session_id, await _fault(request))
        except FaultError as error:
            return _problem(422, str(error))
        except _TooLong as error:
            return _problem(413, str(error))
        except KeyError:
            return _problem(404, f"no session {session_id!r} is live; GET /admin/sessions")
        return JSONResponse(_described(planned), status_code=201)


class _TooLong(Exception):
    """A body that no fault needs."""


async def _fault(request: Request) -> Fault:
    body = await _body(request)
    if request.headers.get("content-type", "").partition(";")[0].strip() == "text/plain":
        return parse(body.decode(errors="replace"))
    try:
        given = _BODY.validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "the body"
        raise FaultError(f"{where}: {first['msg']}; give 'text', or 'action' and words") from error
    if isinstance(given, FaultText):
        return parse(given.text)
    words = given.__pydantic_extra__ or {}
    return build(given.action, {key: str(value) for key, value in words.items()})


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _LONGEST_BODY:
            raise _TooLong(f"a fault has at most {_LONGEST_BODY} bytes")
    return bytes(body)


def _described(planned: Planned) -> dict[str, Any]:
    return {"id": planned.number, "text": write(planned.fault), "fired": planned.fired}


def _session(live: LiveSession) -> dict[str, Any]:
    return asdict(live) | {"since": live.since.isoformat()}


def _problem(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": sentence}, status_code=status)

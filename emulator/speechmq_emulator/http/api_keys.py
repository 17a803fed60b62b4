"""``POST /v1/api_keys``: temporary keys, as the management API issues them.

The API is published with a hyphen in its path and used by the official clients with an
underscore; both are served. Permanent keys are not made here: they are the operator's.
"""

import asyncio
from http import HTTPStatus
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from speechmq_emulator.keys import KeyRing, bearer_tokens
from speechmq_emulator.tokens import PRODUCTS, KeyRefused, Product, looks_temporary

_LONGEST_BODY = 4096
_BODY_TIMEOUT = 10.0


class CreateKey(BaseModel):
    """``CreateApiKeysRequest``. Fields that it does not have are ignored."""

    model_config = ConfigDict(strict=True, frozen=True)

    ttl: Annotated[int, Field(ge=60, le=86400)] | None = None
    # The API names no bound; this one keeps a key within one line of a handshake.
    client_ref: Annotated[str, Field(max_length=256)] | None = None
    region: Literal["eu", "usa", "au"] | None = None
    name: Annotated[str, Field(max_length=120)] | None = None
    project_id: int | None = None


def routes(keys: KeyRing, *, body_timeout: float = _BODY_TIMEOUT) -> list[Route]:
    """A body must have come whole ``body_timeout`` seconds after its head."""

    async def create(request: Request) -> JSONResponse:
        _authorise(request, keys)
        product = _product(request)
        wanted = _wanted(await _body(request, body_timeout))
        if product == "rt" and wanted.region == "au":
            raise HTTPException(HTTPStatus.BAD_REQUEST, "region 'au' has no Realtime (type=rt)")
        if wanted.ttl is None:
            reason = "ttl is missing: only temporary keys are issued here, for 60 to 86400 seconds"
            raise HTTPException(HTTPStatus.BAD_REQUEST, reason)
        key = keys.temporary.issue(wanted.ttl, product, wanted.client_ref)
        created = {"apikey_id": None, "key_value": key}
        # A key is nobody's to store on its way.
        return JSONResponse(created, HTTPStatus.CREATED, {"Cache-Control": "no-store"})

    paths = ("/v1/api_keys", "/v1/api-keys")
    return [Route(path, create, methods=["POST"]) for path in paths]


def _authorise(request: Request, keys: KeyRing) -> None:
    offered = list(bearer_tokens(request.headers.getlist("Authorization")))
    if any(keys.knows(key) for key in offered):
        return
    if any(_is_valid_temporary(key, keys) for key in offered):
        reason = "A temporary key can not make another key; use an API key"
        raise HTTPException(HTTPStatus.FORBIDDEN, reason)
    reason = "Unknown API key" if offered else "No API key; send Authorization: Bearer KEY"
    raise HTTPException(HTTPStatus.UNAUTHORIZED, reason, {"WWW-Authenticate": "Bearer"})


def _is_valid_temporary(key: str, keys: KeyRing) -> bool:
    try:
        keys.temporary.check(key)
    except KeyRefused:
        return False
    return looks_temporary(key)


def _product(request: Request) -> Product:
    wanted = request.query_params.get("type", "batch")
    for product in PRODUCTS:
        if product == wanted:
            return product
    reason = f"type {wanted!r} is none of {', '.join(PRODUCTS)}"
    raise HTTPException(HTTPStatus.BAD_REQUEST, reason)


async def _body(request: Request, timeout: float) -> bytes:  # noqa: ASYNC109
    body = bytearray()
    try:
        async with asyncio.timeout(timeout):
            async for piece in request.stream():
                body += piece
                _check_length(len(body))
    except TimeoutError as error:
        reason = f"The body did not come within {timeout:g} s"
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, reason) from error
    except ClientDisconnect as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The body broke off") from error
    return bytes(body)


def _check_length(length: int) -> None:
    if length > _LONGEST_BODY:
        reason = f"The body is longer than {_LONGEST_BODY} bytes"
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason)


def _wanted(body: bytes) -> CreateKey:
    try:
        return CreateKey.model_validate_json(body or b"{}")
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        reason = "; ".join(_sentence(fault["loc"], fault["msg"]) for fault in faults)
        raise HTTPException(HTTPStatus.BAD_REQUEST, reason) from error


def _sentence(place: tuple[int | str, ...], complaint: str) -> str:
    return f"{'.'.join(map(str, place)) or 'body'}: {complaint}"

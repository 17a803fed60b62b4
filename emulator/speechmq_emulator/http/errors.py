"""How the second port says no: always by the ``ErrorResponse`` of the management API."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse


async def answer_error(_: Request, error: Exception) -> JSONResponse:
    """Answer what a route raised, or the router did."""
    if not isinstance(error, HTTPException):
        raise error
    return error_response(HTTPStatus(error.status_code), error.detail, error.headers)


def error_response(
    status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """``code``, ``error`` and, where it says more than they do, ``detail``."""
    body = {"code": status.value, "error": status.phrase}
    if detail not in ("", status.phrase):
        body["detail"] = detail
    return JSONResponse(body, status, headers)

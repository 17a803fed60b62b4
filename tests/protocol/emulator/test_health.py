"""The health service of a real server: what its sessions do to the probes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from tests.protocol.emulator.client import KEY, rest, send, start
from websockets.asyncio.client import ClientConnection, connect

from speechmq_emulator.ledger.engine import LedgerEngine
from speechmq_emulator.server import Emulator, serve


@asynccontextmanager
async def serving(quota: int) -> AsyncIterator[tuple[Emulator, httpx.AsyncClient]]:
    async with serve(LedgerEngine(quota=quota), http_port=0) as emulator:
        assert emulator.http_url is not None
        async with httpx.AsyncClient(base_url=emulator.http_url) as http:
            yield emulator, http


@asynccontextmanager
async def session(
    emulator: Emulator, *request_ids: str
) -> AsyncIterator[tuple[ClientConnection, str]]:
    """A started session and its id."""
    headers = [*KEY.items(), *(("x-request-id", request_id) for request_id in request_ids)]
    async with connect(emulator.url, additional_headers=headers) as socket:
        yield socket, (await start(socket))["id"]


async def ready(http: httpx.AsyncClient) -> tuple[int, object]:
    response = await http.get("/ready")
    return response.status_code, response.json()


async def test_ready_says_whether_another_session_would_be_taken() -> None:
    async with serving(quota=1) as (emulator, http):
        assert await ready(http) == (200, {"ready": True})
        async with session(emulator) as (socket, _):
            assert await ready(http) == (503, {"ready": False})
            await send(socket, "EndOfStream", last_seq_no=0)
            await rest(socket)
        assert await ready(http) == (200, {"ready": True})


async def test_session_status_lists_the_sessions_with_the_ids_that_a_proxy_gave_them() -> None:
    async with (
        serving(quota=4) as (emulator, http),
        session(emulator) as (_, first),
        session(emulator, "from the proxy") as (_, second),
        session(emulator, "one", "two") as (_, third),
    ):
        status = (await http.get("/session_status")).json()
    assert status == {
        "max_sessions": 4,
        "active_sessions": [
            {"session_id": first},
            {"session_id": second, "request_id": "from the proxy"},
            {"session_id": third, "request_id": "one"},
        ],
    }


async def test_connection_without_a_session_is_not_listed() -> None:
    async with serving(quota=1) as (emulator, http), connect(f"{emulator.url}?jwt=dev"):
        status = (await http.get("/session_status")).json()
    assert status == {"max_sessions": 1, "active_sessions": []}

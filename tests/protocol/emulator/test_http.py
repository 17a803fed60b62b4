"""The second port by real sockets: probes, keys, the admin API's fence, and its stop."""

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
import jwt
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from tests.protocol.emulator.http_client import exchange

from speechmq_emulator.http.api_keys import routes as api_key_routes
from speechmq_emulator.http.app import application
from speechmq_emulator.http.errors import answer_error
from speechmq_emulator.http.health import ActiveSession
from speechmq_emulator.http.serving import HttpPort, serve_http
from speechmq_emulator.keys import KeyRing
from speechmq_emulator.tokens import TemporaryKeys

TEMPORARY = TemporaryKeys("secret", clock=lambda: 1000.0, new_id=lambda: "id-1")
API_KEY = {"Authorization": "Bearer dev"}
RT = "/v1/api_keys?type=rt"
POST = (
    b"POST /v1/api_keys HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer dev\r\n"
)


@dataclass
class Server:
    """A server in any state."""

    up: bool = True
    listening: bool = True
    sessions: list[ActiveSession] = field(default_factory=list)

    def started(self) -> bool:
        return self.up

    def alive(self) -> bool:
        return self.listening

    def has_room(self) -> bool:
        return len(self.sessions) < 2

    def max_sessions(self) -> int:
        return 2

    def active_sessions(self) -> Sequence[ActiveSession]:
        return self.sessions


async def faults(request: Request) -> JSONResponse:
    return JSONResponse({"faults": (await request.body()).decode()})


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def port(server: Server) -> AsyncIterator[HttpPort]:
    admin = [Route("/admin/faults", faults, methods=["GET", "POST"])]
    app = application(server, KeyRing(["dev"], TEMPORARY), admin=admin)
    async with serve_http(app, "127.0.0.1", 0) as running:
        yield running


@pytest.fixture
async def http(port: HttpPort) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=port.url) as client:
        yield client


def answered(response: httpx.Response) -> tuple[int, str, object]:
    return response.status_code, response.headers["Content-Type"], response.json()


def healthy(body: object) -> tuple[int, str, object]:
    return 200, "application/json", body


def unhealthy(body: object) -> tuple[int, str, object]:
    return 503, "application/json", body


def refused(code: int, error: str, detail: str | None = None) -> tuple[int, str, object]:
    body = {"code": code, "error": error} | ({} if detail is None else {"detail": detail})
    return code, "application/json", body


async def probes(http: httpx.AsyncClient) -> list[tuple[int, str, object]]:
    return [answered(await http.get(path)) for path in ("/started", "/live", "/ready")]


async def test_server_that_is_up_and_has_room_passes_all_probes(http: httpx.AsyncClient) -> None:
    assert await probes(http) == [
        healthy({"started": True}),
        healthy({"alive": True}),
        healthy({"ready": True}),
    ]


async def test_server_that_still_starts_passes_no_probe(
    http: httpx.AsyncClient, server: Server
) -> None:
    server.up = False
    assert await probes(http) == [
        unhealthy({"started": False}),
        unhealthy({"alive": False}),
        unhealthy({"ready": False}),
    ]


async def test_server_whose_websocket_port_is_gone_is_not_alive(
    http: httpx.AsyncClient, server: Server
) -> None:
    server.listening = False
    assert await probes(http) == [
        healthy({"started": True}),
        unhealthy({"alive": False}),
        unhealthy({"ready": False}),
    ]


async def test_server_is_not_ready_while_all_its_sessions_are_in_use(
    http: httpx.AsyncClient, server: Server
) -> None:
    server.sessions += [ActiveSession("first"), ActiveSession("second", "from the proxy")]
    assert await probes(http) == [
        healthy({"started": True}),
        healthy({"alive": True}),
        unhealthy({"ready": False}),
    ]
    assert answered(await http.get("/session_status")) == healthy(
        {
            "max_sessions": 2,
            "active_sessions": [
                {"session_id": "first"},
                {"session_id": "second", "request_id": "from the proxy"},
            ],
        }
    )
    server.sessions.pop()
    assert answered(await http.get("/ready")) == healthy({"ready": True})


async def test_no_sessions_are_an_empty_list(http: httpx.AsyncClient) -> None:
    expected = healthy({"max_sessions": 2, "active_sessions": []})
    assert answered(await http.get("/session_status")) == expected


@pytest.mark.parametrize("path", ["/", "/started/", "/v1", "/admin", "/admin/", "/admin/nothing"])
async def test_unknown_path_is_answered_404(http: httpx.AsyncClient, path: str) -> None:
    assert answered(await http.get(path)) == refused(404, "Not Found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/started", ["GET", "HEAD"]),
        ("DELETE", "/session_status", ["GET", "HEAD"]),
        ("GET", "/v1/api_keys", ["POST"]),
        ("PUT", "/admin/faults", ["GET", "HEAD", "POST"]),
    ],
)
async def test_wrong_method_is_answered_405(
    http: httpx.AsyncClient, method: str, path: str, allowed: list[str]
) -> None:
    response = await http.request(method, path)
    assert answered(response) == refused(405, "Method Not Allowed")
    assert sorted(response.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", ["/v1/api_keys", "/v1/api-keys"])
@pytest.mark.parametrize(
    ("query", "body", "claims"),
    [
        ("?type=rt", {"ttl": 60}, {"exp": 1060, "type": "rt"}),
        ("?type=rt", {"ttl": 86400, "region": "usa"}, {"exp": 87400, "type": "rt"}),
        (
            "?type=rt&sm-app=x",
            {"ttl": 60, "client_ref": "c", "name": "n", "project_id": 1, "new_field": {}},
            {"exp": 1060, "type": "rt", "client_ref": "c"},
        ),
        ("?type=rt", {"ttl": 60, "client_ref": None}, {"exp": 1060, "type": "rt"}),
        ("?type=tts", {"ttl": 60}, {"exp": 1060, "type": "tts"}),
        ("", {"ttl": 60, "region": "au"}, {"exp": 1060, "type": "batch"}),
    ],
)
async def test_temporary_key_is_issued(
    http: httpx.AsyncClient, path: str, query: str, body: object, claims: dict[str, object]
) -> None:
    response = await http.post(path + query, json=body, headers=API_KEY)
    key = response.json()["key_value"]
    assert answered(response) == (
        201,
        "application/json",
        {"apikey_id": None, "key_value": key},
    )
    assert response.headers["Cache-Control"] == "no-store"
    assert jwt.decode(key, options={"verify_signature": False}) == {
        "iat": 1000,
        "jti": "id-1",
        **claims,
    }


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ('{"ttl": 59}', "ttl: Input should be greater than or equal to 60"),
        ('{"ttl": 86401}', "ttl: Input should be less than or equal to 86400"),
        ('{"ttl": "60"}', "ttl: Input should be a valid integer"),
        ('{"ttl": true}', "ttl: Input should be a valid integer"),
        ('{"ttl": 60.5}', "ttl: Input should be a valid integer"),
        (
            '{"ttl": 60, "client_ref": 7, "region": "mars"}',
            "client_ref: Input should be a valid string; region: Input should be 'eu', 'usa' or "
            "'au'",
        ),
        (
            '{"ttl": 60, "client_ref": "' + "x" * 257 + '"}',
            "client_ref: String should have at most 256 characters",
        ),
        ('{"ttl": 60, "region": "au"}', "region 'au' has no Realtime (type=rt)"),
        ("", "ttl is missing: only temporary keys are issued here, for 60 to 86400 seconds"),
        (
            '{"project_id": 1}',
            "ttl is missing: only temporary keys are issued here, for 60 to 86400 seconds",
        ),
        ("[]", "body: Input should be an object"),
        ('{"ttl": 60', "body: Invalid JSON: EOF while parsing an object at line 1 column 10"),
        ("[" * 4000, "body: Invalid JSON: recursion limit exceeded at line 1 column 202"),
    ],
)
async def test_bad_wish_for_a_key_is_answered_400(
    http: httpx.AsyncClient, body: str, detail: str
) -> None:
    response = await http.post(RT, content=body, headers=API_KEY)
    assert answered(response) == refused(400, "Bad Request", detail)


async def test_unknown_type_of_key_is_answered_400(http: httpx.AsyncClient) -> None:
    response = await http.post("/v1/api_keys?type=flow", json={"ttl": 60}, headers=API_KEY)
    detail = "type 'flow' is none of rt, batch, tts"
    assert answered(response) == refused(400, "Bad Request", detail)


async def test_huge_body_is_refused_before_it_is_read(port: HttpPort) -> None:
    status, _, body = await exchange(
        port.host, port.port, POST + b"Content-Length: 9999999999\r\n\r\n" + b"x" * 5000
    )
    assert status.startswith(b"HTTP/1.1 413 ")
    assert b'"detail":"The body is longer than 4096 bytes"' in body


@pytest.mark.parametrize(
    ("authorization", "status", "error", "detail"),
    [
        (None, 401, "Unauthorized", "No API key; send Authorization: Bearer KEY"),
        ("Basic dev", 401, "Unauthorized", "No API key; send Authorization: Bearer KEY"),
        ("Bearer Dev", 401, "Unauthorized", "Unknown API key"),
        ("Bearer a.b.c", 401, "Unauthorized", "Unknown API key"),
        (
            f"Bearer {TEMPORARY.issue(60)}",
            403,
            "Forbidden",
            "A temporary key can not make another key; use an API key",
        ),
    ],
)
async def test_keys_are_issued_to_api_keys_only(
    http: httpx.AsyncClient, authorization: str | None, status: int, error: str, detail: str
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    response = await http.post(RT, json={"ttl": 60}, headers=headers)
    assert answered(response) == refused(status, error, detail)
    assert response.headers.get("WWW-Authenticate") == ("Bearer" if status == 401 else None)


async def test_api_key_in_the_address_issues_nothing(http: httpx.AsyncClient) -> None:
    response = await http.post(RT + "&jwt=dev", json={"ttl": 60})
    assert response.status_code == 401


async def test_body_that_does_not_come_is_answered_408() -> None:
    app = Starlette(
        routes=api_key_routes(KeyRing(["dev"]), body_timeout=0.05),
        exception_handlers={HTTPException: answer_error},
    )
    async with serve_http(app, "127.0.0.1", 0) as port:
        reply = await exchange(port.host, port.port, POST + b"Content-Length: 9\r\n\r\n{")
    assert reply[0] == b"HTTP/1.1 408 Request Timeout"
    assert b'"detail":"The body did not come within 0.05 s"' in reply[2]


async def test_client_that_leaves_within_its_body_disturbs_nobody(
    http: httpx.AsyncClient, port: HttpPort, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection(port.host, port.port)
    writer.write(POST + b"Content-Length: 9\r\n\r\n{")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await http.get("/live")).status_code == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_admin_api_serves_this_machine(http: httpx.AsyncClient) -> None:
    response = await http.post("/admin/faults", content="drop")
    assert answered(response) == healthy({"faults": "drop"})


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        (
            {"Host": "rebound.example"},
            "The admin API is called localhost or by a loopback address, not by another Host",
        ),
        ({"Origin": "https://evil.example"}, "The admin API is not for pages of another Origin"),
    ],
)
@pytest.mark.parametrize("path", ["/admin/faults", "/admin/nothing"])
async def test_admin_api_refuses_what_a_page_elsewhere_may_have_sent(
    http: httpx.AsyncClient, path: str, headers: dict[str, str], detail: str
) -> None:
    response = await http.post(path, content="drop", headers=headers)
    assert answered(response) == refused(403, "Forbidden", detail)


async def test_client_can_not_claim_to_be_on_this_machine() -> None:
    """What X-Forwarded-For says is not believed, whoever says it."""
    where: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        where.append(scope["client"][0])
        await JSONResponse({})(scope, receive, send)

    async with (
        serve_http(app, "127.0.0.1", 0) as port,
        httpx.AsyncClient(base_url=port.url) as http,
    ):
        await http.get("/", headers={"X-Forwarded-For": "10.9.8.7"})
    assert where == ["127.0.0.1"]


async def test_admin_api_is_not_there_unless_asked_for() -> None:
    app = application(Server(), KeyRing(["dev"]))
    async with (
        serve_http(app, "127.0.0.1", 0) as port,
        httpx.AsyncClient(base_url=port.url) as http,
    ):
        assert answered(await http.get("/admin/faults")) == refused(404, "Not Found")


async def test_answers_allow_no_page_to_read_them(http: httpx.AsyncClient) -> None:
    response = await http.get("/live", headers={"Origin": "https://app.example"})
    assert not any(name.startswith("access-control-") for name in response.headers)


async def test_failure_within_is_answered_500_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Server):
        def has_room(self) -> bool:
            raise RuntimeError("broken")

    app = application(Broken(), KeyRing(["dev"]))
    async with (
        serve_http(app, "127.0.0.1", 0) as port,
        httpx.AsyncClient(base_url=port.url) as http,
    ):
        assert (await http.get("/ready")).status_code == 500
        assert (await http.get("/live")).status_code == 200
    logged = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage().strip() for record in logged] == ["Exception in ASGI application"]


def signals() -> list[object]:
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


async def test_signals_stay_the_programs_own() -> None:
    before = signals()
    async with (
        serve_http(application(Server(), KeyRing(["dev"])), "127.0.0.1", 0) as port,
        httpx.AsyncClient(base_url=port.url) as http,
    ):
        await http.get("/live")
        assert signals() == before


async def test_stop_closes_idle_and_unfinished_connections() -> None:
    app = application(Server(), KeyRing(["dev"]))
    async with serve_http(app, "127.0.0.1", 0) as port:
        silent = await asyncio.open_connection(port.host, port.port)
        idle = await asyncio.open_connection(port.host, port.port)
        idle[1].write(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")
        await idle[0].readuntil(b'{"alive":true}')
        unfinished = await asyncio.open_connection(port.host, port.port)
        unfinished[1].write(POST + b"Content-Length: 9\r\n\r\n{")
        await unfinished[1].drain()
        # By the answer to a later one, all three have been taken up.
        await exchange(port.host, port.port, b"GET /live HTTP/1.0\r\n\r\n")
    async with asyncio.timeout(20):
        for reader, writer in (silent, idle, unfinished):
            with suppress(ConnectionResetError):
                await reader.read()
            writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(port.host, port.port)


async def test_stop_right_behind_the_start_leaves_nothing() -> None:
    async with serve_http(application(Server(), KeyRing(["dev"])), "127.0.0.1", 0) as port:
        pass
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(port.host, port.port)


async def test_failure_of_the_program_passes_through_the_stop() -> None:
    with pytest.raises(LookupError, match="ours"):
        async with serve_http(application(Server(), KeyRing(["dev"])), "127.0.0.1", 0):
            raise LookupError("ours")


async def test_address_in_use_is_told_with_the_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"HTTP port {number} of 127\.0\.0\.1: .*in use"):
            async with serve_http(application(Server(), KeyRing(["dev"])), "127.0.0.1", number):
                pass


async def test_host_that_does_not_exist_is_told() -> None:
    with pytest.raises(OSError, match=r"HTTP port 0 of nowhere\.invalid: "):
        async with serve_http(application(Server(), KeyRing(["dev"])), "nowhere.invalid", 0):
            pass


def test_url_brackets_an_ipv6_address() -> None:
    assert HttpPort("::1", 8001, False).url == "http://[::1]:8001"
    assert HttpPort("::1", 8001, True).url == "https://[::1]:8001"

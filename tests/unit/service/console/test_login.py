"""Who is let in, and what an answer to everybody else says."""

from __future__ import annotations

from base64 import b64encode

import httpx
import pytest
from pydantic import SecretStr

from speechmq.console.board import Board, Limits
from speechmq.console.hub import Hub
from speechmq.console.login import Access
from speechmq.console.web import HEADERS, application

TOKEN = "hush-0123456789ab"
PATHS = ("/", "/events", "/streams/s", "/streams/s/transcript.txt", "/assets/console.css")


def client(access: Access, **headers: str) -> httpx.AsyncClient:
    app = application(
        Hub(Board(Limits()), lambda: 0.0, lambda: "x"), ["console.example", "localhost"], access
    )
    sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://console.example", headers=sent
    )


def basic(password: str, name: str = "me") -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{name}:{password}".encode()).decode()}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("wrong"),
        basic(""),
        {"Authorization": "Basic \xff"},
        {"Authorization": "Basic =="},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": TOKEN},
        {"X-User": "me"},
    ],
)
async def test_request_without_the_token_is_refused(path: str, headers: dict[str, str]) -> None:
    async with client(Access(SecretStr(TOKEN)), **headers) as browser:
        answer = await browser.get(path)
    assert (answer.status_code, answer.text) == (401, "a login is needed\n")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize("headers", [basic(TOKEN), {"Authorization": f"bearer {TOKEN}"}])
async def test_request_with_the_token_is_answered(headers: dict[str, str]) -> None:
    async with client(Access(SecretStr(TOKEN)), **headers) as browser:
        assert (await browser.get("/")).status_code == 200


async def test_header_of_a_reverse_proxy_lets_in() -> None:
    access = Access(user_header="X-Forwarded-User")
    async with client(access) as stranger, client(access, **{"X-Forwarded-User": "me"}) as known:
        assert [(await one.get("/")).status_code for one in (stranger, known)] == [401, 200]


async def test_probe_is_answered_without_a_login() -> None:
    async with client(Access(SecretStr(TOKEN))) as probe:
        answer = await probe.get("/health")
    assert (answer.status_code, answer.text) == (200, "ok\n")


@pytest.mark.parametrize("path", PATHS)
async def test_page_of_another_name_that_points_here_is_answered_with_400(path: str) -> None:
    """DNS rebinding: a browser would send it what it sends to that name."""
    async with client(Access(), Host="evil.example") as browser:
        assert (await browser.get(path)).status_code == 400


def test_token_is_not_shown() -> None:
    assert TOKEN not in repr(Access(SecretStr(TOKEN)))

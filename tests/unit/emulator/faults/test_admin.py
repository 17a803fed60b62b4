"""The admin API, in-process: no sessions here, so nothing but what it says and keeps."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient
from starlette.applications import Starlette

from speechmq_emulator.faults import FaultBook
from speechmq_emulator.faults.admin import routes


@pytest.fixture
def book() -> FaultBook:
    return FaultBook(["drop at=1s"], seed=3)


@pytest.fixture
async def admin(book: FaultBook) -> AsyncIterator[AsyncClient]:
    app = Starlette(routes=routes(book))
    transport = ASGITransport(app)
    async with AsyncClient(transport=transport, base_url="http://emulator/admin") as client:
        yield client


FIRST = {"id": 1, "text": "drop at=1s", "fired": 0}


async def test_faults_are_listed(admin: AsyncClient) -> None:
    answer = await admin.get("/faults")
    assert (answer.status_code, answer.json()) == (
        200,
        {"seed": 3, "faults": [FIRST], "fired": []},
    )


@pytest.mark.parametrize(
    "body",
    [
        {"json": {"text": "delay message=AudioAdded by=2s times=1"}},
        {"json": {"action": "delay", "message": "AudioAdded", "by": 2, "times": 1}},
        {"json": {"action": "delay", "message": "AudioAdded", "by": "2s", "times": "1"}},
        {
            "content": "delay message=AudioAdded by=2s times=1",
            "headers": {"Content-Type": "text/plain; charset=utf-8"},
        },
    ],
)
async def test_fault_is_added_as_text_or_as_words(admin: AsyncClient, body: Any) -> None:
    answer = await admin.post("/faults", **body)
    added = {"id": 2, "text": "delay message=AudioAdded by=2s times=1", "fired": 0}
    assert (answer.status_code, answer.json()) == (201, added)
    assert answer.headers["Location"] == "/admin/faults/2"
    assert (await admin.get("/faults")).json()["faults"] == [FIRST, added]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"json": {"text": "explode"}}, "'explode' is no fault; there are: drop, "),
        ({"json": {"action": "drop", "colour": 1}}, "'colour' is no word of 'drop'; allowed"),
        ({"json": {"action": "drop", "at": [1]}}, "at.str: Input should be a valid string"),
        ({"json": {"text": 1}}, "text: Input should be a valid string; give 'text', or "),
        ({"json": {"text": "drop", "at": "1s"}}, "at: Extra inputs are not permitted"),
        ({"json": {}}, "action: Field required; give 'text', or 'action' and words"),
        ({"json": []}, "the body: Input should be "),
        ({"content": b"\xff{"}, "the body: Invalid JSON: "),
        ({"content": b""}, "the body: Invalid JSON: "),
    ],
)
async def test_bad_fault_is_refused_by_its_word(
    admin: AsyncClient, body: Any, sentence: str
) -> None:
    answer = await admin.post("/faults", **body)
    assert answer.status_code == 422
    assert answer.json()["error"][: len(sentence)] == sentence
    assert (await admin.get("/faults")).json()["faults"] == [FIRST]


async def test_huge_body_is_refused(admin: AsyncClient) -> None:
    answer = await admin.post("/faults", content=b"x" * 20_000)
    assert answer.status_code == 413
    assert answer.json() == {"error": "a fault has at most 16384 bytes"}


async def test_fault_is_removed_once(admin: AsyncClient) -> None:
    answers = [await admin.delete("/faults/1") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [204, 404]
    assert answers[1].json() == {"error": "there is no fault 1; GET /admin/faults lists them"}


async def test_all_faults_are_removed(admin: AsyncClient) -> None:
    await admin.post("/faults", json={"text": "drop"})
    assert (await admin.delete("/faults")).status_code == 204
    assert (await admin.get("/faults")).json()["faults"] == []


async def test_no_session_is_live(admin: AsyncClient) -> None:
    assert (await admin.get("/sessions")).json() == {"sessions": []}
    answer = await admin.post("/sessions/tea/faults", json={"text": "drop"})
    assert answer.status_code == 404
    assert answer.json() == {"error": "no session 'tea' is live; GET /admin/sessions"}

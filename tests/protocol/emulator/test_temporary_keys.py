"""Temporary keys from the key endpoint to the session, and out of time."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from tests.protocol.emulator.client import start
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from speechmq_emulator.server import Emulator, serve

API_KEY = {"Authorization": "Bearer dev"}


class Clock:
    """Wall clock under the test's hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def emulator(clock: Clock) -> AsyncIterator[Emulator]:
    async with serve("ledger", http_port=0, secret="shared", clock=clock) as running:
        yield running


async def temporary_key(emulator: Emulator, product: str = "rt") -> str:
    assert emulator.http_url is not None
    async with httpx.AsyncClient(base_url=emulator.http_url) as http:
        response = await http.post(
            f"/v1/api_keys?type={product}", json={"ttl": 60}, headers=API_KEY
        )
    return str(response.json()["key_value"])


async def refusal(url: str, key: str) -> tuple[int, str]:
    """How the key is refused in the header; the same in the address."""
    answers = []
    for address, headers in ((url, {"Authorization": f"Bearer {key}"}), (f"{url}?jwt={key}", {})):
        with pytest.raises(InvalidStatus) as refused:
            await connect(address, additional_headers=headers)
        response = refused.value.response
        answers.append((response.status_code, bytes(response.body).decode()))
    assert answers[0] == answers[1]
    return answers[0]


async def test_temporary_key_opens_sessions_while_it_lives(
    emulator: Emulator, clock: Clock
) -> None:
    key = await temporary_key(emulator)
    clock.now += 59.9
    for url, headers in (
        (emulator.url, {"Authorization": f"Bearer {key}"}),
        (f"{emulator.url}/en?sm-app=x&jwt={key}", {}),
    ):
        async with connect(url, additional_headers=headers) as socket:
            assert (await start(socket))["message"] == "RecognitionStarted"


async def test_expired_key_is_refused(emulator: Emulator, clock: Clock) -> None:
    key = await temporary_key(emulator)
    clock.now += 75
    assert await refusal(emulator.url, key) == (
        401,
        "The temporary key expired 15 s ago; ask POST /v1/api_keys?type=rt for a new one\n",
    )


async def test_session_outlives_its_key(emulator: Emulator, clock: Clock) -> None:
    key = await temporary_key(emulator)
    async with connect(f"{emulator.url}?jwt={key}") as socket:
        await start(socket)
        clock.now += 1000
        await socket.send(json.dumps({"message": "EndOfStream", "last_seq_no": 0}))
        ended = [json.loads(message)["message"] async for message in socket]
    assert ended == ["EndOfTranscript"]


async def test_key_for_another_product_is_refused(emulator: Emulator) -> None:
    key = await temporary_key(emulator, "batch")
    assert await refusal(emulator.url, key) == (
        401,
        "The temporary key is for 'batch'; ask POST /v1/api_keys?type=rt for one that opens "
        "Realtime\n",
    )


async def test_key_of_another_server_is_refused(emulator: Emulator) -> None:
    async with serve("ledger", http_port=0) as other:
        key = await temporary_key(other)
    assert await refusal(emulator.url, key) == (
        401,
        "The temporary key was not issued by this server, or was changed on its way; ask "
        "POST /v1/api_keys?type=rt for a new one\n",
    )


async def test_key_of_another_server_with_the_same_secret_is_good(
    emulator: Emulator, clock: Clock
) -> None:
    async with serve("ledger", http_port=0, secret="shared", clock=clock) as other:
        key = await temporary_key(other)
    async with connect(f"{emulator.url}?jwt={key}") as socket:
        assert (await start(socket))["message"] == "RecognitionStarted"


async def test_server_without_http_has_no_http_address() -> None:
    async with serve("ledger") as emulator:
        assert emulator.http_url is None

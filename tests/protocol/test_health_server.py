"""The health server as a client sees it, whoever the client is."""

from __future__ import annotations

import asyncio
import socket
from http import HTTPStatus

import httpx
import pytest
from structlog.testing import capture_logs

from speechmq.errors import SettingsError
from speechmq.health.server import CONNECTIONS, PATIENCE, Answer, as_json, serving
from speechmq.settings import HealthSettings


async def page() -> Answer:
    return Answer("grün".encode(), HTTPStatus.ACCEPTED, "text/plain; charset=utf-8")


async def broken() -> Answer:
    raise RuntimeError("a page that fails")


ANY = HealthSettings(address="127.0.0.1:0")


async def test_page_is_answered_whole_and_others_are_named() -> None:
    with capture_logs() as lines:
        async with serving(ANY, {"/page": page}), httpx.AsyncClient() as http:
            base = f"http://127.0.0.1:{lines[0]['port']}"
            found = await http.get(f"{base}/page?with=query")
            assert (found.status_code, found.text) == (202, "grün")
            assert found.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert found.headers["Content-Length"] == "5"
            missing = await http.get(f"{base}/")
            assert missing.status_code == 404
            assert missing.json() == {"error": "no such page; there are /page"}


async def test_what_is_no_request_for_a_page_harms_nobody() -> None:
    """A POST, a client that says nothing, garbage, a page that fails."""
    with capture_logs() as lines:
        async with serving(ANY, {"/page": page, "/broken": broken}), httpx.AsyncClient() as http:
            port = lines[0]["port"]
            _, silent = await asyncio.open_connection("127.0.0.1", port)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"\x16\x03\x01 garbage\r\n\r\n")
            await reader.read()
            writer.close()
            with pytest.raises(httpx.HTTPError):
                await http.post(f"http://127.0.0.1:{port}/page", content=b"x")
            assert (await http.get(f"http://127.0.0.1:{port}/broken")).status_code == 500
            assert (await http.get(f"http://127.0.0.1:{port}/page")).status_code == 202
            silent.close()


async def test_nobody_listens_without_an_address() -> None:
    with capture_logs() as lines:
        async with serving(HealthSettings(), {}):
            assert lines == []


async def test_address_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SettingsError, match=f"SPEECHMQ_HEALTH__ADDRESS.*{address}"):
            async with serving(HealthSettings(address=address), {}):
                pass


def test_what_is_not_well_is_told_by_the_status() -> None:
    assert as_json({"ready": False}, is_well=False) == Answer(
        b'{"ready":false}', HTTPStatus.SERVICE_UNAVAILABLE
    )


async def test_silent_connections_cost_neither_time_nor_the_answer_to_a_probe() -> None:
    """1300 of them: each had a task and a deadline, and all deadlines came at once."""
    with capture_logs() as lines:
        async with serving(ANY, {"/page": page}):
            port = lines[0]["port"]
            lag = LongestTurn()
            watching = asyncio.create_task(lag.watch())
            silent = [(await asyncio.open_connection("127.0.0.1", port))[1] for _ in range(1300)]
            tasks = len(asyncio.all_tasks())
            await asyncio.sleep(PATIENCE + 1.0)
            async with httpx.AsyncClient() as http:
                assert (await http.get(f"http://127.0.0.1:{port}/page")).status_code == 202
            watching.cancel()
            for writer in silent:
                writer.close()
    assert tasks < CONNECTIONS + 20
    assert lag.seconds < 0.5


class LongestTurn:
    """How long the event loop took at most from one turn to the next, in seconds."""

    seconds = 0.0

    async def watch(self) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(0)
            self.seconds = max(self.seconds, loop.time() - last)
            last = loop.time()

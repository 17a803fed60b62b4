"""The examples that are more than a publisher, run as they stand."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import sqlite3
import sys
import tempfile
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.client.support import backend, until
from tests.support.broker import Namespace
from tests.support.speaker import RATE, said
from tests.support.wav_files import write_wav
from websockets.asyncio.client import connect

from speechmq.console.serving import serving
from speechmq_emulator.ledger.codec import encode

pytestmark = pytest.mark.timeout(240)

EXAMPLES = Path(__file__).parents[2] / "examples"
NUMBERS = list(range(40, 60))
POSTGRES = next(
    (one for one in (shutil.which("initdb"), "/usr/lib/postgresql/15/bin/initdb") if one), ""
)
POSTGRES_USER = "nobody"  # it refuses to run as root


@dataclass
class Example:
    """An example that runs, and what it printed."""

    lines: list[str] = field(default_factory=list)

    async def read(self, output: asyncio.StreamReader | None) -> None:
        assert output is not None
        async for line in output:
            self.lines.append(line.decode().rstrip())

    async def line(self, beginning: str) -> str:
        await until(lambda: any(one.startswith(beginning) for one in self.lines), within=60.0)
        return next(one for one in self.lines if one.startswith(beginning))


@asynccontextmanager
async def example(name: str, *arguments: str, **environment: str) -> AsyncIterator[Example]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", name, *arguments),
        cwd=EXAMPLES,
        env={**os.environ, **environment},
        stdout=PIPE,
        stderr=STDOUT,
    )
    running = Example()
    reading = asyncio.create_task(running.read(process.stdout))
    try:
        yield running
        assert process.returncode is None, running.lines
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await reading
        print(name, *running.lines, sep="\n  ")  # which a failure shows


async def consumes(namespace: Namespace, queue: str) -> None:
    """Waits until a durable queue of an example is there, so that no event is missed."""
    await namespace.wait_for_queues(lambda seen: queue in seen, within=60.0)


async def call(port: str, call_id: str, numbers: list[int]) -> None:
    """A call by the telephony service's protocol, faster than it was spoken."""
    audio = encode(numbers, sample_rate=8000, encoding="mulaw")
    async with connect(f"ws://127.0.0.1:{port}") as socket:
        await socket.send(json.dumps({"event": "connected", "protocol": "Call"}))
        await socket.send(json.dumps({"event": "start", "start": {"callSid": call_id}}))
        for at in range(0, len(audio), 160):
            payload = base64.b64encode(audio[at : at + 160]).decode()
            await socket.send(json.dumps({"event": "media", "media": {"payload": payload}}))
        await socket.send(json.dumps({"event": "stop"}))
        await socket.wait_closed()


def segments(database: Path) -> list[tuple[int, str, int]]:
    """The id, the text and whether it is final, of each segment of the call."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(
            "SELECT segment_id, text, is_final FROM segment WHERE stream_id = 'call-1' ORDER BY 1"
        ).fetchall()


async def test_call_by_telephony_goes_into_every_consumer(
    namespace: Namespace, tmp_path: Path
) -> None:
    hook, secret = Hook(), secrets.token_hex(8)
    database, usage = tmp_path / "captions.db", tmp_path / "usage.json"
    where = {"AMQP_URL": namespace.url}
    async with (
        backend(namespace.url),
        hook.serving() as url,
        example("captions_sqlite.py", str(database), **where),
        example("captions_aio_pika.py", **where) as printed,
        example("usage_per_tenant.py", str(usage), **where),
        example("webhook.py", url, **where, WEBHOOK_SECRET=secret),
        example("telephony_gateway.py", "0", **where) as gateway,
    ):
        port = (await gateway.line("ready on port ")).rpartition(" ")[2]
        for queue in ("sqlite", "print", "usage", "webhook"):
            await consumes(namespace, f"consumer.{queue}")
        await call(port, "call-1", NUMBERS)
        words = said(NUMBERS)
        text = " ".join(words)

        def in_sqlite() -> str:
            return " ".join("".join(one[1] for one in segments(database)).split())

        await until(lambda: database.exists() and in_sqlite() == text, within=60.0)
        await until(usage.exists, within=60.0)
        await until(lambda: hook.text == text, within=60.0)
        await until(lambda: spoken(printed.lines) == words, within=60.0)
        await until(lambda: json.loads(usage.read_text())["sums"] == {"unknown": 4.0}, within=60.0)
    assert all(is_final for _, text, is_final in segments(database) if text)
    assert hook.refused == 1
    assert hook.signatures_of(secret.encode())
    assert len(set(hook.ids)) == len(hook.ids)


def spoken(lines: list[str]) -> list[str]:
    """What stands on each line after the stream and the time."""
    return [word for line in lines for word in line.split()[2:]]


class Hook:
    """A web hook that refuses what it gets first."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.signatures: list[str] = []
        self.refused = 0

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.bodies]

    @property
    def ids(self) -> list[str]:
        return [event["id"] for event in self.events]

    @property
    def text(self) -> str:
        return " ".join("".join(one["data"]["transcript"] for one in self.events).split())

    def signatures_of(self, secret: bytes) -> bool:
        made = [hmac.new(secret, body, hashlib.sha256).hexdigest() for body in self.bodies]
        return made == self.signatures

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        if not self.refused:
            self.refused += 1
            return Response(status_code=503)
        assert request.headers["content-type"] == "application/cloudevents+json"
        self.bodies.append(body)
        self.signatures.append(request.headers["x-signature"])
        return Response(status_code=204)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        app = Starlette(routes=[Route("/", self.answer, methods=["POST"])])
        with socket.create_server(("127.0.0.1", 0)) as bound:
            async with serving(app, bound):
                yield f"http://127.0.0.1:{bound.getsockname()[1]}/"


async def test_microphone_page_shows_captions(namespace: Namespace, tmp_path: Path) -> None:
    audio = encode(NUMBERS, sample_rate=16_000, encoding="pcm_s16le")
    recording = write_wav(tmp_path / "speech.wav", audio, rate=16_000).read_bytes()
    finals = ""
    async with (
        backend(namespace.url),
        example("microphone.py", "0", AMQP_URL=namespace.url) as page,
    ):
        started = await page.line("INFO:     Uvicorn running on http://127.0.0.1:")
        port = started.split("127.0.0.1:")[1].split()[0]
        async with httpx.AsyncClient() as client:
            shown = await client.get(f"http://127.0.0.1:{port}/")
        assert "MediaRecorder" in shown.text
        async with connect(f"ws://127.0.0.1:{port}/audio") as browser:
            for at in range(0, len(recording), 8000):
                await browser.send(recording[at : at + 8000])
            async with asyncio.timeout(60.0):
                while len(finals.split()) < len(NUMBERS) - 10:
                    told = json.loads(await browser.recv())
                    finals += told["text"] if told["final"] else ""
    assert finals.split() == said(NUMBERS)[: len(finals.split())]


@pytest.mark.skipif(not Path(POSTGRES).exists(), reason="PostgreSQL is not installed")
async def test_captions_go_into_postgres(namespace: Namespace, tmp_path: Path) -> None:
    audio = encode(NUMBERS, sample_rate=RATE, encoding="pcm_s16le")
    recording = write_wav(tmp_path / "speech.wav", audio, rate=RATE)
    where = {"AMQP_URL": namespace.url}
    async with (
        postgres() as database,
        backend(namespace.url),
        example("captions_postgres.py", **where, DATABASE_URL=database),
    ):
        await consumes(namespace, "consumer.postgres")
        publishing = await asyncio.create_subprocess_exec(
            *(sys.executable, "publish_wav.py", str(recording), "call-1"),
            cwd=EXAMPLES,
            env={**os.environ, **where},
        )
        assert await publishing.wait() == 0
        connection = await asyncpg.connect(database)
        async with asyncio.timeout(60.0):
            while True:
                found = await connection.fetch(
                    "SELECT text FROM segment WHERE is_final ORDER BY segment_id"
                )
                words = "".join(row["text"] for row in found).split()
                if len(words) >= len(NUMBERS):
                    break
                await asyncio.sleep(0.1)
        await connection.close()
    assert words == said(NUMBERS)


@asynccontextmanager
async def postgres() -> AsyncIterator[str]:
    """A cluster of the test's own, on a socket in its folder; gone with the block."""
    account = pwd.getpwnam(POSTGRES_USER) if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    with tempfile.TemporaryDirectory(prefix="speechmq-pg-", dir="/tmp") as name:
        folder = Path(name)
        os.chown(folder, account.pw_uid, account.pw_gid)
        tools = Path(POSTGRES).parent

        async def start(*command: str) -> asyncio.subprocess.Process:
            return await asyncio.create_subprocess_exec(
                *command, cwd=folder, user=account.pw_uid, stdout=PIPE, stderr=STDOUT
            )

        made = await start(
            *(str(tools / "initdb"), "-D", f"{folder}/data", "-A", "trust", "-U", "me", "-N")
        )
        said, _ = await made.communicate()
        assert made.returncode == 0, said
        server = await start(
            *(str(tools / "postgres"), "-D", f"{folder}/data", "-k", str(folder)),
            *("-c", "listen_addresses=", "-c", "fsync=off"),
        )
        try:
            await until((folder / ".s.PGSQL.5432").exists, within=60.0)
            yield f"postgresql://me@/postgres?host={folder}"
        finally:
            server.send_signal(signal.SIGINT)
            await server.communicate()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_example_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 80

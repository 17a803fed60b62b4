"""amqps:// and wss:// are verified unless told otherwise, and take an authority of one's own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from pydantic import SecretStr

from speechmq.broker.amqp.plane import open_plane
from speechmq.errors import BrokerError, UpstreamUnreachable
from speechmq.settings import BrokerSettings
from speechmq.settings.upstream import UpstreamSettings
from speechmq.upstream.connection import Dialling, open_connection
from speechmq.upstream.network import Network
from speechmq_emulator.server import serve

KEY = SecretStr("dev")
AMQP_HEADER = b"AMQP\x00\x00\x09\x01"


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def certified(authority: trustme.CA, host: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    return context


@asynccontextmanager
async def listening(context: ssl.SSLContext) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A TLS server in RabbitMQ's place, and what clients said to it behind the handshake."""
    heard: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(8))
        writer.close()

    async with await asyncio.start_server(hear, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1], heard


async def connect_to_broker(url: str) -> str:
    """Why it failed, which it does in any case: nothing there speaks AMQP."""
    settings = BrokerSettings(url=SecretStr(url), connect_timeout=10.0)
    with pytest.raises(BrokerError) as refused:
        async with open_plane(settings):
            pass
    return str(refused.value)


async def test_broker_is_verified(authority: trustme.CA, tmp_path: Path) -> None:
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))
    async with listening(certified(authority, "localhost")) as (port, heard):
        told = await connect_to_broker(f"amqps://u:p@localhost:{port}/")
        assert ("CERTIFICATE_VERIFY_FAILED" in told, heard) == (True, [])
        await connect_to_broker(f"amqps://u:p@localhost:{port}/?cafile={trusted}")
        assert heard == [AMQP_HEADER]
    async with listening(certified(authority, "elsewhere.example")) as (port, heard):
        told = await connect_to_broker(f"amqps://u:p@localhost:{port}/?cafile={trusted}")
        assert ("CERTIFICATE_VERIFY_FAILED" in told, heard) == (True, [])


def dialling(url: str, ca_file: Path | None = None) -> Dialling:
    settings = UpstreamSettings(ca_file=ca_file)
    network = Network.of(settings)
    return Dialling(url, (), settings, network, None, "SPEECHMQ_UPSTREAM__API_KEY")


async def test_recogniser_is_verified(authority: trustme.CA, tmp_path: Path) -> None:
    async with serve("ledger", tls=certified(authority, "localhost")) as upstream:
        url = f"wss://localhost:{upstream.port}/v2"
        with pytest.raises(UpstreamUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
            async with open_connection(dialling(url), KEY):
                pass
        trusted = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(str(trusted))
        async with open_connection(dialling(url, ca_file=trusted), KEY) as connection:
            assert connection.socket.protocol.state.name == "OPEN"

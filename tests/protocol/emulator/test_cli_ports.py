"""What the command says of its two ports, and how they fail."""

import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import trustme
from tests.protocol.emulator.client import KEY, start
from websockets.asyncio.client import connect

COMMAND = [sys.executable, "-m", "speechmq_emulator.cli", "--engine", "ledger"]
PORTS = re.compile(
    r"speechmq-emulator: listening on (wss?://127\.0\.0\.1:\d+/v2)\n"
    r"speechmq-emulator: http on (https?://127\.0\.0\.1:\d+)\n"
)


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """The process and its two addresses; killed at the end if it still runs."""
    command = [*COMMAND, "--port", "0", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            lines = process.stdout.readline() + process.stdout.readline()
            ports = PORTS.fullmatch(lines)
            assert ports, lines
            yield process, ports[1], ports[2]
        finally:
            process.kill()


def refused(*arguments: str) -> tuple[int, str, str]:
    ended = subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=30
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_command_serves_http_and_ends_without_a_word() -> None:
    with running() as (process, _, http_url), httpx.Client(base_url=http_url) as http:
        issued = http.post(
            "/v1/api_keys?type=rt", json={"ttl": 60}, headers={"Authorization": "Bearer dev"}
        )
        assert (http.get("/live").json(), issued.status_code) == ({"alive": True}, 201)
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=20) == ("", "")
        assert process.returncode == 0


def test_http_port_in_use_is_one_clear_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, told, complaint = refused("--port", "0", "--http-port", port)
    assert (code, told) == (1, "")
    assert re.fullmatch(
        rf"speechmq-emulator: can not serve on 127\.0\.0\.1:0: .*HTTP port {port} of "
        r"127\.0\.0\.1: .*in use.*\n",
        complaint,
    )


@pytest.fixture
def issuer() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(issuer: trustme.CA, tmp_path: Path) -> tuple[str, str]:
    issued = issuer.issue_cert("127.0.0.1")
    certificate, key = tmp_path / "own.crt", tmp_path / "own.key"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    return str(certificate), str(key)


async def test_command_speaks_tls_on_both_ports(issuer: trustme.CA, files: tuple[str, str]) -> None:
    trusting = ssl.create_default_context()
    issuer.configure_trust(trusting)
    with running("--cert", files[0], "--key", files[1]) as (_, url, http_url):
        assert (url[:6], http_url[:8]) == ("wss://", "https://")
        async with connect(url, additional_headers=KEY, ssl=trusting) as socket:
            assert (await start(socket))["message"] == "RecognitionStarted"
        async with httpx.AsyncClient(base_url=http_url, verify=trusting) as http:
            assert (await http.get("/started")).json() == {"started": True}


def test_missing_certificate_is_one_clear_sentence(files: tuple[str, str]) -> None:
    assert refused("--port", "0", "--cert", "/nowhere.crt", "--key", files[1]) == (
        1,
        "",
        "speechmq-emulator: can not serve on 127.0.0.1:0: /nowhere.crt can not be read: "
        "No such file or directory\n",
    )


@pytest.mark.parametrize("option", ["--cert", "--key"])
def test_half_a_certificate_is_a_usage_error(files: tuple[str, str], option: str) -> None:
    code, told, complaint = refused("--port", "0", option, files[0])
    assert (code, told) == (2, "")
    assert "--cert and --key are given together or not at all" in complaint

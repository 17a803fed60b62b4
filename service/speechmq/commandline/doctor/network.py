"""Whether a host has an address and a port answers, before any protocol is spoken."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

from .finding import Finding, failed, ok


async def network_findings(
    subject: str, host: str, port: int, setting: str, seconds: float
) -> AsyncIterator[Finding]:
    """Name resolution, then TCP; the last one is a failure if one failed."""
    check = f"{subject} address"
    try:
        async with asyncio.timeout(seconds):
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            )
    except TimeoutError:
        yield failed(check, f"no DNS server told the address of {host}", "check the DNS servers")
        return
    except (OSError, UnicodeError) as error:
        yield failed(check, f"{host} has no address: {error}", f"check the host in {setting}")
        return
    yield ok(check, f"{host} is {found[0][4][0]}")
    yield await _tcp_finding(f"{subject} TCP", host, port, setting, seconds)


async def _tcp_finding(check: str, host: str, port: int, setting: str, seconds: float) -> Finding:
    where = f"{host}:{port}"
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        cure = "look for a firewall between here and there"
        return failed(check, f"{where} does not answer within {seconds:g} s", cure)
    except OSError as error:
        cure = f"see that it runs, and check host and port in {setting}"
        return failed(check, f"{where} cannot be reached: {error.strerror or error}", cure)
    writer.close()
    with suppress(OSError):  # it answered, and that was the question
        await writer.wait_closed()
    return ok(check, f"{where} answers")

"""Raw HTTP for what a client library would not send."""

import asyncio
import ssl
from contextlib import suppress


async def exchange(
    host: str, port: int, *pieces: bytes, tls: ssl.SSLContext | None = None
) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """Send the pieces, one by one; the status line, headers (lower case) and body that came."""
    reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    try:
        async with asyncio.timeout(20):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            return _parsed(await reader.read())
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def _parsed(answer: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    fields = (line.partition(b":") for line in lines)
    return status, {name.lower(): value.strip() for name, _, value in fields}, body

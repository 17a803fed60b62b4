"""Faults in place of the answer to a handshake."""

import asyncio
from contextlib import suppress

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Response

from speechmq_emulator.faults import wire
from speechmq_emulator.faults.fault import Action, Drop, Hang, Refuse


async def stand_in(connection: ServerConnection, action: Action) -> Response | None:
    """Do this fault; the answer that it gives, or None where the usual one may follow."""
    match action:
        case Refuse():
            return _refusal(connection, action)
        case Hang(lasting):
            with suppress(TimeoutError):
                async with asyncio.timeout(lasting):
                    await connection.wait_closed()
        case Drop():
            wire.reset(connection)
            await connection.wait_closed()
        case _:
            raise ValueError(f"{action!r} is not for the handshake")
    return None


def _refusal(connection: ServerConnection, refuse: Refuse) -> Response:
    response = connection.respond(refuse.status, "A fault was asked for\n")
    if refuse.retry_after is not None:
        response.headers["Retry-After"] = str(refuse.retry_after)
    return response

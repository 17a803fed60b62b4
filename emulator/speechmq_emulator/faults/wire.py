"""What faults do to the TCP connection beneath a WebSocket.

Owns what goes past the public interface of ``websockets``: a transport's protocol is
exchanged while a connection is silent. Knows nothing of sessions.
"""

import asyncio
import socket
import struct

from websockets.asyncio.server import ServerConnection

_NO_LINGERING = struct.pack("ii", 1, 0)
_KEPT_BYTES = 2**20


def reset(connection: ServerConnection) -> None:
    """End the connection by RST: no close frame, nothing that waits is sent."""
    transport = connection.transport
    if not transport.is_closing():
        tcp = transport.get_extra_info("socket")
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
    transport.abort()


class DeadEnd(asyncio.Protocol):
    """Stands between a transport and its connection: what comes is not answered, pings included.

    With ``keep``, what comes is kept for the connection, and past 1 MiB left to TCP.
    Without, it is thrown away, as the connection will never read on. Either way the end of
    the TCP connection is passed on.
    """

    def __init__(self, connection: ServerConnection, *, keep: bool) -> None:
        self._connection = connection
        self._transport = connection.transport
        self._keep = keep
        self._kept = bytearray()

    def begin(self) -> None:
        keepalive = self._connection.keepalive_task
        if keepalive is not None:
            keepalive.cancel()
            self._connection.keepalive_task = None
        if not self._transport.is_closing():
            self._transport.set_protocol(self)
            # A paused transport does not tell when the client has gone.
            self._transport.resume_reading()

    def end(self) -> None:
        """Let the connection have what was kept, and go on; without ``keep``, end it."""
        if self._transport.is_closing():
            return
        if not self._keep:
            self._transport.abort()
            return
        self._transport.set_protocol(self._connection)
        if self._connection.recv_messages.paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
        self._connection.start_keepalive()
        if self._kept:
            self._connection.data_received(bytes(self._kept))

    def data_received(self, data: bytes) -> None:
        if not self._keep:
            return
        self._kept += data
        if len(self._kept) >= _KEPT_BYTES:
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()

"""What upstream says reaches the listener in order, whichever way the socket gives it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve

from speechmq.errors import UpstreamLost
from speechmq.settings.upstream import UpstreamSettings
from speechmq.speechmatics.messages import AudioAdded, MalformedMessage
from speechmq.upstream.connection import Connection, Message
from speechmq.upstream.service import Upstream

COUNT = 40
SECONDS = 20.0

Say = Callable[[ServerConnection], Awaitable[None]]


def added(number: int) -> str:
    return json.dumps({"message": "AudioAdded", "seq_no": number})


@asynccontextmanager
async def upstream_that(says: Say) -> AsyncIterator[Connection]:
    """It speaks as soon as it is spoken to, and then leaves."""

    async def answer(socket: ServerConnection) -> None:
        await socket.recv()
        await says(socket)

    async with asyncio.timeout(SECONDS), serve(answer, "127.0.0.1", 0) as server:
        [listening] = server.sockets
        url = f"ws://127.0.0.1:{listening.getsockname()[1]}"
        settings = UpstreamSettings.model_validate({"url": url})
        [access] = Upstream(settings, lambda: 0.0).everything
        async with access.connect(0) as connection:
            connection.send("?")
            yield connection


async def counts(socket: ServerConnection) -> None:
    for number in range(COUNT):
        await socket.send(added(number))


async def counts_in_fragments(socket: ServerConnection) -> None:
    for number in range(COUNT):
        text = added(number)
        pieces = [text[:5], text[5:]]
        await socket.send(pieces if number % 3 else text)


def open_room() -> asyncio.Event:
    room = asyncio.Event()
    room.set()
    return room


@pytest.mark.parametrize("says", [counts, counts_in_fragments])
async def test_messages_come_in_order(says: Say) -> None:
    heard: list[Message] = []
    async with upstream_that(says) as connection:
        with pytest.raises(UpstreamLost) as caught:
            await connection.listen(heard.append, open_room())
    assert heard == [AudioAdded(number) for number in range(COUNT)]
    assert caught.value.code == 1000


@pytest.mark.parametrize("says", [counts, counts_in_fragments])
async def test_messages_wait_for_room_in_order(says: Say) -> None:
    """The room is gone behind every message, as it is when the broker is slow."""
    heard: list[Message] = []
    room = open_room()

    def hear(message: Message) -> None:
        heard.append(message)
        room.clear()
        asyncio.get_running_loop().call_later(0.001, room.set)

    async with upstream_that(says) as connection:
        with pytest.raises(UpstreamLost):
            await connection.listen(hear, room)
    assert heard == [AudioAdded(number) for number in range(COUNT)]


async def test_nothing_is_heard_without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """One message may be on its way to the listener already."""
    heard: list[Message] = []
    room = open_room()

    def hear(message: Message) -> None:
        heard.append(message)
        room.clear()

    async with upstream_that(counts) as connection, asyncio.TaskGroup() as tasks:
        is_full = asyncio.Event()
        monkeypatch.setattr(connection.socket.recv_messages, "pause", is_full.set)
        listening = tasks.create_task(connection.listen(hear, room))
        await is_full.wait()
        listening.cancel()
    assert heard == [AudioAdded(number) for number in range(len(heard))]
    assert len(heard) <= 2


async def test_garbage_ends_the_listener_behind_what_was_said_before_it() -> None:
    heard: list[Message] = []

    async def says(socket: ServerConnection) -> None:
        await counts(socket)
        await socket.send('{"message": "AudioAdded"}')
        await counts(socket)

    async with upstream_that(says) as connection:
        with pytest.raises(MalformedMessage):
            await connection.listen(heard.append, open_room())
    assert heard == [AudioAdded(number) for number in range(COUNT)]

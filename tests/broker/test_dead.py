"""`speechmq dead` against a real broker."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import aio_pika
import aiormq
import pytest
from aiormq.abc import AbstractChannel
from tests.support.broker import Namespace
from tests.support.command_line import Finished, run_speechmq, speechmq

from speechmq.broker.dead_letters import RejectedMessage, dead_letter
from speechmq.broker.topology import declare, shared
from speechmq.commandline.connection import connected
from speechmq.commandline.dead_queue import drop_letters, held_letters, read_letters
from speechmq.commandline.letters import DeadLetter
from speechmq.commandline.replay import replay_letters
from speechmq.errors import BrokerError, RequestError
from speechmq_schemas import Names

NAMES = Names()
AUDIO = bytes(range(32))


@dataclass
class Morgue:
    """The dead-letter queue, and a queue that takes what is replayed."""

    url: str
    channel: AbstractChannel
    _numbers: dict[str, int] = field(default_factory=dict)

    async def dead_letter(self, *letters: RejectedMessage, code: str = "missing_seq") -> None:
        for letter in letters:
            await dead_letter(
                self.channel, NAMES.dead, letter, code=code, reason=f"so it is {code}"
            )

    async def take_streams(self, stream_id: str, **arguments: Any) -> str:
        queue = NAMES.stream(stream_id)
        await self.channel.queue_declare(queue, arguments=arguments)
        await self.channel.queue_bind(queue, NAMES.inbound, f"stream.{stream_id}")
        return queue

    async def bodies(self, queue: str) -> list[bytes]:
        """Takes everything out of a queue."""
        found = []
        while (message := await self.channel.basic_get(queue, no_ack=True)).delivery_tag:
            found.append(message.body)
        return found


@pytest.fixture
async def morgue(namespace: Namespace) -> AsyncIterator[Morgue]:
    connection = await aiormq.connect(namespace.url)
    channel = await connection.channel(on_return_raises=True)
    await declare(channel, shared(NAMES, "quorum"))
    yield Morgue(namespace.url, channel)
    await connection.close()


def chunk(body: bytes = AUDIO, *, stream: str = "one", **headers: Any) -> RejectedMessage:
    return RejectedMessage(
        NAMES.stream(stream), body, "AudioChunk", headers, "application/octet-stream", stream
    )


def start(body: bytes = b'{"stream_id": "two"}') -> RejectedMessage:
    return RejectedMessage(NAMES.start, body, "StartStream", {}, "application/json")


async def dead(url: str, *words: str) -> Finished:
    return await run_speechmq("dead", *words, "--url", url)


async def test_list_shows_every_letter_and_takes_none(morgue: Morgue) -> None:
    await morgue.dead_letter(chunk(b"a", seq=1), chunk(b"bc"), start())
    lists = [await dead(morgue.url, "list") for _ in range(2)]
    # Ages are figures of the clock; everything else is the same each time.
    rows, again = [[re.split(r" {2,}", line) for line in one.out.splitlines()] for one in lists]
    assert [row[1] for row in rows] == [row[1] for row in again]
    assert [(one.code, one.err) for one in lists] == [(0, "")] * 2
    assert rows[0] == ["#", "id", "code", "age", "queue", "type", "stream", "bytes"]
    assert all(re.fullmatch(r"\d+ s", row[3]) for row in rows[1:])
    assert [[*row[:1], row[2], *row[4:]] for row in rows[1:]] == [
        ["1", "missing_seq", "speechmq.stream.one", "AudioChunk", "one", "1"],
        ["2", "missing_seq", "speechmq.stream.one", "AudioChunk", "one", "2"],
        ["3", "missing_seq", "speechmq.start", "StartStream", "?", "20"],
    ]
    assert await morgue.bodies(NAMES.dead) == [b"a", b"bc", start().body]


async def test_list_is_bounded_and_says_so(morgue: Morgue) -> None:
    await morgue.dead_letter(*(chunk(bytes([n])) for n in range(5)))
    done = await dead(morgue.url, "list", "--limit", "2", "--json")
    assert [json.loads(line)["number"] for line in done.out.splitlines()] == [1, 2]
    assert done.err == "speechmq: 3 dead letters more behind these: see --limit\n"
    assert await morgue.bodies(NAMES.dead) == [bytes([n]) for n in range(5)]


async def test_list_by_code_prints_json(morgue: Morgue) -> None:
    await morgue.dead_letter(chunk())
    await morgue.dead_letter(start(), code="bad_json")
    done = await dead(morgue.url, "list", "--code", "bad_json", "--json")
    row = json.loads(done.out)
    assert row == {
        "number": 2,
        "id": row["id"],
        "code": "bad_json",
        "reason": "so it is bad_json",
        "age_seconds": row["age_seconds"],
        "queue": "speechmq.start",
        "type": "StartStream",
        "stream_id": None,
        "bytes": 20,
    }
    assert 0 <= row["age_seconds"] < 300


async def test_list_of_an_empty_queue_is_empty(morgue: Morgue) -> None:
    done = await dead(morgue.url, "list")
    assert (done.code, done.out, done.err) == (0, "", "speechmq: there are no dead letters\n")


async def test_show_prints_headers_and_a_hexdump(morgue: Morgue) -> None:
    await morgue.dead_letter(start(), chunk(seq="five", note="\x1b[31m"))
    done = await dead(morgue.url, "show", "2")
    lines = done.out.splitlines()
    assert re.fullmatch(r"age {11}\d+ s", lines[3])
    assert lines[1:] == [
        "code          missing_seq",
        "reason        so it is missing_seq",
        lines[3],
        "queue         speechmq.stream.one",
        "type          AudioChunk",
        "stream        one",
        "content type  application/octet-stream",
        r"header        note: '\x1b[31m'",
        "header        seq: 'five'",
        "body          32 bytes",
        "",
        "00000000  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f  |................|",
        "00000010  10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f  |................|",
    ]


async def test_replay_sends_a_letter_where_it_was_meant_to_go(morgue: Morgue) -> None:
    queue = await morgue.take_streams("one")
    await morgue.dead_letter(start(), chunk(seq=7, traceparent="00-1"), chunk(b"later"))
    done = await dead(morgue.url, "replay", "2")
    assert (done.code, done.err) == (0, "speechmq: 1 dead letter replayed\n")
    message = await morgue.channel.basic_get(queue, no_ack=True)
    found = message.header.properties
    assert (message.body, found.message_type, found.headers, found.correlation_id) == (
        AUDIO,
        "AudioChunk",
        {"seq": 7, "traceparent": "00-1"},
        "one",
    )
    assert await morgue.bodies(NAMES.dead) == [start().body, b"later"]


async def test_replay_of_a_start_goes_to_admission(morgue: Morgue) -> None:
    await morgue.dead_letter(start())
    await dead(morgue.url, "replay", "1")
    assert await morgue.bodies(NAMES.start) == [start().body]
    assert await morgue.bodies(NAMES.dead) == []


async def test_replay_of_all_keeps_the_order_and_what_it_was_not_asked_for(
    morgue: Morgue,
) -> None:
    queue = await morgue.take_streams("one")
    for n in range(6):
        await morgue.dead_letter(chunk(bytes([n])), code="even" if n % 2 == 0 else "odd")
    done = await dead(morgue.url, "replay", "--all", "--code", "odd")
    assert (done.code, done.err) == (0, "speechmq: 3 dead letters replayed\n")
    assert await morgue.bodies(queue) == [b"\1", b"\3", b"\5"]
    assert await morgue.bodies(NAMES.dead) == [b"\0", b"\2", b"\4"]


async def test_replay_leaves_what_does_not_tell_where_it_was_meant_to_go(morgue: Morgue) -> None:
    queue = await morgue.take_streams("one")
    early = RejectedMessage(NAMES.early, AUDIO, "AudioChunk", {"seq": 1}, None, "one")
    claim = RejectedMessage(NAMES.claims, b"{}", "StartStream", {})
    await morgue.dead_letter(early, claim, chunk(b"fine"))
    done = await dead(morgue.url, "replay", "--all")
    assert done.code == 1
    assert done.err.splitlines() == [
        "speechmq: dead letter 1 does not tell where it was meant to go: its routing key was not "
        "kept. Say it: --routing-key stream.one",
        "speechmq: dead letter 2 is the claim to a stream that has failed: start the stream again",
        "speechmq: 1 dead letter replayed",
    ]
    assert await morgue.bodies(queue) == [b"fine"]
    told = await dead(morgue.url, "replay", "1", "--routing-key", "stream.one")
    assert told.code == 0
    assert await morgue.bodies(queue) == [AUDIO]
    assert await morgue.bodies(NAMES.dead) == [b"{}"]


async def test_replay_leaves_a_letter_that_its_queue_refuses(morgue: Morgue) -> None:
    await morgue.take_streams("one", **{"x-max-length-bytes": 0, "x-overflow": "reject-publish"})
    await morgue.dead_letter(chunk())
    done = await dead(morgue.url, "replay", "1")
    assert (done.code, done.err.splitlines()[-1]) == (1, "speechmq: 0 dead letters replayed")
    assert "RabbitMQ refused AudioChunk" in done.err
    assert await morgue.bodies(NAMES.dead) == [AUDIO]


async def test_replay_cancelled_half_way_loses_nothing(morgue: Morgue) -> None:
    queue = await morgue.take_streams("one")
    await morgue.dead_letter(*(chunk(bytes([n])) for n in range(4)))

    def choose(letters: Sequence[DeadLetter]) -> Sequence[DeadLetter]:
        return [*letters[:2], DeadLetter(9, "", {}, b"")]  # there is no ninth

    async with connected(morgue.url, "test") as connection:
        with pytest.raises(IndexError):
            await replay_letters(connection, NAMES, 100, choose, "stream.one")
    assert await morgue.bodies(queue) == [b"\0", b"\1", b""]
    assert await morgue.bodies(NAMES.dead) == [b"\2", b"\3"]


async def test_drop_asks_and_drops_what_was_shown(morgue: Morgue) -> None:
    await morgue.dead_letter(chunk(b"a"), chunk(b"b"), chunk(b"c"))
    listed = await dead(morgue.url, "list", "--json")
    second = json.loads(listed.out.splitlines()[1])["id"]
    refused = await answered(morgue.url, b"n\n", "drop", second)
    assert refused.code == 1
    assert refused.out.splitlines()[0].split()[0] == "#"
    assert refused.out.splitlines()[1].split()[:2] == ["2", second]
    agreed = await answered(morgue.url, b"y\n", "drop", second)
    assert (agreed.code, agreed.err) == (0, "speechmq: 1 dead letter dropped\n")
    assert await morgue.bodies(NAMES.dead) == [b"a", b"c"]


async def answered(url: str, answer: bytes, *words: str) -> Finished:
    import sys  # noqa: PLC0415
    from asyncio.subprocess import PIPE  # noqa: PLC0415

    command = (sys.executable, "-m", "speechmq.cli", "dead", *words, "--url", url)
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(30):
        out, err = await process.communicate(answer)
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())


async def test_drop_of_all_does_not_ask_when_told_so(morgue: Morgue) -> None:
    await morgue.dead_letter(chunk(b"a"), chunk(b"a"), start())
    done = await dead(morgue.url, "drop", "--all", "--yes")
    assert (done.code, done.out, done.err) == (0, "", "speechmq: 3 dead letters dropped\n")
    assert await morgue.bodies(NAMES.dead) == []


async def test_drop_knows_letters_by_what_they_are_when_others_have_left(morgue: Morgue) -> None:
    await morgue.dead_letter(chunk(b"a"), chunk(b"b"), chunk(b"c"))
    async with connected(morgue.url, "test") as connection:
        found = await read_letters(connection, NAMES, 100)
        await morgue.channel.basic_get(NAMES.dead, no_ack=True)  # somebody was faster
        assert await drop_letters(connection, NAMES, 100, found.letters[:2]) == 1
    assert await morgue.bodies(NAMES.dead) == [b"c"]


async def test_letters_that_another_holds_are_not_seen_and_not_lost(morgue: Morgue) -> None:
    await morgue.dead_letter(chunk(b"a"), chunk(b"b"))
    async with (
        connected(morgue.url, "one") as first,
        connected(morgue.url, "two") as second,
    ):
        async with held_letters(first, NAMES.dead, 1):
            seen = await read_letters(second, NAMES, 100)
            assert [letter.body for letter in seen.letters] == [b"b"]
        seen = await read_letters(second, NAMES, 100)
    # They return in the order in which they are given back.
    assert sorted(letter.body for letter in seen.letters) == [b"a", b"b"]


async def test_letters_return_when_their_reader_loses_its_connection(morgue: Morgue) -> None:
    await morgue.dead_letter(*(chunk(bytes([n])) for n in range(3)))
    with pytest.raises(BrokerError):
        await _read_and_lose_the_connection(morgue.url)
    async with connected(morgue.url, "test") as connection:
        seen = await read_letters(connection, NAMES, 100)
    assert [letter.body for letter in seen.letters] == [b"\0", b"\1", b"\2"]


async def _read_and_lose_the_connection(url: str) -> None:
    async with (
        connected(url, "test") as connection,
        held_letters(connection, NAMES.dead, 100) as held,
    ):
        assert connection.transport is not None
        await connection.transport.connection.close(ConnectionError("the cable was pulled"))
        await held.drop(held.letters[0])


async def test_letter_that_somebody_else_left_is_read_like_others(morgue: Morgue) -> None:
    async with await aio_pika.connect(morgue.url) as connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(
            aio_pika.Message(b"\xff", headers={"x-speechmq-code": 5, "deep": {"er": [1]}}),
            NAMES.dead,
        )
    done = await dead(morgue.url, "show", "1")
    assert done.out.splitlines()[1:] == [
        "code          ?",
        "reason        ?",
        "age           ?",
        "queue         ?",
        "type          ?",
        "stream        ?",
        "content type  ?",
        "header        deep: {'er': [1]}",
        "body          1 bytes",
        "",
        "00000000  ff                                               |.|",
    ]


async def test_dead_refuses_what_it_cannot_do(morgue: Morgue) -> None:
    await morgue.dead_letter(chunk())
    nobody = await dead(morgue.url, "show", "7")
    nothing = await dead(morgue.url, "drop", "--yes")
    both = await dead(morgue.url, "replay", "1", "--all")
    alone = await dead(morgue.url, "replay", "1", "--code", "x")
    unknown = await dead(morgue.url, "list", "--namespace", "other")
    assert [one.code for one in (nobody, nothing, both, alone, unknown)] == [2, 2, 2, 2, 3]
    assert nobody.err == "speechmq: there is no dead letter '7' among the first 1\n"
    assert nothing.err == "speechmq: say which: a letter's number or id, or --all\n"
    assert unknown.err.startswith("speechmq: no worker has declared the queue 'other.dead' yet")


async def test_reader_leaves_more_letters_than_the_broker_keeps_in_order_in_their_places(
    morgue: Morgue,
) -> None:
    """RabbitMQ gives back more than 32 in any order: those that a closed channel held, and those
    that a channel rejects faster than the queue takes them."""
    bodies = [n.to_bytes(2) for n in range(500)]
    await morgue.dead_letter(*map(chunk, bodies))
    async with speechmq("dead", "list", "--limit", "400", "--url", morgue.url) as command:
        await command.finish()
    assert await morgue.bodies(NAMES.dead) == bodies


async def test_interrupted_reader_leaves_everything_in_its_place(morgue: Morgue) -> None:
    await morgue.dead_letter(*(chunk(bytes([n])) for n in range(50)))
    async with speechmq("dead", "list", "--url", morgue.url) as command:
        command.interrupt()
        await command.finish()
    assert await morgue.bodies(NAMES.dead) == [bytes([n]) for n in range(50)]


async def test_select_error_gives_letters_back(morgue: Morgue) -> None:
    await morgue.dead_letter(chunk())

    def choose(_: Sequence[DeadLetter]) -> Sequence[DeadLetter]:
        raise RequestError("none of these")

    async with connected(morgue.url, "test") as connection:
        with pytest.raises(RequestError, match="none of these"):
            await replay_letters(connection, NAMES, 100, choose)
    assert await morgue.bodies(NAMES.dead) == [AUDIO]

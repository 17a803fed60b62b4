"""`speechmq status`: asks how a stream is doing, and says it in lines."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from typing import Annotated

import aio_pika
import typer
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage
from rich.console import Console

from speechmq.broker.amqp.error_map import translated
from speechmq.errors import NoAnswer
from speechmq_schemas import (
    AmqpMessage,
    ContractError,
    GetStreamStatus,
    Names,
    RequestFailed,
    StreamStatus,
    from_request,
    to_reply,
)

from .connection import connected
from .exits import ExitCode
from .options import DEFAULT_NAMESPACE, DEFAULT_URL, Namespace, Url, result_of, told
from .request import checked_stream_id
from .screen import print_plain
from .subscription import SETUP_SECONDS, from_aio_pika

# The broker answers to the one who consumes from here, without a queue.
DIRECT = "amq.rabbitmq.reply-to"


EXIT_CODES = (
    "Exit codes: 0 it was told; 1 there is no such stream; 2 the options are wrong; 3 no answer in "
    "time, or no broker; 130 interrupted."
)


def status(
    stream: Annotated[str, typer.Argument(help="A stream id.")],
    url: Url = DEFAULT_URL,
    namespace: Namespace = DEFAULT_NAMESPACE,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the answer.")] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="The answer as one JSON line.")] = False,
) -> None:
    """Ask the worker that has a stream how it is doing."""
    with told():
        checked_stream_id(stream)
        answer = result_of(lambda: ask_status(stream, url, Names(namespace), timeout))
        for line in [answer.model_dump_json(exclude_unset=True)] if as_json else lines_of(answer):
            print_plain(Console(), line)
    raise typer.Exit(ExitCode.FAILED if isinstance(answer, RequestFailed) else ExitCode.ENDED)


async def ask_status(
    stream_id: str, url: str, names: Names, within: float
) -> StreamStatus | RequestFailed:
    """Raises ``NoAnswer`` when none that can be read comes within ``within`` seconds, and
    ``BrokerError``."""
    async with connected(url, f"speechmq status {stream_id}") as connection:
        message = await _ask(connection, stream_id, names, within)
    try:
        answer = to_reply(message)
    except ContractError as error:
        raise NoAnswer(f"the answer cannot be read: {error.reason}") from error
    if not isinstance(answer, StreamStatus | RequestFailed):
        raise NoAnswer(f"the answer is a {message.type}, which tells of no stream")
    return answer


async def _ask(
    connection: AbstractConnection, stream_id: str, names: Names, within: float
) -> AmqpMessage:
    answers: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    request = from_request(
        GetStreamStatus(stream_id=stream_id),
        reply_to=DIRECT,
        correlation_id=secrets.token_hex(8),
    )
    with translated("asking for the status of a stream"):
        channel = connection.channel()
        await channel.initialize(timeout=SETUP_SECONDS)
        inbound = await channel.get_exchange(names.inbound)
        replies = await channel.get_queue(DIRECT, ensure=False)
        await replies.consume(answers.put, no_ack=True, timeout=SETUP_SECONDS)
        await inbound.publish(_outgoing(request), request.routing_key, timeout=SETUP_SECONDS)
    try:
        async with asyncio.timeout(within):
            return from_aio_pika(await answers.get())
    except TimeoutError as error:
        raise NoAnswer(
            f"nobody told of stream {stream_id} within {within:g} s; its worker may be frozen, or "
            "no worker runs: ask again in a few seconds"
        ) from error


def _outgoing(request: AmqpMessage) -> aio_pika.Message:
    return aio_pika.Message(
        request.body,
        type=request.type,
        content_type=request.content_type,
        correlation_id=request.correlation_id,
        reply_to=request.reply_to,
    )


def lines_of(answer: StreamStatus | RequestFailed) -> Iterator[str]:
    """Each fact that there is, under its name."""
    if isinstance(answer, RequestFailed):
        yield f"{answer.reason} ({answer.code})"
        return
    yield _line("stream", answer.stream_id)
    yield _line("state", STATES[answer.state])
    if answer.worker is not None:
        since = "" if answer.since is None else f" since {answer.since:%Y-%m-%d %H:%M:%S} UTC"
        yield _line("worker", f"{answer.worker}{since}")
    for name, seconds in (
        ("received", answer.received_seconds),
        ("finalised", answer.finalised_seconds),
        ("in gaps", answer.gap_seconds),
        ("lag", answer.lag_seconds),
    ):
        if seconds is not None:
            yield _line(name, f"{seconds:.1f} s")


STATES = {
    "waiting": "waiting: accepted, and no worker has it now",
    "connecting": "connecting: its worker gets a session with the recogniser",
    "streaming": "streaming",
    "suspended": "suspended: no audio for a while; the next goes on",
    "ending": "ending: the last finals are on their way",
}


def _line(name: str, text: str) -> str:
    return f"{name:10} {text}"

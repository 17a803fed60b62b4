"""Asks the workers something, and waits for the answer to it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from secrets import token_hex
from typing import Any

from aio_pika.abc import AbstractIncomingMessage

from speechmq_schemas import (
    ContractError,
    GetStreamStatus,
    Reply,
    RequestFailed,
    from_request,
    to_reply,
)
from speechmq_schemas.commands import Request

from ..errors import BrokerUnavailable, NoAnswer, RequestRefused
from .error_map import translated
from .link import Connected, Link
from .messages import from_aio_pika, properties_of

DIRECT_REPLY_TO = "amq.rabbitmq.reply-to"
RETRY_SECONDS = 0.5
# A question that was with a worker when that was killed gets no answer. A status may be asked for
# again; another request for a key would make a second key.
PATIENCE: dict[type[Request], float] = {GetStreamStatus: 5.0}


async def ask(link: Link, exchange: str, request: Request, within: float) -> Reply:
    """The answer. Raises ``RequestRefused``, ``NoAnswer`` after ``within`` seconds, and
    ``BrokerRefused``. May be cancelled."""
    try:
        async with asyncio.timeout(within):
            while True:
                connected = await link.connected()
                with suppress(BrokerUnavailable, TimeoutError):
                    async with asyncio.timeout(PATIENCE.get(type(request))):
                        return await _ask_once(connected, exchange, request)
                await asyncio.sleep(RETRY_SECONDS)
    except TimeoutError as error:
        raise NoAnswer(
            f"no worker answered {type(request).__name__} within {within:g} s; does one run?"
        ) from error


async def _ask_once(connected: Connected, exchange: str, request: Request) -> Reply:
    message = from_request(request, reply_to=DIRECT_REPLY_TO, correlation_id=token_hex(8))
    answer: asyncio.Future[AbstractIncomingMessage] = asyncio.get_running_loop().create_future()

    async def take(heard: AbstractIncomingMessage) -> None:
        if heard.correlation_id == message.correlation_id and not answer.done():
            answer.set_result(heard)

    doing = f"asking for {type(request).__name__}"
    async with connected.channel() as channel:
        with translated(doing):
            queue = await channel.aio_pika.get_queue(DIRECT_REPLY_TO, ensure=False)
            await queue.consume(take, no_ack=True)
            await channel.underlay.basic_publish(
                message.body,
                exchange=exchange,
                routing_key=message.routing_key,
                properties=properties_of(message, message.correlation_id or ""),
            )
        closed = asyncio.ensure_future(channel.closed.wait())
        ends: list[asyncio.Future[Any]] = [answer, closed]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            closed.cancel()
        if not answer.done():
            raise BrokerUnavailable(f"the connection to RabbitMQ was lost while {doing}")
        return _read(answer.result())


def _read(heard: AbstractIncomingMessage) -> Reply:
    try:
        reply = to_reply(from_aio_pika(heard))
    except ContractError as error:
        raise RequestRefused(
            code=error.code, reason=f"the answer cannot be read: {error.reason}", retryable=False
        ) from error
    if isinstance(reply, RequestFailed):
        raise RequestRefused(
            code=reply.code, reason=reply.reason, retryable=reply.retryable, fields=reply.fields
        )
    return reply

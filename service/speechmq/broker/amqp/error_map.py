"""What the AMQP client raises, as errors of ours: the only place that knows both.

RabbitMQ answers 404 for a queue that is gone, and for one whose node is down or whose process does
not answer. Only the words tell them apart.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from types import MappingProxyType
from typing import cast

from aiormq.exceptions import (
    AMQPError,
    ChannelAccessRefused,
    ChannelClosed,
    ChannelLockedResource,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ConnectionInternalError,
    DeliveryError,
    PublishError,
)
from pamqp import commands as spec

from ...errors import (
    AccessRefused,
    ArgumentsDiffer,
    BrokerError,
    BrokerLost,
    BrokerRefused,
    ExchangeMissing,
    MessageNacked,
    MessageReturned,
    QueueLocked,
    QueueMissing,
    QueueUnavailable,
)

NOT_FOUND, PRECONDITION_FAILED = 404, 406
# The client drops the reply code where it has a class for it.
REPLY_CODES: Mapping[type[AMQPError], int] = MappingProxyType(
    {
        ChannelAccessRefused: 403,
        ChannelNotFoundEntity: NOT_FOUND,
        ChannelLockedResource: 405,
        ChannelPreconditionFailed: PRECONDITION_FAILED,
        # A connection's: RabbitMQ closes it over a queue that it can neither declare nor use.
        ConnectionInternalError: 541,
    }
)
REFUSALS: Mapping[int, type[BrokerRefused]] = MappingProxyType(
    {403: AccessRefused, NOT_FOUND: QueueUnavailable, 405: QueueLocked, 541: QueueUnavailable}
)
_QUEUE = re.compile(r"queue '(.*?)' in vhost")
_NO_QUEUE = re.compile(r"NOT_FOUND - no queue '(.*?)' in vhost")
_NO_EXCHANGE = re.compile(r"NOT_FOUND - no exchange '(.*?)' in vhost")
_INEQUIVALENT = re.compile(r"PRECONDITION_FAILED - inequivalent arg ")


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raises ours in place of the client's, ``from`` it; ``doing`` says what could not be done."""
    try:
        yield
    except Exception as error:
        ours = error_of_ours(error, doing)
        if ours is None:
            raise
        if isinstance(error, DeliveryError):
            error.__traceback__ = None
        try:
            raise ours from error
        finally:
            # An error that a frame of its own traceback holds stays until the garbage collector
            # looks for it. So does the body of each message that was refused.
            del ours


@asynccontextmanager
async def answered(seconds: float) -> AsyncIterator[None]:
    """One deadline for all that is asked of the broker inside. Raises ``BrokerLost``."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise BrokerLost(
            f"RabbitMQ did not answer for {seconds} s; a memory or disk alarm makes it wait"
        ) from error


def error_of_ours(error: Exception, doing: str) -> BrokerError | None:
    """Nothing for an error that is not the client's."""
    if isinstance(error, TimeoutError):
        return BrokerLost(
            f"RabbitMQ did not answer in time while {doing}; it holds publishers back when it is "
            "short of memory or disk space"
        )
    if isinstance(error, DeliveryError):
        return _undelivered(error, doing)
    if isinstance(error, AMQPError) and (reply := reply_of(error)) is not None:
        return _refused(*reply, doing)
    # aiormq fails what is under way with a bare ``Exception`` when it has no better one.
    if isinstance(error, AMQPError | OSError | RuntimeError) or type(error) is Exception:
        return BrokerLost(f"the connection to RabbitMQ was lost while {doing}: {text_of(error)}")
    return None


def text_of(error: Exception) -> str:
    return " ".join(map(str, error.args)) or type(error).__name__


def reply_of(error: AMQPError) -> tuple[int, str] | None:
    """The code and the text with which RabbitMQ closed the channel, if it did."""
    for kind, code in REPLY_CODES.items():
        if isinstance(error, kind):
            return code, text_of(error)
    if type(error) is ChannelClosed and len(error.args) == 2 and isinstance(error.args[0], int):
        return error.args[0], str(error.args[1])
    return None


def _refused(code: int, text: str, doing: str) -> BrokerRefused:
    if code == NOT_FOUND and (exchange := _NO_EXCHANGE.match(text)):
        return ExchangeMissing(exchange[1], reply_code=code, reply_text=text)
    kind = REFUSALS.get(code, BrokerRefused)
    if code == NOT_FOUND and _NO_QUEUE.match(text):
        kind = QueueMissing
    elif code == PRECONDITION_FAILED and _INEQUIVALENT.match(text):
        kind = ArgumentsDiffer
    named = _QUEUE.search(text)
    return kind(
        f"RabbitMQ refused {doing}: {text}",
        reply_code=code,
        reply_text=text,
        queue=named[1] if named else None,
    )


def _undelivered(error: DeliveryError, doing: str) -> BrokerError:
    if not isinstance(error, PublishError) or error.message is None:
        return MessageNacked(
            f"RabbitMQ did not take a message while {doing}: a queue is full or not available"
        )
    returned = cast("spec.Basic.Return", error.message.delivery)
    exchange, key, text = returned.exchange, returned.routing_key or "", returned.reply_text or ""
    return MessageReturned(
        f"RabbitMQ returned a message while {doing}: {text} for the routing key {key!r}; the queue "
        "is missing, or its node is down",
        exchange=exchange or "",
        routing_key=key,
        reply_text=text,
    )

"""Answers to requests: published to the queue that an asker named in ``reply_to``.

An asker that is gone costs nothing: the broker returns the answer, and it is dropped. An answer may
hold a secret, so it is not written to disk, goes to no log, and can be made to expire.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager

from aiormq.abc import AbstractChannel
from pamqp import commands as spec

from speechmq_schemas import (
    AmqpMessage,
    ContractError,
    Names,
    Reply,
    RequestFailed,
    from_reply,
)

from ...errors import BrokerError, MessageRefused
from ...settings import BrokerSettings
from ...tasks import task_group
from ...telemetry.logs import describe, get_logger
from ..amqp.error_map import translated
from ..amqp.side_channel import SideChannel

log = get_logger(__name__)

DIRECT = "amq.rabbitmq.reply-to."
# How Erlang writes a process: its node, an atom whose length has one byte or two, then numbers.
TERM = 131
ATOMS = {100: 2, 118: 2, 119: 1}
NUMBERS = {88: 12, 103: 9}


def require_asker(asked: AmqpMessage, names: Names) -> None:
    """Raises ``ContractError`` when there is nobody to answer.

    ``reply_to`` is a stranger's word, and what goes to the default exchange reaches any queue of
    the vhost: none of our own may be named.
    """
    if not asked.reply_to:
        reason = f"{asked.type or 'the request'} has no reply_to, so nobody can be answered"
        raise ContractError("missing_reply_to", reason)
    if asked.reply_to.startswith(f"{names.namespace}."):
        reason = f"reply_to may not name a queue of speechmq: it begins with {names.namespace}."
        raise ContractError("bad_reply_to", reason)
    if asked.reply_to.startswith(DIRECT.rstrip(".")) and not _is_direct(asked.reply_to):
        reason = f"RabbitMQ makes no such direct reply-to: {asked.reply_to!r:.200}"
        raise ContractError("bad_reply_to", reason)


def _is_direct(reply_to: str) -> bool:
    """Whether RabbitMQ may have written it: a process of its own and a key, each in base64.

    Else it ends the connection that publishes there, and a publisher may write what it likes.
    """
    process, _, key = reply_to.removeprefix(DIRECT).partition(".")
    try:
        return bool(b64decode(key, validate=True)) and _is_process(
            b64decode(process, validate=True)
        )
    except ValueError:
        return False


def _is_process(term: bytes) -> bool:
    if len(term) < 5 or term[0] != TERM:  # all that is looked at below
        return False
    width = ATOMS.get(term[2], 0)
    atom_end = 3 + width + int.from_bytes(term[3 : 3 + width], "big")
    return width > 0 and len(term) - atom_end == NUMBERS.get(term[1], -1)


class Answers:
    """The channels that answers go by: one for queues, one for RabbitMQ's direct reply-to.

    3.10 ends the connection that publishes to a direct reply-to which it has not made, and nobody
    can tell a forged one. Who uses it honestly may have to ask again; nobody else.
    """

    def __init__(self, settings: BrokerSettings) -> None:
        self._to_queues = SideChannel(settings)
        self._direct = SideChannel(settings)

    async def channel(self, reply_to: str = "") -> AbstractChannel:
        """Without ``reply_to``, for what is not answered. Raises ``BrokerError``."""
        chosen = self._direct if reply_to.startswith(DIRECT) else self._to_queues
        return await chosen.channel()

    async def keep(self) -> None:
        """Returns by being cancelled, which closes both connections."""
        async with task_group() as tasks:
            tasks.create_task(self._to_queues.keep())
            tasks.create_task(self._direct.keep())


@contextmanager
def settled_at_last(*, redelivered: bool) -> Iterator[None]:
    """An answer that cannot be sent at the second try is none: it may be the one that costs the
    connection each time. Who gets no answer asks again."""
    try:
        yield
    except BrokerError as error:
        if not redelivered:
            raise
        log.warning("question_unanswered", **describe(error))


async def reply(
    channel: AbstractChannel, asked: AmqpMessage, answer: Reply, *, expires: float | None = None
) -> bool:
    """Whether the broker could give the answer to a queue; returns when it has settled that. Of an
    asker without a queue, who uses the broker's direct reply-to, that is not known.

    After ``expires`` seconds the broker drops an answer that nobody has fetched. Raises
    ``BrokerError``. Cancelling leaves it open whether the answer was sent.
    """
    message = from_reply(answer, asked)
    properties = spec.Basic.Properties(
        message_type=message.type,
        correlation_id=message.correlation_id,
        content_type=message.content_type,
        headers=dict(message.headers),
        expiration=None if expires is None else str(round(expires * 1000)),
        delivery_mode=1,
    )
    try:
        with translated(f"answering {asked.type}"):
            await channel.basic_publish(
                message.body,
                routing_key=message.routing_key,
                properties=properties,
                # RabbitMQ returns what goes to a direct reply-to, although it was delivered.
                mandatory=not message.routing_key.startswith(DIRECT),
            )
    except MessageRefused:
        log.info("answer_dropped", type=asked.type[:80])
        return False
    return True


def refusal(error: ContractError) -> RequestFailed:
    """The answer to a request that does not follow the contract."""
    return RequestFailed(
        code=error.code,
        reason=error.reason,
        retryable=False,
        fields=[{"path": one.path, "reason": one.reason} for one in error.fields],
    )

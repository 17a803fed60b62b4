"""Answers to requests: published to the queue that an asker named in ``reply_to``.

An asker that is gone costs nothing: the broker returns the answer, and it is dropped. An answer may
hold a secret, so it is not written to disk, goes to no log, and can be made to expire.
"""

from __future__ import annotations

from aiormq.abc import AbstractChannel
from aiormq.exceptions import DeliveryError
from pamqp import commands as spec

from speechmq_schemas import (
    AmqpMessage,
    ContractError,
    Names,
    Reply,
    RequestFailed,
    from_reply,
)

from ..telemetry.logs import get_logger
from .plane import translated

log = get_logger(__name__)

DIRECT = "amq.rabbitmq.reply-to."


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


async def reply(
    channel: AbstractChannel, asked: AmqpMessage, answer: Reply, *, expires: float | None = None
) -> bool:
    """Whether the broker could give the answer to a queue; returns when it has settled that. Of an
    asker without a queue, who uses the broker's direct reply-to, that is not known.

    After ``expires`` seconds the broker drops an answer that nobody has fetched. Raises
    ``BrokerLost``. Cancelling leaves it open whether the answer was sent.
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
    with translated(f"answering {asked.type}"):
        try:
            await channel.basic_publish(
                message.body,
                routing_key=message.routing_key,
                properties=properties,
                # RabbitMQ returns what goes to a direct reply-to, although it was delivered.
                mandatory=not message.routing_key.startswith(DIRECT),
            )
        except DeliveryError:
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

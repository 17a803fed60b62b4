"""Each error of the client, with the words of RabbitMQ 3.10 and 4, as an error of ours."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import (
    AMQPConnectionError,
    ChannelAccessRefused,
    ChannelClosed,
    ChannelInvalidStateError,
    ChannelLockedResource,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ConnectionClosed,
    ConnectionInternalError,
    DeliveryError,
    DuplicateConsumerTag,
    PublishError,
)
from pamqp import commands as spec
from pamqp.header import ContentHeader

from speechmq.broker.amqp.error_map import answered, translated
from speechmq.errors import (
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

NO_QUEUE = "NOT_FOUND - no queue 'speechmq.state.one' in vhost '/'"
UNAVAILABLE = [
    # 3.10, for a classic queue
    "NOT_FOUND - home node 'rabbit@b' of durable queue 'speechmq.state.one' in vhost '/' is down "
    "or inaccessible",
    "NOT_FOUND - queue 'speechmq.state.one' in vhost '/' has crashed and failed to restart",
    "NOT_FOUND - queue 'speechmq.state.one' in vhost '/' process is stopped by supervisor",
    # 4
    "NOT_FOUND - failed to perform operation on queue 'speechmq.state.one' in vhost '/' due to "
    "timeout",
]
LOCKED = (
    "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'speechmq.owner.one' in "
    "vhost '/'. It could be originally declared on another connection or the exclusive property "
    "value does not match that of the original declaration."
)
INEQUIVALENT = (
    "PRECONDITION_FAILED - inequivalent arg 'x-expires' for queue 'speechmq.stream.one' in vhost "
    "'/': received the value '1' of type 'signedint' but current is the value '2' of type "
    "'signedint'"
)
OTHER_KIND = (
    "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'speechmq.events' in vhost '/': "
    "received 'topic' but current is 'direct'"
)
REFUSED = "ACCESS_REFUSED - access to queue 'speechmq.claims' in vhost '/' refused for user 'guest'"
UNKNOWN_TAG = "PRECONDITION_FAILED - unknown delivery tag 4711"
NO_EXCHANGE = "NOT_FOUND - no exchange 'speechmq.in' in vhost '/'"
CRASHED = "INTERNAL_ERROR - Cannot declare queue 'speechmq.state.one' in vhost '/' on node 'b'"


def translate(raised: Exception) -> BrokerError:
    with pytest.raises(BrokerError) as caught, translated("testing"):
        raise raised
    assert caught.value.__cause__ is raised
    return caught.value


@pytest.mark.parametrize(
    ("raised", "kind", "code", "queue"),
    [
        (ChannelNotFoundEntity(NO_QUEUE), QueueMissing, 404, "speechmq.state.one"),
        *[
            (ChannelNotFoundEntity(text), QueueUnavailable, 404, "speechmq.state.one")
            for text in UNAVAILABLE
        ],
        (ChannelNotFoundEntity("NOT_FOUND"), QueueUnavailable, 404, None),
        (ChannelLockedResource(LOCKED), QueueLocked, 405, "speechmq.owner.one"),
        (ChannelPreconditionFailed(INEQUIVALENT), ArgumentsDiffer, 406, "speechmq.stream.one"),
        (ChannelPreconditionFailed(OTHER_KIND), ArgumentsDiffer, 406, None),
        (ChannelPreconditionFailed(UNKNOWN_TAG), BrokerRefused, 406, None),
        (ChannelAccessRefused(REFUSED), AccessRefused, 403, "speechmq.claims"),
        (ConnectionInternalError(CRASHED), QueueUnavailable, 541, "speechmq.state.one"),
        (ConnectionInternalError("INTERNAL_ERROR"), QueueUnavailable, 541, None),
        (ChannelClosed(311, "CONTENT_TOO_LARGE"), BrokerRefused, 311, None),
        (ChannelNotFoundEntity(NO_EXCHANGE), ExchangeMissing, 404, None),
    ],
)
def test_refusal_says_what_it_is_about(
    raised: Exception, kind: type[BrokerRefused], code: int, queue: str | None
) -> None:
    error = translate(raised)
    assert type(error) is kind
    assert isinstance(error, BrokerRefused)
    text = str(raised.args[-1])
    assert (error.reply_code, error.reply_text, error.queue) == (code, text, queue)


def test_name_of_a_queue_with_quotes_in_it_is_read_whole() -> None:
    error = translate(ChannelNotFoundEntity("NOT_FOUND - no queue 'it's' in vhost '/'"))
    assert (type(error), getattr(error, "queue", None)) == (QueueMissing, "it's")


def test_queue_whose_name_says_that_it_is_gone_is_not_gone() -> None:
    """The name comes from a publisher: it must not choose what its refusal means."""
    name = "NOT_FOUND - no queue 'x' in vhost"
    text = f"NOT_FOUND - home node 'b' of durable queue '{name}' in vhost '/' is down"
    assert type(translate(ChannelNotFoundEntity(text))) is QueueUnavailable


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (TimeoutError(), "RabbitMQ did not answer in time while testing; it holds publishers back"),
        (ConnectionError("gone"), "the connection to RabbitMQ was lost while testing: gone"),
        (Exception(), "the connection to RabbitMQ was lost while testing: Exception"),
        (AMQPConnectionError("reset"), "the connection to RabbitMQ was lost while testing: reset"),
        (
            ConnectionClosed(320, "CONNECTION_FORCED"),
            "the connection to RabbitMQ was lost while testing: 320 CONNECTION_FORCED",
        ),
        (ChannelClosed(None, None), "the connection to RabbitMQ was lost while testing: None None"),
        (ChannelInvalidStateError("closed"), "the connection to RabbitMQ was lost while testing"),
        (DuplicateConsumerTag("t"), "the connection to RabbitMQ was lost while testing: t"),
    ],
)
def test_all_else_of_the_client_is_a_loss(raised: Exception, told: str) -> None:
    error = translate(raised)
    assert type(error) is BrokerLost
    assert str(error).startswith(told)


def returned_message() -> DeliveredMessage:
    returned = spec.Basic.Return(312, "NO_ROUTE", "", "speechmq.state.one")
    return DeliveredMessage(returned, ContentHeader(), b"", None)  # type: ignore[arg-type]


def test_returned_message_names_its_way() -> None:
    message = returned_message()
    error = translate(PublishError(message, message.delivery))
    assert isinstance(error, MessageReturned)
    found = (error.exchange, error.routing_key, error.reply_text)
    assert found == ("", "speechmq.state.one", "NO_ROUTE")
    assert "or its node is down" in str(error)


def test_nacked_message_may_have_met_a_full_queue() -> None:
    error = translate(DeliveryError(None, spec.Basic.Nack(1)))
    assert type(error) is MessageNacked


def test_returned_message_is_not_kept_until_the_garbage_is_looked_for() -> None:
    """Early audio is returned many times a second, and each holds its body."""
    kept: list[weakref.ref[Any]] = []

    class Body:
        pass

    def publish() -> None:
        body, message = Body(), returned_message()
        kept.append(weakref.ref(body))
        error = PublishError(message, message.delivery)
        raise error

    def is_returned() -> bool:
        try:
            with translated("testing"):
                publish()
        except MessageReturned:
            return True
        return False

    gc.disable()
    try:
        assert is_returned()
        assert kept[0]() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("own", [MessageNacked("full"), ValueError("a mistake of ours")])
def test_other_errors_pass_unchanged(own: Exception) -> None:
    with pytest.raises(type(own)) as raised, translated("testing"):
        raise own
    assert raised.value is own


async def test_silence_of_the_broker_is_a_loss() -> None:
    with pytest.raises(BrokerLost, match=r"did not answer for 0 s"):
        async with answered(0):
            await asyncio.Event().wait()

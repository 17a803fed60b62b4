"""A broker named by SPEECHMQ_AMQP_URL is used as it is and never touched."""

import pytest
from tests.support.broker import Namespace, with_vhost

from speechmq.dev.rabbitmq import private_broker
from speechmq.dev.rabbitmq_errors import (
    BrokerNotFoundError,
    BrokerUnreachableError,
    NotOursError,
)
from speechmq.dev.rabbitmq_handshake import address
from speechmq.dev.rabbitmq_source import URL_MALFORMED


@pytest.mark.parametrize("order", ["start", "stop", "kill", "restart"])
async def test_given_broker_is_used_and_refuses_to(
    order: str, namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPEECHMQ_AMQP_URL", namespace.url)
    async with private_broker() as given:
        assert given.url == namespace.url
        assert str(given) == f"given broker on {address(namespace.url)}"
        with pytest.raises(NotOursError):
            await getattr(given, order)()


async def test_given_broker_that_refuses_us_is_named_without_credentials(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPEECHMQ_AMQP_URL", with_vhost(namespace.url, "no-such-vhost"))
    with pytest.raises(BrokerUnreachableError) as refusal:
        async with private_broker():
            pytest.fail("There is no such vhost.")
    assert refusal.value.address == address(namespace.url)
    assert "@" not in str(refusal.value)


async def test_given_url_that_is_malformed_is_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPEECHMQ_AMQP_URL", "http://localhost")
    with pytest.raises(BrokerNotFoundError) as refusal:
        async with private_broker():
            pytest.fail("That is no AMQP URL.")
    assert str(refusal.value) == URL_MALFORMED

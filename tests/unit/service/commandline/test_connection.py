import pytest

from speechmq.commandline.connection import address, broker_errors
from speechmq.errors import BrokerError, BrokerLost, MessageRefused, RequestError


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://user:secret@host/", "host:5672"),
        ("amqps://user:secret@host", "host:5671"),
        ("amqp://host:1234/my%2Fvhost", "host:1234/my%2Fvhost"),
    ],
)
def test_address_shows_no_credentials(url: str, shown: str) -> None:
    assert address(url) == shown


@pytest.mark.parametrize(
    "url", ["", "host", "http://host", "amqp://", "amqp://h:99999", "amqp://["]
)
def test_address_of_something_else_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(RequestError, match="AMQP URL"):
        address(url)


@pytest.mark.parametrize(
    ("raised", "kind", "told"),
    [
        (TimeoutError(), BrokerError, "RabbitMQ did not answer in time while testing; it holds"),
        (ConnectionError("gone"), BrokerLost, "to RabbitMQ was lost while testing: gone"),
        (Exception(), BrokerLost, "to RabbitMQ was lost while testing: Exception"),
    ],
)
def test_broker_errors_are_told_with_what_was_being_done(
    raised: Exception, kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind, match=told), broker_errors("testing"):
        raise raised


@pytest.mark.parametrize("own", [MessageRefused("full"), ValueError("a mistake of ours")])
def test_other_errors_pass_unchanged(own: Exception) -> None:
    with pytest.raises(type(own)) as raised, broker_errors("testing"):
        raise own
    assert raised.value is own

import pytest

from speechmq.dev.rabbitmq_errors import BrokerUnreachableError
from speechmq.dev.rabbitmq_handshake import address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("amqp://user:secret@broker.example:5673/vhost", "broker.example:5673"),
        ("amqp://broker.example", "broker.example:5672"),
        ("amqps://broker.example/", "broker.example:5671"),
    ],
)
def test_address_is_host_and_port_without_credentials(url: str, expected: str) -> None:
    assert address(url) == expected


def test_unreachable_broker_is_one_sentence_and_what_to_check() -> None:
    assert str(BrokerUnreachableError("broker.example:5672", "connection refused")) == (
        "RabbitMQ at broker.example:5672 does not answer as it should (connection refused). "
        "Check that it runs and that SPEECHMQ_AMQP_URL has the right user, password and vhost."
    )

import pytest

from speechmq.commandline.connection import address
from speechmq.errors import RequestError


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

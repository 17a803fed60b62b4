"""A broker for a measurement, and a vhost of its own for each part of it."""

import asyncio
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.broker import BrokerAddress, BrokerKeeper, ask_for_broker, with_vhost

from speechmq.dev.rabbitmq_layout import Management


@contextmanager
def broker() -> Iterator[BrokerAddress]:
    """The one that is given, else a private one for the length of the block.

    SIGTERM ends all that runs in it as Ctrl-C does.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    keeper = BrokerKeeper(Management.USUAL)
    try:
        yield ask_for_broker(keeper.desk)
    finally:
        keeper.close()


@contextmanager
def aside(address: BrokerAddress) -> Iterator[str]:
    """The URL of a vhost that nothing else is in, for the length of the block."""
    vhost = f"b{secrets.token_hex(4)}"
    asyncio.run(address.management.create_vhost(vhost))
    try:
        yield with_vhost(address.url, vhost)
    finally:
        asyncio.run(address.management.delete_vhost(vhost))

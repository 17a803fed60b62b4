"""What aio-pika and aiormq raise, as errors of ours: the only place that knows both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from aiormq.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelAccessRefused,
    ChannelClosed,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ConnectionClosed,
    ProbableAuthenticationError,
)

from ..errors import (
    AccessRefused,
    ArgumentsDiffer,
    BrokerRefused,
    BrokerUnavailable,
    ClientError,
    ExchangeMissing,
)

_NO_EXCHANGE = re.compile(r"NOT_FOUND - no exchange '(.*?)' in vhost")
_INEQUIVALENT = re.compile(r"inequivalent arg ")
# With these RabbitMQ closes a connection that it will not open at another try either.
_NOT_ALLOWED = (403, 530)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raises ours in place of the client's, ``from`` it; ``doing`` says what could not be done."""
    try:
        yield
    except Exception as error:
        ours = error_of_ours(error, doing)
        if ours is None:
            raise
        raise ours from error


def error_of_ours(error: Exception, doing: str) -> ClientError | None:
    """None for an error that is not the client's."""
    text = " ".join(map(str, error.args)) or type(error).__name__
    if isinstance(error, TimeoutError):
        return BrokerUnavailable(f"RabbitMQ did not answer in time while {doing}")
    if (refused := _refusal(error, doing, text)) is not None:
        return refused
    # aiormq fails what is under way with a bare ``Exception`` when it has no better one.
    if isinstance(error, AMQPError | OSError | RuntimeError) or type(error) is Exception:
        return BrokerUnavailable(f"the connection to RabbitMQ failed while {doing}: {text}")
    return None


def _refusal(error: Exception, doing: str, text: str) -> BrokerRefused | None:
    if isinstance(error, AuthenticationError | ProbableAuthenticationError):
        cure = "check user and password"
    elif isinstance(error, ConnectionClosed) and error.args and error.args[0] in _NOT_ALLOWED:
        cure = "check that the vhost exists and that the user may use it"
    elif isinstance(error, ChannelAccessRefused):
        cure = "SECURITY.md lists the permissions of each user"
    else:
        return _refusal_of_names(error, doing, text)
    return AccessRefused(f"RabbitMQ refused {doing}: {text}; {cure}")


def _refusal_of_names(error: Exception, doing: str, text: str) -> BrokerRefused | None:
    if isinstance(error, ChannelNotFoundEntity) and (found := _NO_EXCHANGE.search(text)):
        return ExchangeMissing(found[1])
    if isinstance(error, ChannelPreconditionFailed) and _INEQUIVALENT.search(text):
        return ArgumentsDiffer(
            f"a queue already exists with different arguments: {text}; delete it, or choose "
            "another name"
        )
    if type(error) is ChannelClosed and error.args and isinstance(error.args[0], int):
        return BrokerRefused(f"RabbitMQ refused {doing}: {text}")
    return None

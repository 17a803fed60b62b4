"""The tree of errors. Each is raised once, at the edge that met it, with ``from`` its cause.

A message is a sentence for an operator: what happened, to what, and what to do. The type and the
fields say what happened to the code: no caller reads the cause.

    ClientError
    ├── BrokerUnavailable       no address of RabbitMQ can be used, or it stopped to answer
    ├── BrokerRefused           RabbitMQ answered, and its answer will not change by itself
    │   ├── AccessRefused       user, password, vhost or permission
    │   ├── ExchangeMissing     no worker has declared its exchanges yet
    │   └── ArgumentsDiffer     a queue of this name exists with other arguments
    ├── NoAnswer                the broker has a message, and no worker has answered it in time
    ├── StreamError             one stream; has ``stream_id``
    │   ├── StartRefused        ``code``, ``reason``, ``fields``, ``retryable``
    │   ├── StreamFailure       ``code``, ``reason``, ``retryable``
    │   └── StreamOver          it has ended: nothing can be sent to it
    └── RequestRefused          ``code``, ``reason``, ``fields``, ``retryable``
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Fields: TypeAlias = Sequence[Mapping[str, str]]
"""What is wrong with each field: its ``path`` and the ``reason``."""


class ClientError(Exception):
    """Everything that the client raises on purpose, but for wrong arguments."""


class BrokerUnavailable(ClientError):
    """RabbitMQ cannot be reached at any address, or has stopped to answer."""


class BrokerRefused(ClientError):
    """RabbitMQ refused a request."""


class AccessRefused(BrokerRefused):
    """The user, the password or the vhost is wrong, or a permission is missing."""


class ExchangeMissing(BrokerRefused):
    """No worker has declared the exchange yet."""

    def __init__(self, exchange: str) -> None:
        super().__init__(
            f"no worker has declared the exchange {exchange!r} yet: start one with "
            "`speechmq worker`, or check the vhost and the namespace"
        )
        self.exchange = exchange


class ArgumentsDiffer(BrokerRefused):
    """A queue of this name exists with other arguments."""


class NoAnswer(ClientError):
    """RabbitMQ has the message, and no worker has answered it in time."""


class StreamError(ClientError):
    """Something about one stream, ``stream_id``; the other streams go on."""

    def __init__(self, message: str, *, stream_id: str) -> None:
        super().__init__(message)
        self.stream_id = stream_id


class StartRefused(StreamError):
    """The start of a stream was refused. ``code`` is stable, ``reason`` is a sentence.

    ``retryable`` says whether the same start may succeed later.
    """

    def __init__(
        self, *, stream_id: str, code: str, reason: str, retryable: bool, fields: Fields = ()
    ) -> None:
        super().__init__(
            f"the start of stream {stream_id} was refused ({code}): {reason}", stream_id=stream_id
        )
        self.code = code
        self.reason = reason
        self.retryable = retryable
        self.fields = tuple(fields)


class StreamFailure(StreamError):
    """A stream failed after its start. ``code`` is stable, ``reason`` is a sentence."""

    def __init__(self, *, stream_id: str, code: str, reason: str, retryable: bool) -> None:
        super().__init__(f"stream {stream_id} failed ({code}): {reason}", stream_id=stream_id)
        self.code = code
        self.reason = reason
        self.retryable = retryable


class StreamOver(StreamError):
    """The stream has ended, or its end was asked for."""


class RequestRefused(ClientError):
    """A worker answered a request with a refusal."""

    def __init__(self, *, code: str, reason: str, retryable: bool, fields: Fields = ()) -> None:
        super().__init__(f"the request was refused ({code}): {reason}")
        self.code = code
        self.reason = reason
        self.retryable = retryable
        self.fields = tuple(fields)

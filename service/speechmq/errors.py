"""The tree of errors. Each is raised once, at the edge that met it, with ``from`` its cause.

A message is a sentence for an operator: what happened, to what, and what to do. The type and the
fields say what happened to the code: no caller reads the cause.

    SpeechmqError
    ├── SettingsError
    ├── BrokerError                 RabbitMQ cannot be reached, or does not do what it is asked
    │   ├── BrokerLost              a connection or a channel is gone, or there was no answer
    │   ├── BrokerRefused           RabbitMQ answered, with ``reply_code`` and ``reply_text``
    │   │   ├── QueueMissing        404 ``no queue``: only this says that a queue is gone
    │   │   ├── QueueUnavailable    another 404, or 541: the queue may well be there
    │   │   ├── QueueLocked         405: another connection has the queue
    │   │   ├── ArgumentsDiffer     406: it exists, with other arguments
    │   │   ├── AccessRefused       403
    │   │   └── ExchangeMissing     404 ``no exchange``
    │   ├── MessageRefused          a message that RabbitMQ did not take
    │   │   ├── MessageReturned     no queue took it: there is none, or it is unavailable
    │   │   └── MessageNacked       a queue is full, or unavailable
    │   ├── StateUnreadable
    │   ├── StreamUnharmed
    │   ├── StreamOwned
    │   ├── TopologyMismatch
    │   └── LogMissing
    ├── CrashLoop
    ├── UpstreamError
    │   ├── HandshakeRefused
    │   ├── AccountFull
    │   ├── KeyRefused
    │   ├── KeyUnavailable
    │   ├── UpstreamUnreachable
    │   └── UpstreamLost
    ├── UndecodableAudio
    ├── TransitionError
    ├── RecordingError
    ├── RequestError
    ├── NoAnswer
    └── ChildFailed
"""

from __future__ import annotations

from enum import Enum, auto


class SpeechmqError(Exception):
    """Everything that speechmq raises on purpose."""


class SettingsError(SpeechmqError):
    """The settings cannot be used."""


class BrokerError(SpeechmqError):
    """RabbitMQ cannot be reached, or refused something."""


class BrokerLost(BrokerError):
    """The connection to RabbitMQ is gone; everything that was unacknowledged comes back."""


class BrokerRefused(BrokerError):
    """RabbitMQ refused a request, and closed its channel or its connection for it.

    ``queue`` is the one that RabbitMQ names, or nothing where it names none. ``reply_code`` and
    ``reply_text`` are RabbitMQ's own.
    """

    def __init__(
        self, message: str, *, reply_code: int, reply_text: str, queue: str | None = None
    ) -> None:
        super().__init__(message)
        self.queue = queue
        self.reply_code = reply_code
        self.reply_text = reply_text


class QueueMissing(BrokerRefused):
    """There is no such queue: its stream is over, or the queue expired or was deleted."""


class QueueUnavailable(BrokerRefused):
    """RabbitMQ cannot use the queue now, as while its node is down. It says nothing about whether
    the queue is gone: nothing may be deleted, and no stream may fail, for this."""


class QueueLocked(BrokerRefused):
    """Another connection has the queue for itself."""


class ArgumentsDiffer(BrokerRefused):
    """An exchange or queue of this name exists with other arguments."""


class AccessRefused(BrokerRefused):
    """The user may not do this."""


class CrashLoop(SpeechmqError):
    """A stream's owners go under one behind the other."""

    def __init__(self, stream_id: str, owners: int) -> None:
        super().__init__(
            f"stream {stream_id} had {owners} owners one behind the other, and none of them got it "
            "any further; look into the workers' logs for what ended them"
        )


class StreamUnharmed(BrokerError):
    """A queue was missing, and it was none that the stream cannot do without."""


class StreamOwned(BrokerError):
    """Another worker owns the stream."""


class StateUnreadable(BrokerError):
    """The queue of a stream's state holds something that is not a checkpoint of ours."""

    def __init__(self, queue: str, reason: str) -> None:
        super().__init__(f"{queue} holds {reason}")
        self.queue = queue


class TopologyMismatch(BrokerError):
    """An exchange or queue of ours exists with other arguments."""

    def __init__(self, reply_text: str) -> None:
        super().__init__(
            f"an exchange or queue already exists with different arguments: {reply_text}; "
            "delete it, or choose another SPEECHMQ_BROKER__NAMESPACE, SPEECHMQ_BROKER__QUEUE_TYPE "
            "or, for a log, the SPEECHMQ_BROKER__LOG_MAX_AGE and LOG_MAX_BYTES that it was made "
            "with"
        )


class UpstreamError(SpeechmqError):
    """The upstream recogniser cannot be used."""


UNAUTHORISED = (401, 403)


class HandshakeRefused(UpstreamError):
    """The WebSocket handshake was answered with an HTTP status other than 101."""

    def __init__(self, url: str, status: int, key_setting: str) -> None:
        cure = f"; check {key_setting}" if status in UNAUTHORISED else ""
        super().__init__(f"{url} refused the connection with HTTP status {status}{cure}")
        self.status = status


class AccountFull(UpstreamError):
    """No session was asked for, because ``sessions`` are known to be all in use."""

    code = "quota_exceeded"

    def __init__(self, sessions: str) -> None:
        super().__init__(f"{sessions} are all in use; audio waits in the queue")


class KeyRefused(UpstreamError):
    """The management API makes no temporary key for us, and another try will not change that."""

    def __init__(self, url: str, status: int, key_setting: str) -> None:
        cure = f"; check {key_setting}" if status in UNAUTHORISED else ""
        super().__init__(f"{url} made no temporary key: HTTP status {status}{cure}")
        self.status = status


class KeyUnavailable(UpstreamError):
    """The management API could not be asked for a temporary key, or could not make one now."""

    code = "key_unavailable"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url} made no temporary key: {reason}")


class Trouble(Enum):
    """What kept a connection from being made."""

    NETWORK = auto()
    """Name resolution or TCP."""
    DEADLINE = auto()
    TLS = auto()
    PROXY = auto()
    PROTOCOL = auto()
    """The other side speaks something else."""


class UpstreamUnreachable(UpstreamError):
    """No connection came about. ``detail`` says what the network library found, without the URL."""

    def __init__(self, message: str, trouble: Trouble, detail: str = "") -> None:
        super().__init__(message)
        self.trouble = trouble
        self.detail = detail


class UpstreamLost(UpstreamError):
    """An open connection ended. ``code`` is the WebSocket close code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"upstream closed the connection with code {code}: {reason}")
        self.code = code
        self.reason = reason


class UndecodableAudio(SpeechmqError):
    """The bytes of a file that cannot be decoded; the text is the second half of a sentence."""


class TransitionError(SpeechmqError):
    """An input that the session's table does not allow. ``side`` is ``local`` or ``upstream``."""

    def __init__(self, side: str, state: str, received: str) -> None:
        super().__init__(f"the {side} side sent {received} in state {state}")
        self.side = side
        self.state = state
        self.received = received


class RecordingError(SpeechmqError):
    """A recording cannot be read, or has a form that this version does not send."""


class RequestError(SpeechmqError):
    """The command line asks for something that the contract does not allow."""


class ExchangeMissing(BrokerRefused):
    """No worker has declared the exchange yet."""

    def __init__(self, exchange: str, *, reply_code: int, reply_text: str) -> None:
        super().__init__(
            f"no worker has declared the exchange {exchange!r} yet: start one with "
            "`speechmq worker`, or check --url and --namespace",
            reply_code=reply_code,
            reply_text=reply_text,
        )
        self.exchange = exchange


class LogMissing(BrokerError):
    """There is no transcript log."""

    def __init__(self, queue: str) -> None:
        super().__init__(
            f"there is no transcript log, the queue {queue!r}: workers keep one with "
            "SPEECHMQ_BROKER__TRANSCRIPT_LOG=true, from then on; or check --url and --namespace"
        )


class MessageRefused(BrokerError):
    """RabbitMQ returned or nacked a message; it is not on its way to a queue."""


class MessageReturned(MessageRefused):
    """No queue took a message that had to reach one: there is none, or its node is down."""

    def __init__(self, message: str, *, exchange: str, routing_key: str, reply_text: str) -> None:
        super().__init__(message)
        self.exchange = exchange
        self.routing_key = routing_key
        self.reply_text = reply_text


class MessageNacked(MessageRefused):
    """A queue did not take the message: it is full, or not available."""


class NoAnswer(SpeechmqError):
    """A stream's end was not heard of in time, or a question was not answered."""


class ChildFailed(SpeechmqError):
    """A process of the development stack ended or hung; the text ends with its last words."""


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of a group, however deep it lies."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error

"""What can go wrong between "a broker, please" and a broker that answers."""

from pathlib import Path


class DevelopmentBrokerError(Exception):
    """Base of all errors of this package; its text is one an operator can act on."""


class BrokerNotFoundError(DevelopmentBrokerError):
    """There is no RabbitMQ to be had here; the text says what to install."""


class BrokerUnreachableError(DevelopmentBrokerError):
    """The broker at `address` (host and port, never credentials) refused us or did not answer."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"RabbitMQ at {address} does not answer as it should ({reason}). "
            "Check that it runs and that SPEECHMQ_AMQP_URL has the right user, password and vhost."
        )
        self.address = address
        self.reason = reason


class CommandFailedError(DevelopmentBrokerError):
    """A program that was to give us a broker (apt-get, docker) ended with an error."""

    def __init__(self, command: str, output: str) -> None:
        super().__init__(f"`{command}` failed:\n{output.strip()}")
        self.command = command
        self.output = output


class NodeFailedError(DevelopmentBrokerError):
    """The private node ended or hung before it could be used; the text ends with its log."""

    def __init__(self, what: str, log: str) -> None:
        super().__init__(f"The private RabbitMQ node {what}. Its last words:\n{log}")
        self.what = what
        self.log = log


class PortTakenError(NodeFailedError):
    """Somebody else took one of the node's ports between our choice and its start."""


class NotOursError(DevelopmentBrokerError):
    """Asked to stop or kill a broker that was given to us by its URL."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"RabbitMQ at {address} was given by SPEECHMQ_AMQP_URL and is not ours to stop or "
            "start. Unset the variable to get a private node."
        )
        self.address = address


def tail(path: Path, lines: int = 10, width: int = 300) -> str:
    """Return the last lines of a text file, each cut at `width`, or a note that it is missing."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return f"({path.name} was never written)"
    return "\n".join(line[:width] for line in text.splitlines()[-lines:])

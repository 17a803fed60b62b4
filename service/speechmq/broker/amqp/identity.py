"""Which messages are a worker's own: those with the property ``user_id`` of a worker's user.

RabbitMQ refuses a message whose ``user_id`` is not the user of its connection, and keeps it with
the message. So a claim, a state or a memo shows who wrote it, also after a restore of the broker.
Must not decide what becomes of a message that is not ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiormq.abc import DeliveredMessage
from yarl import URL


@dataclass(frozen=True, slots=True)
class WorkerUsers:
    """``own`` is this worker's user, ``others`` those of further workers of the namespace."""

    own: str
    others: frozenset[str] = frozenset()

    @classmethod
    def of(cls, url: URL, listed: tuple[str, ...]) -> WorkerUsers:
        """The first of ``listed``, or else the user in ``url``, is this worker's own."""
        own, *others = listed or (url.user or "guest",)
        return cls(own, frozenset(others))

    def wrote(self, message: DeliveredMessage) -> bool:
        user = message.header.properties.user_id
        return user == self.own or user in self.others


def foreign(message: DeliveredMessage, what: str) -> str:
    """Says why ``message`` is not believed to be ``what``, and what to do."""
    user = message.header.properties.user_id
    writer = f"the RabbitMQ user {user!r} wrote this one" if user else "this one bears no user_id"
    return (
        f"{what} has to come from a worker, and {writer}; list the users of all workers in "
        "SPEECHMQ_BROKER__WORKER_USERS, and see who else may write to the default exchange"
    )

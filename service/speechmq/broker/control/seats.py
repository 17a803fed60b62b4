"""How many streams a user may have at once: each takes a seat, from its start to its end.

A seat is a queue, ``seat.<user>.<number>``, of which a user has as many as the settings say. The
broker compares a queue's arguments on every declare, and the stream's digest is among them: of two
streams that want one seat it refuses the second, whichever workers they are with. So the bound
holds for the whole fleet, with no state but the broker's own. Nothing is ever put into a seat.

A seat goes with the queues of its stream: the stream's owner renews it and deletes it at the end;
one that nobody looks after expires.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from speechmq_schemas import ContractError, Names

from ...errors import ArgumentsDiffer
from ...settings import Settings
from ..amqp.error_map import translated
from ..amqp.plane import DataPlane
from ..topology import Queue, declare_queue

HEADER = "x-speechmq-seat"
"""Of a claim: which seat its stream has."""
# Seconds for which a user whose seats are all taken is refused without another look at each.
REST = 1.0
# Of the digest, in each of two arguments that the broker compares.
BITS = 31


# The user of all starts without the property ``user_id``.
NOBODY = ""


class Seats:
    """``limit`` seats for each user; ``clock`` gives seconds."""

    def __init__(
        self,
        plane: DataPlane,
        names: Names,
        *,
        limit: int | None,
        expires: float,
        clock: Callable[[], float],
    ) -> None:
        self._plane = plane
        self._names = names
        self._limit = limit
        self._expires = expires
        self._clock = clock
        self._full_until: dict[str, float] = {}

    async def take(self, user: str | None, stream_id: str, *, again: bool = False) -> str | None:
        """The seat of the stream; none where there is no limit.

        ``again`` says that it may have been left with one, which is then looked for first: another
        that has become free since would be a second. Raises ``ContractError`` when the user has
        none left, and ``BrokerError``.
        """
        if self._limit is None:
            return None
        user = user or NOBODY
        if again and (left := await self._seat_left(user, stream_id, self._limit)):
            return left
        if self._clock() >= self._full_until.get(user, 0.0):
            for name in self._names_of(user, stream_id, self._limit):
                if await self.hold(name, stream_id):
                    return name
            self._full_until[user] = self._clock() + REST
        raise ContractError(
            "too_many_streams",
            f"{_named(user)} {self._limit} streams, as many as one user may have at once; "
            "start this one when another has ended, or raise SPEECHMQ_LIMITS__STREAMS_PER_USER",
        )

    async def _seat_left(self, user: str, stream_id: str, limit: int) -> str | None:
        for name in self._names_of(user, stream_id, limit):
            is_taken = await self._plane.queue_exists(name) is not None
            if is_taken and await self.hold(name, stream_id):
                return name
        return None

    def _names_of(self, user: str, stream_id: str, limit: int) -> list[str]:
        """All seats of the user; a stream begins to look at its own place, which is mostly free."""
        first, whose = _digest(stream_id) % limit, hashlib.sha256(user.encode()).hexdigest()[:16]
        numbers = [(first + step) % limit for step in range(limit)]
        return [f"{self._names.namespace}.seat.{whose}.{number}" for number in numbers]

    async def hold(self, name: str, stream_id: str) -> bool:
        """Whether the stream has the seat, for as long as it does not expire. Raises
        ``BrokerError``."""
        try:
            async with self._plane.asking() as channel:
                with translated(f"taking {name}"):
                    await declare_queue(channel, seat_queue(name, stream_id, self._expires))
        except ArgumentsDiffer:
            return False
        return True

    async def free(self, name: str, stream_id: str) -> None:
        """Harmless if another stream has it by now: the last owner may have freed it, and been
        lost before it said so. Raises ``BrokerError``."""
        if not await self.hold(name, stream_id):
            return
        async with self._plane.asking() as channel:
            with translated(f"freeing {name}"):
                await channel.queue_delete(name)


def seats_of(plane: DataPlane, settings: Settings, clock: Callable[[], float]) -> Seats:
    return Seats(
        plane,
        Names(settings.broker.namespace),
        limit=settings.limits.streams_per_user,
        expires=settings.broker.stream_expires,
        clock=clock,
    )


def seat_queue(name: str, stream_id: str, expires: float) -> Queue:
    """The lengths mean nothing: nothing is published there, and the broker compares them."""
    digest = _digest(stream_id)
    lengths = {
        "x-max-length": digest % 2**BITS,
        "x-max-length-bytes": (digest >> BITS) % 2**BITS,
    }
    return Queue(name, {"x-queue-type": "classic", "x-expires": round(expires * 1000), **lengths})


def _named(user: str) -> str:
    return f"the user {user!r} has" if user else "starts without the property user_id have"


def _digest(stream_id: str) -> int:
    return int.from_bytes(hashlib.sha256(stream_id.encode()).digest()[:16], "big")

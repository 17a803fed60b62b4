"""What a stream has lost, by what RabbitMQ says of its queues."""

from __future__ import annotations

from typing import Any

import pytest

from speechmq.broker.stream.failure import lost_of
from speechmq.errors import QueueUnavailable, StreamUnharmed
from speechmq_schemas import Names

NAMES = Names()
STREAM, STATE = NAMES.stream("s"), NAMES.state("s")


class Queues:
    """A broker that has some queues, and cannot say of others."""

    def __init__(self, present: set[str], unavailable: set[str]) -> None:
        self._present = present
        self._unavailable = unavailable

    async def queue_exists(self, queue: str) -> int | None:
        if queue in self._unavailable:
            raise QueueUnavailable("down", reply_code=404, reply_text="", queue=queue)
        return 0 if queue in self._present else None


async def lost(present: set[str], unavailable: set[str] = frozenset()) -> str | None:  # type: ignore[assignment]
    plane: Any = Queues(present, unavailable)
    return await lost_of(plane, NAMES, "s")


async def test_queue_that_is_missing_alone_is_lost() -> None:
    found = [await lost(present) for present in ({STREAM}, {STATE}, set())]
    assert found == ["state", "queue", None]


async def test_stream_that_has_both_has_lost_nothing() -> None:
    with pytest.raises(StreamUnharmed):
        await lost({STREAM, STATE})


@pytest.mark.parametrize("unavailable", [{STREAM}, {STATE}, {STREAM, STATE}])
async def test_queue_that_is_unavailable_is_not_lost(unavailable: set[str]) -> None:
    with pytest.raises(QueueUnavailable):
        await lost(set(), unavailable)

import asyncio

import pytest

from speechmq.errors import BrokerLost, NoAnswer
from speechmq.tasks import task_group


async def fail_with(error: Exception) -> None:
    raise error


async def test_task_group_raises_the_first_error_with_the_cause_it_came_with() -> None:
    first = BrokerLost("gone")
    first.__cause__ = OSError("reset")
    with pytest.raises(BrokerLost) as raised:  # noqa: PT012
        async with task_group() as tasks:
            tasks.create_task(fail_with(first))
            tasks.create_task(fail_with(NoAnswer("later")))
            await asyncio.Event().wait()
    assert raised.value is first
    assert repr(raised.value.__cause__) == "OSError('reset')"


async def test_task_group_raises_the_error_of_a_group_within() -> None:
    async def nested() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail_with(NoAnswer("deep")))

    with pytest.raises(NoAnswer, match="deep"):
        async with task_group() as tasks:
            tasks.create_task(nested())


async def test_task_group_passes_cancellation_on() -> None:
    entered = asyncio.Event()

    async def waiting() -> None:
        async with task_group():
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(waiting())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

import asyncio
import os
import signal

import pytest
from tests.support.received_events import ended

from speechmq.commandline.exits import ExitCode, code_for, code_of, interruptible
from speechmq.errors import (
    BrokerLost,
    ChildFailed,
    ExchangeMissing,
    MessageRefused,
    NoAnswer,
    RecordingError,
    RequestError,
    SpeechmqError,
)
from speechmq_schemas import StreamFailed

FAILED = StreamFailed(stream_id="s", code="x", reason="y", retryable=False)


def test_exit_code_says_how_the_stream_ended() -> None:
    assert [int(code_of(end)) for end in (ended(), FAILED)] == [0, 1]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RecordingError("x"), 2),
        (RequestError("x"), 2),
        (NoAnswer("x"), 3),
        (BrokerLost("x"), 3),
        (ExchangeMissing("x", reply_code=404, reply_text="x"), 3),
        (MessageRefused("x"), 3),
        (ChildFailed("x"), 3),
    ],
)
def test_exit_code_says_whose_fault_an_error_is(error: SpeechmqError, code: int) -> None:
    assert code_for(error) == code


async def test_first_interrupt_is_a_request_and_the_second_an_order() -> None:
    async def patient(halt: asyncio.Event) -> ExitCode:
        os.kill(os.getpid(), signal.SIGINT)
        await halt.wait()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()
        return ExitCode.ENDED

    assert await interruptible(patient) is ExitCode.INTERRUPTED


async def test_work_that_ends_after_the_first_interrupt_has_its_own_exit_code() -> None:
    async def polite(halt: asyncio.Event) -> ExitCode:
        os.kill(os.getpid(), signal.SIGTERM)
        await halt.wait()
        return ExitCode.FAILED

    assert await interruptible(polite) is ExitCode.FAILED


async def test_first_interrupt_is_an_order_where_nothing_needs_an_end() -> None:
    async def listening(_: asyncio.Event) -> ExitCode:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()
        return ExitCode.ENDED

    assert await interruptible(listening, at_once=True) is ExitCode.INTERRUPTED


async def test_error_of_the_work_is_raised() -> None:
    async def broken(_: asyncio.Event) -> ExitCode:
        raise NoAnswer("nobody")

    with pytest.raises(NoAnswer, match="nobody"):
        await interruptible(broken)

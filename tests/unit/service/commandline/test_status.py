from datetime import UTC, datetime

from speechmq.broker.control.status import TOLD_AS, Ownership
from speechmq.commandline.status import STATES, lines_of
from speechmq.core.states import State
from speechmq.core.status import Status
from speechmq_schemas import RequestFailed, StreamStatus

SINCE = datetime(2026, 11, 22, 16, 0, 12, tzinfo=UTC)


def test_owner_tells_all_that_it_knows() -> None:
    status = Status(State.STREAMING, received=18.4, finalised=16.9, gaps=0.1, lag=1.4)
    told = Ownership(7, SINCE, lambda: status).report("call-1", "worker-1")
    assert list(lines_of(told)) == [
        "stream     call-1",
        "state      streaming",
        "worker     worker-1 since 2026-11-22 16:00:12 UTC",
        "received   18.4 s",
        "finalised  16.9 s",
        "in gaps    0.1 s",
        "lag        1.4 s",
    ]


def test_owner_connects_before_it_has_a_session_core() -> None:
    told = Ownership(7, SINCE, lambda: None).report("call-1", "worker-1")
    assert told == StreamStatus(
        stream_id="call-1", state="connecting", epoch=7, worker="worker-1", since=SINCE
    )


def test_every_state_of_the_core_is_told_as_one_of_the_contract_s() -> None:
    assert set(TOLD_AS) == set(State)
    assert {*TOLD_AS.values(), "waiting"} == set(STATES)


def test_stream_without_a_worker_has_no_figures() -> None:
    assert list(lines_of(StreamStatus(stream_id="call-1", state="waiting"))) == [
        "stream     call-1",
        "state      waiting: accepted, and no worker has it now",
    ]


def test_refusal_is_one_line() -> None:
    refused = RequestFailed(code="unknown_stream", reason="there is no stream", retryable=False)
    assert list(lines_of(refused)) == ["there is no stream (unknown_stream)"]

"""The states of a stream, and what events mean to its publisher."""

from __future__ import annotations

import pytest

from speechmq_client.states import IS_OVER, StreamInput, StreamState, input_of, next_state
from speechmq_schemas import (
    Event,
    StreamAccepted,
    StreamFailed,
    StreamResumed,
    StreamWarning,
)


@pytest.mark.parametrize("state", [one for one in StreamState if one in IS_OVER])
@pytest.mark.parametrize("heard", StreamInput)
def test_nothing_leads_out_of_the_end(state: StreamState, heard: StreamInput) -> None:
    assert next_state(state, heard) is state


@pytest.mark.parametrize("state", [one for one in StreamState if one not in IS_OVER])
@pytest.mark.parametrize("heard", [StreamInput.END_HEARD, StreamInput.FAILURE_HEARD])
def test_last_event_ends_a_stream_in_any_state(state: StreamState, heard: StreamInput) -> None:
    assert next_state(state, heard) in IS_OVER


def test_refusal_concerns_no_stream_that_was_accepted() -> None:
    assert next_state(StreamState.OPEN, StreamInput.REFUSED) is StreamState.OPEN


def failed() -> StreamFailed:
    return StreamFailed(stream_id="one", code="invalid_field", reason="it is", retryable=False)


def warning(code: str) -> StreamWarning:
    return StreamWarning(stream_id="one", code=code, reason="it is")


@pytest.mark.parametrize(
    ("event", "epoch", "is_accepted", "meaning"),
    [
        (StreamAccepted(stream_id="one"), 0, False, StreamInput.ACCEPTED),
        (
            StreamResumed(stream_id="one", session_id="s", origin=0.0, reason="take_over"),
            2,
            False,
            StreamInput.ACCEPTED,
        ),
        (failed(), 0, False, StreamInput.REFUSED),
        (failed(), 0, True, None),
        (failed(), 1, True, StreamInput.FAILURE_HEARD),
        (warning("different_start"), 0, False, StreamInput.REFUSED),
        (warning("different_start"), 0, True, None),
        (warning("unknown_field"), 0, False, None),
        (warning("rate_limited"), 1, False, None),
    ],
)
def test_event_means(
    event: Event, epoch: int, is_accepted: bool, meaning: StreamInput | None
) -> None:
    assert input_of(event, epoch, is_accepted=is_accepted) is meaning

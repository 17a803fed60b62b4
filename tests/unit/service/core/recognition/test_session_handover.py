"""Uses of a session that is not there are our own mistakes, and say so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.streams import LIMITS, SPEC

from speechmq.core.audio.placement import Placement
from speechmq.core.audio.sequencer import Sequencer
from speechmq.core.recognition.retry import Attempts
from speechmq.core.recognition.session_handover import SessionHandover
from speechmq.core.record.coverage import Coverage
from speechmq.core.record.speakers import Voices
from speechmq.core.values.checkpoint import Checkpoint
from speechmq.core.values.memo import Memo
from speechmq.core.values.timers import Timers
from speechmq.errors import TransitionError

Use = Callable[[SessionHandover], object]


@pytest.mark.parametrize(
    ("use", "mistake"),
    [
        (lambda handover: handover.live, "a use of the session before it began"),
        (
            lambda handover: list(handover.succeed("rollover", 0.0)),
            "a switch to a session that is not ready",
        ),
    ],
)
def test_session_that_is_not_there_is_not_used(use: Use, mistake: str) -> None:
    timers = Timers()
    voices = Voices()
    sequencer = Sequencer(LIMITS, timers)
    placement = Placement(SPEC, LIMITS, sequencer, timers, checkpoint=Checkpoint(), memo=Memo())
    handover = SessionHandover(
        SPEC,
        LIMITS,
        placement,
        coverage=Coverage(
            SPEC, LIMITS, placement, sequencer, checkpoint=Checkpoint(), voices=voices
        ),
        attempts=Attempts(LIMITS, lambda: 0.0),
        voices=voices,
        resumes=None,
    )
    with pytest.raises(TransitionError) as caught:
        use(handover)
    assert (caught.value.side, caught.value.received) == ("local", mistake)

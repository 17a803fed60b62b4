"""Uses of a session that is not there are our own mistakes, and say so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.streams import LIMITS, SPEC

from speechmq.core.audio.placement import Placement
from speechmq.core.audio.sequencer import Sequencer
from speechmq.core.recognition.retry import Attempts
from speechmq.core.recognition.succession import Succession
from speechmq.core.record.journal import Journal
from speechmq.core.record.speakers import Voices
from speechmq.core.values.checkpoint import Checkpoint
from speechmq.core.values.memo import Memo
from speechmq.core.values.outputs import Output
from speechmq.errors import TransitionError

Use = Callable[[Succession], object]


@pytest.mark.parametrize(
    ("use", "mistake"),
    [
        (lambda succession: succession.live, "a use of the session before it began"),
        (
            lambda succession: succession.succeed("rollover", 0.0),
            "a switch to a session that is not ready",
        ),
    ],
)
def test_session_that_is_not_there_is_not_used(use: Use, mistake: str) -> None:
    outputs: list[Output] = []
    voices = Voices()
    sequencer = Sequencer(1, most_missing=LIMITS.max_missing)
    placement = Placement(SPEC, LIMITS, Checkpoint(), Memo(), sequencer=sequencer)
    succession = Succession(
        SPEC,
        LIMITS,
        journal=Journal(
            SPEC,
            LIMITS,
            placement,
            checkpoint=Checkpoint(),
            voices=voices,
            emit=outputs.append,
        ),
        attempts=Attempts(LIMITS, lambda: 0.0),
        emit=outputs.append,
        voices=voices,
        resumes=None,
    )
    with pytest.raises(TransitionError) as caught:
        use(succession)
    assert (caught.value.side, caught.value.received) == ("local", mistake)
    assert outputs == []

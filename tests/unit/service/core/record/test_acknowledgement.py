"""Which deliveries may be acknowledged, given that an acknowledgement covers all earlier tags."""

from __future__ import annotations

from tests.support.streams import LIMITS, SPEC, chunk

from speechmq.core.audio.placement import Placement
from speechmq.core.audio.sequencer import Sequencer
from speechmq.core.record.acknowledgement import Acknowledgement
from speechmq.core.record.coverage import Coverage
from speechmq.core.record.speakers import Voices
from speechmq.core.values.checkpoint import Checkpoint
from speechmq.core.values.memo import Memo
from speechmq.core.values.outputs import Acknowledge
from speechmq.core.values.timers import Timers


def new_acknowledgement() -> Acknowledgement:
    timers, began = Timers(), Checkpoint()
    sequencer = Sequencer(LIMITS, timers)
    placement = Placement(SPEC, LIMITS, sequencer, timers, checkpoint=began, memo=Memo())
    coverage = Coverage(SPEC, LIMITS, placement, sequencer, checkpoint=began, voices=Voices())
    return Acknowledgement(
        SPEC, LIMITS, placement, sequencer, coverage=coverage, timers=timers, now=0.0
    )


def test_deliveries_are_acknowledged_up_to_the_last_tag_before_an_open_one() -> None:
    acknowledgement = new_acknowledgement()
    for tag in (1, 2, 3, 4):
        acknowledgement.delivered(chunk(tag), 0.0)
    assert list(acknowledgement.close([2, 4], 0.0)) == []
    assert list(acknowledgement.close([1], 0.0)) == [Acknowledge(2)]
    assert list(acknowledgement.close([], 0.0)) == []
    assert list(acknowledgement.close([3], 0.0)) == [Acknowledge(4)]
    assert len(acknowledgement) == 0

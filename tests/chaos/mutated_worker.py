"""A worker with one rule changed: it acknowledges audio as soon as upstream has read it.

That is what a client does that trusts ``AudioAdded``. Words are lost by it, which a chaos run must
see: the proof that the run can fail.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from speechmq.core.stream import Stream
from speechmq.core.values.outputs import Effect
from speechmq.speechmatics.messages import AudioAdded
from speechmq.worker.app import run_worker

_receivers = Stream._RECEIVERS
_part, _audio_read = _receivers[AudioAdded]


def forget_what_was_read(stream: Stream, received: AudioAdded, now: float) -> Iterator[Effect]:
    """As the worker does, and then lets go of what upstream has read, final or not."""
    yield from _audio_read(_part(stream), received, now)
    under_way = stream._handover.live.under_way
    timeline = stream._placement.timeline
    read = len(timeline.pieces) - len(timeline.unsent) - under_way
    if read > 0:
        tags = timeline.release(timeline.pieces[read - 1].seq + 1)
        yield from stream._acknowledgement.close(tags, now)


if __name__ == "__main__":
    Stream._RECEIVERS = {**_receivers, AudioAdded: (lambda stream: stream, forget_what_was_read)}
    sys.exit(run_worker())
